"""Distances of neighbours on a trajectory, without what the rounding of stored numbers adds to them.

Rounding moves the unit vector of a model by some e, in a direction of its own for each model, and so adds on average
(E|e_i|^2 + E|e_j|^2) / 2 to a small distance d_B = |a - b|^2 / 2 of models i and j: nothing to speak of for the
distances in a picture, but a length is a sum of square roots of the smallest distances there are.  What it adds is
known from the format (`quantities.rounding_variance`) and is taken away.  It is added only where stored numbers differ:
those that a step does not change are rounded alike.

Below one unit of what is stored, a number moves by a whole unit or not at all, and how far it truly went cannot be told
from two models.  So steps that are less than JOINED times their rounding are joined with the next one.
"""

import numpy as np

from info_geometry.storage import quantities

FLOOR = 1e-6  # of affinities, as in the published analysis: a sample adds at most -log(1e-6) = 13.8 to the mean
JOINED = 16  # less joins too few of the steps below a unit, which are then too long; more cuts corners of rough paths
BEYOND = 1000  # times the largest rounding there can be: such steps are taken as they are, a length moves by 0.05 %


def group_sums(a: np.ndarray, b: np.ndarray, groups: np.ndarray, B: int) -> np.ndarray:
    """Return the sums (B, T) of -log <a, b> for unit vectors a, b (T, n, C), precise where a is near b.

    groups: of samples (n,), each in 0..B-1.
    """
    affinity_minus_1 = -0.5 * np.square(a - b).sum(axis=2, dtype=np.float64)
    return _by_group(-np.log1p(np.maximum(affinity_minus_1, FLOOR - 1)), groups, B)


def resolved(trajectory, sums: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which models a length goes through, (K,), and the sums over groups (B, K-1) of their steps, cleaned.

    trajectory: opened.  sums (B, T-1): of all steps, as `group_sums` returns them; groups (N,): of samples.
    What is stored in 32 bits or more is taken as it is.  The sum over groups of a step is not negative.
    """
    T, N, C = trajectory.shape
    knots, bound = np.arange(T), quantities.rounding_bound(trajectory, C)
    if T < 2 or bound == 0 or sums.sum(axis=0).min() > BEYOND * bound * N:
        return knots, sums
    while True:
        noise = _noise(trajectory.select(knots), groups, len(sums))
        small = sums.sum(axis=0) < JOINED * noise.sum(axis=0)
        joined = _join(knots, small)
        if len(joined) == len(knots):
            clean = sums - noise
            return knots, np.where(clean.sum(axis=0) > 0, clean, 0.0)
        knots = joined
        sums = sum(
            group_sums(roots[:-1], roots[1:], groups[start : start + roots.shape[1]], len(sums))
            for start, roots in trajectory.select(knots).blocks()
        )


def _noise(trajectory, groups, B):
    """Return the sums (B, T-1) of what rounding adds to the distances of neighbours."""
    noise = 0.0
    for start, stop in trajectory.intervals():
        stored = trajectory.stored(start, stop)
        variance = quantities.rounding_variance(stored, trajectory.decode(stored), trajectory)
        added = np.where(stored[1:] != stored[:-1], variance[1:] + variance[:-1], 0).sum(axis=2, dtype=np.float64) / 2
        noise = noise + _by_group(added, groups[start:stop], B)
    return noise


def _join(knots, small):
    """Return the knots (K,) without one end of each small step (K-1,), but with the first and the last knot."""
    kept, i = np.ones(len(knots), bool), 0
    while i < len(small):
        if small[i] and i + 1 < len(small):
            kept[i + 1], i = False, i + 1  # the next step is part of this one now
        elif small[i] and i > 0:
            kept[i] = False
        i += 1
    return knots[kept]


def _by_group(values, groups, B):
    return np.array([values[:, groups == group].sum(axis=1) for group in range(B)])
