"""The dendrograms of configurations: leaves in the order that puts near ones together, their factors below them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from scipy.cluster import hierarchy

from experiments.manifold import factors
from experiments.manifold.drawing import legend_of, names, networks, ordered, shades
from experiments.manifold.measured import AUGMENTATION, BATCH, DECAY, FACTORS, NETWORK, OPTIMISER, Measured
from info_geometry.embedding import linkage
from info_geometry.figures import style
from info_geometry.figures.panels import legend

MIXED = "0.6"  # of branches that are of several networks
TWO = "#D8D8D8", "#555555", "#9A9A9A", "#000000"  # of levels of factors that have few
SQUARE = {"marker": "s", "linestyle": "", "markersize": 5}


@style.STYLE
def dendrogram(folder: Path, found: Measured) -> list[Path]:
    """Draw `dendrogram`: complete linkage of the configurations of the first seed, of whole paths and at one progress.

    A branch has the colour of a network where all its leaves are of this one.
    """
    paths = found.paths
    if paths is None or len(paths.names) < 2:
        return []
    drawn = Figure((style.PAGE, 5.9), layout="constrained")
    axes = drawn.subplots(4, 1, height_ratios=(3, 1.15, 3, 1.15))
    there = np.isfinite(np.diag(paths.distances[0]))
    table = {name: levels[there] for name, levels in paths.table.items()}
    looks = {name: looks_of(name, levels) for name, levels in paths.table.items()}
    titles = f"progress {paths.grid[0]:.2f} to {paths.grid[-1]:.2f}", f"progress {paths.at:.2f}"
    for k, (D, title) in enumerate(zip((paths.distances[0], paths.snapshot[0]), titles)):
        own, (above, below) = D[np.ix_(there, there)], axes[2 * k : 2 * k + 2]
        order = np.arange(len(own))
        if np.isfinite(own).all() and len(own) > 1:
            order, purity, cophenetic = tree(above, own, table[NETWORK], looks[NETWORK])
            chance = factors.purity_of_chance(own, table[NETWORK])
            title += f": purity {purity:.2f} (networks permuted {chance:.2f}), cophenetic correlation {cophenetic:.2f}"
        else:
            above.text(0.5, 0.5, "some distances are not known", ha="center", transform=above.transAxes)
        squares(below, {name: levels[order] for name, levels in table.items()}, looks)
        above.set_title(f"({'ab'[k]}) seed {found.seeds[0]}, {title}", loc="left")
    handles = {name: {**look, **SQUARE} for name, look in legend_of(looks[NETWORK]).items()}
    for factor in (OPTIMISER, BATCH, DECAY, AUGMENTATION):
        short = {OPTIMISER: "", BATCH: "batch ", DECAY: "weight decay: ", AUGMENTATION: "augmentation: "}[factor]
        handles |= {
            style.literal(f"{short}{name}"): {**looks[factor][level], **SQUARE}
            for level, name in names(looks[factor]).items()
        }
    legend(drawn, {**handles, "several networks": {"color": MIXED}}, 5)
    return style.save(drawn, folder, "dendrogram")


def looks_of(factor: str, levels: np.ndarray) -> dict[str, dict]:
    """Return {level: {"color"}} of a factor, in order."""
    if factor == NETWORK:
        return {level: {"color": look["color"]} for level, look in networks(levels).items()}
    levels = ordered(levels)
    if factor == OPTIMISER:
        return shades(levels)
    return {level: {"color": TWO[k % len(TWO)]} for k, level in enumerate(levels)}


def tree(ax: Axes, D: np.ndarray, levels: np.ndarray, looks: dict[str, dict]) -> tuple[np.ndarray, float, float]:
    """Draw the dendrogram of distances D (K, K); return the order of leaves (K,), and its purity and correlation."""
    Z, K = factors.dendrogram(D), len(D)
    own = [{level} for level in levels]
    for a, b, *_ in Z:
        own.append(own[int(a)] | own[int(b)])
    colours = [looks[next(iter(x))]["color"] if len(x) == 1 else MIXED for x in own]
    plan = hierarchy.dendrogram(Z, no_plot=True, link_color_func=lambda node: colours[node])
    highest = Z[:, 2].max() or 1.0
    segments = [np.column_stack([x, y]) for x, y in zip(plan["icoord"], plan["dcoord"])]
    ax.add_collection(LineCollection(segments, colors=plan["color_list"], linewidths=1.0 if K <= 60 else 0.8))
    ax.set(xlim=(0, 10 * K), ylim=(-0.01 * highest, 1.03 * highest), xticks=[], ylabel="$d_B$")
    ax.spines["bottom"].set_visible(False)
    return linkage.leaves(Z), *factors.separated(D, levels)


def squares(ax: Axes, table: dict[str, np.ndarray], looks: dict[str, dict]) -> None:
    """Draw the factors of leaves, {factor: levels (K,)} in their order: a row each, that of networks first."""
    shown = [name for name in FACTORS if name in table]
    K = len(table[shown[0]])
    if not K:
        ax.set_axis_off()
        return
    for row, name in enumerate(shown):
        levels = list(looks[name])
        numbers = np.array([[levels.index(level) for level in table[name]]])
        colours = ListedColormap([look["color"] for look in looks[name].values()])
        edges = np.arange(K + 1) * 10.0
        ax.pcolormesh(
            edges, [row + 0.08, row + 0.92], numbers, cmap=colours, vmin=-0.5, vmax=len(levels) - 0.5,
            edgecolors="white", linewidth=0.25,
        )  # fmt: skip
    ax.set(xlim=(0, 10 * K), ylim=(len(shown), 0), xticks=[])
    ax.set_yticks(np.arange(len(shown)) + 0.5, shown, fontsize=6.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
