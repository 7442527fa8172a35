"""How far distances between tasks agree: rank correlations of matrices, pictures, dendrograms, neighbours.

Matrices D (n, n) are symmetric; their diagonal is not looked at.
"""

import numpy as np
from scipy.stats import spearmanr

from info_geometry import inpca
from info_geometry.embedding import linkage
from info_geometry.files import InputError


def upper(D: np.ndarray) -> np.ndarray:
    """Return the entries above the diagonal."""
    return D[np.triu_indices(len(D), 1)]


def rank_correlation(A: np.ndarray, B: np.ndarray) -> float:
    """Return Spearman's rank correlation of the distances of pairs that both know; nan of fewer than 3, or constant."""
    a, b = upper(A), upper(B)
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return float("nan")
    return float(spearmanr(a[known], b[known]).statistic)


def known(*every: np.ndarray) -> np.ndarray:
    """Return tasks (k,) of which all distances of all matrices are known, not nan.

    Those with the most unknown distances are left out one by one until all are known.
    """
    unknown = ~np.isfinite(sum(every))
    left = np.arange(len(unknown))
    while unknown[np.ix_(left, left)].any():
        left = np.delete(left, unknown[np.ix_(left, left)].sum(axis=1).argmax())
    return left


def picture(D: np.ndarray, axes: int = 2) -> inpca.Embedding:
    """Return tasks as points by InPCA: D is no metric, so that axes may be imaginary."""
    return inpca.fit(D, axes)


def tree(D: np.ndarray) -> np.ndarray:
    """Return the dendrogram of average linkage, as scipy has it, leaves in the order that puts near ones together."""
    return linkage.tree(D, "average")


def neighbours(D: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return the mean over tasks of the mean distance `of` (n, n) to the k nearest others by D, for k = 1 .. n - 1.

    The task itself is never among them.  Of tasks that are as near the order is that of the list.
    """
    n = len(D)
    if D.shape != of.shape or n < 2:
        raise InputError(f"neighbours are of {D.shape} and {of.shape}; expected two matrices of 2 tasks or more")
    found = np.zeros(n - 1)
    for i in range(n):
        others = np.delete(np.arange(n), i)
        order = others[np.argsort(D[i, others], kind="stable")]
        found += np.cumsum(of[i, order]) / np.arange(1, n) / n
    return found


def by_chance(of: np.ndarray) -> float:
    """Return what `neighbours` is on average in random order, for any k: the mean distance of two tasks."""
    return float(upper(of).mean())
