"""Tubes: how far runs of one configuration are from their mean, and all from the geodesic, at equal progress.

    width(s) = mean over runs of d_B(run at progress s, arithmetic mean of the runs of its configuration at s)

A mean of few runs is near each of them: of g runs that differ independently, a run is 1 / g of it.  `others` compares
each with the mean of the others instead, from which it is about (g / (g - 1))^2 times as far.

Memory is for the runs of one configuration, G N C numbers of 8 bytes each, whatever the number of configurations.
"""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from info_geometry import geodesic, predictions, trajectory
from info_geometry.equal_progress import common
from info_geometry.files import InputError
from info_geometry.trajectory import mean_over, reached


@dataclass(frozen=True)
class Tubes:
    """Distances of runs to means at equal progress, {configuration: (g, G)} of its g runs.

    grid (G,).  own: to the mean of the configuration, NaN outside what all its runs reached.  everyone: to the mean of
    all runs of all configurations, NaN outside what all of these reached.
    """

    grid: np.ndarray
    own: dict
    everyone: dict

    def width(self, configuration: object) -> np.ndarray:
        """Return the width (G,) of the tube of a configuration."""
        return self.own[configuration].mean(axis=0)

    def mean_width(self) -> float:
        """Return the mean width, over configurations, and over the progress common to all runs."""
        known = self._common()
        return float(np.mean([mean_over(self.width(name)[known], self.grid[known]) for name in self.own]))

    def ratio(self) -> float:
        """Return the mean width over the mean distance to the mean of all runs: near 1 where configurations agree."""
        known, far = self._common(), np.mean([curves.mean(axis=0) for curves in self.everyone.values()], axis=0)
        return self.mean_width() / mean_over(far[known], self.grid[known])

    def _common(self):
        return ~np.isnan(np.concatenate(list(self.everyone.values()))).any(axis=0)


def measure(groups: dict, progress: dict, grid: np.ndarray, *, others: bool = False, show: bool = False) -> Tubes:
    """Return the Tubes of configurations {name: list of trajectories, its runs}, with progress {name: list of (T,)}.

    others: of its configuration, a run is compared with the mean of the others.  show: a bar.
    Raises InputError for a configuration of one run, whose mean is itself, and where too little progress is common.
    """
    few = [str(name) for name, runs in groups.items() if len(runs) < 2]
    if few:
        raise InputError(f"{', '.join(few[:5])}: a tube needs 2 runs or more; train other seeds, or leave these out")
    grid, names = np.asarray(grid, float), [f"run {i} of {name}" for name in groups for i in range(len(groups[name]))]
    shared = common([p for name in groups for p in progress[name]], grid, names)
    own, everyone, total, places = {}, {}, 0.0, np.searchsorted(grid, shared)
    bar = tqdm(total=2 * len(names), unit=" runs", desc="tubes", disable=None if show else True)
    with bar:
        for name, runs in groups.items():
            own[name], models, known = _to_mean(runs, progress[name], grid, others)
            total = total + sum(model[np.searchsorted(known, shared)] for model in models)
            bar.update(len(runs))
        mean = total / len(names)
        for name, runs in groups.items():
            everyone[name] = np.full((len(runs), len(grid)), np.nan)
            for i, (run, p) in enumerate(zip(runs, progress[name])):
                everyone[name][i, places] = trajectory.compare(trajectory.reindex(run, p, shared), mean, shared)[0]
                bar.update(1)
    return Tubes(grid, own, everyone)


def to_mean(runs: list, progress: list, grid: np.ndarray, *, others: bool = False) -> np.ndarray:
    """Return the distances (g, G) of runs to their mean at equal progress, NaN where not all have been.

    others: to the mean of the others, without the run itself.
    """
    return _to_mean(runs, progress, np.asarray(grid, float), others)[0]


def _to_mean(runs, progress, grid, others):
    """Return the distances (g, G), the runs re-indexed where all have been, and where that is."""
    inside = np.all([reached(p, grid) for p in progress], axis=0)
    models = [trajectory.reindex(run, p, grid[inside]) for run, p in zip(runs, progress)]
    total, curves = sum(models), np.full((len(runs), len(grid)), np.nan)
    if inside.any():
        for i, model in enumerate(models):
            mean = np.maximum(total - model, 0) / (len(runs) - 1) if others else total / len(runs)
            curves[i, inside] = trajectory.compare(model, mean, grid[inside])[0]
    return curves, models, grid[inside]


def path(labels: np.ndarray, classes: int, grid: np.ndarray) -> np.ndarray:
    """Return the geodesic from ignorance to truth as a trajectory (G, N, C): its progress is the grid (G,)."""
    grid, shape = np.asarray(grid, dtype=np.float64), (len(grid), len(labels), classes)
    ends = np.full((1, *shape[1:]), 1 / classes), np.eye(classes)[np.asarray(labels)][None]
    return geodesic.interpolate(*(np.broadcast_to(end, shape) for end in ends), grid[:, None])


def to_geodesic(run: object, progress: np.ndarray, labels: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the distances (G,) of a run at progress s to the point s of the geodesic from ignorance to truth.

    NaN where the run has not been.  Of all runs at once: `equal_progress.slices` with `path` as one more trajectory.
    """
    grid, curve = np.asarray(grid, float), np.full(len(grid), np.nan)
    inside, classes = reached(progress, grid), predictions.as_trajectory(run).shape[2]
    if inside.any():
        models = trajectory.reindex(run, progress, grid[inside])
        curve[inside] = trajectory.compare(models, path(labels, classes, grid[inside]), grid[inside])[0]
    return curve
