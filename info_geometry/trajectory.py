"""Trajectories: progress, equal-progress re-indexing, means, distances between them, and lengths.          [command]

    python trajectory.py [RUN ...] [--name NAME] [--seeds S ...]      all runs of a data set when none is named

reads predictions/<run>/preds_<seed>.h5, prints a table of final accuracy, final progress (in brackets: by the other
objective) and Riemann length, and writes plots/<name>/lengths.csv, trajectories.csv (the distance of each pair of tasks
at equal progress), integrals.csv (its integral over the progress both reach) and figures.  18 trajectories of 40 models
of 600 samples over 10 classes take about 5 seconds on 2 CPU cores.
"""

from dataclasses import dataclass

import numpy as np

from info_geometry import geodesic, predictions
from info_geometry.files import InputError
from info_geometry.storage.labels import as_labels
from info_geometry.sums import cosines
from info_geometry.sums.steps import group_sums, resolved

GRID = np.linspace(0, 1, 101)  # progress at which trajectories are compared


@dataclass(frozen=True)
class Summary:
    """What one pass over a trajectory tells: progress (T,), accuracy (T,), distances of neighbours (T-1,) as stored.

    knots: the models (K,) that the length goes through, and `resolved`: their distances (K-1,) without what rounding
    adds (see `sums.steps`).  Mostly these are all models, and much the same distances.
    group_steps: the sums over groups of samples that add up to N times `resolved`, (B, K-1), or None.
    to_geodesic: the distances to points of the geodesic from ignorance to truth, (T, S).
    other: the progress (T,) that minimises the other objective.
    """

    progress: np.ndarray
    accuracy: np.ndarray
    steps: np.ndarray
    knots: np.ndarray
    resolved: np.ndarray
    group_steps: np.ndarray | None = None
    to_geodesic: np.ndarray | None = None
    other: np.ndarray | None = None

    @property
    def length(self) -> float:
        """Riemann length: sum_t 2 sqrt(d_B(P_t, P_{t+1})), of what rounding leaves (see `riemann_length`)."""
        return _length(self.resolved)

    @property
    def rounding(self) -> float:
        """By how much rounding would have lengthened the trajectory: 0.01 for 1 %."""
        return _length(self.steps) / self.length - 1 if self.length else float(self.steps.any())

    def replicates(self, weights: np.ndarray) -> np.ndarray:
        """Return the Riemann lengths (R,) for samples drawn anew: weights (R, B) of `resampling.weights`."""
        return 2 * np.sqrt(np.maximum(weights @ self.group_steps, 0)).sum(axis=1)


def summarise(
    P: np.ndarray | predictions.Trajectory,
    labels: np.ndarray,
    objective: str = "angle",
    groups: np.ndarray | None = None,
    points: np.ndarray = (),
) -> Summary:
    """Return the Summary of a trajectory: probabilities (T, N, C) or an opened file, with true labels (N,).

    objective: what progress minimises.  groups: of samples (N,), for `Summary.replicates`.  points (S,): of the
    geodesic from ignorance to truth, for `Summary.to_geodesic`.
    """
    trajectory = predictions.as_trajectory(P)
    T, N, C = trajectory.shape
    labels = as_labels(labels, trajectory.name, N, C)
    uniform, truth, correct, steps = np.empty((T, N)), np.empty((T, N)), np.zeros(T), 0.0
    of = np.zeros(N, int) if groups is None else groups
    for n, roots in trajectory.blocks():
        part = slice(n, n + roots.shape[1])
        uniform[:, part], truth[:, part] = cosines.two_scalars(roots, labels[part])
        correct += (roots.argmax(axis=2) == labels[part]).sum(axis=1)
        steps = steps + group_sums(roots[:-1], roots[1:], of[part], of.max() + 1)
    knots, cleaned = resolved(trajectory, steps, of)
    return Summary(
        geodesic.progress_from_scalars(uniform, truth, C, objective),
        correct / N,
        steps.sum(axis=0) / N,
        knots,
        cleaned.sum(axis=0) / N,
        None if groups is None else cleaned,
        geodesic.distances_from_scalars(
            uniform, truth, C, points
        ),  # the cosines themselves would be T N numbers a file
        geodesic.progress_from_scalars(uniform, truth, C, geodesic.other_objective(objective)),
    )


def riemann_length(P: np.ndarray | predictions.Trajectory) -> float:
    """Return the Riemann length (float) of a trajectory: sum_t 2 sqrt(d_B(P_t, P_{t+1})).

    P: probabilities (T, N, C) or an opened file.  Locally d_B = ds^2 / 8 for the Fisher metric, so the Fisher-Rao
    length of a finely sampled trajectory is sqrt(2) times this.  What the rounding of stored numbers adds to each step
    is taken away, and steps that are finer than what is stored are joined (see `sums.steps`).
    """
    trajectory = predictions.as_trajectory(P)
    one = np.zeros(trajectory.shape[1], int)
    steps = sum(_distance_sums(roots[:-1], roots[1:]) for _, roots in trajectory.blocks())
    _, cleaned = resolved(trajectory, steps[None], one)
    return _length(cleaned[0] / trajectory.shape[1])


def _length(steps):
    return float(2 * np.sqrt(steps).sum())


def _distance_sums(a, b):
    """Return the sums over all samples (T,)."""
    return group_sums(a, b, np.zeros(a.shape[1], int), 1)[0]


def reindex(P: np.ndarray | predictions.Trajectory, progress: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the models (G, N, C) at the progress values `grid` (G,) of a trajectory P (T, N, C) with progress (T,).

    Between the two checkpoints around a value, square roots are interpolated along the geodesic.  Checkpoints whose
    progress is not above that of all before them are left out, so that progress increases.

    Raises InputError if a value of the grid lies outside the progress that was reached: nothing is extrapolated.
    """
    roots = predictions.as_trajectory(P).roots(dtype=np.float64)
    if len(progress) != len(roots):
        raise InputError(f"{len(roots)} models but {len(progress)} values of progress")
    return reindex_roots(roots, positions(progress, grid)) ** 2


def positions(progress: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each value of the grid the checkpoints before and after it and the fraction of the way, each (G,)."""
    progress, grid = np.asarray(progress, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    rising = np.flatnonzero(np.diff(np.maximum.accumulate(progress), prepend=-np.inf) > 0)
    reached = progress[rising]
    if grid.size and (grid.min() < reached[0] or grid.max() > reached[-1]):
        raise InputError(
            f"the trajectory reaches progress {reached[0]:.3f} to {reached[-1]:.3f}; it cannot be "
            f"re-indexed from {grid.min():.3f} to {grid.max():.3f}"
        )
    if len(rising) == 1:
        return np.repeat(rising, grid.size), np.repeat(rising, grid.size), np.zeros(grid.size)
    before = np.clip(np.searchsorted(reached, grid, side="right") - 1, 0, len(rising) - 2)
    fraction = (grid - reached[before]) / (reached[before + 1] - reached[before])
    return rising[before], rising[before + 1], fraction


def reached(progress: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return which values of the grid (G,) lie within the progress (T,) that a trajectory reached: bool (G,)."""
    envelope = np.maximum.accumulate(progress)
    return (grid >= envelope[0]) & (grid <= envelope[-1])


def reindex_roots(roots: np.ndarray, where: tuple) -> np.ndarray:
    """Return the roots (G, n, C) at what `positions` returned, of roots (T, n, C) of a trajectory."""
    before, after, fraction = where
    return geodesic.interpolate_roots(roots[before], roots[after], fraction[:, None])


def mean(trajectories: list) -> np.ndarray:
    """Return the mean (G, N, C) of re-indexed trajectories: the arithmetic mean of their probabilities."""
    return np.mean([predictions.as_trajectory(P).roots(dtype=np.float64) ** 2 for P in trajectories], axis=0)


def compare(
    A: np.ndarray | predictions.Trajectory, B: np.ndarray | predictions.Trajectory, grid: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the distances (G,) of two trajectories at equal progress, and their integral over the grid (float).

    A, B: probabilities (G, N, C) at the progress values `grid` (G,), for example the means over seeds.
    """
    A, B, grid = predictions.as_trajectory(A, "A"), predictions.as_trajectory(B, "B"), np.asarray(grid, dtype=float)
    if A.shape != B.shape or len(grid) != A.shape[0]:
        raise InputError(
            f"expected two trajectories re-indexed on the grid of {len(grid)} values, found shapes "
            f"{A.shape} and {B.shape}"
        )
    curve = _distance_sums(A.roots(dtype=np.float64), B.roots(dtype=np.float64)) / A.shape[1]
    return curve, integral(curve, grid)


def integral(curve: np.ndarray, grid: np.ndarray) -> float:
    """Return the trapezoidal integral over the part of the grid where the curve is known, NaN if that is a point."""
    known = ~np.isnan(curve)
    if known.sum() < 2:
        return float("nan")
    return float((np.diff(grid[known]) * (curve[known][1:] + curve[known][:-1]) / 2).sum())


def mean_over(curve: np.ndarray, grid: np.ndarray) -> float:
    """Return the mean of a curve (G,) over the part of the grid (G,) where it is known, NaN if that is a point.

    The integral over its width: integrals of curves that are known on other parts do not compare.
    """
    return integral(curve, grid) / width(curve, grid)


def width(curve: np.ndarray, grid: np.ndarray) -> float:
    """Return the width of the part of the grid (G,) where a curve (G,) is known, NaN if that is a point."""
    known = grid[~np.isnan(curve)]
    return float(np.ptp(known)) if len(known) > 1 else float("nan")


if __name__ == "__main__":
    import runpy

    runpy.run_module("info_geometry.commands.trajectory", run_name="__main__")
