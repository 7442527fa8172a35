"""Which factor of a configuration (network, optimiser, batch size, ...) matters for the path of its runs.

D (K, K): mean distances at equal progress between K configurations (`equal_progress.means`), or those at one progress.
Objects are configurations, not runs: runs of one configuration are no independent witnesses of its factors.  Each
factor is permuted among configurations that agree in all others, so that a large factor does not hide a small one, and
a design that is not balanced does not lend the effect of one factor to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from info_geometry.embedding import linkage
from info_geometry.files import InputError
from info_geometry.uncertainty.permanova import PERMUTATIONS, Permanova, permanova, permuted


@dataclass(frozen=True)
class Nearest:
    """share: of objects whose nearest other one is of the same level.  chance: the mean share of all others that are.

    p: share of the permutations of levels, the identity being one, with as large a share.  permuted: the mean share of
    the other permutations.  In a balanced design that may be far from `chance`: what differs from an object in the
    factor alone, and is nearest where this one does not matter, is never of the same level.
    """

    share: float
    chance: float
    p: float
    permuted: float = float("nan")


@dataclass(frozen=True)
class Factor:
    """What a factor does: see `permanova` and `Nearest`.  ratio: mean distance of different levels over that of equal.

    `others` says whether all else was held fixed: False where no two configurations agree in all other factors, so that
    levels were permuted among all.
    """

    name: str
    test: Permanova
    nearest: Nearest
    ratio: float
    others: bool


def importance(D: np.ndarray, table: dict, permutations: int = PERMUTATIONS, seed: int = 0) -> list[Factor]:
    """Return the Factors of a table {factor: level of each of K configurations}, that with the largest share first.

    Factors with one level, or with a level for each configuration, are left out.  Raises InputError where lengths
    differ, or D is not known.
    """
    for name, levels in table.items():
        if len(levels) != len(D):
            raise InputError(f"{name}: {len(levels)} levels of {len(D)} configurations")
    found = []
    for name, levels in table.items():
        if not 1 < len(set(map(str, levels))) < len(D):
            continue
        strata = cells([each for other, each in table.items() if other != name], len(D))
        test = permanova(D, levels, strata, permutations, seed)
        others = not test.reason
        if not others:
            test, strata = permanova(D, levels, None, permutations, seed), None
        found.append(Factor(name, test, nearest(D, levels, None, strata, permutations, seed), ratio(D, levels), others))
    return sorted(found, key=lambda factor: -np.nan_to_num(factor.test.share, nan=-1.0))


def ratio(D: np.ndarray, levels: Sequence) -> float:
    """Return the mean distance of pairs of different levels over that of pairs of the same; NaN where one lacks."""
    upper = np.triu_indices(len(D), 1)
    codes = np.asarray(levels).astype(str)
    same, d = (codes[:, None] == codes)[upper], D[upper]
    return float(d[~same].mean() / d[same].mean()) if same.any() and not same.all() else float("nan")


def nearest(
    D: np.ndarray,
    levels: Sequence,
    groups: Sequence | None = None,
    strata: Sequence | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Nearest:
    """Return how often the nearest object of another group is of the same level, and what chance gives.

    groups (K,): the nearest is sought among objects of other groups; by default each object is one.  So with runs as
    objects and configurations as groups, a run does not find another seed of itself.  Levels belong to groups, and are
    permuted among these, within strata (K,).  Of others that are as near, each counts for its part.
    """
    K, codes = len(D), np.unique(np.asarray(levels).astype(str), return_inverse=True)[1]
    of = np.arange(K) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    blocks = np.zeros(K, int) if strata is None else np.asarray(strata)
    if len(codes) != K or len(of) != K or len(blocks) != K:
        raise InputError(f"{len(codes)} levels, {len(of)} groups and {len(blocks)} strata of {K} objects")
    first = np.unique(of, return_index=True)[1]
    if (codes != codes[first][of]).any() or (blocks != blocks[first][of]).any():
        raise InputError("objects of one group have different levels or strata; expected one of each for a group")
    if len(first) < 2:
        raise InputError("all objects are of one group; the nearest of another one is not there")
    away = np.where(of[:, None] == of, np.inf, D)
    near = away == away.min(axis=1, keepdims=True)
    near = near / near.sum(axis=1, keepdims=True)
    other = (of[:, None] != of) / (of[:, None] != of).sum(axis=1, keepdims=True)

    rows, columns = np.nonzero(near)
    counts = near[rows, columns] / K

    def share(levels):
        return float(counts @ (levels[of[rows]] == levels[of[columns]]))

    observed, *drawn = map(share, permuted(codes[first], blocks[first], permutations, seed))
    reached = 1 + sum(each >= observed - 1e-12 for each in drawn)
    chance = float((other * (codes[:, None] == codes)).sum() / K)
    return Nearest(observed, chance, reached / (1 + permutations), float(np.mean(drawn)) if drawn else float("nan"))


def dendrogram(D: np.ndarray) -> np.ndarray:
    """Return the dendrogram of complete linkage, as scipy has it, leaves in the order that puts near ones together."""
    return linkage.tree(D, "complete")


def separated(D: np.ndarray, levels: Sequence) -> tuple[float, float]:
    """Return how far as many clusters of the dendrogram as there are levels are these (purity), and how far it is D.

    The second is the cophenetic correlation.  By chance a purity is at least the share of the most frequent level: see
    `purity_of_chance`.
    """
    Z = dendrogram(D)
    clusters = linkage.clusters(Z, len(set(map(str, levels))))
    return linkage.purity(clusters, levels), linkage.cophenetic_correlation(Z, D)


def purity_of_chance(D: np.ndarray, levels: Sequence, permutations: int = 199, seed: int = 0) -> float:
    """Return the mean purity of as many clusters of the dendrogram as there are levels, of levels permuted."""
    levels, rng = np.asarray(levels), np.random.default_rng(seed)
    clusters = linkage.clusters(dendrogram(D), len(set(map(str, levels))))
    return float(np.mean([linkage.purity(clusters, rng.permutation(levels)) for _ in range(permutations)]))


def cells(columns: Sequence[Sequence], K: int) -> np.ndarray:
    """Return the number (K,) of the combination of levels of each configuration, of any columns of them."""
    if not columns:
        return np.zeros(K, int)
    rows = ["\n".join(map(str, row)) for row in zip(*columns)]
    return np.unique(rows, return_inverse=True)[1]
