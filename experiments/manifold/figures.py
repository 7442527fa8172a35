"""The figures of the manifold: functions of a folder and of what was measured, which return the paths they wrote.

Dots and thin lines are seeds, others means of seeds.  A network has one colour in all of them (`drawing.networks`).
What was not measured is not drawn.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.manifold.dendrogram import dendrogram
from experiments.manifold.drawing import (
    HOLLOW,
    NULL,
    RULE,
    by_network,
    dots,
    legend_of,
    names,
    networks,
    rows,
    shades,
)
from experiments.manifold.measured import (
    ALL,
    FACTORS,
    NETWORK,
    PERMUTED,
    TOGETHER,
    WITHIN,
    Measured,
    Paths,
)
from experiments.manifold.more_figures import corners, means, sloppiness, speed
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.picture_rules import TANGENTS, TEN, THREE
from experiments.manifold.rules import DOMINATES, NEAREST, SAME
from info_geometry.figures import style
from info_geometry.figures.panels import LINE, legend, lettered, mean, strands

TUBE = {"color": "0.82", "linewidth": 6}


@style.STYLE
def tubes(folder: Path, found: Measured) -> list[Path]:
    """Draw `tubes`: by progress, distances to the mean of a configuration, to that of all, and to the geodesic."""
    if found.paths is None:
        return []
    paths, levels = found.paths, found.paths.table[NETWORK]
    drawn, looks = Figure((style.PAGE, 4.9), layout="constrained"), networks(levels)
    axes = drawn.subplots(2, 2).ravel()
    tube = mean(paths.others.reshape(-1, len(paths.grid)))
    for ax, curves in zip(axes, (paths.others, paths.everyone, paths.geodesic)):
        if curves is not paths.others:
            ax.fill_between(paths.grid, 0, np.nan_to_num(tube), color=TUBE["color"], linewidth=0)
        for network, look in looks.items():
            strands(ax, paths.grid, by_network(curves, levels, network), color=look["color"])
        ax.set(xlabel="progress", ylabel="$d_B$", xlim=(0, 1), ylim=(0, None))
        ax.grid()
    _ratios(axes[3], paths)
    titles = "to the mean of other seeds", "to the mean of all runs", "to the geodesic", "one configuration"
    lettered(axes, titles)
    lines = {name: {"color": look["color"]} for name, look in legend_of(looks).items()}
    null = {**NULL, "markersize": 7}
    lines |= {"mean of (a)": TUBE, "permuted": null, "their mean": {**null, "color": "black"}, "rule": RULE}
    legend(drawn, lines, 5)
    return style.save(drawn, folder, "tubes")


def _ratios(ax: Axes, paths: Paths) -> None:
    """Draw distances to runs of a configuration over those to all, of seeds, and with configurations permuted."""
    labels = ("as it is", "permuted in\nnetworks", "permuted")
    dots(ax, paths.ratio if np.isfinite(paths.near).any() else np.full(len(paths.near), np.nan), 0, color="black")
    for place, values in enumerate((paths.alike, paths.random), 1):
        drawn = values.mean(axis=1)
        ax.plot(drawn, np.full(len(drawn), place), **{**NULL, "alpha": 0.25})
        ax.plot([mean(drawn)], [place], **{**NULL, "color": "black"})
    rows(ax, labels)
    ax.axvline(SAME, **RULE)
    ax.axvline(1, **LINE)
    ax.set(xlabel="$d_B$ to other seeds of the same / of all", xlim=(0, None))


@style.STYLE
def factors(folder: Path, found: Measured) -> list[Path]:
    """Draw `factors`: what share each has of the sum of squares, ratio of distances, and nearest neighbours."""
    if found.paths is None:
        return []
    drawn = Figure((style.PAGE, 2.6), layout="constrained")
    axes = drawn.subplots(1, 3, sharey=True)
    there = [name for name in FACTORS if name in found.paths.factors]
    for paths, shift, look in ((found.paths, -0.15, {}), (found.evaluation, 0.15, HOLLOW)):
        for place, name in enumerate(there):
            if paths is None or name not in paths.factors:
                continue
            each, at = paths.factors[name], place + shift
            values = [100 * np.array([x.test.share for x in each]), np.array([x.ratio for x in each], float)]
            values.append(np.array([x.nearest.share for x in each]))
            nulls = [100 * np.array([x.test.permuted for x in each]), paths.ratios[name]]
            nulls.append(np.array([x.nearest.permuted for x in each]))
            for ax, own, null in zip(axes, values, nulls):
                ax.plot([mean(np.asarray(null, float))], [at], **NULL)
                dots(ax, own, at, color="black", **look)
    for ax in axes:
        rows(ax, there)
    axes[1].axvline(1, **LINE)
    axes[1].axvline(DOMINATES, **RULE)
    axes[2].axvline(NEAREST, **RULE)
    axes[0].set(xlabel="% of the sum of squares", xlim=(-3, 103))
    axes[1].set(xlabel="$d_B$ of other levels / of equal")
    axes[2].set(xlabel="nearest is of the same level", xlim=(-0.03, 1.03))
    lettered(axes, ("PERMANOVA", "ratio of distances", "nearest neighbour"))
    mark = {"color": "black", "marker": "o", "linestyle": ""}
    handles = {"training images": mark, "evaluation images": {**mark, **HOLLOW}, "levels permuted": NULL}
    legend(drawn, {**handles, "rule, of networks": RULE}, 4)
    return style.save(drawn, folder, "factors")


@style.STYLE
def dimension(folder: Path, found: Measured) -> list[Path]:
    """Draw `dimension`: explained stress by axes, with nulls, and how far both parts give one picture."""
    if not found.pictures:
        return []
    drawn = Figure((style.PAGE, 3.2), layout="constrained")
    stress, alike = drawn.subplots(1, 2, width_ratios=(1.6, 1))
    parts = shades((TRAINING, EVALUATION, TOGETHER))
    looks = {what: {**look, "linestyle": line} for (what, look), line in zip(parts.items(), ("-", "--", ":"))}
    looks |= {PERMUTED: {"color": "0.55"}, WITHIN: {"color": "0.55", "linestyle": "--"}}
    for what, look in looks.items():
        curves = [x.stress[what] for x in found.pictures]
        count = min(map(len, curves))
        curves = np.array([x[:count] for x in curves])
        strands(stress, np.arange(1, count + 1), curves, zorder=2 if what in (PERMUTED, WITHIN) else 3, **look)
    for axes, bound in ((3, THREE), (10, TEN)):
        stress.plot([axes], [bound], **{**NULL, "marker": "_", "color": "black", "markersize": 11})
    stress.set(xlabel="axes", ylabel="explained stress", ylim=(0, 1.02), xscale="log")
    shown = [1, 2, 3, 5, 10, 20, 30]
    stress.set_xticks(shown, map(str, shown))
    stress.set_xticks([], minor=True)
    stress.grid()
    pairs = [(np.array([x.correlation for x in found.pictures]), [x.exchanged for x in found.pictures])]
    both = f"{TRAINING} {EVALUATION}"
    pairs.append((np.array([1 - x.m2[both] for x in found.pictures]), [1 - x.m2_exchanged for x in found.pictures]))
    for place, (values, exchanged) in enumerate(pairs):
        null = np.concatenate(exchanged)
        alike.plot(null, np.full(len(null), place), **{**NULL, "alpha": 0.3})
        dots(alike, values, place, color="black")
    rows(alike, ["Spearman,\ndistances", "1 − $m^2$,\nProcrustes"])
    alike.set(xlabel="training with evaluation images", xlim=(min(0, alike.get_xlim()[0]), 1.03))
    lettered((stress, alike), ("few axes", "one picture"))
    names = {what: f"{what} images" if what in (TRAINING, EVALUATION) else what for what in looks}
    names |= {TOGETHER: "both as one", PERMUTED: "images permuted", WITHIN: "permuted within classes"}
    handles = {names[what]: look for what, look in looks.items()}
    rule = {"color": "black", "marker": "_", "linestyle": "", "markersize": 9, "markeredgewidth": 1.2}
    legend(drawn, {**handles, "rule": rule, "runs exchanged": {**NULL, "markersize": 7}}, 4)
    return style.save(drawn, folder, "dimension")


@style.STYLE
def tangents(folder: Path, found: Measured) -> list[Path]:
    """Draw `tangents`: what 1, 2 and 3 axes explain of distances, of all models, and of four points."""
    if not found.pictures:
        return []
    there = sorted({name for x in found.pictures for name in x.full if name != ALL})
    looks = {ALL: {"color": "black", "marker": "o"}, **networks(there)}
    drawn = Figure((style.PAGE, 1.3 + 0.24 * len(looks)), layout="constrained")
    axes = drawn.subplots(1, 3, sharex=True, sharey=True)
    for k, ax in enumerate(axes):
        for place, (name, look) in enumerate(looks.items()):
            for what, shift, more in (("full", -0.16, {}), ("four", 0.16, HOLLOW)):
                values = np.array([getattr(x, what)[name][k] for x in found.pictures if name in x.full])
                dots(ax, values, place + shift, **{**look, **more})
        ax.set_xlabel("share of all distances")
    axes[2].axvline(TANGENTS, **RULE)
    for ax in axes:
        rows(ax, ["all networks", *(names(looks)[name] for name in looks if name != ALL)])
    axes[0].set_xlim(min(0, axes[0].get_xlim()[0]), 1.02)
    lettered(axes, ("1 axis", "2 axes", "3 axes"))
    mark = {"color": "0.3", "marker": "o", "linestyle": ""}
    handles = {"axes of all models": mark, "of ignorance, truth and two means": {**mark, **HOLLOW}, "rule": RULE}
    legend(drawn, handles, 3)
    return style.save(drawn, folder, "tangents")


FIGURES: Iterable = (tubes, dendrogram, factors, dimension, means, tangents, corners, sloppiness, speed)
