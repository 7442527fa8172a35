"""The figures of means, corners, Gaussian inputs and widths.  See `figures`."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.manifold.corners import TIMES
from experiments.manifold.drawing import HOLLOW, NULL, RULE, SEED, dots, names, ordered, rows, shades
from experiments.manifold.means import KINDS
from experiments.manifold.measured import NETWORK, Corner, Measured, Widths, known_mean
from experiments.manifold.more_rules import FEW, RANDOM, between, joins
from experiments.manifold.picture_rules import LITTLE
from info_geometry.figures import style
from info_geometry.figures.panels import LINE, by_epoch, curve, legend, lettered, mean, plain, strands, ticks

MARKERS = "o", "s", "D", "^", "v", "P"
NAMES = {"bhattacharyya": "Bhattacharyya", "jeffreys": "Jeffreys"}
SINGLE = {"color": "0.45", "linestyle": "--"}


@style.STYLE
def means(folder: Path, found: Measured) -> list[Path]:
    """Draw `means`: progress and error of six means of runs, by epoch, and at the end for each network."""
    if found.means is None or not len(found.means.counts):
        return []
    x, drawn = found.means, Figure((style.PAGE, 4.9), layout="constrained")
    progress, error, gain, last = drawn.subplots(2, 2).ravel()
    kinds = [kind for kind in KINDS if kind in x.progress]
    looks = {kind: {**look, "marker": marker} for (kind, look), marker in zip(shades(kinds).items(), MARKERS)}
    times, thin = mean(x.times), {"markersize": 3.2, "markeredgewidth": 0}
    for ax, what, scale in ((progress, "progress", 1), (error, "error", 100)):
        ax.plot(times, scale * mean(x.single[what]), **SINGLE)
        for kind, look in looks.items():
            ax.plot(times, scale * mean(getattr(x, what)[kind]), **look, **thin)
        ax.set_xscale("log")
        plain(ax, "x")
        ax.set_xlabel("epoch")
    shown = ordered(x.table[NETWORK])
    for place, network in enumerate(shown):
        own, shifts = x.table[NETWORK] == network, np.linspace(-0.3, 0.3, len(kinds))
        base = x.progress["arithmetic"][own, -1]
        for (kind, look), shift in zip(looks.items(), shifts):
            _column(gain, x.progress[kind][own, -1] - base, place + shift, look)
            _column(last, 100 * x.error[kind][own, -1], place + shift, look)
        single = 100 * mean(x.single["error"][own, -1])
        last.plot([place - 0.38, place + 0.38], [single, single], **SINGLE)
    gain.axhline(0, **LINE)
    for ax in (gain, last):
        labels = [names(shown)[network] for network in shown]
        ax.set_xticks(range(len(shown)), labels, **style.slanted(labels, 3.1))
        ax.set_xlim(-0.5, len(shown) - 0.5)
        ax.tick_params(axis="x", length=0)
    progress.set_ylabel("progress")
    gain.set_ylabel("progress − of arithmetic")
    for ax in (error, last):
        ax.set_ylabel("error, %")
    for ax in (progress, error, gain, last):
        ax.grid(axis="y")
        ax.set_axisbelow(True)
    lettered((progress, error, gain, last), ("progress", "error", "progress at the end", "error at the end"))
    legend(
        drawn,
        {**{f"{NAMES.get(kind, kind)} mean": look for kind, look in looks.items()}, "single runs, mean": SINGLE},
        4,
    )
    return style.save(drawn, folder, "means")


def _column(ax: Axes, values: np.ndarray, place: float, look: dict) -> None:
    """Draw values (Q,) in a column: each as a small dot, their mean as a mark."""
    ax.plot(np.full(len(values), place), values, **{**SEED, "marker": "o", "markersize": 1.8, "color": look["color"]})
    ax.plot([place], [mean(values)], **{"markersize": 3.6, "markeredgewidth": 0, "linestyle": "", **look})


@style.STYLE
def corners(folder: Path, found: Measured) -> list[Path]:
    """Draw `corners`: the distance of runs from random labels to usual ones, and where runs of all kinds begin and end.

    The first by progress, beside that of usual runs; the second from the ends of usual runs, over that between these.
    """
    if not found.corners:
        return []
    drawn = Figure((style.PAGE, 3.2), layout="constrained")
    ax, ends = drawn.subplots(1, 2, width_ratios=(1.15, 1))
    kinds = {kind: corner for kind, corner in found.corners.items() if kind.startswith(RANDOM)}
    looks, handles = shades(kinds), {}
    for line, (kind, corner) in zip(("-", "--", "-.", ":") * len(kinds), kinds.items()):
        _corner(ax, corner, {**looks[kind], "linestyle": line})
        handles[_name(kind)] = {**looks[kind], "linestyle": line}
    first = next(iter(found.corners.values()))
    width = mean(first.width)
    known = np.isfinite(width)
    ax.fill_between(first.grid[known], 1e-9, TIMES * width[known], color="0.88", linewidth=0)
    strands(ax, first.grid, first.width, color="black", linewidth=1)
    values = np.concatenate([x.ravel() for each in (*kinds.values(), first) for x in (each.distances, each.width)])
    if (values > 0).any():
        ax.set(yscale="log", ylim=(0.7 * values[values > 0].min(), 1.4 * np.nanmax(values)))
        plain(ax, "y")
    ax.set(xlabel="progress", xlim=(0, 1), ylabel="$d_B$ to the mean of usual runs")
    ax.grid()
    for place, corner in enumerate(found.corners.values()):
        for which, shift, look in ((0, -0.14, HOLLOW), (1, 0.14, {})):
            dots(ends, corner.ends[:, which] / known_mean(corner.between, 0), place + shift, color="black", **look)
    rows(ends, [_name(kind) for kind in found.corners])
    ends.axvline(1, **LINE)
    ends.axvline(TIMES, **RULE)
    ends.set(xlabel="$d_B$ to ends of usual runs / between these", xscale="log")
    plain(ends, "x")
    lettered((ax, ends), ("from random labels", "first and last models"))
    mark = {"marker": "o", "color": "black", "linestyle": "", "markersize": 5}
    open_mark = {**mark, "markerfacecolor": "white", "markeredgewidth": 1}
    handles |= {
        "usual runs": {"color": "black", "linewidth": 1},
        f"{TIMES:g} times that": {"color": "0.88", "linewidth": 6},
    }
    handles |= {"(a) compared, (b) first models": open_mark, "(a) have joined, (b) last models": mark, "rule": RULE}
    legend(drawn, handles, 4)
    return style.save(drawn, folder, "corners")


def _name(kind: str) -> str:
    """Return what a kind of corner is called in figures."""
    for begins, name in ((FEW, "{:,} images"), (RANDOM, "random labels, {}")):
        rest = kind.removeprefix(begins)
        if rest != kind and rest.isdigit():
            return name.format(int(rest))
    return kind


def _corner(ax: Axes, corner: Corner, look: dict) -> None:
    """Draw the distances of a kind; open marks where the claim compares them, a full one where they have joined."""
    strands(ax, corner.grid, corner.distances, **look)
    middle = mean(corner.distances)
    compared = between(corner)
    if compared:
        which = list(compared)
        ax.plot(corner.grid[which], middle[which], color=look["color"], marker="o", linestyle="", markersize=4.5,
                markerfacecolor="white", zorder=4)  # fmt: skip
    at = joins(corner)
    if np.isfinite(at):
        k = np.abs(corner.grid - at).argmin()
        ax.plot([at], [middle[k]], color=look["color"], marker="o", markersize=5.5, linestyle="", zorder=5)


@style.STYLE
def sloppiness(folder: Path, found: Measured) -> list[Path]:
    """Draw `sloppiness`: explained stress of both data sets by axes, and by base points, and their difference."""
    if found.synthetic is None:
        return []
    x, drawn = found.synthetic, Figure((style.PAGE, 2.9), layout="constrained")
    by_axes, by_count, gap = drawn.subplots(1, 3, width_ratios=(1.1, 1, 1))
    looks = {name: {**look, "marker": marker} for (name, look), marker in zip(_sets(found).items(), MARKERS)}
    for name, look in looks.items():
        strands(by_axes, np.arange(1, x.axes[name].shape[1] + 1), x.axes[name], color=look["color"])
        curve(by_count, x.counts.astype(float), x.stress[name], **look)
    by_axes.set(xlabel="axes", ylabel="explained stress")
    by_axes.locator_params(axis="x", integer=True)
    by_count.set(xlabel="base points", ylabel="explained stress of 3 axes", xscale="log")
    ticks(by_count, x.counts)
    training = x.stress[found.sloppy][:, -1] - x.stress[found.flat][:, -1]
    dots(gap, training, 0, color="black")
    dots(gap, x.evaluation[found.sloppy] - x.evaluation[found.flat], 1, color="black")
    gap.plot(x.bootstrap, np.full(len(x.bootstrap), 2), **{**NULL, "color": "black", "alpha": 0.2})
    rows(gap, ["training", "evaluation", "base points\ndrawn anew"])
    gap.axvline(0, **LINE)
    gap.axvline(LITTLE, **RULE)
    gap.set_xlabel(f"stress, {found.sloppy} − {found.flat}")
    for ax in (by_axes, by_count):
        ax.grid()
    lettered((by_axes, by_count, gap), ("by axes", "by base points", "difference, 3 axes"))
    legend(drawn, {**looks, "no difference": LINE, "rule": RULE}, 4)
    return style.save(drawn, folder, "sloppiness")


def _sets(found: Measured) -> dict[str, dict]:
    return shades((found.sloppy, found.flat))


@style.STYLE
def speed(folder: Path, found: Measured) -> list[Path]:
    """Draw `speed`: progress of networks of several widths, epochs to a half of it, and how far they are apart."""
    if found.widths is None:
        return []
    x, drawn = found.widths, Figure((style.PAGE, 2.9), layout="constrained")
    progress, steps, apart = drawn.subplots(1, 3, width_ratios=(1.2, 1, 1))
    looks = {width: {**look, "linestyle": line} for (width, look), line in
             zip(shades(x.widths).items(), ("-", "--", "-.", ":") * len(x.widths))}  # fmt: skip
    for times, values, look in zip(x.times, x.progress, looks.values()):
        strands(progress, times, values, **look)
    progress.axhline(x.level, **LINE)
    by_epoch(progress, mean(x.times.reshape(-1, x.times.shape[2])))
    progress.set(ylabel="progress", ylim=(0, 1), xlim=(0, None))
    curve(steps, x.widths, x.steps.T, color="black", linestyle="")
    middle = mean(x.steps.T)
    if np.isfinite(x.exponent) and np.isfinite(middle).any():
        at = np.exp(mean(np.log(middle))) * (x.widths / np.exp(np.log(x.widths).mean())) ** x.exponent
        steps.plot(x.widths, at, **{**LINE, "color": "black", "linestyle": "--"})
    steps.set(xlabel="width", ylabel=f"epochs to progress {x.level:g}", xscale="log")
    if np.isfinite(middle).any():
        steps.set_yscale("log")
        plain(steps, "y")
    ticks(steps, x.widths)
    _apart(apart, x)
    for ax in (progress, steps):
        ax.grid(axis="y")
    power = f"power {x.exponent:.2f} of width".replace("-", "−")
    lettered((progress, steps, apart), ("progress", "speed", "distance, in tubes"))
    legend(
        drawn, {**{f"width {width:,g}": look for width, look in looks.items()}, power: {**LINE, "linestyle": "--"}}, 5
    )
    return style.save(drawn, folder, "speed")


def _apart(ax: Axes, x: Widths) -> None:
    """Write distances between widths, over the tube of the second, means of seeds."""
    known = np.isfinite(x.apart).any()  # of one seed there are no others
    values = mean(np.moveaxis(x.ratio, 2, 0)) if known else np.full((len(x.widths),) * 2, np.nan)
    largest = max(2.0, values.max(where=np.isfinite(values), initial=0))
    ax.imshow(values, cmap="cividis", vmin=0, vmax=largest)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value < 0.55 * largest
            ax.text(
                column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color="white" if dark else "black"
            )
    labels = [f"{width:,g}" for width in x.widths]
    ax.set_xticks(range(len(labels)), labels)
    ax.set_yticks(range(len(labels)), labels)
    ax.set(xlabel="to the mean of width", ylabel="from a run of width")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
