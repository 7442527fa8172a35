"""Claim 2: training on one task makes progress on others, more so the more diverse its classes.

Measure: progress, and accuracy, on the samples of classes that a task does not have, once 60,000 images are seen; the
rank correlation r over tasks with the number of classes.
Null: random labels after as many images, on the same samples; all permutations of tasks.
Holds, for both progress and accuracy: the null is exceeded by 2 standard errors for every task, and r has p <= 0.05.
Fails, for both: the null is not exceeded for most tasks, or r <= 0.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr

from experiments.claims import classes as permuting
from experiments.claims.runs import DATASET, IMAGES, NAMED, RANDOM, Runs
from info_geometry import geodesic, predictions
from info_geometry.figures import style
from learning import tasks
from learning.finding import Finding, decide, mean_and_error

CLAIM = "Training on one task makes progress on others, more so the more diverse its classes"
WHERE = "v4, abstract, 2"

SEEN = 60_000  # images: all that a task of two classes sees in 5 epochs
MEASURES = "progress", "accuracy"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs."""
    known = {name: tasks.load(DATASET, name).classes for name in NAMED}
    sizes = [len(classes) for classes in known.values()]
    spreads = [np.mean([permuting.PATHS[pair] for pair in itertools.combinations(k, 2)]) for k in known.values()]
    random = [at_images(x, SEEN, 10) for x in runs.supervised[RANDOM]]
    of_tasks, holds, fails, rows, nulls, beside = {}, [], [], [], [], []
    values = {name: [at_images(x, SEEN, len(known[name])) for x in runs.supervised[name]] for name in known}
    pairs = {pair: [at_images(x, SEEN, 2) for x in seeds] for pair, seeds in runs.pairs.items()}
    labels = runs.supervised[RANDOM][0].labels
    for k, what in enumerate(MEASURES):
        gains = {name: mean_and_error(on_others(values[name], labels, known[name])[k]) for name in known}
        null = {name: mean_and_error(on_others(random, labels, known[name])[k]) for name in known}
        excess = {name: (gains[name][0] - null[name][0], np.hypot(gains[name][1], null[name][1])) for name in known}
        means = [gains[name][0] for name in known]
        r, p = permuted_correlation(means, sizes)
        holds.append(all(gain > 2 * error for gain, error in excess.values()) and r > 0 and p <= 0.05)
        fails.append(np.mean([gain <= 0 for gain, _ in excess.values()]) > 0.5 or r <= 0)
        rows.append(f"{what}: excess {span([gain for gain, _ in excess.values()])}; r {r:.2f}, p = {p:.2g}")
        nulls.append(f"{what} of random labels {span([value for value, _ in null.values()])}")
        said = f"{what}: partial r with WordNet spread given the number of classes {partial(means, spreads, sizes):.2f}"
        if pairs:
            apart = np.full((10, 10), np.nan)
            for pair, models in pairs.items():
                apart[pair] = np.mean(on_others(models, labels, pair)[k])
            found = permuting.correlation(apart)
            said += f"; r with it among {len(pairs)} tasks of two classes {found.statistic:.2f}, p = {found.p:.2g}"
        beside.append(said)
        of_tasks[what] = {name: (gains[name], null[name], size) for name, size in zip(known, sizes)}
    return Finding(
        "; ".join(rows), "; ".join(nulls), decide(all(holds), all(fails)), {"of_tasks": of_tasks}, "; ".join(beside)
    )


def span(values: Sequence[float]) -> str:
    """Return the smallest and the largest value as a text."""
    return f"{min(values):.3f} to {max(values):.3f}"


def at_images(x: predictions.Trajectory, images: int, classes: int) -> np.ndarray:
    """Return the probabilities (N, C) once a run that learns so many classes has seen so many images.

    Interpolated on the geodesic between the checkpoints before and after; the last one where there are no more.
    """
    t = min(images / (IMAGES * classes), x.t[-1])
    after = int(np.searchsorted(x.t, t))
    before = max(after - 1, 0)
    roots = x.select(np.array([before, after])).roots(dtype=np.float64)
    part = (t - x.t[before]) / (x.t[after] - x.t[before]) if after > before else 0.0
    return geodesic.interpolate_roots(*roots, part) ** 2


def on_others(models: list[np.ndarray], labels: np.ndarray, classes: Sequence[int]) -> tuple[list, list]:
    """Return the progress and the accuracy of models (N, C) on the samples of other classes than these."""
    other = ~np.isin(labels, classes)
    P = np.array([model[other] for model in models])
    return list(geodesic.progress(P, labels[other])), list((P.argmax(axis=2) == labels[other]).mean(axis=1))


def permuted_correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the Spearman correlation of two lists, and its one-sided p-value among all permutations of one of them.

    NaN for less than three values, and where all values of a list are equal.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan")
    found = spearmanr(x, y).statistic
    reached = [spearmanr(x, order).statistic >= found - 1e-12 for order in itertools.permutations(y)]
    return float(found), float(np.mean(reached))


def partial(x: Sequence[float], y: Sequence[float], given: Sequence[float]) -> float:
    """Return the partial Spearman correlation of x and y given a third list: that of the residuals of their ranks.

    NaN where the third list says all of one of them.
    """
    ranks = [rankdata(values) for values in (x, y, given)]
    xy, xz, yz = (np.corrcoef(ranks[i], ranks[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2)))
    left = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(left)) if left > 1e-12 else float("nan")


def draw(of_tasks: dict[str, dict[str, tuple]]) -> Figure:
    """Return the figure: progress and accuracy on other classes against the number of classes.

    of_tasks: measure -> name -> ((value, error), (null, error), number of classes).
    """
    figure = Figure((style.PAGE, 2.7), layout="constrained")
    for ax, (what, rows) in zip(figure.subplots(1, len(of_tasks)), of_tasks.items()):
        for name, ((value, error), (null, null_error), x) in rows.items():
            ax.errorbar(x, value, error, fmt="o", color=style.PALETTE[0], capsize=3)
            ax.errorbar(x, null, null_error, fmt="x", color="0.5")
            left = x > np.mean([other[2] for other in rows.values()])
            ax.annotate(
                name,
                (x, value),
                (-6 if left else 6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                ha="right" if left else "left",
            )
        ax.set(xlabel="classes of the task", ylabel=f"{what}, other classes", ylim=(0, None))
        ax.margins(x=0.12)
        ax.grid(axis="y")
    ax.plot([], [], "o", color=style.PALETTE[0], label=f"the task, after {SEEN:,} images")
    ax.plot([], [], "x", color="0.5", label="random labels, same samples")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
