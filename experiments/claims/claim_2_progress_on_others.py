"""Claim 2: training on one task makes progress on others, more so the more diverse its classes.

Measure: the final progress on the samples of classes that the task does not have; its rank correlation r over tasks
with the number of classes, and with their mean WordNet path length.
Null: the progress of random labels on the same samples; all permutations of tasks.
Holds: progress exceeds the null by 2 standard errors for every task, and r (number of classes) has p <= 0.05.
Fails: progress does not exceed the null for most tasks, or r <= 0.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from experiments.claims.finding import Finding, decide, mean_and_error
from experiments.claims.runs import ALL, DATASET, RANDOM, Runs
from info_geometry import geodesic
from info_geometry.figures import style
from learning import tasks
from learning.tasks import wordnet

CLAIM = "Training on one task makes progress on others, more so the more diverse its classes"
WHERE = "v4, abstract, 2"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs."""
    supervised = runs.supervised
    known = {name: tasks.load(DATASET, name) for name in supervised if name not in (ALL, RANDOM)}
    labels, gains, nulls = next(iter(supervised.values()))[0].labels, {}, {}
    for name, task in known.items():
        other = ~np.isin(labels, task.classes)
        found, null = (
            [geodesic.progress(x.select([-1]).roots()[:, other] ** 2, labels[other])[0] for x in seeds]
            for seeds in (supervised[name], supervised[RANDOM])
        )
        gains[name], nulls[name] = mean_and_error(found), mean_and_error(null)
    excess = {name: (gains[name][0] - nulls[name][0], np.hypot(gains[name][1], nulls[name][1])) for name in known}
    value, sizes = [gains[name][0] for name in known], [len(task.classes) for task in known.values()]
    spreads = [path_length_between_classes(task) for task in known.values()]
    counts, spread = permuted_correlation(value, sizes), permuted_correlation(value, spreads)
    holds = all(gain > 2 * error for gain, error in excess.values()) and counts[0] > 0 and counts[1] <= 0.05
    fails = np.mean([gain <= 0 for gain, _ in excess.values()]) > 0.5 or counts[0] <= 0
    return Finding(
        f"excess {min(g for g, _ in excess.values()):.3f} to {max(g for g, _ in excess.values()):.3f}; "
        f"r (classes) {counts[0]:.2f}, p = {counts[1]:.2g}; r (WordNet spread) {spread[0]:.2f}, "
        f"p = {spread[1]:.2g}",
        f"randomlab {min(n for n, _ in nulls.values()):.3f} to {max(n for n, _ in nulls.values()):.3f}",
        decide(holds, fails),
        {
            "of_tasks": {
                name: (gains[name], nulls[name], size, apart) for name, size, apart in zip(known, sizes, spreads)
            }
        },
    )


def path_length_between_classes(task: tasks.Task) -> float:
    """Return the mean WordNet path length between the classes of a task."""
    synsets = [tasks.class_synsets(task.dataset)[k] for k in task.classes]
    return np.mean([wordnet.path_length(a, b) for a, b in itertools.combinations(synsets, 2)])


def permuted_correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the Spearman correlation of two lists, and its one-sided p-value among all permutations of one of them.

    NaN for less than three values, and where all values of a list are equal.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    found = spearmanr(x, y).statistic
    reached = [spearmanr(x, order).statistic >= found - 1e-12 for order in itertools.permutations(y)]
    return float(found), float(np.mean(reached))


def draw(of_tasks: dict[str, tuple]) -> Figure:
    """Return the figure: progress against the number of classes, and against how far apart these are in WordNet.

    of_tasks: name -> ((progress, error), (null, error), number of classes, mean path length between them).
    """
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, column, label in (axes[0], 2, "classes of the task"), (axes[1], 3, "mean WordNet path length between them"):
        for name, row in of_tasks.items():
            (value, error), (null, null_error), x = row[0], row[1], row[column]
            ax.errorbar(x, value, error, fmt="o", color=style.PALETTE[0], capsize=3)
            ax.errorbar(x, null, null_error, fmt="x", color="0.5")
            left = x > np.mean([other[column] for other in of_tasks.values()])
            ax.annotate(
                name,
                (x, value),
                (-6 if left else 6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                ha="right" if left else "left",
            )
        ax.set(xlabel=label, ylim=(0, None))
        ax.margins(x=0.08)
        ax.grid(axis="y")
    axes[0].set_ylabel("progress on classes never seen")
    axes[0].plot([], [], "o", color=style.PALETTE[0], label="the task")
    axes[0].plot([], [], "x", color="0.5", label="random labels, same samples")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
