"""The figures of critical periods.  Dots and thin lines are seeds, others means of seeds."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.critical_periods.measured import NONE, Key, Measured
from experiments.critical_periods.more_rules import COURSE, fallen
from experiments.critical_periods.rules import OTHERS, blur_of, ends_of, longest, windows
from info_geometry.figures import style
from info_geometry.figures.panels import (
    BLACK,
    BLUE,
    GREEN,
    LINE,
    ORANGE,
    PINK,
    RED,
    SEED,
    SKY,
    by_epoch,
    curve,
    legend,
    lettered,
    mean,
    plain,
    strands,
)

CONTROL, BLURRED, FLIP = "no deficit", "blurred images", "upside down"
LOOKS = {
    CONTROL: {"color": BLACK, "marker": "o"},
    BLURRED: {"color": BLUE, "marker": "s"},
    FLIP: {"color": RED, "marker": "D"},
    "permuted labels": {"color": GREEN, "marker": "^"},
    "random labels": {"color": ORANGE, "marker": "v"},
    "white noise": {"color": PINK, "marker": "P"},
    "constant images": {"color": SKY, "marker": "X"},
}
NAMES = {NONE: CONTROL, "flip": FLIP, "noise": "white noise", "constant": "constant images"}
OPEN = {"markerfacecolor": "white", "markeredgewidth": 1, "markersize": 5, "linestyle": ""}
STAR = {**OPEN, "marker": "*", "markersize": 8}  # networks of one kind beside others of it


def name_of(deficit: str) -> str:
    """Return the name of a deficit in figures."""
    return BLURRED if deficit.startswith("blur") else NAMES.get(deficit, deficit.replace("_", " "))


def look_of(deficit: str) -> dict:
    """Return how a deficit is drawn."""
    return LOOKS[name_of(deficit)]


@style.STYLE
def removal(folder: Path, found: Measured) -> list[Path]:
    """Draw `removal`: accuracy at the end by how long a deficit lasted, for each rate, and of CNNs."""
    drawn = Figure((style.PAGE, 2.9), layout="constrained")
    axes = drawn.subplots(1, 4, width_ratios=(1.5, 1, 1, 1), sharey=True)
    blur = blur_of(found)
    for ax, protocol in zip(axes, ("restart", "annealed", "constant", "cnn")):
        for deficit in (NONE, blur, "flip"):
            _by_end(ax, found, protocol, deficit)
    for deficit in OTHERS:
        _by_end(axes[0], found, "restart", deficit)
    weak = [key for key in found.ends if key.protocol == "restart" and key.deficit.startswith("blur")]
    for key in (key for key in weak if key.deficit != blur):
        axes[0].plot([key.end], [100 * found.conditions[key].accuracy.mean()], **{**look_of(blur), **OPEN})
    for deficit in (NONE, blur, "flip"):
        end = longest(found, "cnn-annealed").end
        y = 100 * found.conditions[Key("cnn-annealed", deficit, 0, end)].accuracy.mean()
        axes[3].plot([end], [y], **{**look_of(deficit), **STAR})
    for ax in axes:
        ax.set_xlabel("epochs of the deficit")
        ax.set_xlim(-5, 1.07 * longest(found, "restart").end)
        ax.grid(axis="y")
    axes[0].set_ylabel("accuracy, %")
    lettered(axes, ("rate begins again", "annealed", "constant", "CNN"))
    weak = {"marker": "s", "color": BLUE, **OPEN}
    handles = {**LOOKS, "blurred less": weak, "CNN, annealed": {"color": "0.4", **STAR}}
    legend(drawn, handles, 5)
    return style.save(drawn, folder, "removal")


def _by_end(ax: Axes, found: Measured, protocol: str, deficit: str) -> None:
    """Draw accuracy by the end of a deficit; the line begins where networks of no deficit are of no more epochs."""
    keys = sorted(k for k in found.conditions if k[:3] == (protocol, deficit, 0) and (k.end or deficit == NONE))
    plain_key = Key(protocol, NONE)
    if (plain_key in found.conditions and deficit in (NONE, "flip")) or deficit.startswith("blur"):
        keys = [*([plain_key] if plain_key in found.conditions else []), *(key for key in keys if key.end)]
    if keys:
        values = 100 * np.array([found.conditions[key].accuracy for key in keys]).T
        curve(ax, np.array([key.end for key in keys], float), values, **look_of(deficit))


@style.STYLE
def window(folder: Path, found: Measured) -> list[Path]:
    """Draw `window`: by the onset of a window, the drop of accuracy, and how far ends are from those of controls."""
    drawn = Figure((style.PAGE, 2.9), layout="constrained")
    left, right = drawn.subplots(1, 2)
    blur = blur_of(found)
    later = sorted(k for k in found.ends if k[:2] == ("restart", blur) and k.end - k.onset == _length(found, blur))
    lines = {
        "blurred, annealed": (windows(found, "window", blur), {"color": BLUE, "marker": "s"}),
        "upside down, annealed": (windows(found, "window", "flip"), {"color": RED, "marker": "D"}),
        "blurred, constant rate": (windows(found, "window-constant", blur), {"color": GREEN, "linestyle": "--"}),
        "blurred, then the rate begins again": (later, {"color": ORANGE, "marker": "^", "linestyle": "-."}),
    }
    for keys, look in lines.values():
        if keys:
            onsets = np.array([key.onset for key in keys], float)
            curve(left, onsets, 100 * np.array([found.drop(key) for key in keys]).T, **look)
            curve(right, onsets, np.array([found.ends[key].ratio for key in keys]).T, **look)
    left.axhline(0, **LINE)
    right.axhline(1, **LINE)
    left.set_ylabel("drop of accuracy, points")
    right.set_ylabel("$d_B$ to controls / between controls")
    right.set_ylim(bottom=0.8 if len(found.seeds) > 1 else None)
    for ax in (left, right):
        ax.set_xlabel("onset, epochs")
        ax.grid(axis="y")
    lettered((left, right), ("what it costs", "where it ends"))
    legend(drawn, {name: {"marker": "o", **look} for name, (_, look) in lines.items()}, 2)
    return style.save(drawn, folder, "window")


def _length(found: Measured, blur: str) -> float:
    """Return the length of blurs that begin later, before as many clean epochs."""
    return next((k.end - k.onset for k in found.ends if k[:2] == ("restart", blur) and k.onset), 0)


TRAINED, OTHER = {"color": BLUE}, {"color": RED, "linestyle": "--"}
PER_ENTROPY, AT_ENTROPY = {"color": GREEN, "linestyle": ":"}, {"color": ORANGE, "linestyle": "-."}


@style.STYLE
def fisher(folder: Path, found: Measured) -> list[Path]:
    """Draw `fisher`: tr F through training, with and without a deficit; shares of layers; what moves afterwards."""
    drawn = Figure((style.PAGE, 5.4), layout="constrained")
    above, below = drawn.subfigures(2, 1, height_ratios=(1.15, 1))
    halves = above.subfigures(1, 2)
    control, deficits = (half.subplots() for half in halves)
    layers, moving = below.subplots(1, 2, width_ratios=(1.25, 1))
    x = found.conditions[COURSE]
    for values, look in (
        (x["trace"], TRAINED),
        (x["trace_held_out"], OTHER),
        (x["trace"] / x["entropy"], PER_ENTROPY),
        (x["trace_at_entropy"], AT_ENTROPY),
    ):
        strands(control, x.epochs, values, **look)
    for deficit in _shown(found):
        y = found.conditions[longest(found, "restart", "flip")._replace(deficit=deficit)]
        strands(deficits, y.epochs, y["trace_at_entropy"], color=look_of(deficit)["color"])
    deficits.axvline(longest(found, "restart").end, **LINE)
    deficits.set_xlabel("epoch")
    by_epoch(control, x.epochs)
    for ax in (control, deficits):
        ax.set_yscale("log")
        plain(ax, "y")
        ax.set_ylabel("tr F")
        ax.grid(axis="y")
    lettered((control, deficits), ("no deficit", "at one entropy; the deficit ends at the line"))
    handles = {"training images": TRAINED, "other images": OTHER, "per nat of entropy": PER_ENTROPY}
    legend(halves[0], {**handles, "at one entropy": AT_ENTROPY}, 2)
    legend(halves[1], {name_of(x): {"color": look_of(x)["color"]} for x in _shown(found)}, 2)
    _layers(layers, found)
    _moving(moving, found)
    for letter, ax, title in zip("cd", (layers, moving), ("layers in tr F, at one entropy", "what is left to come")):
        ax.set_title(f"({letter}) {title}", loc="left")
    return style.save(drawn, folder, "fisher")


def _shown(found: Measured) -> list[str]:
    """Return the deficits of which the course is drawn."""
    there = [x for x in ("random_labels",) if ends_of(found, "restart", x)]
    return [NONE, blur_of(found), "flip", *there]


def _layers(ax: Axes, found: Measured) -> None:
    """Draw the shares of layers at the end, of the longest deficits."""
    key = longest(found, "restart")
    every = [NONE, blur_of(found), "flip", *(x for x in OTHERS if ends_of(found, "restart", x))]
    shares = np.array([found.conditions[key._replace(deficit=x)].shares[:, -1] for x in every])  # (K, S, L)
    shades = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.9, shares.shape[2]))
    means, before = mean(np.moveaxis(shares, 1, 0)), 0.0
    for layer, shade in enumerate(shades):
        ax.barh(range(len(every)), means[:, layer], left=before, color=shade, height=0.72)
        before = before + means[:, layer]
        edge = shares[:, :, : layer + 1].sum(axis=2)
        if shares.shape[1] > 1 and layer < len(shades) - 1:
            places = np.arange(len(every))[:, None] + np.linspace(-0.22, 0.22, shares.shape[1])
            ax.plot(edge.ravel(), places.ravel(), linestyle="", marker="|", color="white", markersize=3.4, zorder=3)
        ax.text(means[0, : layer + 1].sum() - means[0, layer] / 2, -0.72, str(layer + 1), ha="center", fontsize=7)
    ax.set_yticks(range(len(every)), [name_of(x) for x in every])
    ax.set(xlim=(0, 1), ylim=(len(every) - 0.5, -1.1), xlabel="share of layers 1, 2, ...")
    ax.tick_params(axis="y", length=0)


def _moving(ax: Axes, found: Measured) -> None:
    """Draw the length of the trajectory and the gain of accuracy that are still to come, without a deficit."""
    x = found.conditions[COURSE]
    steps = 2 * np.sqrt(np.maximum(x.steps, 0))
    done = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    accuracy = x["accuracy"]
    looks = {"length, %": {"color": BLUE}, "accuracy, points": {"color": ORANGE, "linestyle": "--"}}
    left = 100 * (1 - done / done[:, -1:]), 100 * (accuracy[:, -1:] - accuracy)
    for values, look in zip(left, looks.values()):
        strands(ax, x.epochs, values, **look)
    ax.axvline(x.epochs[fallen(x["trace"])].mean(), **LINE)
    ax.axhline(0, **LINE)
    by_epoch(ax, x.epochs)
    ax.set_xlim(0, 1.1 * x.epochs[-1])
    ax.set_ylim(-6, 105)
    ax.set_ylabel("% of the length; points")
    ax.grid(axis="y")
    ax.legend(
        [Line2D([], [], **look) for look in looks.values()],
        list(looks),
        loc="upper right",
        frameon=True,
        framealpha=1,
        edgecolor="none",
    )


@style.STYLE
def reached(folder: Path, found: Measured) -> list[Path]:
    """Draw `reached`: distance from controls at equal progress, from the geodesic, and of the ends."""
    drawn = Figure((style.PAGE, 2.9), layout="constrained")
    tube, off, ends = drawn.subplots(1, 3, width_ratios=(1.15, 1, 1.25))
    key, shown = longest(found, "restart"), _shown(found)
    for deficit in shown:
        look = {"color": look_of(deficit)["color"]}
        one = key._replace(deficit=deficit)
        x = found.conditions[one]
        after = x.epochs >= (one.end if deficit != NONE else 0) - 1e-9
        strands(off, x["progress"][:, after], x["off"][:, after], **look)
        if one in found.tubes:
            strands(tube, found.tubes[one].progress, found.tubes[one].deficit, **look)
    first = next((found.tubes[key._replace(deficit=x)] for x in shown if key._replace(deficit=x) in found.tubes), None)
    if first:
        tube.fill_between(first.progress, 0, first.width, color="0.85", linewidth=0)
        strands(tube, first.progress, first.around, color=BLACK)
    tube.set(xlabel="progress", ylabel="$d_B$ to the mean of controls", ylim=(0, None))
    off.set(xlabel="progress", ylabel="$d_B$ to the geodesic", ylim=(0, None))
    for ax in (tube, off):
        ax.grid()
    _ends(ends, found)
    lettered((tube, off, ends), ("at equal progress", "off the geodesic", "ends, to those of controls"))
    handles = {name_of(x): {"color": look_of(x)["color"]} for x in shown}
    handles |= {"tube of controls": {"color": "0.85", "linewidth": 6}}
    mark = {"color": "0.4", "marker": "s", "linestyle": "", "markersize": 5}
    last = ends_of(found, "restart", "flip")[-2:]
    handles |= {f"after {end:g} epochs": {**mark, **look} for end, look in zip(reversed(last), ({}, OPEN))}
    legend(drawn, handles, 4)
    return style.save(drawn, folder, "reached")


def _ends(ax: Axes, found: Measured) -> None:
    """Draw rho of all deficits, after the longest and the second longest time."""
    rows = [x for x in (blur_of(found), "flip", *OTHERS) if ends_of(found, "restart", x)]
    for place, deficit in enumerate(rows):
        last = ends_of(found, "restart", deficit)[-2:]
        for end, shift, fill in zip(reversed(last), (-0.17, 0.17), (True, False)):
            ratio, look = found.ends[Key("restart", deficit, 0, end)].ratio, look_of(deficit)
            many = np.full(len(ratio), place + shift)
            ax.plot(ratio, many, **{**SEED, "color": look["color"]})
            mark = {"marker": look["marker"], "color": look["color"], "linestyle": "", "markersize": 5}
            ax.plot([mean(ratio)], [place + shift], **(mark if fill else {**mark, **OPEN}))
    ax.axvline(1, **LINE)
    ax.set_yticks(range(len(rows)), [name_of(x) for x in rows])
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlabel="$d_B$ / between controls")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


FIGURES: Iterable = (removal, window, fisher, reached)
