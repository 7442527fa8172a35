"""Trajectories: progress, equal-progress re-indexing, means, distances between them, and lengths.          [command]

    python trajectory.py [RUN ...] [--name NAME] [--seeds S ...]      all runs of a data set when none is named

reads predictions/<run>/preds_<seed>.h5, prints a table of final accuracy, final progress and Riemann length, and
writes plots/<name>/lengths.csv, trajectories.csv (the distance of each pair of tasks at equal progress), integrals.csv
(its integral over the progress both reach) and figures.  18 trajectories of 40 models of 600 samples over 10 classes
take about 5 seconds on 2 CPU cores.
"""
import csv
import itertools
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from info_geometry import geodesic, plot, predictions, runs
from info_geometry.distance import FLOOR
from info_geometry.files import InputError, atomic_path, command, log

GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Summary:
    """What one pass over a trajectory tells: progress (T,), accuracy (T,), distances of neighbours (T-1,)."""

    progress: np.ndarray
    accuracy: np.ndarray
    steps: np.ndarray

    @property
    def length(self):
        """Riemann length (float): sum_t 2 sqrt(d_B(P_t, P_{t+1}))."""
        return _length(self.steps)


def summarise(P, labels, objective="angle"):
    """Return the Summary of a trajectory: probabilities (T, N, C) or an opened file, with true labels (N,)."""
    trajectory = predictions.as_trajectory(P)
    labels = geodesic.check_labels(labels, trajectory)
    T, N, C = trajectory.shape
    uniform, truth, correct, steps = np.empty((T, N)), np.empty((T, N)), np.zeros(T), np.zeros(T - 1)
    for n, roots in trajectory.blocks():
        part = slice(n, n + roots.shape[1])
        uniform[:, part], truth[:, part] = geodesic.two_scalars(roots, labels[part])
        correct += (roots.argmax(axis=2) == labels[part]).sum(axis=1)
        steps += _distance_sums(roots[:-1], roots[1:])
    progress = geodesic.progress_from_scalars(uniform, truth, C, objective)
    return Summary(progress, correct / N, steps / N)


def riemann_length(P):
    """Return the Riemann length (float) of a trajectory: sum_t 2 sqrt(d_B(P_t, P_{t+1})).

    P: probabilities (T, N, C) or an opened file.  Locally d_B = ds^2 / 8 for the Fisher metric, so the Fisher-Rao
    length of a finely sampled trajectory is sqrt(2) times this.
    """
    trajectory = predictions.as_trajectory(P)
    steps = sum(_distance_sums(roots[:-1], roots[1:]) for _, roots in trajectory.blocks())
    return _length(steps / trajectory.shape[1])


def _length(steps):
    return float(2 * np.sqrt(steps).sum())


def _distance_sums(a, b):
    """Return the sums over samples (T,) of -log <a, b> for unit vectors a, b (T, n, C), precise where a is near b."""
    affinity_minus_1 = -0.5 * np.square(a - b).sum(axis=2, dtype=np.float64)
    return -np.log1p(np.maximum(affinity_minus_1, FLOOR - 1)).sum(axis=1)


def reindex(P, progress, grid):
    """Return the models (G, N, C) at the progress values `grid` (G,) of a trajectory P (T, N, C) with progress (T,).

    Between the two checkpoints around a value, square roots are interpolated along the geodesic.  Checkpoints whose
    progress is not above that of all before them are left out, so that progress increases.

    Raises InputError if a value of the grid lies outside the progress that was reached: nothing is extrapolated.
    """
    roots = predictions.as_trajectory(P).roots(dtype=np.float64)
    if len(progress) != len(roots):
        raise InputError(f"{len(roots)} models but {len(progress)} values of progress")
    return _reindex_roots(roots, _positions(progress, grid)) ** 2


def _positions(progress, grid):
    """Return for each value of the grid the checkpoints before and after it and the fraction of the way, each (G,)."""
    progress, grid = np.asarray(progress, dtype=np.float64), np.asarray(grid, dtype=np.float64)
    rising = np.flatnonzero(np.diff(np.maximum.accumulate(progress), prepend=-np.inf) > 0)
    reached = progress[rising]
    if grid.size and (grid.min() < reached[0] or grid.max() > reached[-1]):
        raise InputError(f"the trajectory reaches progress {reached[0]:.3f} to {reached[-1]:.3f}; it cannot be "
                         f"re-indexed from {grid.min():.3f} to {grid.max():.3f}")
    if len(rising) == 1:
        return np.repeat(rising, grid.size), np.repeat(rising, grid.size), np.zeros(grid.size)
    before = np.clip(np.searchsorted(reached, grid, side="right") - 1, 0, len(rising) - 2)
    fraction = (grid - reached[before]) / (reached[before + 1] - reached[before])
    return rising[before], rising[before + 1], fraction


def _reindex_roots(roots, positions):
    before, after, fraction = positions
    return geodesic.interpolate_roots(roots[before], roots[after], fraction[:, None])


def mean(trajectories):
    """Return the mean (G, N, C) of re-indexed trajectories: the arithmetic mean of their probabilities."""
    return np.mean([predictions.as_trajectory(P).roots(dtype=np.float64) ** 2 for P in trajectories], axis=0)


def compare(A, B, grid):
    """Return the distances (G,) of two trajectories at equal progress, and their integral over the grid (float).

    A, B: probabilities (G, N, C) at the progress values `grid` (G,), for example the means over seeds.
    """
    A, B, grid = predictions.as_trajectory(A, "A"), predictions.as_trajectory(B, "B"), np.asarray(grid, dtype=float)
    if A.shape != B.shape or len(grid) != A.shape[0]:
        raise InputError(f"expected two trajectories re-indexed on the grid of {len(grid)} values, found shapes "
                         f"{A.shape} and {B.shape}")
    curve = _distance_sums(A.roots(dtype=np.float64), B.roots(dtype=np.float64)) / A.shape[1]
    return curve, _integral(curve, grid)


def _integral(curve, grid):
    """Return the trapezoidal integral over the part of the grid where the curve is known, NaN if that is a point."""
    known = ~np.isnan(curve)
    if known.sum() < 2:
        return float("nan")
    return float((np.diff(grid[known]) * (curve[known][1:] + curve[known][:-1]) / 2).sum())


def compare_all(groups, progress, grid=GRID, *, show=False):
    """Return the distances at equal progress of the seed-means of all pairs of tasks, in one streaming pass.

    groups: dict task -> list of trajectories (its seeds).  progress: dict task -> list of (T,).  grid: (G,).
    Returns curves, a dict (task, task) -> (G,) with NaN outside the range that all seeds of both tasks reached, and
    the integrals (K, K) over these ranges, 0 on the diagonal and NaN for tasks with fewer than 2 values in common.
    """
    tasks, everything = list(groups), list(itertools.chain(*groups.values()))
    N = everything[0].shape[1]
    inside, positions = {}, {}
    for task in tasks:
        envelope = [np.maximum.accumulate(p) for p in progress[task]]
        inside[task] = np.all([(grid >= e[0]) & (grid <= e[-1]) for e in envelope], axis=0)
        positions[task] = [_positions(p, grid[inside[task]]) for p in progress[task]]
    pairs = list(itertools.combinations(tasks, 2))
    common = {pair: inside[pair[0]] & inside[pair[1]] for pair in pairs}
    sums = {pair: np.zeros(common[pair].sum()) for pair in pairs}
    size = predictions.block_size(everything, more=len(tasks) * len(grid))
    for start in tqdm(range(0, N, size), desc=f"comparing {len(tasks)} tasks", disable=None if show else True):
        means = {}
        for task in tasks:
            seeds = [_reindex_roots(x.roots(start, start + size), where) ** 2
                     for x, where in zip(groups[task], positions[task])]
            means[task] = np.sqrt(np.mean(seeds, axis=0))
        for a, b in pairs:
            sums[a, b] += _distance_sums(means[a][common[a, b][inside[a]]], means[b][common[a, b][inside[b]]])
    curves, integrals = {}, np.zeros((len(tasks), len(tasks)))
    for (i, a), (j, b) in itertools.combinations(enumerate(tasks), 2):
        curves[a, b] = np.full(len(grid), np.nan)
        curves[a, b][common[a, b]] = sums[a, b] / N
        integrals[i, j] = integrals[j, i] = _integral(curves[a, b], grid)
    return curves, integrals


def main():
    parser = runs.options(__doc__)
    parser.add_argument("--objective", default="angle", choices=geodesic.OBJECTIVES,
                        help="what progress minimises: the mean angle, or the published code's mean of -log")
    arguments = parser.parse_args()
    trajectories, name = runs.find(arguments)
    folder = arguments.plots / name
    runs.once(folder / ".trajectory.json", [runs.identity(trajectories, arguments.predictions), arguments.objective],
              lambda: compare_and_draw(trajectories, arguments, folder), redo=arguments.redo)


def compare_and_draw(trajectories, arguments, folder):
    """Write tables and figures of the trajectories; return the table to print and the paths."""
    summaries = summarise_all(trajectories, arguments, show=True)
    if None in summaries:
        unknown = trajectories[summaries.index(None)]
        raise InputError(f"{unknown.name} holds no labels, and progress needs them: put them at "
                         f"{runs.labels_path(unknown, arguments.predictions)}")
    groups, progress = {}, {}
    for x, summary in zip(trajectories, summaries):
        groups.setdefault(x.run, []).append(x)
        progress.setdefault(x.run, []).append(summary.progress)
    curves, integrals = compare_all(groups, progress, show=True)
    rows = [{"run": x.run, "seed": x.seed, "checkpoints": len(x.t), "final_accuracy": s.accuracy[-1],
             "final_progress": s.progress[-1], "riemann_length": s.length} for x, s in zip(trajectories, summaries)]
    written = [_write_csv(folder / "lengths.csv", rows), _write_csv(folder / "trajectories.csv", _curve_rows(curves)),
               _write_csv(folder / "integrals.csv", _integral_rows(curves))]
    written += plot.progress(folder, [
        {"run": x.run, "seed": x.seed, "t": x.t, "t_name": x.attributes.get("t_name", "checkpoint"),
         "progress": s.progress, "accuracy": s.accuracy} for x, s in zip(trajectories, summaries)])
    written += plot.lengths(folder, [{**row, "length": row["riemann_length"]} for row in rows])
    if len(groups) > 1:
        written += plot.trajectory_distances(folder, GRID, curves, integrals, list(groups))
    return _table(rows), written


def summarise_all(trajectories, arguments, *, show=False):
    """Return a Summary for each trajectory, or None where its true labels are not known.

    Warns where labels from outside the file say that the last model is no better than chance.
    """
    summaries = []
    for x in tqdm(trajectories, desc="progress and lengths", disable=None if show else True):
        labels = runs.labels(x, arguments.predictions)
        summary = None if labels is None else summarise(x, labels, getattr(arguments, "objective", "angle"))
        if summary and x.labels is None and summary.accuracy[-1] <= 1.5 / x.shape[2]:
            log.warning("warning: the last model of %s has accuracy %.4f, which is chance: are its samples in the "
                        "order of %s?", x.name, summary.accuracy[-1], runs.labels_path(x, arguments.predictions))
        summaries.append(summary)
    return summaries


def _write_csv(path, rows):
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["run_a", "run_b"])
        writer.writeheader()
        writer.writerows({key: f"{v:.8g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows)
    return path


def _curve_rows(curves):
    return [{"run_a": a, "run_b": b, "progress": float(s), "distance": float(d)}
            for (a, b), curve in curves.items() for s, d in zip(GRID, curve) if not np.isnan(d)]


def _integral_rows(curves):
    """Return a row a pair: integrals cover the progress that both tasks reached, which differs between pairs."""
    common = {pair: GRID[~np.isnan(curve)] for pair, curve in curves.items()}
    return [{"run_a": a, "run_b": b, "from_progress": float(common[a, b].min(initial=np.inf)),
             "to_progress": float(common[a, b].max(initial=-np.inf)), "integral": _integral(curve, GRID)}
            for (a, b), curve in curves.items()]


def _table(rows):
    """Return the table of final accuracy, progress and length: one line a run, mean and spread over its seeds."""
    width = max(len(row["run"]) for row in rows)
    lines = [f"{'task':{width}}  seeds  final accuracy   final progress   Riemann length"]
    for run, seeds in itertools.groupby(rows, key=lambda row: row["run"]):
        seeds = list(seeds)
        cells = [np.array([row[key] for row in seeds], dtype=float)
                 for key in ("final_accuracy", "final_progress", "riemann_length")]
        lines.append(f"{run:{width}}  {len(seeds):5d}  " + "  ".join(
            f"{c.mean():6.3f} +- {c.std(ddof=1) if len(c) > 1 else 0:5.3f}" for c in cells))
    lines.append("Riemann length: sum of 2 sqrt(d_B) between neighbours; the Fisher-Rao length is sqrt(2) times it")
    return "\n".join(lines)


if __name__ == "__main__":
    command(main)
