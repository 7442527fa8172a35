"""The rules of the claims about choosing a source: what each asks of what was measured, and its null or control.

The regret of a rule, for a target and a seed, is the best accuracy that any source led to, less that of the source with
the best score by this rule, both accuracies being means over seeds; where sources tie for the best, the mean over them.
That of chance is the mean over sources.  Regrets are averaged over seeds; SE is the bootstrap error of the mean over
targets (info_geometry/uncertainty/resampling.py).  A bound is passed if the mean is on that side of it by more than
2 SE.  Of the hard choice those sources are left out that learned all classes of the target.

Rules were fixed before the networks that they are applied to were trained.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import rankdata

from experiments.task_distances.choosing.measured import EXPERT, Measured
from experiments.task_distances.choosing.scores import LOOKING, SCORES
from info_geometry.uncertainty.resampling import bootstrap_error, weights
from learning.finding import Finding, decide

HALF = 0.5  # of the regret of chance
WORSE = 0.005  # accuracy, by which alpha may make the choice worse
SAME = 1e-9  # values that differ by less tie, relative to the largest
FIXED = "accuracy"
CONSTANT, MEAN = "expert", "mean_rank"
LOOK = {**{name: SCORES[name].title for name in LOOKING}, MEAN: "mean rank of these"}  # rules that look at the target
TITLES = LOOK | {name: score.title for name, score in SCORES.items() if not score.looks}
TITLES[CONSTANT] = f"fixed: what learned {EXPERT}"


def regrets(found: Measured, values: np.ndarray, hard: bool = False) -> np.ndarray:
    """Return the regret (S, n) of choosing by values (S, m, n), the larger the better; nan where there is no source."""
    among = found.among(hard)
    best = np.where(among, found.mean, -np.inf).max(axis=0)
    chosen = best_of(values, among)
    count = chosen.sum(axis=1)
    return np.where(count > 0, best - (chosen * found.mean).sum(axis=1) / np.maximum(count, 1), np.nan)


def best_of(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return (S, m, n): which sources have the best value (S, m, n) of those among (m, n) which there is a choice."""
    values = np.where(among, values, -np.inf)
    top = values.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return among & ((values == top) | (np.isfinite(top) & (top - values <= SAME * np.abs(top))))


def of_rule(found: Measured, name: str, hard: bool = False) -> np.ndarray:
    """Return the regret (S, n) of a rule of TITLES; nan of the one network where it is not among the sources."""
    if name != CONSTANT:
        return regrets(found, values_of(found, name, hard), hard)
    one = np.array([source == EXPERT for source in found.sources])
    there = found.among(hard)[one].all(axis=0)
    chosen = np.broadcast_to(one[:, None], found.accuracy.shape).astype(float)
    return np.where(there, regrets(found, chosen, hard), np.nan)


def values_of(found: Measured, name: str, hard: bool = False) -> np.ndarray:
    """Return the values (S, m, n) of a score, or less the mean of ranks by all scores that look at the target."""
    if name != MEAN:
        return found.scores[name]
    return -mean_ranks(found, [found.scores[each] for each in LOOKING], hard)


def mean_ranks(found: Measured, every: Sequence[np.ndarray], hard: bool) -> np.ndarray:
    """Return the mean (S, m, n) of ranks by values (S, m, n), among the sources that there are to choose from."""
    among = found.among(hard)
    return np.mean([rankdata(-np.where(among, values, -np.inf), axis=1) for values in every], axis=0)


def of_permuted(found: Measured, name: str, hard: bool = False) -> np.ndarray:
    """Return the regret (S, n) of a rule that looks at the target, with permuted labels, mean over permutations."""
    draws = range(next(iter(found.permuted.values())).shape[1])
    if name == MEAN:
        every = [-mean_ranks(found, [x[:, k] for x in found.permuted.values()], hard) for k in draws]
    else:
        every = [found.permuted[name][:, k] for k in draws]
    return np.mean([regrets(found, values, hard) for values in every], axis=0)


def chance(found: Measured, hard: bool = False) -> np.ndarray:
    """Return the regret (n,) of any source, each as likely."""
    return regrets(found, np.zeros_like(found.accuracy), hard)[0]


def correlations(found: Measured, values: np.ndarray, hard: bool = False) -> np.ndarray:
    """Return Spearman's rank correlation (S, n), over sources, of values (S, m, n) with accuracy; nan of a constant."""
    among, result = found.among(hard), np.full((len(values), len(found.targets)), np.nan)
    for s, each in enumerate(values):
        for j in range(each.shape[1]):
            x, y = (rankdata(v[among[:, j], j]) for v in (each, found.mean))
            if len(x) > 1 and np.ptp(x) and np.ptp(y):
                result[s, j] = np.corrcoef(x, y)[0, 1]
    return result


def over_targets(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of values (n,) or (S, n) over the targets of which they are known, and its bootstrap error."""
    each = np.atleast_2d(values).mean(axis=0)
    each = each[np.isfinite(each)]
    n = len(each)
    if not n:
        return math.nan, math.nan
    return float(each.mean()), float(bootstrap_error(weights(np.ones(n)) @ each, n)) if n > 1 else 0.0


def under(values: np.ndarray, bound: float = 0.0) -> bool:
    """Return whether the mean over targets is below a bound by more than 2 SE."""
    mean, error = over_targets(values)
    return mean + 2 * error < bound


def over(values: np.ndarray, bound: float = 0.0) -> bool:
    """Return whether the mean over targets is above a bound by more than 2 SE."""
    mean, error = over_targets(values)
    return mean - 2 * error > bound


def points(values: np.ndarray, sign: bool = False) -> str:
    """Return a mean over targets and its error, in points, 1/100 of accuracy."""
    mean, error = over_targets(values)
    return f"{100 * mean:{'+' if sign else ''}.1f} +- {100 * error:.1f}"


def half_of_chance(name: str, hard: bool = False) -> Callable[[Measured], Finding]:
    """Return the rule of a score: its mean regret is below HALF of that of chance.

    Holds if regret - HALF chance is below 0, and fails if it is above.
    """

    def rule(found: Measured) -> Finding:
        own, by_chance = of_rule(found, name, hard), chance(found, hard)
        gap = own - HALF * by_chance
        seeds = ", ".join(f"{100 * each:.1f}" for each in own.mean(axis=1))
        null = of_permuted(found, name, hard)
        return Finding(
            f"regret {points(own)} points (seeds: {seeds}); less half of chance {points(gap, True)}",
            f"chance {points(by_chance)}; permuted labels {points(null)}, {points(null - own, True)} more",
            decide(under(gap), over(gap)),
            {},
        )

    return rule


def alpha(found: Measured) -> Finding:
    """Sources of complex tasks: with ALPHA = 0.15 the choice is not worse than with 0.

    Regret with 0.15 less that with 0.  Holds if it is below WORSE, fails if it is above 0.
    """
    gap, hard = (of_rule(found, "task2vec", x) - of_rule(found, "task2vec_symmetric", x) for x in (False, True))
    return Finding(
        f"{points(gap, True)} points",
        f"no difference: 0; allowed {100 * WORSE:g}",
        decide(under(gap, WORSE), over(gap)),
        {},
        f"of the hard choice {points(hard, True)} points",
    )


def fixed_beats_log_me(found: Measured) -> Finding:
    """A later study: a fixed ranking of networks, by their accuracy on all classes, chooses better than LogME.

    Regret of LogME less that of the fixed ranking.  Holds if it is above 0, fails if it is below.
    """
    gap = of_rule(found, "log_me") - of_rule(found, FIXED)
    hard = of_rule(found, "log_me", True) - of_rule(found, FIXED, True)
    others = (("what learned all", CONSTANT), ("the largest", "parameters"))
    said = "; ".join(f"{name} {points(of_rule(found, 'log_me') - of_rule(found, x), True)}" for name, x in others)
    return Finding(
        f"LogME - fixed {points(gap, True)} points",
        "no difference: 0",
        decide(over(gap), under(gap)),
        {},
        f"of the hard choice {points(hard, True)}; LogME less other fixed choices: {said}",
    )


def looking_beats_fixed(found: Measured) -> Finding:
    """A ranking that looks at the target chooses better than one that does not, on average over scores.

    The mean regret of all scores less that of the fixed ranking by accuracy.  Holds if it is below 0, fails if above.
    Each pair is reported, without a verdict.
    """
    gaps = {name: of_rule(found, name) - of_rule(found, FIXED) for name in LOOKING}
    gap = np.mean(list(gaps.values()), axis=0)
    return Finding(
        f"mean {points(gap, True)} points; " + "; ".join(f"{TITLES[k]} {points(x, True)}" for k, x in gaps.items()),
        "no difference: 0",
        decide(under(gap), over(gap)),
        {},
    )


def permuted(found: Measured) -> Finding:
    """The control: with permuted labels no score passes the rule.

    Regret of each with permuted labels less HALF of chance.  Holds if their mean is above 0 and none is below; fails if
    one is below.
    """
    by_chance = chance(found)
    gaps = {name: of_permuted(found, name) - HALF * by_chance for name in LOOKING}
    passed = [TITLES[name] for name, gap in gaps.items() if under(gap)]
    mean = np.mean(list(gaps.values()), axis=0)
    less = np.mean([of_permuted(found, name) - by_chance for name in LOOKING], axis=0)
    return Finding(
        f"less half of chance: mean {points(mean, True)}; "
        + "; ".join(f"{TITLES[k]} {points(x, True)}" for k, x in gaps.items()),
        f"chance {points(by_chance)}",
        decide(over(mean) and not passed, bool(passed)),
        {},
        f"less chance: {points(less, True)} points, mean of scores",
    )


def ordered(found: Measured) -> Finding:
    """Scores order all sources, not only the best: their rank correlation with accuracy is above 0 for each score.

    Mean over targets.  Holds if it is above 0 for each score that looks at the target, fails if one is below.
    """
    every = {name: correlations(found, found.scores[name]) for name in LOOKING}
    null = [correlations(found, x[:, k]) for x in found.permuted.values() for k in range(x.shape[1])]
    return Finding(
        "; ".join(f"{TITLES[name]} {spearman(x)}" for name, x in every.items()),
        f"permuted labels, mean of scores {spearman(np.mean(null, axis=0))}",
        decide(all(over(known(x)) for x in every.values()), any(under(known(x)) for x in every.values())),
        {},
        f"of the fixed ranking {spearman(correlations(found, found.scores[FIXED]))}",
    )


def spearman(values: np.ndarray) -> str:
    """Return the mean and error, over targets, of rank correlations (S, n)."""
    mean, error = over_targets(known(values))
    return f"{mean:+.2f} +- {error:.2f}"


def helps(found: Measured) -> Finding:
    """The control of all: to start from any source is better than from initial weights.

    Accuracy, mean over sources, less that from initial weights.  Holds if it is above 0, fails if it is below.
    """
    gap = found.mean.mean(axis=0) - found.scratch.mean(axis=0)
    best = found.mean.max(axis=0) - found.scratch.mean(axis=0)
    none = [k for k, source in enumerate(found.sources) if source.endswith(":random_labels")]
    random = found.mean[none].mean(axis=0) - found.scratch.mean(axis=0) if none else np.zeros_like(gap)
    return Finding(
        f"{points(gap, True)} points, of the best source {points(best, True)}",
        f"no difference: 0; from random labels {points(random, True)}",
        decide(over(gap), under(gap)),
        {},
    )


def known(values: np.ndarray) -> np.ndarray:
    """Return rank correlations with 0 where sources could not be ordered."""
    return np.nan_to_num(values)
