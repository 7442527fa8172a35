"""The Mantel test: do two matrices of distances between the same objects agree, by more than chance, or than others?

The K (K - 1) / 2 distances of K objects are not independent: each object takes part in K - 1 of them.  So the p-value
of an ordinary correlation of the distances is far too small, and the test permutes objects instead: rows and columns
of one matrix together.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from info_geometry.files import InputError

PERMUTATIONS = 99_999  # 8 objects have fewer, and their test is exact
MOST = 1_500  # objects; the sums of products of the ranks of more would not fit 64 bits
BLOCK = 2**21  # numbers gathered at once, 16 MiB
NOTHING = 1e-9  # of the variance of ranks: residuals of less are none


@dataclass(frozen=True)
class Mantel:
    """What a Mantel test found: `statistic` and `p` (NaN, for the `reason` given, where one matrix is constant).

    objects: K.  permutations: how many the statistic was compared with, itself among them, so that p is at least
    1 / permutations.  exact: whether these are all there are.
    """

    statistic: float
    p: float
    permutations: int
    objects: int
    exact: bool
    reason: str = ""
    given: int = 0

    def __str__(self) -> str:
        if self.reason:
            return f"no correlation: {self.reason}"
        what = f"partial Spearman given {self.given}" if self.given else "Spearman"
        return f"{what} {self.statistic:.3f}, p = {self.p:.2g} ({self.objects} objects, {self.compared})"

    @property
    def compared(self) -> str:
        """What the statistic was compared with, in words."""
        return f"all {self.permutations:,} permutations" if self.exact else f"{self.permutations:,} random permutations"


def mantel(A: np.ndarray, B: np.ndarray, permutations: int = PERMUTATIONS, seed: int = 0) -> Mantel:
    """Return the Mantel test of two symmetric matrices (K, K) of distances between the same objects in the same order.

        r(s) = Spearman correlation of A_ij and B_{s(i) s(j)} over i < j,  ties having their average rank
        p = share of the permutations s, the identity being one, for which r(s) >= r(identity)

    (Mantel 1967, "The detection of disease clustering and a generalized regression approach"; in ranks: Legendre and
    Legendre, Numerical Ecology, section 10.5.)  So p is small where near in A is near in B, and not where the two are
    opposed.  Where K! <= permutations + 1, s runs over all K! permutations and p is exact; else over the identity and
    `permutations` random ones, drawn with `seed`.  Diagonals are not looked at.

    A matrix whose distances are all equal orders nothing: statistic and p are NaN, and `reason` says so.

    Raises InputError for matrices that are not symmetric and finite, of different shapes, or of less than 3 or more
    than 1,500 objects: leave out an object whose distances are not known.
    """
    ranks, orders, count, exact = _prepared({"A": A, "B": B}, permutations, seed)
    K, upper = len(ranks[0]), np.triu_indices(len(ranks[0]), 1)
    for ranked, which in zip(ranks, ("first", "second")):
        if np.ptp(ranked[upper]) == 0:
            return Mantel(np.nan, np.nan, count, K, exact, f"all distances of the {which} are equal")
    a, b = (ranked[upper] for ranked in ranks)
    # of one sum of products and another, r is the larger where the sum is; these are integers, so ties are exact
    seen, reached = _compared(a, ranks[1], orders, int(a @ b))
    return Mantel(float(np.corrcoef(a, b)[0, 1]), reached / seen, seen, K, exact)


def partial_mantel(
    A: np.ndarray, B: np.ndarray, given: Sequence[np.ndarray], permutations: int = PERMUTATIONS, seed: int = 0
) -> Mantel:
    """Return the partial Mantel test of two matrices A, B (K, K), given others Z: what they share beside those.

        a = residuals of the ranks of A_ij, i < j, by least squares on 1 and the ranks of each Z_ij;  b likewise of B
        r(s) = correlation of a_ij and b_{s(i) s(j)},    p = share of the permutations s with r(s) >= r(identity)

    r(identity) is the partial Spearman correlation.  (Smouse, Long and Sokal 1986, "Multiple regression and correlation
    extensions of the Mantel test of matrix correspondence".)  Objects of the residuals of B are permuted, as `mantel`
    permutes those of B.  Without Z it is that test.  Errors are those of `mantel`; where the others leave nothing of A
    or of B, statistic and p are NaN, and `reason` says so.
    """
    named = {"A": A, "B": B} | {f"given {k}": Z for k, Z in enumerate(given)}
    ranks, orders, count, exact = _prepared(named, permutations, seed)
    K, upper = len(ranks[0]), np.triu_indices(len(ranks[0]), 1)
    Z = np.stack([np.ones(len(upper[0])), *(each[upper] for each in ranks[2:])], axis=1)
    rests = []
    for ranked, which in zip(ranks[:2], ("first", "second")):
        x = ranked[upper].astype(np.float64)
        rest = x - Z @ np.linalg.lstsq(Z, x, rcond=None)[0]
        if not rest @ rest > NOTHING * (x @ x):
            reason = f"all distances of the {which} are equal, but for what the others given say"
            return Mantel(np.nan, np.nan, count, K, exact, reason, len(given))
        rests.append(rest / np.linalg.norm(rest))
    a, b = rests
    whole = np.zeros((K, K))
    whole[upper] = b
    seen, reached = _compared(a, whole + whole.T, orders, float(a @ b) - NOTHING)
    return Mantel(float(a @ b), reached / seen, seen, K, exact, given=len(given))


def _prepared(named, permutations, seed):
    """Return twice the ranks of matrices {name: (K, K)}, permutations of objects, their number, and if they are all."""
    if permutations < 1:
        raise InputError(f"expected at least 1 permutation, found {permutations}")
    ranks = [_ranks(matrix, which) for which, matrix in named.items()]
    K = len(ranks[0])
    for which, ranked in zip(named, ranks):
        if len(ranked) != K:
            raise InputError(
                f"A has {K} objects and {which} {len(ranked)}; expected distances between the same objects"
            )
    exact = math.factorial(K) <= permutations + 1
    orders = itertools.permutations(range(K)) if exact else _random(K, permutations, seed)
    return ranks, orders, math.factorial(K) if exact else permutations + 1, exact


def _compared(a, B, orders, observed):
    """Return how many permutations there are, and for how many the sum of a_ij B_{s(i) s(j)} reaches `observed`."""
    seen, reached, upper = 0, 0, np.triu_indices(len(B), 1)
    while len(block := np.array(list(itertools.islice(orders, max(1, BLOCK // len(a)))), dtype=np.intp)):
        products = B[block[:, upper[0]], block[:, upper[1]]] @ a
        seen, reached = seen + len(block), reached + int((products >= observed).sum())
    return seen, reached


def _random(K, permutations, seed):
    """Yield the identity and random permutations of K objects."""
    rng = np.random.default_rng(seed)
    yield np.arange(K)
    for _ in range(permutations):
        yield rng.permutation(K)


def _ranks(matrix, which):
    """Return twice the ranks of the distances (K, K), as integers: an average of ranks is a half at most."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not 3 <= len(matrix) <= MOST:
        raise InputError(f"{which}: expected distances (K, K) of 3 to {MOST:,} objects, found an array {matrix.shape}")
    upper = np.triu_indices(len(matrix), 1)
    distances = matrix[upper]
    if not np.isfinite(distances).all():
        raise InputError(
            f"{which}: {(~np.isfinite(distances)).sum()} of {len(distances)} distances are not finite; "
            "leave out the objects whose distances are not known"
        )
    if not np.array_equal(distances, matrix.T[upper]):
        raise InputError(f"{which}: expected a symmetric matrix of distances")
    ranked = np.zeros(matrix.shape, dtype=np.int64)
    ranked[upper] = np.rint(2 * rankdata(distances)).astype(np.int64)
    return ranked + ranked.T
