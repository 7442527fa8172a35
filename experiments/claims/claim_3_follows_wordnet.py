"""Claim 3: the arrangement of tasks follows WordNet.

Measure: a Mantel test, Spearman, of the mean distance at equal progress against WordNet path length.
Null: all permutations of tasks.
Holds: p <= 0.05.  Fails: the correlation is not above 0.
"""

import itertools

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from experiments.claims import drawing
from experiments.claims.finding import Finding, compare, decide
from experiments.claims.runs import DATASET, RANDOM, Runs
from info_geometry.figures import style
from info_geometry.uncertainty.mantel import mantel
from info_geometry.uncertainty.resampling import jackknife_error
from learning import tasks
from learning.tasks import wordnet

CLAIM = "The arrangement of tasks follows WordNet"
WHERE = "v4, abstract, 3"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs whose tasks have a place in WordNet."""
    places = {name: tasks.place(tasks.load(DATASET, name)) for name in runs.supervised}
    names = [name for name, node in places.items() if node and name != RANDOM]
    placed = {name: runs.supervised[name] for name in names}
    W = np.array([[wordnet.path_length(places[a], places[b]) for b in names] for a in names])
    D = compare(placed).means()
    found, pairs, orders = mantel(D, W), np.triu_indices(len(names), 1), itertools.permutations(range(len(names)))
    null = [spearmanr(D[pairs], W[np.ix_(order, order)][pairs]).statistic for order in orders] if found.exact else []
    without = []  # each seed in turn
    count = min(map(len, placed.values()))
    for left_out in range(count if count > 1 else 0):
        rest = {name: [x for i, x in enumerate(seeds) if i != left_out] for name, seeds in placed.items()}
        without.append(mantel(compare(rest).means(), W).statistic)
    error = float(jackknife_error(without)) if without else 0.0
    return Finding(
        f"Spearman {found.statistic:.2f} +- {error:.2f}, p = {found.p:.2g} ({found.objects} tasks)",
        f"0; {found.compared}",
        decide(found.p <= 0.05, found.statistic <= 0),
        {"names": names, "distances": D, "path_lengths": W, "correlation": found.statistic, "null": null},
    )


def draw(
    names: list[str], distances: np.ndarray, path_lengths: np.ndarray, correlation: float, null: list[float]
) -> Figure:
    """Return the figure: distances of tasks (K, K) against path lengths (K, K), and the correlations of the null.

    A pair of tasks is half the mark of one and half the mark of the other.
    """
    figure, styles = Figure((style.PAGE, 2.7), layout="constrained"), style.colours(names)
    drawing.legend(figure, styles, len(styles))
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for i, j in zip(*np.triu_indices(len(names), 1)):
        beside = 0.12 * (i + j - len(names)) / len(names)  # points of one path length would hide each other
        for run, half in (names[i], "left"), (names[j], "right"):
            left.plot(
                path_lengths[i, j] + beside,
                distances[i, j],
                styles[run]["marker"],
                fillstyle=half,
                markersize=6,
                color=styles[run]["color"],
                markeredgewidth=0,
            )
    left.set(xlabel="WordNet path length", ylabel="distance at equal progress", ylim=(0, None))
    left.grid(axis="y")
    right.hist(null, bins=np.linspace(-1, 1, 41), color="0.8")
    right.axvline(correlation, color=style.PALETTE[1], linestyle="--", label=f"found: {correlation:.2f}")
    right.set(xlabel="Spearman correlation", ylabel="permutations of tasks", xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1))
    right.legend(loc="upper left")
    return figure
