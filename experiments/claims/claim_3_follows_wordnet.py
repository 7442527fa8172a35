"""Claim 3: the arrangement of tasks follows WordNet.

Measure: of all 45 tasks of two classes, the Spearman correlation, over pairs of tasks without a common class, of the
mean distance at equal progress with the mean WordNet path length between a class of one and a class of the other.
Null: the ten classes permuted.
Holds: p <= 0.05.  Fails: the correlation is not above 0.
"""

import itertools

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import classes as permuting
from experiments.claims.claim_2_progress_on_others import partial
from experiments.claims.finding import compare
from experiments.claims.runs import DATASET, NAMED, Runs, Seeds
from info_geometry.figures import style
from learning import tasks
from learning.finding import Finding, decide
from learning.tasks import wordnet

CLAIM = "The arrangement of tasks follows WordNet"
WHERE = "v4, abstract, 3"

GRID = np.linspace(0, 1, 51)


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the tasks of two classes."""
    D = distances(runs.pairs)
    found = permuting.correlation(D)
    seeds = range(min(map(len, runs.pairs.values())))
    alone = [permuting.correlation(distances({k: [x[i]] for k, x in runs.pairs.items()}), 0).statistic for i in seeds]
    shared, count = nested({name: runs.supervised[name] for name in ("all", *NAMED)})
    known = np.isfinite(D)
    return Finding(
        f"Spearman {found.statistic:.2f}, p = {found.p:.2g} ({known.sum()} pairs of {len(runs.pairs)} tasks)",
        f"classes permuted, {len(found.null) - 1:,} draws: 95 % are below {np.quantile(found.null, 0.95):.2f}",
        decide(found.p <= 0.05, found.statistic <= 0),
        {"distances": D, "found": found},
        f"one seed alone {', '.join(f'{r:.2f}' for r in alone)}; of {count} named tasks in the tree, which share "
        f"classes, partial Mantel correlation given Jaccard distance {shared[0]:.2f}, p = {shared[1]:.2g}",
    )


def distances(pairs: dict[tuple[int, int], Seeds]) -> np.ndarray:
    """Return the mean distances (10, 10, 10, 10) at equal progress of tasks of two classes; NaN but for disjoint ones.

    Of the two orders of a pair of tasks the one is NaN, too.
    """
    disjoint = [(a, b) for a, b in itertools.combinations(pairs, 2) if not set(a) & set(b)]
    means, place = compare(pairs, GRID, pairs=disjoint).means(), list(pairs).index
    found = np.full((10, 10, 10, 10), np.nan)
    for a, b in disjoint:
        found[(*a, *b)] = means[place(a), place(b)]
    return found


def nested(runs: dict[str, Seeds]) -> tuple[tuple[float, float], int]:
    """Return the partial Mantel correlation of distances of tasks in the tree with WordNet, given the Jaccard distance.

    With its one-sided p-value over all permutations of tasks, and their number.  (Smouse, Long and Sokal 1986.)
    """
    places = {name: place for name in runs if (place := tasks.place(tasks.load(DATASET, name)))}
    names, J = list(places), permuting.jaccard(places)
    D, upper = compare({name: runs[name] for name in names}).means(), np.triu_indices(len(names), 1)
    W = np.array([[wordnet.path_length(places[a], places[b]) for b in names] for a in names])
    orders = [np.ix_(order, order) for order in itertools.permutations(range(len(names)))]
    null = np.array([partial(D[order][upper], W[upper], J[upper]) for order in orders])
    return (float(null[0]), float(np.mean(null >= null[0] - 1e-12))), len(names)


def draw(distances: np.ndarray, found: permuting.Correlation) -> Figure:
    """Return the figure: distances (10, 10, 10, 10) against path lengths, and the correlations of the null."""
    figure = Figure((style.PAGE, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    at = np.argwhere(np.isfinite(distances))
    values = np.array([distances[tuple(each)] for each in at])
    paths = np.array([permuting.PATHS[np.ix_(each[:2], each[2:])].mean() for each in at])
    left.plot(paths, values, "o", color=style.PALETTE[0], alpha=0.25, markersize=3, markeredgewidth=0)
    parts = np.unique(np.round(paths))
    middles = [np.median(values[np.round(paths) == part]) for part in parts]
    left.plot(parts, middles, "_", color="black", markersize=14, markeredgewidth=2, label="median of a step")
    left.set(xlabel="mean WordNet path length between their classes", ylabel="mean distance at equal progress")
    left.set_ylim(0, None)
    left.legend(loc="upper left")
    right.hist(found.null, 40, color="0.75", label="classes permuted")
    right.axvline(found.statistic, color=style.PALETTE[1], label=f"the classes: p = {found.p:.2g}")
    right.set(xlabel="Spearman correlation", ylabel="permutations", xlim=(-1, 1))
    right.set(yticks=[], xticks=(-1, -0.5, 0, 0.5, 1), ylim=(0, 1.35 * right.get_ylim()[1]))  # room for the legend
    right.legend(loc="upper left")
    return figure
