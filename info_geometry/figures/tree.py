"""The embedding beside the tree of its tasks, in the colours of the runs, and how far the distances of the two agree.

A tree is written like an outline, a line a node: nothing overlaps, whatever the names and however many tasks.  Where a
node stands from left to right says how many steps of WordNet it is below the root.
"""

import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.transforms import ScaledTranslation

from info_geometry.figures import style

ASIDE = "#D0D0D0"  # of runs that have no place in the tree
LINE = 0.165  # inches from one node of the tree to the next
LETTER = 0.058  # inches, of a label
FEWEST = 13  # lines of the tree that the embedding beside it is high


@style.STYLE
def task_tree(
    folder: str | Path,
    coordinates: np.ndarray,
    imaginary: np.ndarray,
    index: dict,
    nodes: dict | None = None,
    comparisons: Sequence[dict] = (),
    aside: Collection[str] = (),
    note: str = "",
) -> list[Path]:
    """Draw `tree`: the embedding, the tree of its tasks and, below, what was compared with the distances of these.

    Without a tree it is called `tasks`.

    coordinates (M, k), imaginary (k,), index: as for `figures.embedding.embedding`; the first two axes are shown.
    nodes: {node: dict(parent, steps up to it, name, classes (how many, or None), runs (which are this task))}, parents
    before children; the one root has the parent None.  Without nodes there is no tree.
    comparisons: dicts of pairs {(run, run): (x, y)}, xlabel and title, a panel each.  aside: runs without a place,
    drawn in a light grey, and named there.  note: what to bear in mind, below.  Returns the written paths.
    """
    styles = style.colours(index["run"])
    styles = {run: {**look, "color": ASIDE} if run in aside else look for run, look in styles.items()}
    upper = LINE * max(len(nodes), FEWEST) + 0.6 if nodes else 2.4
    lines = [line for sentence in note.splitlines() for line in textwrap.wrap(sentence, 130)]
    below = 0.13 * len(lines) + 0.05
    lower = 1.9 + below if nodes and comparisons else 0.0
    height = upper + (lower or below)
    # the tree names the runs; where there is none, a legend has to
    figure = (
        style.Figure((style.PAGE, height), layout="constrained")
        if nodes
        else style.figure_with_legend(styles, style.PAGE, height, start=True)
    )
    if nodes:
        halves = figure.subfigures(2, 1, height_ratios=(upper, lower)) if lower else (figure,)
        left, right = halves[0].subplots(1, 2, width_ratios=(1, 1.25))
        _draw_tree(right, nodes, styles, 0.5 * style.PAGE)
        panels = halves[1].subplots(1, len(comparisons), squeeze=False)[0] if lower else ()
    else:
        left, *panels = figure.subplots(1, 1 + len(comparisons), squeeze=False)[0]
    _draw_embedding(left, coordinates, imaginary, index, styles, aside if nodes else ())
    for ax, comparison in zip(panels, comparisons):
        _draw_comparison(ax, comparison, styles)
    if len(panels):
        panels[0].set_ylabel("distance of trajectories")
    if lines:
        (halves[1] if lower else figure).supxlabel("\n".join(lines), fontsize=7)
    return style.save(figure, folder, "tree" if nodes else "tasks")


def _draw_embedding(ax, coordinates, imaginary, index, styles, aside):
    """Draw the first two axes of the embedding; runs aside below the others, thin, with their names."""
    points, labels = style.first_axes(coordinates, imaginary, index)
    points = points[:, :2]
    ordered = {run: styles[run] for run in sorted(styles, key=lambda run: run not in aside)}
    style.draw_trajectories(ax, points, index, ordered)
    for line in ax.lines:
        if line.get_color() == ASIDE:
            line.set_linewidth(0.8)
    names, runs = style.display_names(index["run"]), np.asarray(index["run"]).astype(str)
    steps, near, ends = np.asarray(index["checkpoint"]), 0.06 * np.ptp(points, axis=0), []
    for run in aside:
        end = points[(runs == run) & (steps == steps[runs == run].max())].mean(axis=0)
        k = next((k for k, (other, _) in enumerate(ends) if (abs(end - other) <= near).all()), len(ends))
        ends[k : k + 1] = [(end, [*(ends[k][1] if k < len(ends) else []), names[run]])]
    for end, texts in ends:  # those that end in one place share a label
        ax.annotate(
            ", ".join(texts),
            end,
            (0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7,
            color="0.45",
            zorder=6,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.locator_params(nbins=5)


def _draw_tree(ax, nodes, styles, width):
    """Draw the tree as an outline in an axis that is about `width` inches wide."""
    names, depth, row = style.display_names(styles), {}, {}
    for node, entry in nodes.items():
        depth[node] = 0 if entry["parent"] is None else depth[entry["parent"]] + entry["steps"]
        row[node] = len(row)
    labels = {node: _labels(entry, names) for node, entry in nodes.items()}
    room = {node: 0.12 + 0.12 * len(nodes[node]["runs"]) + LETTER * len("".join(labels[node])) for node in nodes}
    # inches a step: so many that the labels fit, and no more than look well
    step = min([0.38, *(max(width - room[node], 0.4) / depth[node] for node in nodes if depth[node])])
    for node, entry in nodes.items():
        if entry["parent"] is not None:
            x = depth[entry["parent"]]
            ax.plot(
                [x, x, depth[node]], [row[entry["parent"]], row[node], row[node]], color="0.75", linewidth=0.8, zorder=1
            )
        if not entry["runs"]:
            ax.plot(depth[node], row[node], "o", color="white", markeredgecolor="0.6", markersize=3, zorder=2)
        for k, run in enumerate(entry["runs"]):
            beside = ScaledTranslation(0.1 * k, 0, ax.figure.dpi_scale_trans)
            ax.plot(
                depth[node],
                row[node],
                styles[run]["marker"],
                color=styles[run]["color"],
                markeredgewidth=0,
                markersize=5.5,
                zorder=3,
                transform=ax.transData + beside,
            )
        _write(ax, depth[node], row[node], 5 + 7.2 * max(len(entry["runs"]) - 1, 0), *labels[node])
    deepest = max(depth.values())
    ax.set(
        xlim=(-0.12 / step, width / step),
        ylim=(max(len(nodes), 0.7 * FEWEST) - 0.4, -0.6),
        yticks=[],
        xticks=range(0, deepest + 1, 1 if step > 0.15 else 5),
    )
    ax.set_xticks(range(deepest + 1), minor=True)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, deepest)
    ax.spines["bottom"].set_position(("data", len(nodes) - 0.3))
    root = next(iter(nodes.values()))["name"]
    ax.set_xlabel(f"steps of WordNet below {root!r}; in brackets: classes", loc="left")


def _labels(entry, names):
    """Return what is written in black and then in grey: the runs, or only what WordNet calls the node."""
    classes = "" if entry["classes"] is None else f" ({entry['classes']})"
    if not entry["runs"]:
        return "", entry["name"] + classes
    shown = [names[run] for run in entry["runs"]][:3] + ["…"] * (len(entry["runs"]) > 3)
    return ", ".join(shown) + classes, "" if names[entry["runs"][0]] == entry["name"] else f"  {entry['name']}"


def _write(ax, x, y, offset, black, grey):
    """Write a label to the right of a node."""
    text = ax.annotate(black, (x, y), (offset, 0), textcoords="offset points", va="center_baseline", fontsize=8)
    if grey and black:
        ax.annotate(grey, (1, 0), xycoords=text, va="bottom", fontsize=7, color="0.5")
    elif grey:
        ax.annotate(
            grey, (x, y), (offset, 0), textcoords="offset points", va="center_baseline", fontsize=7, color="0.5"
        )


def _draw_comparison(ax, comparison, styles):
    """Draw a pair of tasks as half the mark of one and half the mark of the other."""
    highest = 0.0
    for pair, (x, y) in comparison["pairs"].items():
        for run, half in zip(pair, ("left", "right")):
            ax.plot(
                x, y, styles[run]["marker"], fillstyle=half, color=styles[run]["color"], markeredgewidth=0, markersize=6
            )
        highest = max(highest, y) if np.isfinite(y) else highest
    ax.set(xlabel=comparison["xlabel"])
    ax.set_title(comparison["title"], pad=4)
    ax.set_ylim(0, 1.08 * highest or 1)
    ax.margins(x=0.06)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    ax.locator_params(nbins=6)
