"""The spectrum of the centred matrix W of distances (`inpca.Centred`): what InPCA draws.

`eigenpairs` computes all of it, or the largest |lambda| by a method of Lanczos, for which W is not formed.  Order and
sign of eigenvectors follow stated rules (`order`, `signs`), so that a picture is the same on every computer.
"""

import inspect
from typing import Protocol

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from info_geometry.files import InputError, log

WHOLE = 299  # models up to which the whole spectrum is computed
KEPT = 30  # eigenvalues computed of more models: as many as are drawn
THREADS_FROM = 2000  # models from which several threads pay, which wait for each other at each step
RESTARTS = 30  # of the method of Lanczos, which needs 3
ROWS = 256  # of a matrix of distances looked at at once
TIE = 1e-12  # of the largest eigenvalue: sizes that differ by less are equal
# where the method of Lanczos starts anew, with a random vector; earlier versions of scipy do not let it be fixed
SEED = {"rng": 0} if "rng" in inspect.signature(eigsh).parameters else {}


class Symmetric(Protocol):
    """A symmetric matrix W (M, M) that can be had whole, or multiplied with and measured without being formed."""

    def __len__(self) -> int: ...

    def rows(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return rows of W, by default all."""

    def times(self, v: np.ndarray) -> np.ndarray:
        """Return W v."""

    def squares(self) -> float:
        """Return |W|^2."""


def eigenpairs(W: Symmetric, k: int) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Return eigenvalues of W (n,) in `order`, k eigenvectors (M, k), and the sum of squares of all eigenvalues.

    Vectors are of unit length, with `signs`.  n = M, and the sum is None, for fewer than 300 models, or where k is not
    small; else n = max(k, 30).
    """
    M = len(W)
    few = M > WHOLE and 10 * max(k, KEPT) <= M
    with threadpool_limits(1 if M < THREADS_FROM else None):
        found = _largest(W, max(k, KEPT)) if few else None
        values, vectors, total = found or _all(W)
    ranks = order(values)
    values, vectors = values[ranks], vectors[:, ranks[:k]]
    return values, vectors * signs(vectors), total


def checked(D: np.ndarray) -> np.ndarray:
    """Return D in float64; raise InputError unless it is a finite symmetric matrix of at least two models."""
    D = np.asarray(D, dtype=np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"expected a square matrix of distances, not an array {D.shape}")
    if len(D) < 2:
        raise InputError("an embedding needs at least 2 models; there is 1")
    for start in range(0, len(D), ROWS):  # whole, these are three more matrices
        if not np.isfinite(D[start : start + ROWS]).all():
            i, j = np.argwhere(~np.isfinite(D[start : start + ROWS]))[0]
            raise InputError(f"the distance between models {start + i} and {j} is {D[start + i, j]}")
    for start in range(0, len(D), ROWS):
        if not np.allclose(D[start : start + ROWS], D[:, start : start + ROWS].T, rtol=1e-8, atol=1e-10):
            raise InputError("the matrix of distances is not symmetric")
    return D


def _all(W):
    """Return all eigenvalues and eigenvectors of W."""
    W = W.rows()
    return *scipy.linalg.eigh((W + W.T) / 2, overwrite_a=True), None


def _largest(W, count):
    """Return the `count` largest eigenvalues of W, their vectors, and the sum of squares of all; None if in doubt."""
    M, total = len(W), W.squares()
    if total == 0:  # all models coincide
        return np.zeros(count), np.zeros((M, count)), 0.0

    def rest(v):
        return W.times(v) - vectors @ (values * (vectors.T @ v.ravel()))

    starts = np.random.default_rng(0).standard_normal((2, M))  # fixed: the same D gives the same picture
    values, vectors = _lanczos(M, W.times, count, starts[0])
    doubt = None
    if total - (values**2).sum() > 1e-14 * total:  # else the others are zero, and never converge
        # from one vector, Lanczos may see one axis of several with the same eigenvalue: is a larger one left?
        left = abs(_lanczos(M, rest, 1, starts[1], tol=1e-2)[0])
        if len(values) < count or not len(left):
            doubt = "did not converge"
        elif left[0] > np.abs(values).min() * (1 + 1e-6) + negligible(values, M):
            doubt = "may not be all"
    if doubt:
        log.info("the %d largest eigenvalues of %d models %s; computing the whole spectrum", count, M, doubt)
        return None
    values[np.abs(values) <= negligible(values, M)] = 0.0  # rounding that differs from call to call
    missing = count - len(values)
    return np.append(values, np.zeros(missing)), np.pad(vectors, ((0, 0), (0, missing))), float(total)


def _lanczos(M, product, count, start, tol=0):
    """Return the `count` largest |eigenvalues| of v -> product(v) with their vectors, or as many as converge."""
    try:
        return eigsh(
            LinearOperator((M, M), product, dtype=float), count, which="LM", v0=start, tol=tol, maxiter=RESTARTS, **SEED
        )
    except ArpackNoConvergence as error:
        return error.eigenvalues, error.eigenvectors
    except ArpackError:
        return np.empty(0), np.empty((M, 0))


def order(values: np.ndarray) -> np.ndarray:
    """Return the order of eigenvalues by size; where sizes are equal within TIE of the largest, the positive first."""
    ranks = np.argsort(-np.abs(values), kind="stable")
    sizes, start = np.abs(values)[ranks], 0
    while start < len(ranks):
        stop = np.searchsorted(-sizes, TIE * sizes[0] - sizes[start], side="right")
        ranks[start:stop] = sorted(ranks[start:stop], key=lambda i: values[i] < 0)
        start = stop
    return ranks


def signs(vectors: np.ndarray) -> np.ndarray:
    """Return the signs (k,) that make the entry of largest magnitude of each column positive (the first of equals)."""
    sizes = np.abs(vectors)
    first = (sizes >= (1 - 1e-6) * sizes.max(axis=0)).argmax(axis=0)
    return np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def negligible(values: np.ndarray, M: int) -> float:
    """Return the magnitude below which an eigenvalue of M models is rounding: M precisions of the largest one."""
    return M * np.finfo(np.float64).eps * np.abs(values).max()
