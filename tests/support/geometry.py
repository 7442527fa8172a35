"""For the tests of pictures: distances of points, and of models along trajectories."""

import numpy as np

from info_geometry import distance
from tests.support.synthetic import labels_of, training


def squared(A, B, signature=1.0):
    """Return the squared distances (m, M) of points (m, k) and (M, k) with a signature (k,) of signs."""
    return (signature * (A[:, None] - B[None]) ** 2).sum(axis=2)


def curved(M, seed=0):
    """Return distances of M models along a few trajectories."""
    direction = 2 * np.random.default_rng(seed).standard_normal((30, 5))
    parts = [
        training(np.random.default_rng([seed, i]), labels_of(30, 5), 5, T=M // 6 + 1, direction=i % 3 * direction)
        for i in range(6)
    ]
    return distance.pairwise([np.concatenate(parts)[:M]], precision="float64")
