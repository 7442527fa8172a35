"""InPCA of models that count for more or less: each has a weight, as if it were there so many times.

    m = w / sum w,  J = I - 1 m',  S = -1/2 diag(sqrt w) J D J' diag(sqrt w) = U diag(lambda) U'
    coordinate k of model j = sqrt|lambda_k| u_jk / sqrt(w_j)

S is symmetric.  Weights of 1 make it W = -1/2 L D L.  A model that is there twice, with half the weight each time, is a
model once: eigenvalues and coordinates are the same.  Since J 1 = 0, J D J' = J (L D L) J', so that S is had from W.
"""

import numpy as np

from info_geometry.embedding import spectrum
from info_geometry.files import InputError


class Weighted:
    """S of a symmetric matrix W (M, M) and weights w (M,), by rows or as what it makes of a vector."""

    def __init__(self, W: spectrum.Symmetric, weights: np.ndarray) -> None:
        self.W, self.roots, self.masses = W, np.sqrt(weights), weights / weights.sum()
        self.averages = W.times(self.masses)
        self.average = float(self.masses @ self.averages)

    def __len__(self) -> int:
        return len(self.W)

    def rows(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the rows start..stop of S (n, M), by default all of them."""
        part = slice(start, stop)
        found = self.W.rows(start, stop) - self.averages[part, None] - self.averages + self.average
        return found * self.roots[part, None] * self.roots

    def times(self, v: np.ndarray) -> np.ndarray:
        """Return S v, for a vector v (M,)."""
        w = self.roots * v.ravel()
        w = self.W.times(w - self.masses * w.sum())
        return self.roots * (w - self.masses @ w)

    def squares(self) -> float:
        """Return |S|^2, the sum of the squares of all eigenvalues."""
        return sum((self.rows(start, start + spectrum.ROWS) ** 2).sum() for start in range(0, len(self), spectrum.ROWS))


def checked(weights: np.ndarray, M: int) -> np.ndarray:
    """Return weights (M,) in float64; raise InputError unless there is a positive number for each model."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (M,) or not (np.isfinite(weights) & (weights > 0)).all():
        raise InputError(
            f"weights: expected {M} positive numbers, one a model, not an array {weights.shape}"
            + ("" if weights.shape != (M,) else f" with {weights.min():g} as its smallest; leave such models out")
        )
    return weights


def per_trajectory(lengths: list[int] | np.ndarray) -> np.ndarray:
    """Return weights (M,) by which trajectories of these lengths (numbers of models) count the same, 1 on average."""
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or not len(lengths) or lengths.dtype.kind not in "iu" or lengths.min() < 1:
        raise InputError(f"lengths of trajectories are {lengths.tolist()}, expected whole numbers from 1 on")
    return np.repeat(lengths.sum() / (len(lengths) * lengths), lengths)
