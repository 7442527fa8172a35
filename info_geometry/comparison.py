"""Trajectories of all tasks and seeds, compared with each other at equal progress."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
from tqdm import tqdm

from info_geometry import predictions
from info_geometry.files import log, threads
from info_geometry.storage.labels import doubts
from info_geometry.sums.steps import group_sums
from info_geometry.trajectory import (
    GRID,
    Summary,
    integral,
    mean_over,
    positions,
    reached,
    reindex_roots,
    summarise,
    width,
)
from info_geometry.uncertainty import resampling

EVERY = 5  # of the values of the grid at which seeds are left out in turn


@dataclass(frozen=True)
class Comparison:
    """Distances at equal progress between the means over seeds of K tasks.

    tasks: K names.  grid (G,).  curves: (task, task) -> (G,), NaN outside the range that all seeds of both reached.
    integrals (K, K), over these ranges: 0 on the diagonal, NaN for tasks with fewer than 2 values in common, and for
    those that are not compared.
    errors: what may be other ("seeds", "samples") -> (standard errors of curves and of integrals, alike); curves are
    NaN where the error is not known, which for seeds is all but every 5th value.  Progress itself is held fixed.
    """

    tasks: tuple
    grid: np.ndarray
    curves: dict
    integrals: np.ndarray
    errors: dict = field(default_factory=dict)

    def means(self) -> np.ndarray:
        """Return the mean distances (K, K) at equal progress, each over the range that all seeds of both reached.

        0 on the diagonal, NaN for tasks with fewer than 2 values in common, and for those that are not compared.
        """
        return _square(self.tasks, self.curves, [mean_over(curve, self.grid) for curve in self.curves.values()])

    def mean_errors(self) -> dict:
        """Return `errors` with the standard errors of the means (K, K) in place of those of the integrals."""
        found = {}
        for cause, (curves, whole) in self.errors.items():
            widths = _square(self.tasks, curves, [width(curve, self.grid) for curve in curves.values()])
            found[cause] = curves, whole / (widths + np.eye(len(self.tasks)))  # 0 / 1 on the diagonal
        return found


def compare_all(
    groups: dict,
    progress: dict,
    grid: np.ndarray = GRID,
    *,
    pairs: Sequence[tuple] | None = None,
    samples: np.ndarray | None = None,
    errors: bool = True,
    show: bool = False,
) -> Comparison:
    """Return the Comparison of all pairs of tasks, in one streaming pass.

    groups: dict task -> list of trajectories (its seeds).  progress: dict task -> list of (T,).  grid: (G,).
    pairs: those of tasks that are compared, where these are not all.
    samples: groups of samples (N,), of which those of the bootstrap are drawn; see `uncertainty.resampling`.
    errors: whether those for other seeds are asked for, which take as long as all else.

    The error for other seeds is the jackknife's of two samples: with the distances d_-i without seed i of one task,
    and d_-j without seed j of the other, the root of the sum of the squares of their two errors.
    """
    tasks, everything = tuple(groups), list(itertools.chain(*groups.values()))
    pairs = list(itertools.combinations(tasks, 2)) if pairs is None else list(pairs)
    N = everything[0].shape[1]
    of = np.zeros(N, int) if samples is None else samples
    few = (np.arange(len(grid)) % EVERY == 0) & errors
    inside, where = {}, {}
    for task in tasks:
        inside[task] = np.all([reached(p, grid) for p in progress[task]], axis=0)
        where[task] = [positions(p, grid[inside[task]]) for p in progress[task]]
    counts = {task: len(groups[task]) if errors else 0 for task in tasks}  # of seeds that are left out in turn
    sums = [_Sums(inside[a] & inside[b], few, (counts[a], counts[b]), of.max() + 1) for a, b in pairs]
    size = predictions.block_size(everything, more=len(tasks) * len(grid) + len(everything) * few.sum())

    def mean(task, start):
        seeds = [reindex_roots(x.roots(start, start + size), at) ** 2 for x, at in zip(groups[task], where[task])]
        return _means(seeds, inside[task], few, counts[task])

    with ThreadPoolExecutor(threads()) as pool:
        for start in tqdm(range(0, N, size), desc=f"comparing {len(tasks)} tasks", disable=None if show else True):
            means = dict(zip(tasks, pool.map(mean, tasks, repeat(start))))
            sides = ([means[task] for task in side] for side in zip(*pairs))
            list(pool.map(_Sums.add, sums, *sides, repeat(of[start : start + size])))
    found = [both.result(N, grid, samples) for both in sums]
    curves, whole, moved = zip(*found) if found else ((), (), ())
    causes = {cause: [error[cause] for error in moved] for cause in (moved[0] if moved else ())}
    return Comparison(
        tasks,
        grid,
        dict(zip(pairs, curves)),
        _square(tasks, pairs, whole),
        {
            cause: (dict(zip(pairs, [curve for curve, _ in found])), _square(tasks, pairs, [x for _, x in found]))
            for cause, found in causes.items()
        },
    )


def _means(seeds, inside, few, count):
    """Return functions mask -> roots of models at equal progress, of the mean over seeds and without each of them.

    seeds: probabilities (g, n, C) at the values of the grid where `inside` (G,).  Without a seed, at the `few` (G,), of
    which there are `count` means: as many as seeds, or none.
    """
    total, kept = np.sum(seeds, axis=0), few[inside]
    mean = np.sqrt(total / len(seeds))
    rests = [np.sqrt(np.maximum(total[kept] - seed[kept], 0) / (len(seeds) - 1)) for seed in seeds] if count > 1 else []
    return lambda mask: mean[mask[inside]], lambda mask: (rest[mask[inside & few]] for rest in rests)


class _Sums:
    """Sums over samples of the distances of two tasks: of their means, and of these without each seed of one."""

    def __init__(self, common, few, seeds, B):
        self._common, self._few, self._B, self._whole = common, common & few, B, 0.0
        self._without = [np.zeros((count, self._few.sum())) for count in seeds]

    def add(self, a, b, groups):
        (mean_a, rests_a), (mean_b, rests_b) = a, b
        self._whole = self._whole + group_sums(mean_a(self._common), mean_b(self._common), groups, self._B)
        for sums, rests, other in (self._without[0], rests_a, mean_b), (self._without[1], rests_b, mean_a):
            fixed = other(self._few)
            for i, rest in enumerate(rests(self._few)):
                sums[i] += group_sums(rest, fixed, 0 * groups, 1)[0]

    def result(self, N, grid, samples):
        """Return the curve (G,), its integral, and the standard errors of both, a dict cause -> pair."""
        curve = _spread(self._whole.sum(axis=0) / N, self._common)
        without = [[_spread(row / N, self._few) for row in rows] for rows in self._without]
        errors = {}
        if all(without):
            errors["seeds"] = [
                np.hypot(*(resampling.jackknife_error(x) for x in (a, b)))
                for a, b in (without, [[integral(row, grid) for row in rows] for rows in without])
            ]
        if samples is not None:
            drawn = [_spread(row, self._common) for row in resampling.weights(np.bincount(samples)) @ self._whole]
            errors["samples"] = [
                resampling.bootstrap_error(x, self._B) for x in (drawn, [integral(row, grid) for row in drawn])
            ]
        return curve, integral(curve, grid), errors


def _spread(values, mask):
    """Return (G,) values that lie where the mask (G,) says; NaN elsewhere."""
    found = np.full(len(mask), np.nan)
    found[mask] = values
    return found


def _square(tasks, pairs, values):
    """Return a symmetric matrix (K, K) of one value a pair, 0 on the diagonal, NaN for other pairs."""
    matrix = np.where(np.eye(len(tasks)), 0, np.nan)
    for (a, b), value in zip(pairs, values):
        i, j = tasks.index(a), tasks.index(b)
        matrix[i, j] = matrix[j, i] = value
    return matrix


def summarise_all(
    trajectories: list,
    objective: str = "angle",
    samples: np.ndarray | None = None,
    points: np.ndarray = (),
    *,
    show: bool = False,
) -> list[Summary | None]:
    """Return a Summary for each trajectory (see `trajectory.summarise`), or None where its true labels are not known.

    Warns where the last model of a file is no better than chance (see `labels.right_by_chance`).
    """
    summaries = []
    for x in tqdm(trajectories, desc="progress and lengths", disable=None if show else True):
        summary = None if x.labels is None else summarise(x, x.labels, objective, samples, points)
        if summary and (doubt := doubts(x)):
            log.warning("warning: %s", doubt)
        if summary and summary.rounding > 0.01:
            log.warning(
                "warning: %s: %d steps are finer than what is stored (%s); its length, which rounding would make %.0f "
                "%% longer, is that through %d of %d checkpoints",
                x.name,
                len(x.t) - len(summary.knots),
                "published" if x.published else x.quantity,
                100 * summary.rounding,
                len(summary.knots),
                len(x.t),
            )
        summaries.append(summary)
    return summaries


def same_range(curves: dict) -> tuple[dict, tuple[float, float] | None]:
    """Return the mean of each curve {progress: distance} over the progress at which all are known, and its ends.

    Distances grow with progress, so that a task that stops early is near to all others over the progress that it
    reached.  Here it shortens the range of all.  {} and None where less than two values of progress are common.
    """
    common = np.array(sorted(set.intersection(*map(set, curves.values())) if curves else []))
    if len(common) < 2:
        return {}, None
    means = {pair: mean_over(np.array([curve[s] for s in common]), common) for pair, curve in curves.items()}
    return means, (common[0], common[-1])
