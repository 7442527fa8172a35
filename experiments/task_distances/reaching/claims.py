"""The claims about tasks that are learned after each other, and beside each other, in order."""

from experiments.task_distances.reaching import agreement, more_rules, rules
from learning.finding import Claim

A, B = "log-determinants, two tasks at once less the first alone", "KL of variational networks, the same"
C, D = "nats beside the first network", "length of the path of predictions"
PAPER, BOOK = "APMS 2021", "SA 2019"

CLAIMS = (
    Claim("E14", f"From a task to a part of it is shorter than back, by A: {A}", PAPER, rules.to_a_part("A")),
    Claim("E14b", f"... by B: {B}", PAPER, rules.to_a_part("B")),
    Claim("E14c", f"... by C: {C}", PAPER, rules.to_a_part("C")),
    Claim("E14d", f"... by D: {D}", "here", rules.to_a_part("D")),
    Claim("P1", "A task is nearest to itself, by A", PAPER, rules.self_nearest("A")),
    Claim("P1b", "... by B", PAPER, rules.self_nearest("B")),
    Claim("P1c", "... by C", PAPER, rules.self_nearest("C")),
    Claim("P1d", "... by D", "here", rules.self_nearest("D")),
    Claim("P1e", "From no other task is a task nearer than from itself, by A", "here", rules.self_nearest("A", True)),
    Claim("P1f", "... by B", "here", rules.self_nearest("B", True)),
    Claim("P1g", "... by C", "here", rules.self_nearest("C", True)),
    Claim("P1h", "... by D", "here", rules.self_nearest("D", True)),
    Claim("P2", "Random labels are farthest, by A", PAPER, rules.random_farthest("A")),
    Claim("P2b", "... by B", PAPER, rules.random_farthest("B")),
    Claim("P2c", "... by C", PAPER, rules.random_farthest("C")),
    Claim("P2d", "... by D", "here", rules.random_farthest("D")),
    Claim("P2e", "... by C, of perceptrons, which learn all of them", "here", rules.random_farthest("C", True)),
    Claim("P2f", "... by D, of perceptrons", "here", rules.random_farthest("D", True)),
    Claim("P3", "A way over a third task is no shorter, by A", "here", rules.triangle("A")),
    Claim("P3b", "... by B", "here", rules.triangle("B")),
    Claim("P3c", "... by C", "here", rules.triangle("C")),
    Claim("P3d", "... by D", "here", rules.triangle("D")),
    Claim("P4", "Two tasks at once take no more than both apart, by A", PAPER, rules.no_more_than_apart("A")),
    Claim("P4b", "... by B", PAPER, rules.no_more_than_apart("B")),
    Claim("P5", "A task costs less after another one than anew, by C", PAPER, rules.cheaper_than_anew),
    Claim("P6", "What is far by A takes long to learn (R2)", "here", agreement.tells_time("A")),
    Claim("P6b", "... by C", "here", agreement.tells_time("C")),
    Claim("P6c", "... by D", "here", agreement.tells_time("D")),
    Claim("P7", "A is longer where the path of fine-tuning is", "here", agreement.asymmetry_agrees("A")),
    Claim("P7b", "... so is C", "here", agreement.asymmetry_agrees("C")),
    Claim("P8", "B and A agree", PAPER, agreement.agree("B", "A")),
    Claim("P8b", "B and C agree", PAPER, agreement.agree("B", "C")),
    Claim("E16", "Two tasks are nearly the same, and one is not reached from the other", BOOK, more_rules.unreachable),
    Claim("E22", "What it takes is never less than the shortest path", "theorem", more_rules.above_minimum),
    Claim("E22b", "The path tells the time to learn better than its ends do", BOOK, more_rules.dynamic),
    Claim("E23", "Near and not reached, far and reached", BOOK, more_rules.near_and_far),
    Claim("E23b", "... and the direction matters", BOOK, more_rules.direction),
)
