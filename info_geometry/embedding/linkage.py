"""Dendrograms of distances D (n, n), which are symmetric and whose diagonal is not looked at."""

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from info_geometry.files import InputError


def tree(D: np.ndarray, method: str) -> np.ndarray:
    """Return the dendrogram by a method ("average", "complete", ...), as scipy has it.

    Leaves are in the order that puts near ones together (Bar-Joseph et al. 2001).
    Raises InputError where distances are not known.
    """
    flat = squareform((D + D.T) / 2, checks=False)
    if not len(flat) or not np.isfinite(flat).all():
        raise InputError(
            f"a dendrogram needs 2 objects or more whose distances are known; there are {len(D)}, and "
            f"{(~np.isfinite(flat)).sum()} of {len(flat)} distances are not"
        )
    return hierarchy.linkage(flat, method, optimal_ordering=True)


def leaves(Z: np.ndarray) -> np.ndarray:
    """Return the objects (n,) from left to right."""
    return hierarchy.leaves_list(Z)


def cophenetic(Z: np.ndarray) -> np.ndarray:
    """Return the distances (n, n) at which a dendrogram joins two leaves."""
    return squareform(hierarchy.cophenet(Z))


def cophenetic_correlation(Z: np.ndarray, D: np.ndarray) -> float:
    """Return Pearson's correlation of the distances D (n, n) and those at which Z joins; NaN where one is constant."""
    upper = np.triu_indices(len(D), 1)
    a, b = cophenetic(Z)[upper], D[upper]
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")


def clusters(Z: np.ndarray, count: int) -> np.ndarray:
    """Return which of `count` clusters each object is in, (n,): those that are left when the last are not joined.

    Raises InputError for fewer clusters than 1, or more than there are objects.
    """
    n = len(Z) + 1
    if not 1 <= count <= n:
        raise InputError(f"{count} clusters of {n} objects; expected 1 to {n}")
    return hierarchy.cut_tree(Z, count)[:, 0]


def purity(found: np.ndarray, levels: np.ndarray) -> float:
    """Return the share of objects that are of the most frequent level (n,) of the cluster (n,) that they are in."""
    _, codes = np.unique(np.asarray(levels).astype(str), return_inverse=True)
    return float(sum(np.bincount(codes[found == cluster]).max() for cluster in np.unique(found)) / len(codes))
