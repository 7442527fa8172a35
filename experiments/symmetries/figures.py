"""The figures of stitched networks, of what was measured alone.  Dots are pairs of networks, bars and lines means."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from experiments.symmetries import measured as m
from experiments.symmetries import network_figures as more
from experiments.symmetries.drawing import curve, dot, groups, legend, penalties, rows_of_dots, spread_out, titles
from experiments.symmetries.measured import Measured
from info_geometry.figures import style

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, GREY = style.PALETTE
LIGHTER = {f"   {name}": name for name in (m.GRADIENT, m.FROM_MATCH, m.GUMBEL)}
ROWS = {  # {kind of stitch: colour}, in groups
    **{m.ANY: BLACK, m.FITTED_ROTATION: BLACK},
    **{m.G_RELU: BLUE, **dict.fromkeys(LIGHTER, SKY), m.MATCHED: BLUE},
    **dict.fromkeys((m.RANK_4, m.RANK_2, m.RANK_1), GREEN),
    **dict.fromkeys((m.IDENTITY, m.RANDOM_PERMUTATION, m.RANDOM_ROTATION), RED),
    **dict.fromkeys((m.UNTRAINED, m.RANDOM_LABELS, m.NOISE), PINK),
}
FAMILIES = {
    "any matrix, or rotation": BLACK,
    "permutation with scales": BLUE,
    "... each of three ways to one": SKY,
    "low rank": GREEN,
    "worthless, of the trained sender": RED,
    "any matrix, of a worthless sender": PINK,
}
TRANSFORMED = dict(zip((m.SAME, m.PERMUTED, m.SCALED, m.SCALED_MORE, m.ROTATED), (GREY, SKY, BLUE, GREEN, RED)))
ROUNDED = {"soft matrix": GREY, "permutation": BLUE, "permutation, statistics of the soft one": RED}
RESIDUAL = {m.ANY: BLACK, m.FITTED_ROTATION: GREY, m.MATCHED: BLUE, m.RANDOM_PERMUTATION: RED}
BY_WIDTH = {
    m.ANY: {"color": BLACK, "marker": "o"},
    m.G_RELU: {"color": BLUE, "marker": "o"},
    m.MATCHED: {"color": SKY, "marker": "s", "linestyle": "--"},
}
LEAST = 0.1  # where entries left per channel are drawn that are 0, on a logarithmic axis


@style.STYLE
def stitching(folder: Path, found: Measured) -> list[Path]:
    """Draw `stitching`: what stitches of every kind cost, a panel for each layer."""
    every = {**found.kinds, **{row: found.ways[name] for row, name in LIGHTER.items() if name in found.ways}}
    rows = [name for name in ROWS if name in every]
    colours = [ROWS[name].replace(SKY, BLUE) for name in rows]
    places = np.arange(len(rows)) + 0.35 * np.cumsum([a != b for a, b in zip(colours, [*colours[:1], *colours])])
    figure = Figure((style.PAGE, 4.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, max(len(found.layers), 1), sharey=True))
    for layer, (ax, title) in enumerate(zip(axes, titles(found))):
        for place, name in zip(places, rows):
            rows_of_dots(ax, place, every[name].penalty[:, layer], ROWS[name])
        penalties(ax, "x", [every[name].penalty for name in rows])
        ax.set(title=title, xlabel="penalty, points")
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(places, rows)
    axes[0].set_ylim(places[-1] + 0.7, -0.7)
    legend(figure, {name: dot(colour) for name, colour in FAMILIES.items()}, 3)
    return style.save(figure, folder, "stitching")


@style.STYLE
def transformed(folder: Path, found: Measured) -> list[Path]:
    """Draw `transformed`: what is lost behind a fixed matrix when the rest of the network has learned again."""
    figure = Figure((style.PAGE, 2.8), layout="constrained")
    ax = figure.subplots()
    kinds = {name: found.transformed[name] for name in TRANSFORMED if name in found.transformed}
    groups(ax, kinds, TRANSFORMED)
    ax.axhline(0, color="0.5", linewidth=0.7)
    ax.set_xticks(range(len(found.transformed_layers)), _before(len(found.transformed_layers)))
    ax.set_ylabel("accuracy lost, points")
    names = {m.SAME: "nothing (identity)", m.SCALED: "G_ReLU, spread 0.5", m.SCALED_MORE: "G_ReLU, spread 1"}
    legend(figure, {names.get(name, name): dot(TRANSFORMED[name]) for name in kinds}, 5)
    return style.save(figure, folder, "transformed")


def _before(count):
    return [f"before activation {k}" for k in range(1, count + 1)]


@style.STYLE
def lasso(folder: Path, found: Measured) -> list[Path]:
    """Draw `lasso`: penalty by how many entries of a matrix are left, beside permutations and any matrix."""
    figure = Figure((style.PAGE, 2.7), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, max(len(found.layers), 1), sharey=True))
    sweep, chosen = found.strengths, (found.kinds[m.ANY].penalty, found.kinds[m.G_RELU].penalty)
    looks = {
        "lasso": {"color": GREEN, "marker": "o"},
        m.G_RELU: {"color": BLUE, "marker": "D", "linestyle": ""},
        m.ANY: {"color": BLACK, "marker": "s", "linestyle": ""},
    }
    for layer, (ax, title, channels) in enumerate(zip(axes, titles(found), found.channels)):
        left, penalty = channels * (1 - sweep.sparsity[:, :, layer]), sweep.penalty[:, :, layer]
        left = np.maximum(left, LEAST)
        ax.plot(left.ravel(), penalty.ravel(), "o", color=GREEN, markersize=2.6, alpha=0.45, markeredgewidth=0)
        ax.plot(np.exp(np.log(left).mean(axis=0)), penalty.mean(axis=0), color=GREEN)
        for values, place, name in zip(chosen, (channels, 1), (m.ANY, m.G_RELU)):
            beside = place * np.exp(spread_out(len(values), 0.12))
            look = {**looks[name], "markeredgewidth": 0}
            ax.plot(beside, values[:, layer], **{**look, "markersize": 2.6, "alpha": 0.45})
            ax.plot([place], [values[:, layer].mean()], **{**look, "markersize": 5})
        ax.set(xscale="log", title=title, xlabel="entries per channel that are not 0")
        ax.xaxis.set_major_formatter(lambda value, _: "0" if np.isclose(value, LEAST) else f"{value:g}")
        penalties(ax, "y", [sweep.penalty, *chosen])
        ax.grid()
    axes[0].set_ylabel("penalty, points")
    legend(figure, looks, 3)
    return style.save(figure, folder, "lasso")


@style.STYLE
def alpha(folder: Path, found: Measured) -> list[Path]:
    """Draw `alpha`: saturation and penalty by alpha, of the centred and the published penalty; alphas chosen."""
    figure = Figure((style.PAGE, 4.7), layout="constrained")
    grid = figure.subplots(3, max(len(found.layers), 1), sharey="row", squeeze=False, height_ratios=(1, 1, 0.6))
    looks = {
        "centred": {"color": BLUE, "marker": "o"},
        "as published": {"color": RED, "marker": "s", "linestyle": "--"},
    }
    centred, published = found.alphas, found.published
    with_0 = np.concatenate([[0.0], published.values])
    places = {value: place for place, value in enumerate(sorted({*centred.values, *published.values}))}
    for layer, (column, title) in enumerate(zip(grid.T, titles(found))):
        for ax, key in zip(column, ("saturation", "penalty")):
            own, other = (getattr(x, key)[:, :, layer] for x in (centred, published))
            shared = own[: len(other), np.flatnonzero(centred.values == 0)[:1]]
            curve(ax, [places[x] for x in centred.values], own, **looks["centred"])
            x = with_0 if shared.shape[1] else published.values
            curve(ax, [places[value] for value in x], np.concatenate([shared, other], axis=1), **looks["as published"])
        counts = [(found.chosen[:, layer] == value).sum() for value in centred.values]
        column[2].bar([places[x] for x in centred.values], counts, width=0.5, color=BLUE)
        column[0].set_title(title)
        column[2].set_xlabel("alpha")
        column[2].set_ylim(0, len(found.chosen))
        for ax in column:
            ax.set_xticks(list(places.values()), [f"{x:g}" for x in places])
            ax.set_xlim(-0.4, len(places) - 0.6)
            ax.grid(axis="y")
    for ax, label in zip(grid[:, 0], ("saturation", "penalty, points", "chosen, pairs")):
        ax.set_ylabel(label)
    legend(figure, looks, 2)
    return style.save(figure, folder, "alpha")


@style.STYLE
def widths(folder: Path, found: Measured) -> list[Path]:
    """Draw `widths`: penalties of stitches, and similarities, by the width of networks."""
    count = max(len(found.layers), 1)
    figure = Figure((style.PAGE, 4.2), layout="constrained")
    grid = figure.subplots(2, count, sharey="row", sharex=True, squeeze=False)
    alike = {
        m.METRICS[0]: {"color": GREEN, "marker": "o"},
        m.METRICS[1]: {"color": ORANGE, "marker": "s", "linestyle": "--"},
    }
    every = [x.penalty for kinds in found.widths.values() for name, x in kinds.items() if name in BY_WIDTH]
    for layer, (top, below) in enumerate(grid.T):
        for name, look in BY_WIDTH.items():
            values = {w: kinds[name].penalty[:, layer] for w, kinds in found.widths.items() if name in kinds}
            if values:
                curve(top, list(values), np.array(list(values.values())).T, **look)
        for name, look in alike.items():
            curve(below, list(found.similar), np.array([x[name][:, layer] for x in found.similar.values()]).T, **look)
        penalties(top, "y", every)
        top.set_title(f"layer {layer + 1}")
        below.set_xlabel("width")
        for ax in (top, below):
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(list(found.widths)))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.grid(axis="y")
    grid[0, 0].set_ylabel("penalty, points")
    grid[1, 0].set_ylabel("similarity")
    legend(figure, {**BY_WIDTH, **alike}, 3)
    return style.save(figure, folder, "widths")


@style.STYLE
def rounding(folder: Path, found: Measured) -> list[Path]:
    """Draw `rounding`: what it costs to make a soft matrix a permutation, and to keep its statistics."""
    figure = Figure((style.PAGE, 2.6), layout="constrained")
    ax = figure.subplots()
    kinds = dict(zip(ROUNDED, (x.penalty for x in (found.soft, found.hard, found.soft_statistics))))
    groups(ax, kinds, ROUNDED)
    penalties(ax, "y", list(kinds.values()))
    ax.set_xticks(range(len(found.layers)), titles(found))
    ax.set_ylabel("penalty, points")
    legend(figure, {name: dot(colour) for name, colour in ROUNDED.items()}, 3)
    return style.save(figure, folder, "rounding")


@style.STYLE
def residual(folder: Path, found: Measured) -> list[Path]:
    """Draw `residual`: what stitches of residual networks cost, layer by layer."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    ax = figure.subplots()
    kinds = {name: found.residual[name].penalty for name in RESIDUAL if name in found.residual}
    groups(ax, kinds, RESIDUAL)
    penalties(ax, "y", list(kinds.values()))
    ax.set_xticks(range(len(found.residual_layers)), range(1, len(found.residual_layers) + 1))
    ax.set(xlabel="layer", ylabel="penalty, points")
    legend(figure, {name: dot(RESIDUAL[name]) for name in kinds}, 4)
    return style.save(figure, folder, "residual")


FIGURES = (
    *(stitching, transformed, lasso, alpha, widths, rounding, residual),
    *(more.similarity, more.gelu, more.planted, more.lines, more.barrier, more.zoo, more.depth, more.dissection),
)
