"""Claim 6: fine-tuning on a sub-task changes a model little that was trained long.

Measure: the distance from the first to the last model of fine-tuning from several checkpoints of supervised learning
of all classes, over that from the first of them, which is training from scratch for as many steps.
Null: the same steps on all classes from the last of these, with a new head, over training a sub-task from scratch.
Holds: the mean ratio from the last checkpoint, + 2 standard errors, is below 0.25, and the ratio falls from start to
start for every seed and sub-task.  Fails: the mean ratio from the last checkpoint, - 2 standard errors, is above 0.25.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims.finding import ends
from experiments.claims.runs import Runs, Seeds
from info_geometry.figures import style
from learning.finding import Finding, decide, mean_and_error

CLAIM = "Fine-tuning on a sub-task changes a model little that was trained long"
WHERE = "v1, abstract, 4"

LITTLE = 0.25


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the fine-tuned runs."""
    order = sorted({start for starts in runs.tuned.values() for start in starts})
    distances = {task: np.array([moved(starts[k]) for k in order]) for task, starts in runs.tuned.items()}
    ratios = {task: rows / rows[0] for task, rows in distances.items()}  # (starts, seeds)
    means = np.mean(list(ratios.values()), axis=0)  # over sub-tasks
    last, error = mean_and_error(means[-1])
    falls = all((np.diff(rows, axis=0) < 0).all() for rows in ratios.values())
    null = moved(runs.retrained) / np.mean([rows[0] for rows in distances.values()], axis=0)
    return Finding(
        ", ".join("{}: {:.3f} +- {:.3f}".format(k, *mean_and_error(row)) for k, row in zip(order, means)),
        "all classes again: {:.3f} +- {:.3f}".format(*mean_and_error(null)),
        decide(last + 2 * error < LITTLE and falls, last - 2 * error > LITTLE),
        {"starts": order, "times": runs.times, "ratios": ratios, "null": null},
        "; ".join(
            f"{task} from {order[-1]}: {{:.3f}} +- {{:.3f}}".format(*mean_and_error(rows[-1]))
            for task, rows in ratios.items()
        ),
    )


def moved(seeds: Seeds) -> np.ndarray:
    """Return the distance (seeds,) from the first to the last model of each trajectory."""
    return np.array([float(ends([x.select([0])], [x])[0, 0]) for x in seeds])


def draw(starts: list[int], times: dict[int, float], ratios: dict[str, np.ndarray], null: np.ndarray) -> Figure:
    """Return the figure: ratios (starts, seeds) of distances from the first to the last model, of each sub-task.

    starts: numbers of checkpoints.  times: number -> epochs.  null (seeds,): of all classes, from the last start.
    """
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    ax, place = figure.add_subplot(), np.arange(len(starts))
    ax.axhline(LITTLE, color=style.PALETTE[1], linestyle="--", linewidth=0.8)
    ax.annotate("holds below", (0, LITTLE), (0, 3), textcoords="offset points", fontsize=7, color=style.PALETTE[1])
    for (task, rows), color, aside in zip(ratios.items(), (style.PALETTE[0], style.PALETTE[2]), (-0.02, 0.02)):
        ax.plot(place + aside, rows, color=color, linewidth=0.6, alpha=0.4)
        ax.plot(place + aside, rows.mean(axis=1), "o-", color=color, label=f"fine-tuned to {task}")
    ax.plot(np.full(len(null), place[-1] + 0.08), null, "x", color="0.4", label="all classes again, with a new head")
    ax.set(ylabel="distance over that from scratch", ylim=(0, None), xlabel="epochs of all classes before (checkpoint)")
    ax.set_xticks(place, [f"{times[k]:.3g} ({k})" if k in times else k for k in starts])
    ax.grid(axis="y")
    ax.legend(loc="upper right")
    return figure
