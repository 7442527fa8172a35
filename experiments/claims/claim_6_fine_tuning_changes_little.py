"""Claim 6: fine-tuning on a sub-task changes a model little that was trained long.

Measure: the Riemann length of fine-tuning from several checkpoints of supervised learning of all classes, over that
from the first of them, which is training from scratch for as long.
Null: 1.
Holds: the length from the last checkpoint is below half, + 2 standard errors, and falls with the checkpoint
(Spearman < 0) for every seed.  Fails: the ratio is above 1 - 2 standard errors, or Spearman >= 0 on average.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from experiments.claims import drawing
from experiments.claims.finding import Finding, decide, ends, mean_and_error
from experiments.claims.runs import Runs
from info_geometry import trajectory
from info_geometry.figures import style

CLAIM = "Fine-tuning on a sub-task changes a model little that was trained long"
WHERE = "v1, abstract, 4"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the fine-tuned runs: of all sub-tasks and seeds together."""
    order = sorted({start for starts in runs.tuned.values() for start in starts})
    tuned = [[x for starts in runs.tuned.values() for x in starts[start]] for start in order]
    lengths = np.array([[trajectory.riemann_length(x) for x in seeds] for seeds in tuned])  # (starts, seeds)
    distances = np.array([[float(ends([x.select([0])], [x])[0, 0]) for x in seeds] for seeds in tuned])
    ratios = {"lengths": lengths / lengths[0], "distances": distances / distances[0]}
    texts = {
        what: ", ".join("{}: {:.2f} +- {:.2f}".format(k, *mean_and_error(row)) for k, row in zip(order, rows))
        for what, rows in ratios.items()
    }
    falls = [spearmanr(order, column).statistic for column in ratios["lengths"].T]
    last, error = mean_and_error(ratios["lengths"][-1])
    return Finding(
        texts["lengths"],
        "1",
        decide(last + 2 * error < 0.5 and max(falls) < 0, last > 1 - 2 * error or np.mean(falls) >= 0),
        {"starts": order, "times": runs.times, **ratios},
        f"distance from the first to the last model of fine-tuning, over that from scratch: {texts['distances']}",
    )


def draw(starts: list[int], times: dict[int, float], lengths: np.ndarray, distances: np.ndarray) -> Figure:
    """Return the figure: ratios (starts, seeds) of lengths and of distances from the first to the last model.

    starts: numbers of checkpoints.  times: number -> epochs.
    """
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    axes, place = figure.subplots(1, 2), np.arange(len(starts))
    axes[0].axhline(0.5, color=style.PALETTE[1], linestyle="--", linewidth=0.8)
    axes[0].annotate("holds below", (0, 0.5), (0, 3), textcoords="offset points", fontsize=7, color=style.PALETTE[1])
    for ax, ratios, label, name in (
        (axes[0], lengths, "length over that from scratch", "Riemann length, which the rule looks at"),
        (axes[1], distances, "distance over that from scratch", "from first to last model, beside the rule"),
    ):
        ax.plot(place, ratios, **drawing.LIGHT)
        ax.plot(place, ratios.mean(axis=1), "o-", color=style.PALETTE[0])
        ax.axhline(1, color="black", linestyle=":", linewidth=0.8)
        ax.set(ylabel=label, ylim=(0, None), xlabel="epochs of all classes before (checkpoint)")
        ax.set_xticks(place, [f"{times[k]:.3g}\n({k})" if k in times else k for k in starts])
        ax.set_title(name, pad=3)
        ax.grid(axis="y")
    return figure
