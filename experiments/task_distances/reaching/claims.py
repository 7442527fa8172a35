"""The claims about tasks that are learned after each other, and beside each other, in order."""

from experiments.task_distances.reaching import more_rules, rules
from learning.finding import Claim

A, C, D = "information at once less alone", "information beside the first network", "length of the path of predictions"
PAPER, BOOK = "APMS 2021", "SA 2019"

CLAIMS = (
    Claim("E14", f"From a task to a part of it is shorter than back, by A, {A}", PAPER, rules.to_a_part("A")),
    Claim("E14b", f"... by C, {C}", PAPER, rules.to_a_part("C")),
    Claim("E14c", f"... by D, {D}", "here", rules.to_a_part("D")),
    Claim("E14d", "A task is nearest to itself, by A", PAPER, rules.self_nearest("A")),
    Claim("E14e", "... by C", PAPER, rules.self_nearest("C")),
    Claim("E14f", "... by D", "here", rules.self_nearest("D")),
    Claim("E14g", "Random labels are farthest, by A", PAPER, rules.random_farthest("A")),
    Claim("E14h", "... by C", PAPER, rules.random_farthest("C")),
    Claim("E14i", "... by D", "here", rules.random_farthest("D")),
    Claim("E14j", "A way over a third task is no shorter, by A", "here", rules.triangle("A")),
    Claim("E14k", "... by C", "here", rules.triangle("C")),
    Claim("E14l", "... by D", "here", rules.triangle("D")),
    Claim("E14m", "Two tasks at once take no more than both apart, by A", PAPER, rules.no_more_than_apart),
    Claim("E14n", "A task costs less after another one than anew, by C", PAPER, rules.cheaper_than_anew),
    Claim("E14o", "What is far by A takes long to learn (R2)", "here", rules.tells_time("A")),
    Claim("E14p", "... by C", "here", rules.tells_time("C")),
    Claim("E14q", "... by D", "here", rules.tells_time("D")),
    Claim("E14r", "A is longer where the path of fine-tuning is", "here", rules.asymmetry_agrees("A")),
    Claim("E14s", "... so is C", "here", rules.asymmetry_agrees("C")),
    Claim("E16", "Two tasks are nearly the same, and one is not reached from the other", BOOK, more_rules.unreachable),
    Claim("E22", "What it takes is never less than the shortest path", "theorem", more_rules.above_minimum),
    Claim("E22b", "The path tells the time to learn better than its ends do", BOOK, more_rules.dynamic),
    Claim("E23", "Near and not reached, far and reached", BOOK, more_rules.near_and_far),
    Claim("E23b", "... and the direction matters", BOOK, more_rules.direction),
)
