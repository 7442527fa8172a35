"""What is found of a claim, and the measures that several claims take."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.claims.runs import Seeds
from info_geometry import comparison, distance, predictions, trajectory

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


@dataclass(frozen=True)
class Finding:
    """What was found of a claim: texts of the value with its spread and of the null, and the verdict.

    shown: what its figure is drawn of, the arguments of `draw` of the claim.  beside: what the rule does not look at.
    """

    value: str
    null: str
    verdict: str
    shown: dict
    beside: str = ""


def decide(holds: bool, fails: bool) -> str:
    """Return the verdict: rules exclude each other, and what neither decides is undecided."""
    return HOLDS if holds else FAILS if fails else UNDECIDED


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error (0 for a single value)."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def ends(x: Seeds, y: Seeds) -> np.ndarray:
    """Return the distances (len x, len y) of the last models of trajectories."""
    last = [[t.select([-1]) for t in side] for side in (x, y)]
    return distance.cross(*last)


def between_seeds(x: Seeds) -> float:
    """Return the mean distance of the ends of different seeds of a task; NaN for a single seed."""
    if len(x) < 2:
        return float("nan")
    found = ends(x, x)
    return float(found[np.triu_indices(len(x), 1)].mean())


@functools.cache
def progress(x: predictions.Trajectory) -> np.ndarray:
    """Return the progress (T,) of a trajectory, computed once."""
    return trajectory.summarise(x, x.labels).progress


def compare(runs: dict[str, Seeds]) -> comparison.Comparison:
    """Return the Comparison of runs at equal progress."""
    return comparison.compare_all(runs, {name: list(map(progress, seeds)) for name, seeds in runs.items()})


def curve(curves: dict, a: str, b: str) -> np.ndarray:
    """Return the curve (G,) of two runs, in either order, of {(run, run): curve}."""
    return curves[(a, b) if (a, b) in curves else (b, a)]


def mean_where(values: np.ndarray, other: np.ndarray, grid: np.ndarray) -> float:
    """Return the mean of a curve (G,) over the part of the grid where another one is known; NaN where it is not."""
    known = ~np.isnan(other)
    if np.isnan(values[known]).any():
        return float("nan")
    return trajectory.mean_over(np.where(known, values, np.nan), grid)


def error_of_mean(found: comparison.Comparison, a: str, b: str) -> float:
    """Return the standard error, for other seeds, of the mean distance of two runs over the progress both reached."""
    i, j = found.tasks.index(a), found.tasks.index(b)
    known = found.grid[~np.isnan(curve(found.curves, a, b))]
    return float(found.errors["seeds"][1][i, j] / np.ptp(known)) if len(known) > 1 else float("nan")
