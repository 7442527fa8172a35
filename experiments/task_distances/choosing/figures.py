"""The figures of choosing a network to start from."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from experiments.task_distances.choosing import rules
from experiments.task_distances.choosing.measured import Measured
from experiments.task_distances.choosing.scores import LOOKING
from info_geometry.figures import style

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, GREY = style.PALETTE
MARKED = {"log_me": ("o", BLACK), "task2vec": ("^", RED), rules.FIXED: ("s", BLUE)}  # rules whose choices are shown


@style.STYLE
def regret(folder: Path, found: Measured) -> list[Path]:
    """Draw `choosing_regret`: the regret of each rule, with its error, of all sources and of hard ones."""
    figure = Figure((style.PAGE, 3.1), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = list(rules.TITLES)
    places = np.arange(len(names)) + 0.5 * np.array([name not in rules.LOOK for name in names])
    for ax, hard, title in zip(axes, (False, True), ("of all sources", "of sources that lack a class of the target")):
        mean = rules.over_targets(rules.chance(found, hard))[0]
        ax.axvline(0, color=GREEN, linewidth=1)
        ax.axvline(100 * mean, color="0.4", linewidth=1)
        ax.axvline(50 * mean, color="0.4", linewidth=0.8, linestyle=":")
        for place, name in zip(places, names):
            own = rules.of_rule(found, name, hard)
            if np.isfinite(own).any():
                _dot(ax, place, own, marker="o", color=BLUE, markersize=5)
            if name in rules.LOOK:
                null = rules.of_permuted(found, name, hard)
                _dot(ax, place + 0.25, null, marker="o", color=ORANGE, markersize=4, markerfacecolor="white")
        ax.set(xlabel="regret, points of accuracy", title=title)
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(places, [rules.TITLES[name] for name in names])
    axes[0].set_ylim(places[-1] + 0.6, -0.6)
    handles = {
        "rule, 2 SE over targets": {"color": BLUE, "marker": "o"},
        "labels permuted": {"color": ORANGE, "marker": "o", "markerfacecolor": "white"},
        "best source": {"color": GREEN, "linewidth": 1},
        "chance": {"color": "0.4", "linewidth": 1},
        "half of it": {"color": "0.4", "linewidth": 0.8, "linestyle": ":"},
    }
    drawn = [Line2D([], [], **{"markersize": 4.5, **look}) for look in handles.values()]
    figure.legend(drawn, list(handles), loc="outside lower center", ncols=len(handles))
    return style.save(figure, folder, "choosing_regret")


def _dot(ax, place, values, **look):
    """Draw the mean over targets of values (S, n), in points, with 2 SE."""
    mean, error = rules.over_targets(values)
    colour = look["color"]
    ax.plot(100 * (mean + np.array([-2, 2]) * error), [place] * 2, color=colour, linewidth=1, zorder=2)
    ax.plot([100 * mean], [place], linestyle="", zorder=3, **look)


@style.STYLE
def accuracies(folder: Path, found: Measured) -> list[Path]:
    """Draw `choosing_accuracy`: what each source leads to, less the best of a target, and what rules choose."""
    m, n = len(found.sources), len(found.targets)
    figure = Figure((style.PAGE, 0.27 * m + 1.5), layout="constrained")
    ax = figure.subplots()
    less = 100 * (found.mean - found.mean.max(axis=0))
    low = min(less.min(), -0.1)
    image = ax.imshow(less, cmap="Blues_r", vmin=low, vmax=-0.35 * low, aspect="auto")  # numbers stay legible on all
    for i in range(m):
        for j in range(n):
            look = {"fontsize": 6.5, "color": "white" if less[i, j] < 0.65 * low else "black"}
            ax.text(j - 0.2, i, f"{100 * found.mean[i, j]:.1f}", ha="center", va="center", **look)
            if found.holds[i, j]:
                edge = Rectangle((j - 0.47, i - 0.43), 0.94, 0.86, fill=False, edgecolor=ORANGE, linewidth=0.8)
                ax.add_patch(edge)
    for k, (name, (marker, colour)) in enumerate(MARKED.items()):
        share = rules.best_of(found.scores[name], found.among(hard=False)).mean(axis=0)
        rows, columns = np.nonzero(share == share.max(axis=0))
        ax.plot(columns + 0.11 + 0.13 * k, rows, marker, color=colour, markersize=3.2, markeredgewidth=0)
    ax.set_xticks(range(n), list(found.targets), rotation=30, ha="right")
    ax.set_yticks(range(m), [_said(name) for name in found.sources])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="target, few labels", ylabel="source")
    bar = figure.colorbar(image, ax=ax, shrink=0.6, boundaries=np.linspace(low, 0, 64), ticks=MaxNLocator(6))
    bar.set_label("points below the best source")
    drawn = [Line2D([], [], linestyle="", marker=x, color=colour, markersize=4.5) for x, colour in MARKED.values()]
    drawn.append(Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linewidth=1))
    names = [f"best by {rules.TITLES[name]}" for name in MARKED]
    figure.legend(drawn, [*names, "has all classes of the target"], loc="outside lower center", ncols=4)
    return style.save(figure, folder, "choosing_accuracy")


def _said(source):
    word, _, width = source.partition("@")
    return f"{word}, width {width}" if width else word.replace("_", " ")


@style.STYLE
def against(folder: Path, found: Measured) -> list[Path]:
    """Draw `choosing_scores`: accuracy, less its mean over sources, by the rank that each score gives a source."""
    figure = Figure((style.PAGE, 3.6), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    less = 100 * (found.mean - found.mean.mean(axis=0))
    for ax, name in zip(axes.flat, LOOKING):
        ranks = rankdata(-found.scores[name], axis=1).mean(axis=0)
        for holds, colour, marker in ((False, ORANGE, "o"), (True, BLUE, "s")):
            chosen = found.holds == holds
            ax.plot(ranks[chosen], less[chosen], marker, color=colour, markersize=2.6, markeredgewidth=0, alpha=0.75)
        ax.axhline(0, color="0.5", linewidth=0.7)
        rho = rules.over_targets(rules.known(rules.correlations(found, found.scores[name])))[0]
        ax.set_title(f"{rules.TITLES[name]}\n" + f"Spearman {rho:.2f}".replace("-", "−"))
        ax.grid()
    axes[0, 0].invert_xaxis()
    for ax in axes[1]:
        ax.set_xlabel("rank by the score")
    figure.supylabel("accuracy less the mean of sources, points", fontsize=8)
    drawn = [Line2D([], [], linestyle="", marker=x, color=c, markersize=4) for x, c in (("s", BLUE), ("o", ORANGE))]
    names = ["source has all classes of the target", "source lacks some (rank 1: best, mean over seeds)"]
    figure.legend(drawn, names, loc="outside lower center", ncols=2)
    return style.save(figure, folder, "choosing_scores")


FIGURES = (regret, accuracies, against)
