"""The figures of networks beside each other, of what was measured alone: similarity, lines, distances, dissection."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from experiments.symmetries import groups, rules
from experiments.symmetries import measured as m
from experiments.symmetries.dissection import STEPS
from experiments.symmetries.drawing import curve, dot, legend, spread_out, titles
from experiments.symmetries.measured import Measured, both_ways
from info_geometry.figures import style
from info_geometry.files import InputError
from info_geometry.uncertainty.mantel import mantel
from learning.finding import mean_and_error

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, GREY = style.PALETTE
OF_METRICS = {
    name: {"color": colour, "marker": marker, "linestyle": line}
    for name, colour, (line, marker) in zip(m.METRICS, (GREEN, ORANGE, BLUE, RED), style.LINES)
}
OF_WAYS = {
    m.BEFORE: {"color": BLACK, "marker": "o"},
    m.BY_WEIGHTS: {"color": ORANGE, "marker": "s"},
    m.UNCORRECTED: {"color": SKY, "linestyle": "--", "marker": "v"},
    m.REPAIRED: {"color": GREEN, "linestyle": ":", "marker": "D"},
    m.ALIGNED: {"color": BLUE, "marker": "^"},
}
OF_KINDS = {
    m.ANY: {"color": BLACK},
    m.FITTED_ROTATION: {"color": GREY},
    m.G_RELU: {"color": BLUE},
    m.MATCHED: {"color": SKY, "linestyle": "--"},
    m.RANK_4: {"color": GREEN},
    m.RANK_2: {"color": GREEN, "linestyle": "--"},
    m.RANK_1: {"color": GREEN, "linestyle": ":"},
    m.RANDOM_PERMUTATION: {"color": RED},
    m.NOISE: {"color": PINK},
}
OF_PROPERTIES = {"class": BLACK, "brightness": ORANGE, "contrast": GREEN, "orientation": BLUE}
LEAST_BARRIER, LEAST_CHANGE = 1e-3, 1e-17  # what is less is drawn here, on logarithmic axes


@style.STYLE
def similarity(folder: Path, found: Measured) -> list[Path]:
    """Draw `similarity`: four metrics by layer, and maps by CKA of all layers of two networks."""
    figure = Figure((style.PAGE, 2.8), layout="constrained")
    left, *rest = figure.subplots(1, 1 + max(len(found.maps), 1), width_ratios=(1.25, *[1] * max(len(found.maps), 1)))
    count = len(found.layers)
    for number, (name, look) in enumerate(OF_METRICS.items()):
        values = found.similar[rules.SHOWCASE][name]
        places = np.arange(1, count + 1) + 0.05 * (number - 1.5)
        errors = [mean_and_error(x)[1] for x in values.T]
        left.errorbar(places, values.mean(axis=0), errors, capsize=2, elinewidth=0.8, **{**look, "linewidth": 0.8})
    left.set(
        xlabel="layer", ylabel="similarity", title=f"width {rules.SHOWCASE}", xlim=(0.7, count + 0.3), ylim=(None, 1.02)
    )
    left.set_xticks(range(1, count + 1))
    left.grid(axis="y")
    for ax, (name, each) in zip(rest, found.maps.items()):
        values = each.mean(axis=0)
        image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis")
        for (row, column), value in np.ndenumerate(values):
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                color="black" if value > 0.6 else "white",
                fontsize=8,
            )
        ax.set(title=name, xlabel="layer of the receiver")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(FixedLocator(range(count)))
            axis.set_major_formatter(FuncFormatter(lambda place, _: f"{place + 1:.0f}"))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    if found.maps:
        rest[0].set_ylabel("layer of the sender")
        figure.colorbar(image, ax=rest, shrink=0.8, pad=0.02).outline.set_visible(False)
    legend(figure, OF_METRICS, 4)
    return style.save(figure, folder, "similarity")


@style.STYLE
def gelu(folder: Path, found: Measured) -> list[Path]:
    """Draw `gelu`: how far GELU is from passing a scale, which needs nothing that was measured."""
    figure = Figure((style.COLUMN, 2.5), layout="constrained")
    ax, scales = figure.subplots(), np.linspace(0, 3, 301)
    slope, (at, _) = rules.Y11["slope"][1], rules.Y11["maximum"]
    ax.plot(scales, groups.gelu_defect(scales), color=BLUE)
    ax.plot(scales[scales >= 1], slope * (scales[scales >= 1] - 1), ":", color="0.5", linewidth=0.9)
    ax.text(2.95, 0, f"dotted: slope\nat infinity, {slope:.4f}", color="0.4", fontsize=7, ha="right")
    for x, text, place, side in (
        (at, "local maximum\n{:.4f} at {:g}", (0.06, 0.085), "left"),
        (1.0, "{:.0f} at {:g}", (1.0, -0.025), "center"),
        (2.0, "{:.4f} at {:g}", (1.93, 0.18), "right"),
    ):
        y = float(groups.gelu_defect(x))
        ax.plot([x], [y], "o", color=RED)
        ax.annotate(text.format(y, x), (x, y), place, ha=side, va="bottom", fontsize=7)
    ax.set(xlabel="scale", ylabel="defect of GELU", xlim=(0, 3), ylim=(-0.03, None))
    ax.grid()
    return style.save(figure, folder, "gelu")


@style.STYLE
def planted(folder: Path, found: Measured) -> list[Path]:
    """Draw `planted`: how far outputs move under random symmetries of all layers, and under rotations."""
    figure = Figure((style.PAGE, 0.9 + 0.2 * max(len(found.unchanged), 4)), layout="constrained")
    ax = figure.subplots()
    looks = {"symmetry": dot(BLUE), "rotation": dot(RED, "D")}
    for place, x in enumerate(found.unchanged.values()):
        for kind, look in looks.items():
            values = np.maximum(x[kind]["change"], LEAST_CHANGE)
            ax.plot(values, place + spread_out(len(values), 0.2), **look, markersize=4, alpha=0.7)
    for bound in (rules.Y1_SAME, rules.Y1_OTHER):
        ax.axvline(bound, color="0.5", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set_xlim(LEAST_CHANGE / 2, 10)
    ax.set_xlabel("largest change of outputs, of the largest output (dotted: bounds of the claim)")
    ax.set_yticks(range(len(found.unchanged)), list(found.unchanged))
    ax.set_ylim(max(len(found.unchanged), 1) - 0.5, -0.5)
    ax.grid(axis="x")
    legend(figure, {"random symmetry": looks["symmetry"], "random rotations": looks["rotation"]}, 2)
    return style.save(figure, folder, "planted")


@style.STYLE
def lines(folder: Path, found: Measured) -> list[Path]:
    """Draw `lines`: NLL on the line between two networks, aligned or not, and barriers by width."""
    figure = Figure((style.PAGE, 4.4), layout="constrained")
    showcase = f"width {rules.SHOWCASE}"
    wide = {int(name.split()[1]): x for name, x in found.lines.items() if name.startswith("width ")}
    shown = [name for name in found.lines if name == showcase or not name.startswith("width ")][:4]
    grid = figure.subplots(2, 3).ravel()
    for ax, name in zip(grid, shown):
        for way, look in OF_WAYS.items():
            if way in found.lines[name]:
                x = found.lines[name][way]
                curve(ax, x.t, x.nll, **{**look, "marker": ""})
        ax.set(yscale="log", xlabel="position", ylabel="NLL", xlim=(0, 1), title=name)
        _plain(ax, "y")
        ax.grid(axis="y")
    for ax in grid[len(shown) : 4]:
        ax.set_axis_off()
    for ax, ways in zip(grid[4:], ((m.BEFORE, m.BY_WEIGHTS, m.ALIGNED), (m.UNCORRECTED, m.REPAIRED, m.ALIGNED))):
        for way in ways:
            values = np.array([wide[width][way].barrier for width in sorted(wide)]).T
            curve(ax, sorted(wide), np.maximum(values, LEAST_BARRIER), **OF_WAYS[way])
        ax.set(xscale="log", yscale="log", xlabel="width", ylabel="barrier, NLL", title="by width")
        ax.xaxis.set_major_locator(FixedLocator(sorted(wide)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _plain(ax, "y")
        ax.grid(axis="y")
    legend(figure, OF_WAYS, 3)
    return style.save(figure, folder, "lines")


def _plain(ax: Axes, which: str):
    """Write numbers of a logarithmic axis as they are, more of them the less it spans."""
    axis = getattr(ax, f"{which}axis")
    low, high = sorted(getattr(ax, f"get_{which}lim")())
    if low <= 0:  # nothing is drawn
        getattr(ax, f"set_{which}scale")("linear")
        return
    steps = (1, 2, 5) if high < 30 * low else (1,)
    at_steps = FixedLocator([step * 10.0**k for k in range(-12, 7) for step in steps])
    axis.set_major_locator(MaxNLocator(5) if high < 4 * low else at_steps)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    getattr(ax, f"set_{which}lim")(low, high)


@style.STYLE
def barrier(folder: Path, found: Measured) -> list[Path]:
    """Draw `barrier`: the barrier between two networks, once they are aligned, by how alike they are."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    looks = {f"width {w}": {**dot(c), "marker": k} for w, c, k in zip(found.similar, style.PALETTE, "osD^v<>X")}
    for ax, way in zip(axes, (m.ALIGNED, m.BEFORE)):
        for width, look in zip(found.similar, looks.values()):
            x, y = found.similar[width][m.WREATH].mean(axis=1), found.lines[f"width {width}"][way].barrier
            ax.plot(x, np.maximum(y, LEAST_BARRIER), **look, alpha=0.8)
        ax.set(yscale="log", title=way, xlabel="wreath Procrustes, mean of layers")
        ax.grid()
    _plain(axes[0], "y")
    axes[0].set_ylabel("barrier, NLL")
    legend(figure, looks, 5)
    return style.save(figure, folder, "barrier")


@style.STYLE
def zoo(folder: Path, found: Measured) -> list[Path]:
    """Draw `zoo`: d_B of two networks by how unlike they are, by each metric, over pairs of networks of all widths."""
    figure = Figure((style.PAGE, 2.2), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True)
    upper = np.triu_indices(len(found.zoo["d_B"]), 1)
    for ax, (name, look) in zip(axes, OF_METRICS.items()):
        far = 1 - found.zoo[name]
        ax.plot(far[upper], found.zoo["d_B"][upper], "o", color=look["color"], markersize=3, alpha=0.6, mew=0)
        ax.set(title=f"{name}\n{_agree(far, found.zoo['d_B'])}", xlabel="1 - similarity")
        ax.locator_params(axis="x", nbins=4)
        ax.grid()
    axes[0].set_ylabel("$d_B$")
    return style.save(figure, folder, "zoo")


def _agree(far, d_B):
    try:
        x = mantel(far, d_B)
    except InputError:
        return "not known"
    return "no correlation" if np.isnan(x.statistic) else f"Mantel {x.statistic:.2f}, p = {x.p:.2g}"


@style.STYLE
def depth(folder: Path, found: Measured) -> list[Path]:
    """Draw `depth`: how far stitched networks are from sender and receiver, from the first layer to the last."""
    figure = Figure((style.PAGE, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    kinds = {name: look for name, look in OF_KINDS.items() if name in found.kinds}
    apart = both_ways(found.apart).mean()
    near = [name for name in kinds if np.nanmax(_ends(found.kinds[name]), initial=0) < 5 * apart]
    for ax, names in ((left, list(kinds)), (right, near)):
        for name in names:
            x = found.kinds[name]
            to = x.to_sender.mean(axis=0), x.to_receiver.mean(axis=0)
            ax.plot(*to, linewidth=1, **kinds[name])
            sizes = np.linspace(2.5, 6.5, len(to[0]))
            for a, b, size in zip(*to, sizes):
                ax.plot([a], [b], "o", markersize=size, color=kinds[name]["color"], markeredgewidth=0)
        ax.set(xscale="log", yscale="log", xlabel="$d_B$ to the sender")
        ends = [*ax.get_xlim(), *ax.get_ylim(), apart / 1.3, apart * 1.3]
        ends = [x for x in ends if x > 0] or [0.01, 1]
        limits = min(ends), max(ends)
        ax.plot(limits, limits, color="0.7", linewidth=0.8, zorder=0)
        for draw in (ax.axvline, ax.axhline):
            draw(apart, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
        ax.set(xlim=limits, ylim=limits)
        for which in "xy":
            _plain(ax, which)
        ax.set_aspect("equal")
        ax.grid()
    left.set_ylabel("$d_B$ to the receiver")
    left.set_title("all stitches")
    right.set_title("the nearer ones")
    looks = {name: {**look, "marker": "o", "markeredgewidth": 0} for name, look in kinds.items()}
    looks["from sender to receiver"] = {"color": "0.5", "linestyle": ":"}
    legend(figure, looks, 3)
    figure.suptitle("larger dots: later layers", fontsize=7.5)
    return style.save(figure, folder, "depth")


def _ends(x):
    return np.concatenate([x.to_sender.mean(axis=0), x.to_receiver.mean(axis=0)])


@style.STYLE
def dissection(folder: Path, found: Measured) -> list[Path]:
    """Draw `dissection`: the share of channels selective for a class or a property, as features are turned."""
    figure = Figure((style.PAGE, 2.8), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, max(len(found.dissection), 1), sharey=True))
    for ax, kinds, channels, title in zip(axes, found.dissection.values(), found.channels, titles(found)):
        for kind, colour in OF_PROPERTIES.items():
            curve(ax, STEPS, 100 * kinds[kind]["turned"].mean(axis=2) / channels, color=colour, marker="o")
            flat = 100 * kinds[kind]["symmetry"].mean() / channels
            ax.plot([0, 1], [flat, flat], "--", color=colour, linewidth=0.9)
        ax.set(title=title, xlabel="share of the way to a rotation", xticks=STEPS)
        ax.grid(axis="y")
    axes[0].set_ylim(bottom=0)  # of all panels, once all is drawn
    axes[0].set_ylabel("selective channels, %")
    looks = {kind: {"color": colour, "marker": "o"} for kind, colour in OF_PROPERTIES.items()}
    legend(figure, {**looks, "under G_ReLU": {"color": "0.4", "linestyle": "--", "linewidth": 0.9}}, 5)
    return style.save(figure, folder, "dissection")
