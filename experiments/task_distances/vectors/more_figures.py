"""More figures of tasks as vectors: neighbours, norms and difficulty, methods, all distances against each other."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.task_distances.vectors import agreement
from experiments.task_distances.vectors.drawing import GROUPS, group, group_legend, labelled, names
from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.rules import among, correlations
from info_geometry.figures import style
from info_geometry.figures.panels import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINE,
    ORANGE,
    PINK,
    RED,
    SEED,
    SKY,
    legend,
    lettered,
)
from info_geometry.uncertainty.mantel import mantel
from learning.finding import said

PERMUTATIONS = 1999
SHOWN = 3  # letters of a number in a cell


@style.STYLE
def neighbours(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_neighbours`: how far, by a taxonomy, the k nearest tasks are, at best, and by chance."""
    of = found.of_classes.get("taxonomy", found.of_classes["Jaccard"])
    own = among(of, found.plain)
    figure = Figure((style.COLUMN, 2.9), layout="constrained")
    ax = figure.subplots()
    k = np.arange(1, len(own))
    looks = {
        "vectors": (found.by(), {"color": BLUE}),
        "... on other images": (found.apart(), {"color": SKY, "linestyle": (0, (1, 1))}),
        "means of features": (found.domain, {"color": GREEN, "linestyle": "-."}),
        "untrained probe": (found.by("cosine", "untrained"), {"color": ORANGE, "linestyle": (0, (4, 1, 1, 1))}),
        "networks, along": (found.along, {"color": RED, "linestyle": "--"}),
    }
    drawn = {}
    for name, (D, look) in looks.items():
        curves = np.array([agreement.neighbours(each, own) for each in among(D, found.plain)])
        if len(curves) > 1:
            ax.fill_between(k, curves.min(axis=0), curves.max(axis=0), color=look["color"], alpha=0.15, linewidth=0)
        ax.plot(k, curves.mean(axis=0), marker="o", markersize=2.5, markeredgewidth=0, **look)
        drawn[name] = look
    drawn |= {"taxonomy itself": {"color": BLACK, "linewidth": 0.9}, "random order": {**LINE, "linestyle": ":"}}
    ax.plot(k, agreement.neighbours(own, own), **drawn["taxonomy itself"])
    ax.axhline(agreement.by_chance(own), **drawn["random order"])
    what = "taxonomic" if "taxonomy" in found.of_classes else "Jaccard"
    ax.set(xlabel="k nearest tasks", ylabel=f"mean {what} distance", ylim=(0, None))
    ax.grid(axis="y")
    legend(figure, {name: {**look, "marker": ""} for name, look in drawn.items()}, 2)
    return style.save(figure, folder, "vectors_neighbours")


@style.STYLE
def difficulty(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_difficulty`: how long vectors are, by how well heads do on other images."""
    figure = Figure((style.PAGE, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    shown = {"error": "share of images taken for another class", "cross_entropy": "cross entropy of other images, nats"}
    norms = found.norms.mean(axis=0)
    for ax, (what, label) in zip(axes, shown.items()):
        values = found.of_heads(what)
        for k, word in enumerate(found.words):
            look = GROUPS[group(word)]
            if len(values) > 1:
                ax.plot(values[:, k], found.norms[:, k], **{**SEED, "color": look["color"]})
            ax.plot(values[:, k].mean(), norms[k], linestyle="", markersize=4.5, markeredgewidth=0, **look)
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.margins(0.12)
        ax.grid()
    axes[0].set_ylabel("$|h|_1$, sum of the vector")
    lettered(axes, ["error of heads", "cross entropy of heads"])
    legend(figure, group_legend(found), 4)
    figure.draw_without_rendering()
    for ax, what in zip(axes, shown):
        labelled(ax, np.column_stack([found.of_heads(what).mean(axis=0), norms]), names(found), 5.5)
    return style.save(figure, folder, "vectors_difficulty")


@style.STYLE
def methods(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_methods`: distances by other methods, images and probes against those by exact vectors."""
    figure = Figure((style.PAGE, 4.6), layout="constrained")
    axes = figure.subplots(2, 3)
    shown = {
        "other images": "again",
        "drawn labels": "sampled",
        "predictions alone": "predictions",
        "probe of half the classes": "half",
        "untrained probe": "untrained",
    }
    pairs = (slice(None), *np.triu_indices(len(found.words), 1))
    titles = []
    for ax, (name, what) in zip(axes.flat, shown.items()):
        D, other = found.by(), found.by("cosine", what)
        ax.plot(D[pairs].ravel(), other[pairs].ravel(), **{**SEED, "alpha": 0.3}, color=BLUE, rasterized=True)
        most = max(D.max(), other.max()) * 1.05
        ax.plot([0, most], [0, most], **LINE)
        ax.set(xlim=(0, most), ylim=(0, most), aspect="equal", xlabel="scaled cosine, exact", ylabel=name)
        titles.append(f"rho {said(correlations(D, other), 2, False)}")
    last = axes.flat[-1]
    for colour, (name, rows) in zip((BLUE, PINK, GREY), found.variational.items()):
        exact = [found.vectors["exact"][s][k].vector for s in range(len(found.seeds)) for k in found.few]
        own = [each.vector for row in rows for each in row]
        told = name if name == "early" else f"beta {name}"
        look = {**SEED, "color": colour, "label": told, "rasterized": True}
        last.plot(np.concatenate(exact), np.concatenate(own), **look)
    if found.variational:
        last.set(xscale="log", yscale="log", xlabel="h of a filter, exact", ylabel="variational")
        few = np.percentile(np.concatenate(exact), 1)
        last.set_xlim(left=max(few / 3, 1e-12))
        last.set_ylim(bottom=last.get_xlim()[0])
        ends = np.array(last.get_xlim())
        last.plot(ends, ends, **LINE)
        last.legend(fontsize=6, markerscale=2, loc="lower right", handletextpad=0)
        titles.append("noise that filters bear")
    else:
        last.set_visible(False)
    lettered(axes.flat, titles)
    return style.save(figure, folder, "vectors_methods")


@style.STYLE
def everything(folder: Path, found: Measured) -> list[Path]:
    """Draw `vectors_agreement`: rho of all distances with each other, tasks as they are; bold: p < 0.05 (Mantel)."""
    tests = all_tests(found)
    every = list(found.every())
    n = len(every)
    figure = Figure((style.PAGE, 5.6), layout="constrained")
    ax = figure.subplots()
    R = np.full((n, n), np.nan)
    for (i, j), test in tests.items():
        R[i, j] = test.statistic
    image = ax.imshow(R[1:, :-1], cmap="RdBu_r", vmin=-1, vmax=1)
    for (i, j), test in tests.items():
        if np.isfinite(test.statistic):
            told = f"{test.statistic:.2f}".replace("-", "−").replace("0.", ".")
            bold = {"fontweight": "bold"} if test.p < 0.05 else {"color": "0.35"}
            colour = {"color": "white" if abs(test.statistic) > 0.6 else "black"} if test.p < 0.05 else {}
            ax.text(j, i - 1, told, ha="center", va="center", fontsize=6, **{**bold, **colour})
    told = [name.replace("_", " ") for name in every]
    ax.set_xticks(range(n - 1), told[:-1], rotation=45, ha="right", rotation_mode="anchor", fontsize=6.5)
    ax.set_yticks(range(n - 1), told[1:], fontsize=6.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, shrink=0.6, label="rho; bold: p < 0.05 (Mantel)").outline.set_visible(False)
    return style.save(figure, folder, "vectors_agreement")


def all_tests(found: Measured) -> dict:
    """Return {(i, j): Mantel test} of all distances with those before, means over seeds, of tasks as they are."""
    means = [among(D.mean(axis=0) if D.ndim == 3 else D, found.plain) for D in found.every().values()]
    return {
        (i, j): mantel(means[i], means[j], PERMUTATIONS)
        for i in range(len(means))
        for j in range(i)
        if np.isfinite(means[i]).all() and np.isfinite(means[j]).all()
    }
