"""Claim 1: the models of all tasks and methods lie on a manifold of few dimensions.

Measure: the explained stress E of 3 axes, of every 4th model of all trajectories and their last ones.
Null: E with the samples of each trajectory permuted, all of them, or within their classes.
Holds: E >= 0.8, and above the null however often it is drawn.  Fails: E < 0.5, or not above the mean of either null.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from tqdm import tqdm

from experiments.claims import drawing
from experiments.claims.finding import Finding, decide
from experiments.claims.runs import Runs
from info_geometry import distance, inpca
from info_geometry.figures import style
from info_geometry.files import log
from info_geometry.storage import runs as storage
from info_geometry.uncertainty.stress import stress_error_of_seeds

CLAIM = "The models of all tasks and methods lie on a manifold of few dimensions"
WHERE = "v4, abstract, 1"

AXES, EVERY = 10, 4
SUB_TASK, TUNED = "supervised, sub-tasks", "fine-tuned"
COLOURS = dict(
    zip(
        (SUB_TASK, TUNED, *drawing.METHODS.values()),
        (  # in the order in which they are drawn
            "#56B4E9",
            "#E69F00",
            "#0072B2",
            "#8C8C8C",
            "#D55E00",
            "#CC79A7",
            "#009E73",
            "#000000",
            "#B07CFF",
        ),
    )
)


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim."""
    everything = runs.everything()
    trajectories = [x for seeds in everything.values() for x in seeds]
    thin = [x.select(np.unique([*range(0, x.shape[0], EVERY), x.shape[0] - 1])) for x in trajectories]
    models = [x.roots(dtype=np.float32) ** 2 for x in thin]
    D = distance.pairwise(models, precision="float32")
    names = [name for name, seeds in everything.items() for _ in seeds]
    index = {**storage.index(thin), "run": np.repeat(names, [x.shape[0] for x in thin])}
    embedding = inpca.fit(D, 3, index)
    value, error = embedding.explained_stress()[:AXES], stress_error_of_seeds(D, index["seed"], AXES)
    null = draw_null(models, trajectories[0].labels, runs.draws)
    of_3, best = {name: values[:, :3][:, -1] for name, values in null.items()}, embedding.explained_stress(3)
    return Finding(
        f"{best:.3f} +- {error[:3][-1]:.3f}",
        "; ".join(f"{name} {values.mean():.3f} (largest {values.max():.3f})" for name, values in of_3.items()),
        decide(
            best >= 0.8 and best > max(values.max() for values in of_3.values()),
            best < 0.5 or best <= max(values.mean() for values in of_3.values()),
        ),
        {
            "embedding": embedding,
            "geodesic": inpca.place_geodesic(embedding, thin)[1],
            "stress": value,
            "error": error,
            "null": null,
        },
    )


def draw_null(models: list[np.ndarray], labels: np.ndarray, draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return {name of the null: explained stress (draws, axes)} of models (T, N, C) with permuted samples."""
    rng = np.random.default_rng(seed)

    def anywhere():
        return rng.permutation(len(labels))

    def within():
        order = np.empty(len(labels), int)
        order[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(len(labels)), labels))
        return order

    with _quiet():
        return {
            name: np.array([_stress_of(models, order) for _ in tqdm(range(draws), desc=name, disable=None)])
            for name, order in (("samples permuted", anywhere), ("within classes", within))
        }


def _stress_of(models: list[np.ndarray], order: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the explained stress of 1, 2, ... axes, the samples of each trajectory in an order of their own."""
    D = distance.pairwise([P[:, order()] for P in models], precision="float32")
    return inpca.fit(D).explained_stress()[:AXES]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the library says of every one of many distances."""
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def draw(
    embedding: inpca.Embedding, geodesic: np.ndarray, stress: np.ndarray, error: np.ndarray, null: dict[str, np.ndarray]
) -> Figure:
    """Return the figure: the embedding of all models, and its explained stress beside that of the null.

    geodesic (S, 3): from ignorance to truth.  stress, error (k,) of 1..k axes.  null: name -> stress (draws, k).
    """
    order = list(COLOURS)
    runs = sorted(dict.fromkeys(embedding.index["run"]), key=lambda run: order.index(kind(run)))
    styles = {run: {"color": COLOURS[kind(run)], "linestyle": "-", "marker": "o"} for run in runs}
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    drawing.legend(figure, {kind(run): look for run, look in styles.items()}, 5)
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    points, labels = style.first_axes(embedding.coordinates, embedding.imaginary, embedding.index)
    for ax, pair in zip(axes, ([0, 1], [0, 2])):
        style.draw_trajectories(ax, points[:, pair], embedding.index, styles, geodesic[:, pair])
        for line in ax.lines:
            line.set_linewidth(0.8)
        ax.set(xlabel=labels[pair[0]], ylabel=labels[pair[1]])
        ax.locator_params(nbins=4)
        ax.margins(y=0.12)  # room for the names of both ends
    number = np.arange(1, len(stress) + 1)
    axes[2].errorbar(number, stress, error, color="black", marker="o", markersize=3.5, label="all models")
    for (name, values), line in zip(null.items(), ("--", ":")):
        axes[2].plot(number, values.mean(axis=0), line, color="0.5", label=name)
        axes[2].fill_between(number, values.min(axis=0), values.max(axis=0), color="0.5", alpha=0.3, linewidth=0)
    axes[2].set(xlabel="number of axes", ylabel="explained stress", ylim=(0, 1), xticks=number[::2])
    axes[2].yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    axes[2].legend(loc="lower right")
    return figure


def kind(run: str) -> str:
    """Return which method a run belongs to."""
    return drawing.METHODS.get(run, TUNED if " from " in run else SUB_TASK)
