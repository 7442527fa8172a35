"""A path through predictions: how long it is, how far it leads, and what it takes in a given time.

d_k = d_B(P_k, P_k+1), the mean Bhattacharyya distance of neighbouring models at times t_k.  Locally d_B = ds^2 / 8 for
the Fisher metric, so that all lengths here are those of Fisher and Rao divided by sqrt(2).

    length      Len = sum_k 2 sqrt(d_k)
    between     sqrt(2 mean_n arccos^2 sum_c sqrt(P_0 P_K)), the shortest path between both ends: Len is never below it
    action      A = sum_k 4 d_k / (t_k+1 - t_k), never below Len^2 / T, that of the same path at constant speed
"""

from dataclasses import dataclass

import numpy as np

from info_geometry import predictions, trajectory


@dataclass(frozen=True)
class Path:
    """Length, shortest length between the ends, and action of a path that takes a time T."""

    length: float
    between: float
    action: float
    time: float


def path(P: np.ndarray | predictions.Trajectory, t: np.ndarray, labels: np.ndarray) -> Path:
    """Return the Path of a trajectory: probabilities (T, N, C) or an opened file, at increasing times t (T,).

    labels (N,): of its samples.  Steps are without what the rounding of stored numbers adds (`trajectory.Summary`).
    """
    t = np.asarray(t, float)
    opened = predictions.as_trajectory(P)
    found = trajectory.summarise(opened, labels)
    ends = opened.select([0, opened.shape[0] - 1]).roots(dtype=np.float64)
    times = t[found.knots]
    return Path(
        length(found.resolved), between(ends[0], ends[1]), action(found.resolved, times), float(times[-1] - times[0])
    )


def length(steps: np.ndarray) -> float:
    """Return sum_k 2 sqrt(d_k) of steps d_k (K,)."""
    return float(2 * np.sqrt(steps).sum())


def action(steps: np.ndarray, t: np.ndarray) -> float:
    """Return sum_k 4 d_k / (t_k+1 - t_k) of steps d_k (K,) between times t (K + 1,)."""
    return float((4 * np.asarray(steps) / np.diff(t)).sum())


def between(p: np.ndarray, q: np.ndarray) -> float:
    """Return sqrt(2 mean_n arccos^2 <p_n, q_n>) of roots of probabilities p, q (N, C).

    The angle of unit vectors is 2 arcsin of half of |p - q|, which is precise where they are near.
    """
    p, q = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (p, q))
    angle = 2 * np.arcsin(np.clip(np.linalg.norm(p - q, axis=1) / 2, 0, 1))
    return float(np.sqrt(2 * np.square(angle).mean()))
