"""PERMANOVA: do objects of the same level of a factor lie nearer to each other, by more than chance?

    SS_T = 1/K sum_{i<j} D_ij,   SS_W = sum_g 1/n_g sum_{i<j in g} D_ij,   SS_A = SS_T - SS_W
    F = [SS_A / (a - 1)] / [SS_W / (K - a)],   share = SS_A / SS_T

of K objects at a levels g with n_g objects each (Anderson 2001, "A new method for non-parametric multivariate analysis
of variance").  D_ij are squared distances, as a Bhattacharyya distance is one: for squared Euclidean distances of
points on a line, F is that of the analysis of variance.  Its distribution is had by permuting objects:

    p = share of the permutations, the identity being one, with F at least as large

Within strata (levels of another factor, or what was measured together) objects change places only inside each; so what
differs between strata cannot help or hide a factor.  Levels whose objects are spread more, at one centre, are told
apart as well (Anderson and Walsh 2013): to see that a factor moves objects, compare means too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from info_geometry.files import InputError

PERMUTATIONS = 1999
BLOCK = 2**21  # numbers gathered at once, 16 MiB
NOTHING = 1e-9  # of SS_T: sums of squares that differ by less are equal


@dataclass(frozen=True)
class Permanova:
    """`statistic` F, p and share of a factor: see above; NaN, with a `reason`, where nothing can be told.

    levels: a.  objects: K.  permutations: how many F was compared with, itself among them.  permuted: the mean share of
    the others.
    """

    statistic: float
    p: float
    share: float
    levels: int
    objects: int
    permutations: int
    reason: str = ""
    permuted: float = np.nan

    def __str__(self) -> str:
        if self.reason:
            return f"no F: {self.reason}"
        return (
            f"F = {self.statistic:.3g}, {self.share:.0%} of the sum of squares, p = {self.p:.2g} "
            f"({self.objects} objects, {self.levels} levels, {self.permutations:,} permutations)"
        )


def permanova(
    D: np.ndarray,
    factor: Sequence | np.ndarray,
    strata: Sequence | np.ndarray | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Permanova:
    """Return the test of a factor, whose level of each object is factor (K,), on squared distances D (K, K).

    strata (K,): objects are permuted only among those of one stratum; by default among all.  seed: of permutations.

    Raises InputError where D is not finite, symmetric and zero on its diagonal, for fewer than 2 levels, and where
    every object has a level of its own: then nothing is left to compare with.
    """
    D = _checked(D)
    K = len(D)
    if permutations < 1:
        raise InputError(f"expected at least 1 permutation, found {permutations}")
    codes, a = _codes(factor, K, "factor")
    if not 2 <= a < K:
        raise InputError(f"{a} levels of {K} objects; expected 2 or more levels, and fewer than there are objects")
    blocks = np.zeros(K, int) if strata is None else _codes(strata, K, "strata")[0]
    total = D.sum() / (2 * K)
    fixed = all(len(np.unique(codes[blocks == block])) == 1 for block in np.unique(blocks))
    if fixed or total == 0:
        reason = "all objects are the same" if total == 0 else "no stratum has two levels, so nothing can be permuted"
        return Permanova(np.nan, np.nan, np.nan, a, K, 1, reason)
    sizes = np.bincount(codes)
    within, *others = _within(D, permuted(codes, blocks, permutations, seed), sizes)
    # SS_T is the same for all, so that F is the larger where SS_W is the smaller; ties but for rounding count
    others = np.array(others)
    p = (1 + (others <= within + NOTHING * total).sum()) / (1 + permutations)
    ratio = (total - within) / (a - 1) / (within / (K - a)) if within > NOTHING * total else np.inf
    share, drawn = float(1 - within / total), float(1 - others.mean() / total)
    return Permanova(float(ratio), float(p), share, a, K, 1 + permutations, permuted=drawn)


def _within(D, labelled, sizes):
    """Yield SS_W for each of many labellings (K,) of objects: sum_g z_g' D z_g / (2 n_g), z_g of ones and zeros."""
    K, a = len(D), len(sizes)
    many, batch = max(1, BLOCK // (K * a)), []

    def sums(batch):
        z = np.zeros((K, len(batch), a))
        for i, codes in enumerate(batch):
            z[np.arange(K), i, codes] = 1
        products = (D @ z.reshape(K, -1)).reshape(z.shape)
        return np.einsum("kia,kia->ia", z, products) @ (0.5 / sizes)

    for codes in labelled:
        batch.append(codes)
        if len(batch) == many:
            yield from sums(batch)
            batch = []
    if batch:
        yield from sums(batch)


def permuted(codes: np.ndarray, blocks: np.ndarray, permutations: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield the levels (K,) of objects as they are, and then `permutations` times permuted within blocks (K,)."""
    rng, members = np.random.default_rng(seed), [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    yield codes
    for _ in range(permutations):
        found = codes.copy()
        for inside in members:
            found[inside] = codes[rng.permutation(inside)]
        yield found


def _codes(levels, K, name):
    """Return the number of the level of each object, and how many levels there are."""
    levels = np.asarray(levels)
    if levels.shape != (K,):
        raise InputError(f"{name}: expected a level for each of {K} objects, not an array {levels.shape}")
    values, codes = np.unique(levels.astype(str), return_inverse=True)
    return codes, len(values)


def _checked(D):
    D = np.asarray(D, dtype=np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1] or len(D) < 3:
        raise InputError(f"expected squared distances (K, K) of 3 objects or more, found an array {D.shape}")
    if not np.isfinite(D).all():
        raise InputError(
            f"{(~np.isfinite(D)).sum()} distances are not finite; leave out the objects whose distances are not known"
        )
    if not np.allclose(D, D.T, rtol=1e-8, atol=1e-10) or np.abs(np.diag(D)).max() > 1e-10 * max(1.0, np.abs(D).max()):
        raise InputError("expected a symmetric matrix of distances that is 0 on its diagonal")
    return D
