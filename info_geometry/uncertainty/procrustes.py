"""Do two pictures of the same objects agree, by more than chance?  Procrustes rotation, and a permutation test.

X, Y (K, k) are centred and scaled to |X| = |Y| = 1.  By the best rotation, reflection and scale of Y

    m^2 = min |X - s Y R|^2 = 1 - (sum of the singular values of X'Y)^2

is 0 of the same picture, and 1 of pictures that have nothing in common (Gower 1971).  Objects of Y are permuted for p,
the share of permutations, the identity being one, of which m^2 is at most as large (Jackson 1995, "PROTEST").
"""

from dataclasses import dataclass

import numpy as np

from info_geometry.files import InputError

PERMUTATIONS = 1999
TINY = 1e-12


@dataclass(frozen=True)
class Procrustes:
    """m2: of the two pictures.  p: see above.  least: the 5 % quantile of m2 of permutations.  turned (K, k): Y."""

    m2: float
    p: float
    least: float
    turned: np.ndarray


def procrustes(X: np.ndarray, Y: np.ndarray, permutations: int = PERMUTATIONS, seed: int = 0) -> Procrustes:
    """Return the test of two pictures X, Y (K, k) of the same objects in the same order; `turned` is Y laid on X.

    Raises InputError for pictures of other shapes, that are not finite, of less than 3 objects or of one point.
    """
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    if X.ndim != 2 or X.shape != Y.shape or len(X) < 3 or not np.isfinite(X).all() or not np.isfinite(Y).all():
        raise InputError(
            f"pictures are {X.shape} and {Y.shape}; expected finite points (K, k) of the same K > 2 objects"
        )
    if permutations < 1:
        raise InputError(f"expected at least 1 permutation, found {permutations}")
    centred = [A - A.mean(axis=0) for A in (X, Y)]
    lengths = [float(np.linalg.norm(A)) for A in centred]
    if min(lengths) <= TINY * max(1.0, np.abs(X).max(), np.abs(Y).max()):
        raise InputError("all points of a picture are the same")
    x, y = (A / length for A, length in zip(centred, lengths))
    rng = np.random.default_rng(seed)
    m2 = _rest(x, y)
    others = np.array([_rest(x, y[rng.permutation(len(y))]) for _ in range(permutations)])
    every = np.append(others, m2)
    U, s, V = np.linalg.svd(y.T @ x)
    turned = y @ U @ V * s.sum() * lengths[0] + X.mean(axis=0)
    return Procrustes(m2, float((every <= m2 + 1e-12).mean()), float(np.quantile(every, 0.05)), turned)


def _rest(x, y):
    return float(1 - np.linalg.svd(x.T @ y, compute_uv=False).sum() ** 2)
