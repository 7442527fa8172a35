"""All runs of the grid in one picture: joint InPCA of training predictions of all seeds, with the geodesic in it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke
from matplotlib.ticker import FuncFormatter

from experiments.manifold.drawing import legend_of, networks, ordered, shades
from experiments.manifold.measured import NETWORK, OPTIMISER
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.pictures import index as index_of
from experiments.manifold.results import Known, Results
from info_geometry import distance, inpca
from info_geometry.embedding import landmarks, spread
from info_geometry.figures import page, style
from info_geometry.figures.panels import lettered

MOST = 6000  # models of which all distances are taken; of more, those to LANDMARKS of them
LANDMARKS = 2000
AXES = 3
LEAST = 1e-3  # error that is shown: of a thousand images, one
# Of the models, the middle ones of each axis: a few that go astray do not make all others small.
FRAMED = 0.995
TITLE = "Networks, optimisers and other settings"


@dataclass(frozen=True)
class Drawn:
    """The embedding of M models and the geodesic from ignorance to truth: progress (P,), and coordinates (P, k)."""

    embedding: inpca.Embedding
    progress: np.ndarray
    geodesic: np.ndarray


def draw(results: Results) -> Drawn:
    """Return the picture of the runs of the grid that ended well."""
    return of(results.grid()[0])


def of(runs: list[Known], most: int = MOST, count: int = LANDMARKS) -> Drawn:
    """Return the picture of runs.

    Of more than `most` models, it is made of the distances to `count` of them, of each run of each seed as many, spread
    over its progress.
    """
    parts, index = [run.parts[TRAINING] for run in runs], table(runs)
    M = len(index["run"])
    if most < M:
        groups, along = spread.together(index["run"], index["seed"]), index["progress"]
        embedding = inpca.fit_landmarks(parts, min(count, M), AXES, index=index, groups=groups, along=along)
        chosen = landmarks.part(parts, embedding.landmarks)
    else:
        chosen, embedding = parts, inpca.fit(distance.pairwise(parts), AXES, index)
    progress, geodesic = inpca.place_geodesic(embedding, chosen)
    return Drawn(embedding, progress, geodesic)


def table(runs: list[Known]) -> dict[str, np.ndarray]:
    """Return the index (M,) of the models: run, seed, checkpoint, t, factors, accuracy, progress and errors."""
    found = index_of(runs)
    index = {name: x for name, x in found.items() if not name.startswith((TRAINING, EVALUATION))}
    index["accuracy"], index["progress"] = found[f"{TRAINING}_accuracy"], found[f"{TRAINING}_progress"]
    index["error"] = 1 - found[f"{TRAINING}_accuracy"]
    index["error on evaluation images"] = 1 - found[f"{EVALUATION}_accuracy"]
    return index


def write_page(folder: Path, found: Drawn) -> list[Path]:
    """Write the page of the picture, which can be turned, and coloured by every column of the index.

    It begins with networks; these and optimisers have the colours of the figures.
    """
    x = found.embedding
    marks = found.progress, found.geodesic
    looks = {NETWORK: networks(x.index[NETWORK]), OPTIMISER: _optimisers(x.index[OPTIMISER])}
    return page.write(
        folder,
        x.coordinates,
        x.eigenvalues,
        x.imaginary,
        x.index,
        x.explained_stress(),
        marks,
        name=TITLE,
        t_name="epoch",
        colours={factor: {level: look["color"] for level, look in of.items()} for factor, of in looks.items()},
        first=NETWORK,
    )


@style.STYLE
def figure(folder: Path, found: Drawn) -> list[Path]:
    """Draw `picture`, the first two axes by network, optimiser, error and progress, and `picture_networks`, the third.

    Thin lines are runs, thick ones means of runs at equal progress (`middle_of`), symbols means of last models.
    """
    index, written = found.embedding.index, []
    by = {NETWORK: networks(index[NETWORK]), OPTIMISER: _optimisers(index[OPTIMISER])}
    axes = found.embedding.coordinates.shape[1]
    drawn = Figure((style.PAGE, 6.0), layout="constrained")
    panels = drawn.subplots(2, 2, sharex=True, sharey=True).ravel()
    for ax, factor in zip(panels, by):
        strands(ax, found, factor, by[factor], (0, min(1, axes - 1)))
    norms = {"error": LogNorm(LEAST, 1, clip=True), "progress": Normalize(0, 1)}
    for ax, (column, norm) in zip(panels[2:], norms.items()):
        dots = cloud(ax, found, column, norm, (0, min(1, axes - 1)))
        bar = drawn.colorbar(dots, ax=ax, pad=0.01, aspect=30, format=FuncFormatter(lambda value, _: f"{value:g}"))
        bar.outline.set_visible(False)
    for ax in panels[:2]:
        ax.set_xlabel("")
    for ax in panels[1::2]:
        ax.set_ylabel("")
    lettered(panels, ("network", "optimiser", "error on training images", "progress"))
    drawn.supxlabel(_stress(found, (0, min(1, axes - 1))), fontsize=7.5)
    written += style.save(drawn, folder, "picture")
    if axes > 2:
        drawn = Figure((style.PAGE, 3.4), layout="constrained")
        panels = drawn.subplots(1, 2)
        for ax, pair in zip(panels, ((0, 2), (1, 2))):
            strands(ax, found, NETWORK, by[NETWORK], pair, legend=pair[0] == 0)
        lettered(panels, ("axes 1 and 3", "axes 2 and 3"))
        drawn.supxlabel(_stress(found, (0, 1, 2)), fontsize=7.5)
        written += style.save(drawn, folder, "picture_networks")
    return written


def _optimisers(levels) -> dict[str, dict]:
    return {level: {**look, "marker": "o"} for level, look in shades(ordered(levels)).items()}


def limits(found: Drawn, axis: int, margin: float = 0.08) -> tuple[float, float]:
    """Return the range that is drawn of an axis: the geodesic, and the middle models, FRAMED of all or more."""
    x, path = found.embedding.coordinates[:, axis], found.geodesic[:, axis]
    low, high = np.quantile(x, (1 - FRAMED) / 2, method="lower"), np.quantile(x, (1 + FRAMED) / 2, method="higher")
    low, high = min(low, path.min()), max(high, path.max())
    return low - margin * (high - low), high + margin * (high - low)


def _outside(found: Drawn, axes: tuple[int, ...]) -> str:
    """Return how many models are not in the frame of some of the axes, as a text; nothing where all are."""
    x, bounds = found.embedding.coordinates[:, list(axes)], np.array([limits(found, axis) for axis in axes])
    count = int(((x < bounds[:, 0]) | (x > bounds[:, 1])).any(axis=1).sum())
    return f"\n{count:,} models are outside the frame" if count else ""


def _stress(found: Drawn, axes: tuple[int, ...]) -> str:
    text = style.stress_text(found.embedding.explained_stress(), AXES)
    index = found.embedding.index
    chosen = found.embedding.landmarks
    estimated = "" if chosen is None else f" (estimated, {len(chosen):,} landmarks)"
    return f"{len(index['run']):,} models of {len(_runs(index)):,} runs; {text}{estimated}{_outside(found, axes)}"


def _runs(index) -> list[np.ndarray]:
    """Return the rows of each run, in the order of its checkpoints."""
    changes = [index[column][1:] != index[column][:-1] for column in ("run", "seed")]
    return np.split(np.arange(len(index["run"])), np.flatnonzero(changes[0] | changes[1]) + 1)


def strands(ax: Axes, found: Drawn, factor: str, looks: dict, pair: tuple[int, int], legend: bool = True) -> None:
    """Draw runs as lines in the colours of the levels of a factor, in random order: none hides the others."""
    index, points = found.embedding.index, found.embedding.coordinates[:, list(pair)]
    runs = _runs(index)
    order = np.random.default_rng(0).permutation(len(runs))
    thin = [runs[k] for k in order]
    colours = [looks[str(index[factor][rows[0]])]["color"] for rows in thin]
    width = float(np.clip(12 / np.sqrt(len(runs)), 0.35, 0.8))
    lines = LineCollection([points[rows] for rows in thin], colors=colours, linewidths=width, alpha=0.3, zorder=2)
    lines.set_rasterized(len(points) > style.VECTORS)
    ax.add_collection(lines)
    halo = [withStroke(linewidth=2.0, foreground="white"), Normal()]
    for level, look in looks.items():
        own = [rows for rows in runs if str(index[factor][rows[0]]) == level]
        middle = middle_of([points[rows] for rows in own], [index["progress"][rows] for rows in own])
        ax.plot(*middle.T, color=look["color"], linewidth=1.3, zorder=3, path_effects=halo)
        if own:
            ends = np.mean([points[rows[-1]] for rows in own], axis=0)
            ax.plot(*ends[:, None], color=look["color"], marker=look["marker"], markersize=5.5, markeredgecolor="white",
                    markeredgewidth=0.6, zorder=4)  # fmt: skip
    _frame(ax, found, pair)
    if legend:
        handles = [Line2D([], [], markersize=4.5, markeredgewidth=0, **look) for look in legend_of(looks).values()]
        ax.legend(handles, list(legend_of(looks)), loc="best", handlelength=1.6, borderpad=0.2, labelspacing=0.3,
                  frameon=True, framealpha=0.85, edgecolor="none")  # fmt: skip


def middle_of(points: list[np.ndarray], progress: list[np.ndarray], count: int = 60) -> np.ndarray:
    """Return the mean (count, 2) of points (T, 2) of runs at equal progress, from where all began to where half got.

    At each progress of those that got so far; where one goes back, it counts as where it was when it had got there.
    (0, 2) for nowhere.
    """
    furthest = [np.maximum.accumulate(x) for x in progress]
    first, last = max((x[0] for x in furthest), default=0.0), np.median([x[-1] for x in furthest] or [0.0])
    if not first < last:
        return np.empty((0, 2))
    grid, total, counts = np.linspace(first, last, count), np.zeros((count, 2)), np.zeros(count)
    for x, reached in zip(points, furthest):
        there = grid <= reached[-1]
        reached, which = np.unique(reached, return_index=True)
        total[there] += np.stack([np.interp(grid[there], reached, axis) for axis in x[which].T], axis=1)
        counts += there
    return total / counts[:, None]


def cloud(ax: Axes, found: Drawn, column: str, norm: Normalize, pair: tuple[int, int]):
    """Draw models as dots, by a column of the index, in random order."""
    points = found.embedding.coordinates[:, list(pair)]
    order = np.random.default_rng(0).permutation(len(points))
    size = float(np.clip(2e4 / len(points), 1.2, 8))
    many = len(points) > style.VECTORS
    values = found.embedding.index[column][order]
    dots = ax.scatter(
        *points[order].T, c=values, norm=norm, cmap="viridis", s=size, linewidths=0, rasterized=many, zorder=2
    )
    _frame(ax, found, pair)
    return dots


def _frame(ax, found, pair):
    """Draw the geodesic, ignorance and truth, and name the axes."""
    x, halo = found.geodesic[:, list(pair)], [withStroke(linewidth=1.5, foreground="white")]
    ax.plot(*x.T, color="black", linestyle=":", linewidth=1, zorder=5)
    for point, name, beside in ((x[0], "$P_0$", (-3, 7)), (x[-1], "$P_*$", (5, -8))):
        ax.plot(*point[:, None], "D", color="black", markersize=3.6, zorder=6)
        ax.annotate(name, point, beside, textcoords="offset points", zorder=7, path_effects=halo)
    labels = [f"InPC {k + 1}" + (" (imaginary)" if found.embedding.imaginary[k] else "") for k in pair]
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.set(xlim=limits(found, pair[0]), ylim=limits(found, pair[1]))
    ax.locator_params(nbins=5)
