"""The figures of tasks as vectors: distances, tasks as points, dendrograms.  Means over seeds."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy

from experiments.task_distances.vectors import agreement, more_figures
from experiments.task_distances.vectors.drawing import GROUPS, group, group_legend, heat, labelled, name, names
from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.rules import among
from info_geometry.figures import style
from info_geometry.figures.panels import LINE, legend, lettered
from info_geometry.uncertainty.procrustes import procrustes


def panels(found: Measured) -> dict[str, np.ndarray]:
    """Return the distances (n, n) that are shown, means over seeds."""
    every = {
        "vectors, scaled cosine": found.by().mean(axis=0),
        "vectors, plain cosine": found.by("plain_cosine").mean(axis=0),
        "means of features": found.domain.mean(axis=0),
        "classes, Jaccard": found.of_classes["Jaccard"],
        "networks, along": found.together,
        "networks, at the end": found.ends.mean(axis=0),
    }
    return {what: D for what, D in every.items() if np.isfinite(D).all()}


@style.STYLE
def distances(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_distances`: heat maps in one order, that of the dendrogram by vectors."""
    figure = Figure((style.PAGE, 4.7), layout="constrained")
    every = panels(found)
    axes = figure.subplots(2, 3)
    order = hierarchy.leaves_list(agreement.tree(found.by().mean(axis=0)))
    for k, (ax, D) in enumerate(zip(axes.flat, every.values())):
        image = heat(ax, D, order, names(found), k % 3 == 0, k >= len(every) - 3)
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=25, pad=0.02)
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(4)
    for ax in axes.flat[len(every) :]:
        ax.set_visible(False)
    lettered(axes.flat, every)
    return style.save(figure, folder, "vectors_distances")


@style.STYLE
def points(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_points`: tasks as points by InPCA, each picture turned to lie on the first."""
    figure = Figure((style.PAGE, 6.4), layout="constrained")
    every = panels(found)
    chosen = ("vectors, scaled cosine", "networks, along", "classes, Jaccard", "means of features")
    axes, titles, laid = figure.subplots(2, 2), [], {}
    first = agreement.picture(found.by().mean(axis=0)).coordinates
    for what in (each for each in chosen if each in every):
        test = procrustes(first, agreement.picture(every[what]).coordinates)
        told = f": $m^2$ {test.m2:.2f} (by chance {test.least:.2f})" if laid else ""
        laid[what] = test.turned if laid else first
        titles.append(f"{what}{told}")
    for ax, X in zip(axes.flat, laid.values()):
        for word, x in zip(found.words, X):
            ax.plot(*x, linestyle="", markersize=4.5, markeredgewidth=0, **GROUPS[group(word)], zorder=3)
        ax.set_aspect("equal", adjustable="datalim")
        ax.margins(0.16)
        ax.axhline(0, zorder=0, **{**LINE, "color": "0.85"})
        ax.axvline(0, zorder=0, **{**LINE, "color": "0.85"})
        ax.set(xlabel="axis 1", ylabel="axis 2")
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(laid) :]:
        ax.set_visible(False)
    for letter, ax, title in zip("abcd", axes.flat, titles):
        ax.set_title(f"({letter}) {title}", loc="left", fontsize=7.5)
    legend(figure, group_legend(found), 4)
    figure.draw_without_rendering()
    for ax, X in zip(axes.flat, laid.values()):
        labelled(ax, X, names(found))
    return style.save(figure, folder, "vectors_points")


@style.STYLE
def trees(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_trees`: dendrograms by vectors and by networks, side by side, with lines between the same tasks."""
    sides = found.by().mean(axis=0), found.together
    left_in = agreement.known(*sides)
    n, words = len(left_in), [found.words[k] for k in left_in]
    figure = Figure((style.PAGE, 0.4 + 0.19 * n), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.9, 1))
    Z = [agreement.tree(among(D, left_in)) for D in sides]
    leaves = [hierarchy.leaves_list(each) for each in Z]
    # of the second tree both ways round are the same: the one whose leaves are nearer in order to the first
    at = np.argsort(leaves[0])
    if np.corrcoef(at[leaves[1]], np.arange(n))[0, 1] < 0:
        leaves[1] = leaves[1][::-1]
    for ax, each, own, mirrored in ((left, Z[0], leaves[0], False), (right, Z[1], leaves[1], True)):
        _tree(ax, each, own)
        if mirrored:
            ax.set_xlim(ax.get_xlim()[::-1])
    colours = [GROUPS[group(word)]["color"] for word in words]
    where = [np.argsort(own) for own in leaves]
    for k, told in enumerate(map(name, words)):
        a, b = where[0][k], where[1][k]
        middle.plot([0.36, 0.64], [a, b], color=colours[k], linewidth=0.8, alpha=0.8)
        middle.text(0.34, a, told, fontsize=6, ha="right", va="center", color=colours[k])
        middle.text(0.66, b, told, fontsize=6, ha="left", va="center", color=colours[k])
    middle.set(xlim=(0, 1), ylim=(-0.5, n - 0.5))
    middle.axis("off")
    both = [agreement.cophenetic(each) for each in Z]
    r = np.corrcoef(*(agreement.upper(D) for D in both))[0, 1]
    lettered((left,), ["by vectors"])
    right.set_title("(b) by networks, along", loc="right")
    middle.set_title(f"cophenetic correlation {r:.2f}")
    left.set_xlabel("scaled cosine")
    right.set_xlabel("$d_B$ at equal progress, nats")
    legend(figure, {key: {"color": look["color"]} for key, look in group_legend(found).items()}, 4)
    return style.save(figure, folder, "vectors_trees")


def _tree(ax, Z, leaves):
    """Draw a dendrogram whose leaves are at 0 .. n - 1 from below, in an order, and its root at the left."""
    n, heights = len(leaves), {int(leaf): (place, 0.0) for place, leaf in enumerate(leaves)}
    for k, (a, b, height, _) in enumerate(Z):
        (ya, xa), (yb, xb) = heights[int(a)], heights[int(b)]
        ax.plot([xa, height, height, xb], [ya, ya, yb, yb], color="0.25", linewidth=0.8)
        heights[n + k] = (ya + yb) / 2, height
    ax.set(ylim=(-0.5, n - 0.5), yticks=[])
    ax.set_xlim(Z[:, 2].max() * 1.04, 0)
    ax.spines[["left", "right"]].set_visible(False)


FIGURES = (
    distances,
    points,
    trees,
    more_figures.neighbours,
    more_figures.difficulty,
    more_figures.methods,
    more_figures.everything,
)
