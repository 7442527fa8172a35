"""A figure of each claim: what `measures` found in, files out.  Every figure says the verdict above it.

Where seeds are shown as dots, the bar is their mean and its standard error.
"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from experiments.claims.measures import mean_and_error
from info_geometry.figures import style as plot

METHODS = {
    "all": "supervised, all",
    "randomlab": "random labels",
    "all_2way": "2-way episodes",
    "all_5way": "5-way episodes",
    "all_simclr": "SimCLR",
    "all_barlow": "Barlow Twins",
    "all_fixmatch": "FixMatch",
}
SUB_TASK, TUNED = "supervised, sub-tasks", "fine-tuned"
COLOURS = dict(
    zip(
        (SUB_TASK, TUNED, *METHODS.values()),
        (  # in the order in which they are drawn
            "#56B4E9",
            "#E69F00",
            "#0072B2",
            "#8C8C8C",
            "#D55E00",
            "#CC79A7",
            "#009E73",
            "#000000",
            "#B07CFF",
        ),
    )
)
LIGHT = {"color": "0.75", "linewidth": 0.8}


@plot.STYLE
def draw(folder, number, found, verdict):
    """Write `claim_<number>` of a Finding, and return the paths."""
    figure = FIGURES[number](**found.shown)
    figure.suptitle(f"Claim {number}: {verdict}", fontsize=8)
    return plot.save(figure, folder, f"claim_{number}")


def kind(run):
    """Return which method a run of claim 1 belongs to."""
    return METHODS.get(run, TUNED if " from " in run else SUB_TASK)


def manifold(embedding, geodesic, stress, error, null):
    """Claim 1.  embedding of all models.  stress, error (k,) of 1..k axes.  null: name -> stress (draws, k)."""
    order = list(COLOURS)
    runs = sorted(dict.fromkeys(embedding.index["run"]), key=lambda run: order.index(kind(run)))
    styles = {run: {"color": COLOURS[kind(run)], "linestyle": "-", "marker": "o"} for run in runs}
    figure = plot.Figure((plot.PAGE, 2.9), layout="constrained")
    _legend(figure, {kind(run): style for run, style in styles.items()}, 5)
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    points, labels = plot.first_axes(embedding.coordinates, embedding.imaginary, embedding.index)
    for ax, pair in zip(axes, ([0, 1], [0, 2])):
        plot.draw_trajectories(ax, points[:, pair], embedding.index, styles, geodesic[:, pair])
        for line in ax.lines:
            line.set_linewidth(0.8)
        ax.set(xlabel=labels[pair[0]], ylabel=labels[pair[1]])
        ax.locator_params(nbins=4)
    number = np.arange(1, len(stress) + 1)
    axes[2].errorbar(number, stress, error, color="black", marker="o", markersize=3.5, label="all models")
    for (name, values), line in zip(null.items(), ("--", ":")):
        axes[2].plot(number, values.mean(axis=0), line, color="0.5", label=name)
        axes[2].fill_between(number, values.min(axis=0), values.max(axis=0), color="0.5", alpha=0.3, linewidth=0)
    axes[2].set(xlabel="number of axes", ylabel="explained stress", ylim=(0, 1), xticks=number[::2])
    axes[2].yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    axes[2].legend(loc="lower right")
    return figure


def _legend(figure, styles, columns):
    handles = [Line2D([], [], **style, markersize=4) for style in styles.values()]
    figure.legend(handles, list(styles), loc="outside lower center", ncols=columns)


def others(tasks):
    """Claim 2.  tasks: name -> ((progress, error), (null, error), number of classes, spread)."""
    figure = plot.Figure((plot.PAGE, 2.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, column, label in (axes[0], 2, "classes of the task"), (axes[1], 3, "mean WordNet path length between them"):
        for name, row in tasks.items():
            (value, error), (null, null_error), x = row[0], row[1], row[column]
            ax.errorbar(x, value, error, fmt="o", color=plot.PALETTE[0], capsize=3)
            ax.errorbar(x, null, null_error, fmt="x", color="0.5")
            left = x > np.mean([other[column] for other in tasks.values()])
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
    axes[0].plot([], [], "o", color=plot.PALETTE[0], label="the task")
    axes[0].plot([], [], "x", color="0.5", label="random labels, same samples")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def wordnet(names, distances, wordnet, correlation, null):
    """Claim 3.  distances, wordnet (K, K): of tasks.  null: the correlations of all permutations."""
    figure, styles = plot.Figure((plot.PAGE, 2.7), layout="constrained"), plot.colours(names)
    _legend(figure, styles, len(styles))
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for i, j in zip(*np.triu_indices(len(names), 1)):
        beside = 0.12 * (i + j - len(names)) / len(names)  # points of one path length would hide each other
        for run, half in (names[i], "left"), (names[j], "right"):
            left.plot(
                wordnet[i, j] + beside,
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
    right.axvline(correlation, color=plot.PALETTE[1], linestyle="--", label=f"found: {correlation:.2f}")
    right.set(xlabel="Spearman correlation", ylabel="permutations of tasks", xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1))
    right.legend(loc="upper left")
    return figure


def episodes(lengths, ends, between_seeds):
    """Claim 4.  lengths, ends: name -> values (seeds,)."""
    figure, (left, right) = _two_panels(max(len(lengths), len(ends)))
    _dots(left, {METHODS[name]: values for name, values in lengths.items()}, "Riemann length")
    _dots(
        right,
        {METHODS.get(name, name): values for name, values in ends.items()},
        "distance of ends to supervised, all",
        {"between seeds": between_seeds},
    )
    return figure


def equal_progress(grid, methods, errors, others, between_seeds):
    """Claim 5.  methods, others: name -> curve (G,), their distance to supervised learning of all classes."""
    figure = plot.Figure((plot.PAGE, 2.8), layout="constrained")
    ax = figure.add_subplot()
    for name, curve in others.items():
        ax.plot(grid, curve, **LIGHT)
        known = np.flatnonzero(np.isfinite(curve))
        if len(known):
            ax.annotate(
                name,
                (grid[known[-1]], curve[known[-1]]),
                (2, 0),
                textcoords="offset points",
                fontsize=7,
                color="0.5",
                va="center",
            )
    for (name, curve), color in zip(methods.items(), plot.PALETTE[1:]):
        ax.plot(grid, curve, color=color, label=METHODS[name])
        known = np.isfinite(errors[name])
        ax.fill_between(
            grid[known],
            (curve - errors[name])[known],
            (curve + errors[name])[known],
            color=color,
            alpha=0.2,
            linewidth=0,
        )
    ax.plot(grid, between_seeds, ":", color="black", label="a seed and the others")
    ax.plot([], [], **LIGHT, label="supervised, other tasks")
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="progress", ylabel="distance to supervised, all")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def fine_tuning(starts, times, length, distance):
    """Claim 6.  starts: numbers of checkpoints.  times: number -> epochs.  length, distance: ratios (starts, seeds)."""
    figure = plot.Figure((plot.PAGE, 2.5), layout="constrained")
    axes, place = figure.subplots(1, 2), np.arange(len(starts))
    axes[0].axhline(0.5, color=plot.PALETTE[1], linestyle="--", linewidth=0.8)
    axes[0].annotate("holds below", (0, 0.5), (0, 3), textcoords="offset points", fontsize=7, color=plot.PALETTE[1])
    for ax, ratios, label, name in (
        (axes[0], length, "length over that from scratch", "Riemann length, which the rule looks at"),
        (axes[1], distance, "distance over that from scratch", "from first to last model, beside the rule"),
    ):
        ax.plot(place, ratios, **LIGHT)
        ax.plot(place, ratios.mean(axis=1), "o-", color=plot.PALETTE[0])
        ax.axhline(1, color="black", linestyle=":", linewidth=0.8)
        ax.set(ylabel=label, ylim=(0, None), xlabel="epochs of all classes before (checkpoint)")
        ax.set_xticks(place, [f"{times[k]:.3g}\n({k})" if k in times else k for k in starts])
        ax.set_title(name, pad=3)
        ax.grid(axis="y")
    return figure


def random_labels(progress, ends, between_seeds):
    """Claim 7.  progress, ends: name -> values (seeds,)."""
    figure, (left, right) = _two_panels(len(progress))
    _dots(left, progress, "final progress")
    _dots(right, ends, "distance of ends to random labels", {"between seeds": between_seeds})
    return figure


def _two_panels(rows):
    figure = plot.Figure((plot.PAGE, 0.95 + 0.2 * rows), layout="constrained")
    return figure, figure.subplots(1, 2)


def _dots(ax, rows, label, lines=()):
    """Draw the values of seeds, a dict label -> (seeds,), and dashed lines, a dict label -> value."""
    for place, values in enumerate(rows.values()):
        ax.plot(values, np.full(len(values), place), "o", color=plot.PALETTE[0], alpha=0.35, markeredgewidth=0)
        mean, error = mean_and_error(values)
        ax.errorbar(mean, place, xerr=error, fmt="|", color=plot.PALETTE[0], capsize=3, markersize=9)
    for name, value in dict(lines).items():
        if np.isfinite(value):
            ax.axvline(value, color=plot.PALETTE[1], linestyle="--", linewidth=1, label=name)
            ax.legend(loc="best")
    ax.set_yticks(range(len(rows)), rows)
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, None), xlabel=label)
    ax.grid(axis="x")
    ax.set_axisbelow(True)


FIGURES = {1: manifold, 2: others, 3: wordnet, 4: episodes, 5: equal_progress, 6: fine_tuning, 7: random_labels}
