"""The Hilbert-Schmidt independence criterion: how much two kernels of the same samples have in common.

Biased, it is above 0 for what is independent: two networks that give p normal features to n samples and have nothing in
common reach a CKA of about p / (n + p).  Debiased, it is 0 on average.
"""

import numpy as np

from info_geometry.files import InputError

LEAST = 4  # samples that debiased HSIC needs


def hsic(K: np.ndarray, L: np.ndarray, debiased: bool = True) -> float:
    """Return HSIC of two symmetric kernels (n, n) of the same n samples.

        [tr K'L' + (1'K'1)(1'L'1) / ((n - 1)(n - 2)) - 2 / (n - 2) 1'K'L'1] / (n (n - 3))            (Song et al. 2012)

    where K', L' have diagonals of 0; or, biased, tr(K J L J) / (n - 1)^2 with J = I - 11'/n     (Gretton et al. 2005).
    Raises InputError if numbers of samples differ or are below 4.
    """
    K, L, n = _samples(K, L)
    if not debiased:
        a, b = K.sum(axis=0), L.sum(axis=0)
        return float((np.vdot(K, L) - 2 / n * (a @ b) + a.sum() * b.sum() / n**2) / (n - 1) ** 2)
    k, l = np.diag(K), np.diag(L)
    return _debiased(np.vdot(K, L) - k @ l, K.sum(axis=0) - k, L.sum(axis=0) - l, n)


def linear_hsic(X: np.ndarray, Y: np.ndarray, debiased: bool = True) -> float:
    """Return `hsic` of the kernels X X^T and Y Y^T of features (n, p), (n, q), without making these.

    It stays the same if the means of features are taken off.  Then

        tr K L = ||X^T Y||^2,    K'1 = -(|x_1|^2, ..., |x_n|^2).

    Raises InputError if numbers of samples differ or are below 4.
    """
    X, Y, n = _samples(X, Y)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    trace = np.square(X.T @ Y).sum()
    if not debiased:
        return float(trace / (n - 1) ** 2)
    x, y = np.square(X).sum(axis=1), np.square(Y).sum(axis=1)
    return _debiased(trace - x @ y, -x, -y, n)


def _debiased(trace, a, b, n):
    """Return debiased HSIC of tr K'L', and of a = K'1 and b = L'1."""
    return float((trace + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (a @ b)) / (n * (n - 3)))


def _samples(K, L):
    if len(K) != len(L) or len(K) < LEAST:
        raise InputError(f"HSIC of {len(K)} and {len(L)} samples; it needs the same ones, {LEAST} or more")
    return np.asarray(K, np.float64), np.asarray(L, np.float64), len(K)
