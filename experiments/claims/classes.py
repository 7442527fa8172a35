"""Correlations with WordNet path lengths of the ten classes, which are permuted: the null of claims 2 and 3.

Tasks that share a class are not independent, nor are pairs of tasks; classes are what can be exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from experiments.claims.runs import DATASET
from learning import tasks
from learning.tasks import wordnet

DRAWS = 99_999
SYNSETS = tasks.class_synsets(DATASET)
PATHS = np.array([[wordnet.path_length(a, b) for b in SYNSETS] for a in SYNSETS], float)  # of classes (10, 10)


def jaccard(names: Sequence[str]) -> np.ndarray:
    """Return the Jaccard distances (K, K) of the sets of classes of tasks: 1 - |A and B| / |A or B|."""
    classes = [set(tasks.load(DATASET, name).classes) for name in names]
    return np.array([[1 - len(a & b) / len(a | b) for b in classes] for a in classes])


@dataclass(frozen=True)
class Correlation:
    """A Spearman correlation and its one-sided p-value, among `null` (draws + 1,), its own value first."""

    statistic: float
    p: float
    null: np.ndarray


def correlation(values: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Correlation:
    """Return the Spearman correlation with WordNet of what is known of classes, and p over permutations of classes.

    values: (10, 10), of pairs of classes a < b, correlated with their path length; or (10, 10, 10, 10), of pairs of
    tasks of two classes, a < b, c < d, correlated with the mean path length between a class of one and a class of the
    other.  NaN where a value is not known or does not count; the correlation is NaN where all that are known are equal.
    """
    where = np.argwhere(np.isfinite(values))
    known = np.array([values[tuple(at)] for at in where])
    if np.ptp(known) == 0:
        return Correlation(float("nan"), float("nan"), np.full(1, np.nan))
    x = rankdata(known)
    x = (x - x.mean()) / np.linalg.norm(x - x.mean())
    rng, found = np.random.default_rng(seed), []
    orders = [np.arange(len(PATHS)), *(rng.permutation(len(PATHS)) for _ in range(draws))]
    for start in range(0, len(orders), 1000):
        at = np.array(orders[start : start + 1000])[:, where]  # (draws, pairs, 2 or 4) classes
        if at.shape[2] == 2:
            y = PATHS[at[..., 0], at[..., 1]]
        else:
            y = sum(PATHS[at[..., i], at[..., j]] for i in (0, 1) for j in (2, 3)) / 4
        y = rankdata(y, axis=1)
        y -= y.mean(axis=1, keepdims=True)
        found.append(y @ x / np.linalg.norm(y, axis=1))
    null = np.concatenate(found)
    return Correlation(float(null[0]), float(np.mean(null >= null[0] - 1e-12)), null)
