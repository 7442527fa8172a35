"""The measures that several claims take; what is found of a claim: `learning.finding`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.claims.runs import Seeds
from info_geometry import comparison, distance, geodesic, predictions, trajectory
from info_geometry.uncertainty.resampling import jackknife_error


def of_methods(verdicts: dict[str, str]) -> str:
    """Return the verdict of a claim that has one for each method: the verdict, or {method: verdict} as a text."""
    if len(set(verdicts.values())) == 1:
        return next(iter(verdicts.values()))
    return "; ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())


def with_error(statistic: Callable[..., float], *sides: Sequence) -> tuple[float, float]:
    """Return a statistic of independent sides, each a list of seeds, and its jackknife error: 0 for single seeds.

    Each seed of each side is left out in turn; the errors of the sides, squared, add up.
    """
    errors = [0.0]
    for k, side in enumerate(sides):
        if len(side) > 1:
            rests = [[x for j, x in enumerate(side) if j != i] for i in range(len(side))]
            errors.append(jackknife_error([statistic(*sides[:k], rest, *sides[k + 1 :]) for rest in rests]))
    return float(statistic(*sides)), float(np.linalg.norm(errors))


def mean_of_pairs(D: np.ndarray) -> tuple[float, float]:
    """Return the mean of distances (n, m) of the seeds of two tasks, and its jackknife error."""
    return with_error(lambda rows, columns: D[np.ix_(rows, columns)].mean(), *map(range, D.shape))


def ends(x: Seeds, y: Seeds) -> np.ndarray:
    """Return the distances (len x, len y) of the last models of trajectories."""
    last = [[t.select([-1]) for t in side] for side in (x, y)]
    return distance.cross(*last)


def ends_of_all(runs: dict[str, Seeds]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances (R, R) of the last models of all trajectories, and the name of the run of each (R,)."""
    of = np.repeat(list(runs), [len(seeds) for seeds in runs.values()])
    return distance.pairwise([x.select([-1]) for seeds in runs.values() for x in seeds]), of


def between_seeds(x: Seeds) -> float:
    """Return the mean distance of the ends of different seeds of a task; NaN for a single seed."""
    if len(x) < 2:
        return float("nan")
    found = ends(x, x)
    return float(found[np.triu_indices(len(x), 1)].mean())


@functools.cache
def progress(x: predictions.Trajectory) -> np.ndarray:
    """Return the progress (T,) of a trajectory, computed once."""
    return geodesic.progress(x, x.labels)


def compare(runs: dict[str, Seeds], grid: np.ndarray = trajectory.GRID, **options: Any) -> comparison.Comparison:
    """Return the Comparison of runs at equal progress; without errors, unless these are asked for.

    options: of `comparison.compare_all`.
    """
    reached = {name: list(map(progress, seeds)) for name, seeds in runs.items()}
    return comparison.compare_all(runs, reached, grid, **{"errors": False, **options})


def curve(curves: dict, a: str, b: str) -> np.ndarray:
    """Return the curve (G,) of two runs, in either order, of {(run, run): curve}."""
    return curves[(a, b) if (a, b) in curves else (b, a)]


def mean_where(values: np.ndarray, other: np.ndarray, grid: np.ndarray) -> float:
    """Return the mean of a curve (G,) over the part of the grid where it and another one are known; NaN for a point."""
    return trajectory.mean_over(np.where(np.isnan(other), np.nan, values), grid)
