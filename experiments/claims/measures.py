"""What the claims of the paper are measured by: from trajectories to numbers, their spread, null models and verdicts.

Rules and their words are in README.md of this folder; here they are formulas.
"""

import contextlib
import functools
import itertools
import logging
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr
from tqdm import tqdm

from info_geometry import comparison, distance, geodesic, inpca, predictions, trajectory
from info_geometry.files import log
from info_geometry.storage import runs as chosen
from info_geometry.uncertainty.mantel import mantel
from info_geometry.uncertainty.resampling import jackknife_error
from info_geometry.uncertainty.stress import stress_error_of_seeds
from learning import tasks
from learning.tasks import wordnet

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


@dataclass(frozen=True)
class Finding:
    """What was found of a claim: texts of the value with its spread and of the null, and the verdict.

    shown: what its figure is drawn of, see the functions of `claims.figures`.  beside: what the rule does not look at.
    """

    value: str
    null: str
    verdict: str
    shown: dict
    beside: str = ""


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


def low_dimensional(runs, every=4, draws=20, seed=0, axes=10):
    """Claim 1.  runs: name -> trajectories.  Of each, every 4th model and the last one."""
    everything = [x for seeds in runs.values() for x in seeds]
    thin = [x.select(np.unique([*range(0, x.shape[0], every), x.shape[0] - 1])) for x in everything]
    rng, labels = np.random.default_rng(seed), everything[0].labels
    models = [x.roots(dtype=np.float32) ** 2 for x in thin]

    def stress(order):
        D = distance.pairwise([P[:, order()] for P in models], precision="float32")
        return inpca.fit(D).explained_stress()[:axes]

    def anywhere():
        return rng.permutation(len(labels))

    def within():
        order = np.empty(len(labels), int)
        order[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(len(labels)), labels))
        return order

    D = distance.pairwise(models, precision="float32")
    names = [name for name, seeds in runs.items() for _ in seeds]
    index = {**chosen.index(thin), "run": np.repeat(names, [x.shape[0] for x in thin])}
    embedding = inpca.fit(D, 3, index)
    value, error = embedding.explained_stress()[:axes], stress_error_of_seeds(D, index["seed"], axes)
    with _quiet():
        null = {
            name: np.array([stress(order) for _ in tqdm(range(draws), desc=name, disable=None)])
            for name, order in (("samples permuted", anywhere), ("within classes", within))
        }
    of_3, best = {name: values[:, :3][:, -1] for name, values in null.items()}, embedding.explained_stress(3)
    return Finding(
        f"{best:.3f} +- {error[:3][-1]:.3f}",
        "; ".join(f"{name} {values.mean():.3f} (largest {values.max():.3f})" for name, values in of_3.items()),
        decide(
            best >= 0.8 and best > max(values.max() for values in of_3.values()),
            best < 0.5 or best <= max(values.mean() for values in of_3.values()),
        ),
        {
            "embedding": embedding,
            "geodesic": inpca.place_geodesic(embedding, thin)[1],
            "stress": value,
            "error": error,
            "null": null,
        },
    )


@contextlib.contextmanager
def _quiet():
    """Leave out what the library says of every one of many distances."""
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def progress_on_others(runs, dataset):
    """Claim 2.  runs: supervised ones, task -> trajectories, `randomlab` among them."""
    known = {name: tasks.load(dataset, name) for name in runs if name not in ("all", "randomlab")}
    labels, gains, nulls = next(iter(runs.values()))[0].labels, {}, {}
    for name, task in known.items():
        other = ~np.isin(labels, task.classes)
        found, null = (
            [geodesic.progress(x.select([-1]).roots()[:, other] ** 2, labels[other])[0] for x in seeds]
            for seeds in (runs[name], runs["randomlab"])
        )
        gains[name], nulls[name] = mean_and_error(found), mean_and_error(null)
    excess = {name: (gains[name][0] - nulls[name][0], np.hypot(gains[name][1], nulls[name][1])) for name in known}
    value, sizes = [gains[name][0] for name in known], [len(task.classes) for task in known.values()]
    spreads = [_spread(task) for task in known.values()]
    counts, spread = permuted_correlation(value, sizes), permuted_correlation(value, spreads)
    holds = all(gain > 2 * error for gain, error in excess.values()) and counts[0] > 0 and counts[1] <= 0.05
    fails = np.mean([gain <= 0 for gain, _ in excess.values()]) > 0.5 or counts[0] <= 0
    return Finding(
        f"excess {min(g for g, _ in excess.values()):.3f} to {max(g for g, _ in excess.values()):.3f}; "
        f"r (classes) {counts[0]:.2f}, p = {counts[1]:.2g}; r (WordNet spread) {spread[0]:.2f}, "
        f"p = {spread[1]:.2g}",
        f"randomlab {min(n for n, _ in nulls.values()):.3f} to {max(n for n, _ in nulls.values()):.3f}",
        decide(holds, fails),
        {"tasks": {name: (gains[name], nulls[name], size, apart) for name, size, apart in zip(known, sizes, spreads)}},
    )


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
    D = _means(compare({name: runs[name] for name in names}))
    found, pairs = mantel(D, W), np.triu_indices(len(names), 1)
    null = (
        [
            spearmanr(D[pairs], W[np.ix_(order, order)][pairs]).statistic
            for order in itertools.permutations(range(len(names)))
        ]
        if found.exact
        else []
    )
    seeds = range(min(map(len, (runs[name] for name in names))))
    without = (
        [
            mantel(
                _means(compare({name: [x for i, x in enumerate(runs[name]) if i != s] for name in names})), W
            ).statistic
            for s in seeds
        ]
        if len(seeds) > 1
        else []
    )
    error = float(jackknife_error(without)) if without else 0.0
    return Finding(
        f"Spearman {found.statistic:.2f} +- {error:.2f}, p = {found.p:.2g} ({found.objects} tasks)",
        f"0; {found.compared}",
        decide(found.p <= 0.05, found.statistic <= 0),
        {"names": names, "distances": D, "wordnet": W, "correlation": found.statistic, "null": null},
    )


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
    base, rows, holds, fails = runs[reference], [], [], []
    lengths = {name: [trajectory.riemann_length(x) for x in runs[name]] for name in (reference, *methods)}
    apart = {name: ends(runs[name], base).mean(axis=1) for name in (*methods, *_other_tasks(runs, methods, reference))}
    others = [float(apart[name].mean()) for name in apart if name not in methods]
    for name in methods:
        ratio = mean_and_error(np.divide(lengths[name], np.mean(lengths[reference])))
        error = float(np.hypot(ratio[1], ratio[0] * np.divide(*mean_and_error(lengths[reference])[::-1])))
        end = float(apart[name].mean())
        rows.append(f"{name}: length ratio {ratio[0]:.2f} +- {error:.2f}, distance of ends {end:.3f}")
        holds.append(ratio[0] - 2 * error > 1 and end < np.median(others))
        fails.append(ratio[0] + 2 * error < 1 or end > max(others))
    return Finding(
        "; ".join(rows),
        f"ends of other tasks {min(others):.3f} to {max(others):.3f} (median "
        f"{np.median(others):.3f}), of seeds {between_seeds(base):.3f}",
        decide(all(holds), all(fails)),
        {"lengths": lengths, "ends": apart, "between_seeds": between_seeds(base)},
    )


def _other_tasks(runs, methods, reference):
    """Return the names of supervised tasks to compare methods with: random labels are none."""
    return [name for name in runs if name not in (*methods, reference, "randomlab")]


def near_at_equal_progress(runs, methods, reference="all"):
    """Claim 5.  methods: names of runs; runs of other names are supervised tasks."""
    found = compare(runs)
    others, rows, shared, holds, fails = _other_tasks(runs, methods, reference), [], [], [], []
    curves = {name: _curve(found.curves, name, reference) for name in (*methods, *others)}
    for name in methods:
        same = [_over(curves[other], curves[name], found.grid) for other in others]
        same = [value for value in same if np.isfinite(value)]
        value, error = _over(curves[name], curves[name], found.grid), _integral_error(found, name, reference)
        against = (
            f"{min(same):.3f} to {max(same):.3f} (median {np.median(same):.3f})"
            if same
            else "nothing: no other task comes as far"
        )
        rows.append(f"{name}: {value:.3f} +- {error:.3f} against {against}")
        holds.append(bool(same) and value < np.median(same))
        fails.append(bool(same) and value > max(same))
        both = [np.where(np.isnan(curves[other]), np.nan, curves[name]) for other in others]
        nearer = [
            _over(mine, mine, found.grid) < _over(curves[other], mine, found.grid) for mine, other in zip(both, others)
        ]
        shared.append(f"{name} than {sum(nearer)} of {len(nearer)}")
    rests = [(x, [y for y in runs[reference] if y is not x]) for x in runs[reference]]
    alone = [compare({"one": [x], "rest": rest}) for x, rest in rests if rest]
    apart = float(np.mean([_means(pair)[0, 1] for pair in alone] or [np.nan]))
    return Finding(
        "; ".join(rows),
        f"a seed to the mean of the others {apart:.3f}",
        decide(all(holds), np.mean(fails) > 0.5),
        {
            "grid": found.grid,
            "methods": {name: curves[name] for name in methods},
            "errors": {name: _curve(found.errors["seeds"][0], name, reference) for name in methods},
            "others": {name: curves[name] for name in others},
            "between_seeds": np.mean(
                [_curve(pair.curves, "one", "rest") for pair in alone] or [np.full(len(found.grid), np.nan)], axis=0
            ),
        },
        "over the progress that both of a pair reach, nearer to supervised learning of all classes are "
        + ", ".join(shared)
        + " other tasks",
    )


def _curve(curves, a, b):
    return curves[(a, b) if (a, b) in curves else (b, a)]


def _over(curve, where, grid):
    """Return the mean of a curve over the part of the grid where another one is known; NaN where it is not."""
    known = ~np.isnan(where)
    if known.sum() < 2 or np.isnan(curve[known]).any():
        return float("nan")
    return trajectory.integral(np.where(known, curve, np.nan), grid) / np.ptp(grid[known])


def _integral_error(found, a, b):
    """Return the standard error of the mean over the grid of the distance of two tasks."""
    i, j = found.tasks.index(a), found.tasks.index(b)
    known = found.grid[~np.isnan(_curve(found.curves, a, b))]
    return float(found.errors["seeds"][1][i, j] / np.ptp(known)) if len(known) > 1 else float("nan")


def changes_little(starts, times=None):
    """Claim 6.  starts: number of the checkpoint that was started from -> trajectories, in the order of seeds.

    times: of these checkpoints, number -> epochs, to be shown.
    """
    order = sorted(starts)
    ratios = {
        what: rows / rows[0]
        for what, rows in (
            ("length", np.array([[trajectory.riemann_length(x) for x in starts[k]] for k in order])),  # (starts, seeds)
            ("distance", np.array([[float(ends([x.select([0])], [x])[0, 0]) for x in starts[k]] for k in order])),
        )
    }
    texts = {
        what: ", ".join("{}: {:.2f} +- {:.2f}".format(k, *mean_and_error(row)) for k, row in zip(order, rows))
        for what, rows in ratios.items()
    }
    falls = [spearmanr(order, column).statistic for column in ratios["length"].T]
    last, error = mean_and_error(ratios["length"][-1])
    return Finding(
        texts["length"],
        "1",
        decide(last + 2 * error < 0.5 and max(falls) < 0, last > 1 - 2 * error or np.mean(falls) >= 0),
        {"starts": order, "times": times or {}, **ratios},
        f"distance from the first to the last model of fine-tuning, over that from scratch: {texts['distance']}",
    )


def elsewhere(runs, random="randomlab"):
    """Claim 7.  runs: supervised ones."""
    final = {name: [_progress(x)[-1] for x in seeds] for name, seeds in runs.items()}
    found = {name: mean_and_error(values) for name, values in final.items()}
    others = [name for name in runs if name != random]
    gaps = [(found[name][0] - found[random][0], 2 * np.hypot(found[name][1], found[random][1])) for name in others]
    apart = {name: ends(runs[random], runs[name]).mean(axis=1) for name in others}
    nearest, null = min(float(values.mean()) for values in apart.values()), between_seeds(runs[random])
    return Finding(
        f"progress {found[random][0]:.3f} +- {found[random][1]:.3f}, others from "
        f"{min(found[name][0] for name in others):.3f}; distance to the nearest end {nearest:.3f}",
        f"ends of its seeds {null:.3f}",
        decide(all(gap > error for gap, error in gaps) and nearest > 2 * null, nearest <= null),
        {"progress": final, "ends": apart, "between_seeds": null},
    )


def of_folder(folder, names, seeds):
    """Return {name: trajectories} of runs `<folder>/<run>/preds_<seed>.h5`; names: name -> run."""
    return {
        name: [predictions.open_trajectory(folder / run / f"preds_{seed}.h5") for seed in seeds]
        for name, run in names.items()
    }
