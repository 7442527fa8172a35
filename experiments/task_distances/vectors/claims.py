"""The claims about tasks as vectors, in order."""

from experiments.task_distances.vectors import more_rules, network_rules, rules
from learning.finding import Claim

PAPER = "Achille 2019"

CLAIMS = (
    Claim("T1", "Other images, and another probe, give the same distances", "control", rules.repeatable),
    Claim("T1b", "On other images a task is nearer to itself than others are", "control", rules.itself),
    Claim("T2", "Tasks that share classes are near", PAPER, rules.classes),
    Claim("T2b", "... more so by the scaled cosine than by the plain one", PAPER, rules.scaled),
    Claim("T3", "The nearest tasks are of one kind", PAPER, rules.nearest),
    Claim("T4", "Vectors of difficult tasks are long", PAPER, rules.difficulty),
    Claim("T5", "Labels that are drawn, and predictions alone, give the same distances", "here", rules.methods),
    Claim("T6", "Noise that filters bear says the same, once it has converged", PAPER, rules.noise),
    Claim("T7", "Vectors tell tasks on the same images apart, means of features do not", PAPER, more_rules.domain),
    Claim("T8", "Names of classes do not matter", PAPER, more_rules.permuted),
    Claim("T8b", "... nor do numbers of classes", PAPER, more_rules.numbers),
    Claim("T9", "Which source is near does not hang on alpha and kappa", "here", more_rules.stable),
    Claim("E15", "A taxonomy of things is recovered", "Achille and Soatto", more_rules.taxonomy),
    Claim(
        "T10", "A probe that has learned tells more of classes than one that has not", "control", more_rules.untrained
    ),
    Claim("T11", "... and one that knows half of the classes gives much the same", "control", more_rules.half),
    Claim("N1", "Tasks that are near by vectors are learned along near paths", "here", network_rules.networks),
    Claim("N2", "... and paths tell more of it than their ends", "here", network_rules.ends),
    Claim("N3", "... beyond what classes say", "here", network_rules.beyond),
    Claim("N4", "Pictures of tasks, by vectors and by paths, agree", "here", network_rules.picture),
    Claim("N5", "... and so do their dendrograms", "here", network_rules.trees),
)
