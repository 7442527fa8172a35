"""The rules of distances that agree with each other, or tell how long it takes to learn; see `rules`."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from experiments.task_distances.reaching.measured import Measured
from experiments.task_distances.reaching.rules import CHANCE, SHUFFLES, Rule, number_of_random
from info_geometry.uncertainty.mantel import mantel
from learning.finding import Finding, above, below, decide, said

AGREE = 0.4  # rank correlation of two distances, or of a distance and the time to learn
SIGNS = 0.7  # the share of pairs in which two asymmetries have one sign


def tells_time(name: str) -> Rule:
    """Where a task is far, it takes long to learn.

    Mantel test of the distance, the mean of both directions, with R2, the mean of both: Spearman over pairs of tasks.
    Holds if it is above AGREE and p < CHANCE for the means over seeds; fails if it is below AGREE.
    """

    def rule(found: Measured) -> Finding:
        d, time = found.distances[name].values, found.reached.time
        each = np.array([mantel(_middle(a), _middle(b), permutations=99).statistic for a, b in zip(d, time)])
        test = mantel(_middle(d.mean(axis=0)), _middle(time.mean(axis=0)), permutations=9999)
        kept = [k for k in range(d.shape[1]) if k != number_of_random(found.reached.tasks)]
        without = [_directed(a[np.ix_(kept, kept)], b[np.ix_(kept, kept)]) for a, b in zip(d, time)]
        directed = [_directed(a, b) for a, b in zip(d, time)]
        return Finding(
            f"{said(each)}; of means p = {test.p:.2g}",
            "objects permuted: 0",
            decide(above(each, AGREE) and test.p < CHANCE, below(each, AGREE)),
            {},
            f"over directed pairs {said(directed)}, without random labels {said(without)}",
        )

    return rule


def _middle(d):
    """Return the mean of both directions of distances (K, K)."""
    return (d + d.T) / 2


def _directed(a, b):
    """Return Spearman's rank correlation of the entries of two matrices (K, K) beside their diagonals."""
    others = ~np.eye(len(a), dtype=bool)
    return float(spearmanr(a[others], b[others]).statistic) if np.ptp(b[others]) and np.ptp(a[others]) else math.nan


def asymmetry_agrees(name: str) -> Rule:
    """The direction in which a distance is longer is that in which the path of fine-tuning is.

    The share of pairs of tasks in which d_ij - d_ji and Len_ij - Len_ji have one sign.  Holds if it is above SIGNS,
    fails if it is below.  The null is of means over seeds, with the tasks of one distance permuted.
    """

    def rule(found: Measured) -> Finding:
        i, j = np.triu_indices(len(found.reached.tasks), 1)
        one, other = (found.distances[key].turned for key in (name, "D"))
        share = (np.sign(one[:, i, j]) == np.sign(other[:, i, j])).mean(axis=1)
        rng, signs = np.random.default_rng(0), np.sign(one.mean(axis=0))
        orders = [rng.permutation(len(signs)) for _ in range(SHUFFLES)]
        expected = np.sign(other.mean(axis=0))[i, j]
        null = [(signs[np.ix_(order, order)][i, j] == expected).mean() for order in orders]
        return Finding(
            f"{said(share, sign=False)} of pairs; rank correlation {said(correlations(one, other))}",
            f"tasks permuted: {np.mean(null):.2f} +- {np.std(null):.2f}; 0",
            decide(above(share, SIGNS), below(share, SIGNS)),
            {},
        )

    return rule


def agree(name: str, other: str) -> Rule:
    """Two distances agree: Mantel test of the means of both directions, Spearman over pairs of tasks that both have.

    Holds if it is above AGREE and p < CHANCE for the means over seeds; fails if it is below AGREE.
    """

    def rule(found: Measured) -> Finding:
        a, b = found.distances[name], found.distances[other]
        a, b = a.values, b.among(a.tasks)
        each = np.array([mantel(_middle(x), _middle(y), permutations=99).statistic for x, y in zip(a, b)])
        test = mantel(_middle(a.mean(axis=0)), _middle(b.mean(axis=0)), permutations=9999)
        return Finding(
            f"{said(each)}; of means p = {test.p:.2g}",
            "objects permuted: 0",
            decide(above(each, AGREE) and test.p < CHANCE, below(each, AGREE)),
            {},
            f"over directed pairs {said(correlations(a, b))}",
        )

    return rule


def correlations(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> np.ndarray:
    """Return Spearman's rank correlation (S,) over pairs of different tasks of matrices (K, K) of each seed."""
    return np.array([_directed(a, b) for a, b in zip(x, y)])
