"""The figures of networks through training, and of nuisances.  Dots and thin lines are seeds, others means of seeds."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments.weight_information.drawing import by_noise, by_samples, noise_legend, rank, samples_legend
from experiments.weight_information.measured import REACHED, Course, Measured
from info_geometry.figures import style
from info_geometry.figures.panels import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINE,
    ORANGE,
    PINK,
    RED,
    by_epoch,
    curve,
    legend,
    lettered,
    mean,
    plain,
    strands,
    ticks,
)

TRAINED, OTHERS = {"color": BLUE}, {"color": RED, "linestyle": "--"}
PER_ENTROPY, AT_ENTROPY = {"color": GREEN, "linestyle": ":"}, {"color": ORANGE, "linestyle": "-."}
OF_BATCHES = {
    "tr F, training images": ("trace", {"color": BLUE}),
    "tr F, other images": ("trace_held_out", {"color": RED, "marker": "s", "linestyle": "--"}),
    "log-determinant of the diagonal": ("determinant", {"color": GREEN, "marker": "D", "linestyle": ":"}),
    "log-determinant of all of F": ("log_determinant", {"color": ORANGE, "marker": "^", "linestyle": "-."}),
}
CHANCE = 0.25  # of the four kinds of a nuisance
WITHOUT = {"linestyle": ":", "linewidth": 0.9, "marker": ""}  # of networks that were not trained


@style.STYLE
def training(folder: Path, found: Measured) -> list[Path]:
    """Draw `training`: Fisher information, cross entropy and accuracy by epoch; how far a step moves predictions."""
    figure = Figure((style.PAGE, 4.7), layout="constrained")
    (fisher, local), (loss, accuracy) = figure.subplots(2, 2)
    x = found.course
    strands(fisher, x.epochs, x["trace"], **TRAINED)
    strands(fisher, x.epochs, x["trace_held_out"], **OTHERS)
    strands(fisher, x.epochs, x["trace"] / x["entropy"], **PER_ENTROPY)
    strands(fisher, x.epochs, x["trace_at_entropy"], **AT_ENTROPY)
    strands(loss, x.epochs, x["cross_entropy"], **TRAINED)
    strands(accuracy, x.epochs, x["training_accuracy"], **TRAINED)
    strands(accuracy, x.epochs, x["accuracy"], **OTHERS)
    for ax, label in ((fisher, "tr F"), (loss, "cross entropy, nats"), (accuracy, "accuracy")):
        by_epoch(ax, x.epochs)
        ax.set_ylabel(label)
        ax.grid(axis="y")
    for ax in (fisher, loss):
        ax.set_yscale("log")
        plain(ax, "y")
    accuracy.set_ylim(0, 1.03)
    titles = "Fisher information", _local(figure, local, x), "loss", "accuracy"
    lettered((fisher, local, loss, accuracy), titles)
    handles = {"training images": TRAINED, "other images": OTHERS, "per nat of mean entropy": PER_ENTROPY}
    legend(figure, {**handles, "at one temperature": AT_ENTROPY}, 4)
    return style.save(figure, folder, "training")


def _local(figure: Figure, ax: Axes, x: Course) -> str:
    """Draw d_B of a step for its square, by tr F of both ends; return how well they agree."""
    trace = x["trace_held_out"]
    middle, speed = (trace[:, 1:] + trace[:, :-1]) / 2, x.steps / x["moved"][:, 1:]
    later = np.broadcast_to(x.epochs[1:], speed.shape)
    ends = (x.epochs[1], max(x.epochs[-1], 2 * x.epochs[1])) if len(x.epochs) > 1 else (1, 2)
    ax.plot(mean(middle), mean(speed), color="0.75", linewidth=0.7, zorder=1)
    dots = ax.scatter(middle, speed, c=later, s=12, cmap="viridis", norm=LogNorm(*ends), linewidths=0, zorder=2)
    ax.set(xscale="log", yscale="log", xlabel="tr F on other images", ylabel="$d_B$ / squared step of weights")
    plain(ax, "x")
    span = np.array(ax.get_xlim())
    ax.plot(span, span / 8, linestyle="--", **LINE)
    ax.text(span[1], span[1] / 8, "tr F / 8", color="0.4", fontsize=7, ha="right", va="bottom")
    ax.set_xlim(span)
    plain(ax, "y")
    ax.grid()
    bar = figure.colorbar(dots, ax=ax, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("epoch")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    return f"steps: {rank(middle.ravel(), speed.ravel())}"


@style.STYLE
def batches(folder: Path, found: Measured) -> list[Path]:
    """Draw `batches`: information at one cross entropy by the size of batches, and tr F on the way there."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    sizes = np.array(sorted(found.batches))
    for what, look in OF_BATCHES.values():
        values = np.array([found.batches[size].at(what) for size in sizes]).T
        curve(left, sizes, values / values[:, :1], **look)
    left.axhline(1, **LINE)
    left.set(xscale="log", yscale="log", xlabel="images in a batch", ylabel="relative to the smallest batches")
    ticks(left, sizes)
    plain(left, "y")
    left.grid(axis="y")
    shades = matplotlib.colormaps["viridis"](np.linspace(0.92, 0, len(sizes)))
    for ax, what in ((middle, "trace"), (right, "trace_held_out")):
        for size, shade in zip(sizes, shades):
            x = found.batches[size]
            strands(ax, x["cross_entropy"], x[what], color=shade, linewidth=1.1)
        ax.axvline(REACHED, linestyle=":", **LINE)
        ax.set(xscale="log", yscale="log", xlabel="cross entropy, nats", ylabel="tr F")
        ax.invert_xaxis()
        plain(ax, "x")
        plain(ax, "y")
        ax.grid(axis="y")
    lettered((left, middle, right), (f"at {REACHED:g} nats", "on training images", "on other images"))
    handles = {name: {"marker": "o", **look} for name, (_, look) in OF_BATCHES.items()}
    legend(figure, {**handles, **{f"batches of {n:,}": {"color": c} for n, c in zip(sizes, shades)}}, 2)
    return style.save(figure, folder, "batches")


@style.STYLE
def lengths(folder: Path, found: Measured) -> list[Path]:
    """Draw `lengths`: information in the last network by the length of the way of its predictions."""
    figure = Figure((style.COLUMN, 3.3), layout="constrained")
    ax, looks, marks = figure.subplots(), by_noise(found), by_samples(found)
    for (noise, N), x in found.ordinary.items():
        look = {**looks[noise], **marks[N], "linestyle": "", "markeredgewidth": 0, "alpha": 0.8}
        ax.plot(x.length, x["information"][:, -1], **look)
    pairs = [(x.length, x["information"][:, -1]) for x in found.ordinary.values()]
    ax.set(xlabel="length of the trajectory", ylabel="information in the weights, nats")
    if pairs:
        ax.set_title(rank(*(np.concatenate(each) for each in zip(*pairs))), loc="left")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.grid()
    handles = noise_legend(found, {noise for noise, _ in found.ordinary})
    handles = {name: {**look, "linestyle": ""} for name, look in handles.items()}
    legend(figure, {**handles, **samples_legend(found, (N for _, N in found.ordinary))}, 2)
    return style.save(figure, folder, "lengths")


DISTANCES = {
    "nuisance_distance_at_entropy": {"color": BLUE},
    "nuisance_distance": {"color": PINK, "marker": "s", "linestyle": "--"},
}
DECODED = {
    "nuisance_decoded_with_noise": {"color": RED},
    "nuisance_decoded": {"color": ORANGE, "marker": "s", "linestyle": "--"},
}
PIXELS = {"input_information": {"color": GREEN}}
NAMES = {
    "$d_B$, at one entropy": DISTANCES["nuisance_distance_at_entropy"],
    "$d_B$, as it is": DISTANCES["nuisance_distance"],
    "decoded from noisy features": DECODED["nuisance_decoded_with_noise"],
    "decoded from mean features": DECODED["nuisance_decoded"],
    "Fisher information of pixels": PIXELS["input_information"],
    "accuracy on training images": {"color": GREY, "linewidth": 0.9, "marker": ""},
    "not trained": {"color": "0.4", **WITHOUT},
    "decoded by chance": {"color": BLACK, "linewidth": 0.7, "linestyle": "--", "marker": ""},
}


@style.STYLE
def invariance(folder: Path, found: Measured) -> list[Path]:
    """Draw `invariance`: what networks tell of a nuisance, and of pixels, by what they know of the images."""
    count = max(len(found.nuisances), 1)
    figure = Figure((style.PAGE, 0.8 + 1.9 * count), layout="constrained")
    grid = figure.subplots(count, 3, squeeze=False, sharex="row")
    for row, (kind, x) in zip(grid, found.nuisances.items()):
        known = x["kl"] / x.samples
        for ax, looks in zip(row, (DISTANCES, DECODED, PIXELS)):
            for what, look in looks.items():
                curve(ax, known, x[what], **look)
                before = mean(found.untrained[kind][what])
                ax.axhline(before, **{**WITHOUT, "color": look["color"]}, zorder=1)
            ax.set_xscale("log")
            ax.grid(axis="y")
        row[1].axhline(CHANCE, color=BLACK, linewidth=0.7, linestyle="--")
        curve(row[1], known, x["training_accuracy"], seeds=False, **NAMES["accuracy on training images"])
        row[1].set_ylim(0, 1.03)
        for ax, label in zip(row, ("mean $d_B$ of two nuisances", "share", "nats per squared unit")):
            ax.set_ylabel(label)
        for ax in (row[0], row[2]):
            ax.set_yscale("log")
            plain(ax, "y")
        plain(row[0], "x")
    for ax in grid[-1]:
        ax.set_xlabel("KL / N, nats per image")
    titles = [f"{kind}: {what}" for kind in found.nuisances for what in ("predictions", "features", "pixels")]
    lettered(grid.ravel(), titles)
    legend(figure, {name: {"marker": "o", **look} for name, look in NAMES.items()}, 3)
    return style.save(figure, folder, "invariance")
