"""The claims about choosing a network to start from, in order."""

from experiments.task_distances.choosing import rules
from experiments.task_distances.choosing.scores import SCORES
from learning.finding import Claim

RULE = "less than half the regret of chance"
OTHERS = {
    "log_me": "You 2021",
    "leep": "Nguyen 2020",
    "h_score": "Bao 2019",
    "nce": "Tran 2019",
    "imprinting": "here",
    "prediction_distance": "here",
}

CLAIMS = (
    Claim("E5", f"The nearest source by asymmetric Task2Vec: {RULE}", "ALT 2019", rules.half_of_chance("task2vec")),
    Claim("E5b", "To count complex sources as nearer makes no worse choice", "ALT 2019", rules.alpha),
    *(
        Claim(f"E5{letter}", f"The best source by {SCORES[name].title}: {RULE}", where, rules.half_of_chance(name))
        for letter, (name, where) in zip("cdefgh", OTHERS.items())
    ),
    *(
        Claim(
            f"E5{letter}, hard",
            f"... by {SCORES[name].title}, of sources that lack a class of the target",
            where,
            rules.half_of_chance(name, hard=True),
        )
        for letter, (name, where) in zip(("", *"cdefgh"), {"task2vec": "here", **OTHERS}.items())
    ),
    Claim("E5i", f"The best mean rank by all of these: {RULE}", "here", rules.half_of_chance(rules.MEAN)),
    Claim("E5j", "A fixed ranking of networks chooses better than LogME", "a later study", rules.fixed_beats_log_me),
    Claim("E5k", "Scores choose better than a fixed ranking", "here", rules.looking_beats_fixed),
    Claim("E5l", "Scores order all sources, not only the best", "here", rules.ordered),
    Claim("E5m", "With permuted labels no score passes", "control", rules.permuted),
    Claim("E5n", "On average a source is a better start than initial weights", "control", rules.helps),
)
