"""The figures of tasks that are learned after each other.  Rows are learned first; dots and thin lines are seeds."""

import itertools
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.stats import spearmanr

from experiments.task_distances.reaching.drawing import heat_map, name_of, named, ordered, sure
from experiments.task_distances.reaching.measured import RANDOM, REACHED, Measured
from experiments.task_distances.reaching.more_rules import reachable
from info_geometry.figures import style
from info_geometry.figures.panels import BLACK, BLUE, GREEN, ORANGE, RED, legend, lettered, strands

TITLES = {
    "A": "at once less alone, log-det",
    "B": "at once less alone, KL",
    "C": "beside the first network",
    "D": "length of the path",
}


@style.STYLE
def asymmetric(folder: Path, found: Measured) -> list[Path]:
    """Draw `reaching_asymmetric`: distances A to D, from rows to columns, and how they differ from the way back."""
    figure = Figure((style.PAGE, 10.6), layout="constrained")
    axes = figure.subplots(len(found.distances), 2)
    titles = []
    for row, (letter, d) in zip(axes, found.distances.items()):
        names, digits = named(d.tasks), 0 if d.unit else 1
        heat_map(figure, row[0], d.values.mean(axis=0), names, d.unit or "Len", digits)
        turned, where = d.turned.mean(axis=0), sure(d.turned)
        heat_map(figure, row[1], turned, names, d.unit or "Len", digits, signed=True, sure=where)
        titles += [f"{letter}: {TITLES[letter]}", f"{letter}: less the way back"]
    lettered(axes.ravel(), titles)
    ordered(figure)
    return style.save(figure, folder, "reaching_asymmetric")


@style.STYLE
def reached(folder: Path, found: Measured) -> list[Path]:
    """Draw `reaching_gaps`: R1 to R4 of all pairs of tasks."""
    figure = Figure((style.PAGE, 5.9), layout="constrained")
    axes, x = figure.subplots(2, 2), found.reached
    names, T = named(x.tasks), x.epochs[-1] - x.epochs[0]
    gap = 100 * x.gap
    panels = axes.ravel()
    told = np.tile([task.condition != RANDOM for task in x.tasks], (len(names), 1))
    heat_map(figure, panels[0], gap.mean(axis=0), names, "points", 1, signed=True, sure=sure(gap), scaled=told)
    heat_map(figure, panels[1], x.time.mean(axis=0), names, "epochs", 0)
    heat_map(figure, panels[2], x.detour.mean(axis=0), names, "Len / shortest", 1)
    heat_map(figure, panels[3], (x.action * T).mean(axis=0), names, "action times T", 0)
    titles = "R1: accuracy that is not reached", f"R2: until {REACHED:.0%} of it", "R3: detour", "R4: action"
    lettered(panels, titles)
    ordered(figure)
    return style.save(figure, folder, "reaching_gaps")


@style.STYLE
def times(folder: Path, found: Measured) -> list[Path]:
    """Draw `reaching_times`: R2 of all pairs of tasks by A, C, D, and d_B of networks from scratch."""
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    x, K = found.reached, len(found.reached.tasks)
    every = {
        key: (found.distances[key].values, f"{key}, {found.distances[key].unit or 'Len'}") for key in ("A", "C", "D")
    }
    every["static"] = x.static, "$d_B$, from scratch"
    axes, titles = figure.subplots(1, len(every), sharey=True), []
    random = np.zeros((K, K), dtype=bool)
    random[:, [task.condition == RANDOM for task in x.tasks]] = True
    same = np.eye(K, dtype=bool)
    kinds = {"other tasks": ~same & ~random, "random labels": random & ~same, "the same task": same}
    looks = dict(zip(kinds, ({"color": BLUE}, {"color": RED, "marker": "s"}, {"color": ORANGE, "marker": "D"})))
    time = x.time.mean(axis=0)
    for ax, (key, (d, unit)) in zip(axes, every.items()):
        mean = d.mean(axis=0)
        for kind, where in kinds.items():
            ax.plot(mean[where], time[where], **{"marker": "o", **looks[kind]}, linestyle="", markersize=2.8, alpha=0.8)
        ax.set_xlabel(unit)
        ax.grid()
        titles.append(f"{key}: Spearman {spearmanr(mean[~same], time[~same]).statistic:.2f}".replace("-", "−"))
    axes[0].set_ylabel(f"epochs until {REACHED:.0%} of the\naccuracy from scratch")
    lettered(axes, titles)
    legend(figure, {kind: {"marker": "o", "linestyle": "", **look} for kind, look in looks.items()}, 3)
    return style.save(figure, folder, "reaching_times")


@style.STYLE
def near_and_far(folder: Path, found: Measured) -> list[Path]:
    """Draw `reaching_near_and_far`: all classes after themselves, blurred, upside down; R1 by d_B."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    x, a, blurred, flip = reachable(found)
    looks = {
        "after itself": (a, {"color": BLACK}),
        f"after {name_of(x.words[blurred])}": (blurred, {"color": RED, "linestyle": "--"}),
        f"after {name_of(x.words[flip])}": (flip, {"color": BLUE, "linestyle": "-."}),
    }
    strands(left, x.epochs, x.alone[:, a], color=GREEN, linestyle=":")
    for k, look in looks.values():
        strands(left, x.epochs, x.course[:, k, a], **look)
    left.set_xscale("symlog", linthresh=1, linscale=0.5)
    left.xaxis.set_major_locator(FixedLocator([0, 1, 3, 10, 30, 100]))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    left.set(xlabel="epoch", ylabel="accuracy of all classes")
    top = max(x.course[:, :, a].max(), x.alone[:, a].max())
    left.set_ylim(top - 0.3, top + 0.02)
    left.grid(axis="y")
    colours, marks = (dict(zip((a, blurred, flip), looks)) for looks in ((BLACK, RED, BLUE), ("o", "s", "D")))
    for i, j in itertools.permutations((a, blurred, flip), 2):
        gap, static = 100 * x.gap[:, i, j], x.static[:, i, j]
        look = {"color": colours[i], "marker": marks[j], "linestyle": "", "markeredgewidth": 0}
        right.plot(static, gap, **look, alpha=0.5, markersize=2.5)
        text = f"{name_of(x.words[i])} → {name_of(x.words[j])}"
        right.plot(static.mean(), gap.mean(), **look, markersize=5.5, label=text)
    right.axhline(0, color="0.5", linewidth=0.7)
    right.set(xlabel="$d_B$ between networks from scratch", ylabel="R1: points that are not reached")
    right.grid()
    right.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5))
    lettered((left, right), ("learned after", "near and not reached, far and reached"))
    handles = {"from scratch": {"color": GREEN, "linestyle": ":"}, **{name: look for name, (_, look) in looks.items()}}
    legend(figure, handles, 4)
    return style.save(figure, folder, "reaching_near_and_far")


FIGURES = (asymmetric, reached, times, near_and_far)
