"""What the claims of the paper are measured by: from trajectories to numbers, their spread, null models and verdicts.

Rules and their words are in README.md of this folder; here they are formulas.
"""
import functools
import itertools
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from info_geometry import comparison, distance, geodesic, inpca, predictions, trajectory
from info_geometry.mantel import mantel
from info_geometry.uncertainty import jackknife_error
from learning import tasks, wordnet

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


@dataclass(frozen=True)
class Finding:
    """What was found of a claim: texts of the value with its spread and of the null, the verdict, and what to draw.

    bars: label -> (value, error), and lines: label -> value of a null, in the unit `axis`.
    """

    value: str
    null: str
    verdict: str
    bars: dict
    lines: dict
    axis: str


def decide(holds, fails):
    """Return the verdict: rules exclude each other, and what neither decides is undecided."""
    return HOLDS if holds else FAILS if fails else UNDECIDED


def mean_and_error(values):
    """Return the mean and its standard error (0 for a single value)."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def ends(x, y):
    """Return the distances (len x, len y) of the last models of trajectories."""
    last = [[t.select([-1]) for t in side] for side in (x, y)]
    return distance.cross(*last)


def between_seeds(x):
    """Return the mean distance of the ends of different seeds of a task."""
    if len(x) < 2:
        return float("nan")
    found = ends(x, x)
    return float(found[np.triu_indices(len(x), 1)].mean())


def low_dimensional(runs, every=4, draws=20, seed=0):
    """Claim 1.  runs: name -> trajectories.  Of each, every 4th model and the last one."""
    everything = [x for seeds in runs.values() for x in seeds]
    thin = [x.select(np.unique([*range(0, x.shape[0], every), x.shape[0] - 1])) for x in everything]
    rng, labels = np.random.default_rng(seed), everything[0].labels
    models = [x.roots() ** 2 for x in thin]

    def stress(order):
        D = distance.pairwise([P if order is None else P[:, order()] for P in models], precision="float32")
        return inpca.fit(D).explained_stress(3)

    def within():
        order = np.empty(len(labels), int)
        order[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(len(labels)), labels))
        return order

    value = stress(None)
    null = {"samples permuted": [stress(lambda: rng.permutation(len(labels))) for _ in range(draws)],
            "within classes": [stress(within) for _ in range(draws)]}
    seeds = sorted({x.seed for x in everything})
    without = [inpca.fit(distance.pairwise([P for P, x in zip(models, thin) if x.seed != s], precision="float32"))
               .explained_stress(3) for s in seeds] if len(seeds) > 1 else []
    error = float(jackknife_error(without)) if without else 0.0
    means = {name: mean_and_error(values)[0] for name, values in null.items()}
    return Finding(f"{value:.3f} +- {error:.3f}", "; ".join(
        f"{name} {np.mean(v):.3f} (largest {max(v):.3f})" for name, v in null.items()),
        decide(value >= 0.8 and value > max(map(max, null.values())), value < 0.5 or value <= max(means.values())),
        {"all models": (value, error)}, means, "explained stress of 3 axes")


def progress_on_others(runs, dataset):
    """Claim 2.  runs: supervised ones, task -> trajectories, `randomlab` among them."""
    known = {name: tasks.load(dataset, name) for name in runs if name not in ("all", "randomlab")}
    labels, gains, nulls = next(iter(runs.values()))[0].labels, {}, {}
    for name, task in known.items():
        other = ~np.isin(labels, task.classes)
        found, null = ([geodesic.progress(x.select([-1]).roots()[:, other] ** 2, labels[other])[0] for x in seeds]
                       for seeds in (runs[name], runs["randomlab"]))
        gains[name], nulls[name] = mean_and_error(found), mean_and_error(null)
    excess = {name: (gains[name][0] - nulls[name][0], np.hypot(gains[name][1], nulls[name][1])) for name in known}
    value = [gains[name][0] for name in known]
    counts = permuted_correlation(value, [len(task.classes) for task in known.values()])
    spread = permuted_correlation(value, [_spread(task) for task in known.values()])
    holds = all(gain > 2 * error for gain, error in excess.values()) and counts[0] > 0 and counts[1] <= 0.05
    fails = np.mean([gain <= 0 for gain, _ in excess.values()]) > 0.5 or counts[0] <= 0
    return Finding(f"excess {min(g for g, _ in excess.values()):.3f} to {max(g for g, _ in excess.values()):.3f}; "
                   f"r (classes) {counts[0]:.2f}, p = {counts[1]:.2g}; r (WordNet spread) {spread[0]:.2f}, "
                   f"p = {spread[1]:.2g}",
                   f"randomlab {min(n for n, _ in nulls.values()):.3f} to {max(n for n, _ in nulls.values()):.3f}",
                   decide(holds, fails), gains, {"randomlab, mean": np.mean([n for n, _ in nulls.values()])},
                   "progress on classes never seen")


def _spread(task):
    """Return the mean WordNet path length between the classes of a task."""
    synsets = [tasks.class_synsets(task.dataset)[k] for k in task.classes]
    return np.mean([wordnet.path_length(a, b) for a, b in itertools.combinations(synsets, 2)])


def permuted_correlation(x, y):
    """Return the Spearman correlation of two lists, and its one-sided p-value among all permutations of one of them."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    found = spearmanr(x, y).statistic
    reached = [spearmanr(x, order).statistic >= found - 1e-12 for order in itertools.permutations(y)]
    return float(found), float(np.mean(reached))


def compare(runs):
    """Return the Comparison of runs at equal progress."""
    return comparison.compare_all(runs, {name: list(map(_progress, seeds)) for name, seeds in runs.items()})


@functools.cache
def _progress(x):
    return trajectory.summarise(x, x.labels).progress


def follows_wordnet(runs, dataset):
    """Claim 3.  runs: supervised ones."""
    places = {name: tasks.place(tasks.load(dataset, name)) for name in runs}
    names = [name for name, node in places.items() if node and name != "randomlab"]
    W = np.array([[wordnet.path_length(places[a], places[b]) for b in names] for a in names])
    found = mantel(_means(compare({name: runs[name] for name in names})), W)
    seeds = range(min(map(len, (runs[name] for name in names))))
    without = [mantel(_means(compare({name: [x for i, x in enumerate(runs[name]) if i != s] for name in names})),
                      W).statistic for s in seeds] if len(seeds) > 1 else []
    error = float(jackknife_error(without)) if without else 0.0
    return Finding(f"Spearman {found.statistic:.2f} +- {error:.2f}, p = {found.p:.2g} ({found.objects} tasks)",
                   f"0; {found.compared}", decide(found.p <= 0.05, found.statistic <= 0),
                   {"WordNet path length": (found.statistic, error)}, {"permuted": 0.0}, "Mantel correlation")


def _means(found):
    """Return the mean distances of tasks (K, K) at equal progress, each over the progress that both reached."""
    widths = np.full(found.integrals.shape, np.nan)
    for (i, a), (j, b) in itertools.combinations(enumerate(found.tasks), 2):
        common = found.grid[~np.isnan(found.curves[a, b])]
        widths[i, j] = widths[j, i] = np.ptp(common) if len(common) else np.nan
    np.fill_diagonal(widths, 1.0)
    return found.integrals / widths


def longer_but_near(runs, methods, reference="all"):
    """Claim 4.  methods: names of runs that learn by episodes; runs of other names are supervised tasks."""
    base, bars, rows, holds, fails = runs[reference], {}, [], [], []
    lengths = [trajectory.riemann_length(x) for x in base]
    others = [float(ends(runs[name], base).mean()) for name in _other_tasks(runs, methods, reference)]
    for name in methods:
        ratio = mean_and_error([trajectory.riemann_length(x) / np.mean(lengths) for x in runs[name]])
        error = float(np.hypot(ratio[1], ratio[0] * np.divide(*mean_and_error(lengths)[::-1])))
        apart = float(ends(runs[name], base).mean())
        bars[name] = ratio[0], error
        rows.append(f"{name}: length ratio {ratio[0]:.2f} +- {error:.2f}, distance of ends {apart:.3f}")
        holds.append(ratio[0] - 2 * error > 1 and apart < np.median(others))
        fails.append(ratio[0] + 2 * error < 1 or apart > max(others))
    return Finding("; ".join(rows), f"ends of other tasks {min(others):.3f} to {max(others):.3f}, of seeds "
                   f"{between_seeds(base):.3f}", decide(all(holds), all(fails)), bars, {"supervised": 1.0},
                   "Riemann length over that of supervised learning")


def _other_tasks(runs, methods, reference):
    """Return the names of supervised tasks to compare methods with: random labels are none."""
    return [name for name in runs if name not in (*methods, reference, "randomlab")]


def near_at_equal_progress(runs, methods, reference="all"):
    """Claim 5.  methods: names of runs; runs of other names are supervised tasks."""
    found = compare(runs)
    others = _other_tasks(runs, methods, reference)
    bars, rows, holds, fails = {}, [], [], []
    for name in methods:
        curve = _curve(found, name, reference)
        same = [_over(_curve(found, other, reference), curve, found.grid) for other in others]
        same = [value for value in same if np.isfinite(value)]
        value = _over(curve, curve, found.grid)
        error = _integral_error(found, name, reference, curve)
        rows.append(f"{name}: {value:.3f} +- {error:.3f} against {min(same, default=np.nan):.3f} to "
                    f"{max(same, default=np.nan):.3f} (median {np.median(same) if same else np.nan:.3f})")
        bars[name] = value, error
        holds.append(bool(same) and value < np.median(same))
        fails.append(bool(same) and value > max(same))
    rests = [(x, [y for y in runs[reference] if y is not x]) for x in runs[reference]]
    apart = np.mean([_means(compare({"one": [x], "rest": rest}))[0, 1] for x, rest in rests if rest] or [np.nan])
    return Finding("; ".join(rows), f"a seed to the mean of the others {apart:.3f}",
                   decide(all(holds), np.mean(fails) > 0.5), bars, {"between seeds": apart},
                   "distance to supervised learning at equal progress")


def _curve(found, a, b):
    return found.curves[(a, b) if (a, b) in found.curves else (b, a)]


def _over(curve, where, grid):
    """Return the mean of a curve over the part of the grid where another one is known; NaN where it is not."""
    known = ~np.isnan(where)
    if known.sum() < 2 or np.isnan(curve[known]).any():
        return float("nan")
    return trajectory.integral(np.where(known, curve, np.nan), grid) / np.ptp(grid[known])


def _integral_error(found, a, b, curve):
    i, j = found.tasks.index(a), found.tasks.index(b)
    width = np.ptp(found.grid[~np.isnan(curve)]) if (~np.isnan(curve)).any() else np.nan
    return float(found.errors["seeds"][1][i, j] / width) if width else float("nan")


def changes_little(starts):
    """Claim 6.  starts: number of the checkpoint that was started from -> trajectories, in the order of seeds."""
    order = sorted(starts)
    lengths = np.array([[trajectory.riemann_length(x) for x in starts[k]] for k in order])  # (starts, seeds)
    ratios = lengths / lengths[0]
    bars = {f"checkpoint {k}": mean_and_error(row) for k, row in zip(order, ratios)}
    falls = [spearmanr(order, column).statistic for column in lengths.T]
    last, error = bars[f"checkpoint {order[-1]}"]
    return Finding(", ".join(f"{k}: {value:.2f} +- {spread:.2f}" for k, (value, spread) in zip(order, bars.values())),
                   "1", decide(last + 2 * error < 0.5 and max(falls) < 0, last > 1 - 2 * error or np.mean(falls) >= 0),
                   bars, {"from scratch": 1.0}, "length of fine-tuning over that from scratch")


def elsewhere(runs, random="randomlab"):
    """Claim 7.  runs: supervised ones."""
    final = {name: mean_and_error([_progress(x)[-1] for x in seeds]) for name, seeds in runs.items()}
    others = [name for name in runs if name != random]
    gaps = [(final[name][0] - final[random][0], 2 * np.hypot(final[name][1], final[random][1])) for name in others]
    nearest = min(float(ends(runs[random], runs[name]).mean()) for name in others)
    null = between_seeds(runs[random])
    return Finding(f"progress {final[random][0]:.3f} +- {final[random][1]:.3f}, others from "
                   f"{min(final[name][0] for name in others):.3f}; distance to the nearest end {nearest:.3f}",
                   f"ends of its seeds {null:.3f}",
                   decide(all(gap > error for gap, error in gaps) and nearest > 2 * null, nearest <= null), final,
                   {random: final[random][0]}, "final progress")


def of_folder(folder, names, seeds):
    """Return {name: trajectories} of runs `<folder>/<run>/preds_<seed>.h5`; names: name -> run."""
    return {name: [predictions.open_trajectory(folder / run / f"preds_{seed}.h5") for seed in seeds]
            for name, run in names.items()}
