"""Claim 1: the models of all tasks and methods lie on a manifold of few dimensions.

Measure: the explained stress E of 3 axes, of one model for each twentieth of progress (the first one in it) of each
trajectory; and the same of the last half of its checkpoints alone.
Null: E with the samples of each trajectory permuted within their classes.
Holds: E minus the largest of the null is at least 0.1, for both.  Fails: E is not above the mean of the null, for one.
"""

import contextlib
import logging
from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from tqdm import tqdm

from experiments.claims import drawing
from experiments.claims.finding import progress
from experiments.claims.runs import Runs
from info_geometry import distance, inpca
from info_geometry.figures import style
from info_geometry.files import log
from info_geometry.storage import runs as storage
from info_geometry.uncertainty.stress import stress_error_of_seeds
from learning.finding import Finding, decide

CLAIM = "The models of all tasks and methods lie on a manifold of few dimensions"
WHERE = "v4, abstract, 1"

AXES, PARTS, MARGIN = 10, 20, 0.1
WHOLE, HALF = "all checkpoints", "the last half"
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
    found = {}
    for name in (WHOLE, HALF):
        selected = {
            run: [x.select(select(progress(x), len(x.t) // 2 if name == HALF else 0)) for x in seeds]
            for run, seeds in runs.of_all_seeds().items()
        }
        found[name] = explained(selected, runs.draws)
    rows = {name: (each["stress"][:3][-1], each["null"][:, :3][:, -1]) for name, each in found.items()}
    return Finding(
        "; ".join(
            f"{name} ({len(found[name]['embedding'].coordinates):,} models) {best:.3f} +- "
            f"{found[name]['error'][:3][-1]:.3f}"
            for name, (best, _) in rows.items()
        ),
        "; ".join(f"{name} {null.mean():.3f}, largest {null.max():.3f}" for name, (_, null) in rows.items()),
        decide(
            all(best - null.max() >= MARGIN for best, null in rows.values()),
            any(best <= null.mean() for best, null in rows.values()),
        ),
        {"found": found},
    )


def select(progress: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the models, from number `first` on, that are the first ones in their twentieth of progress (T,)."""
    part = np.minimum((PARTS * progress[first:]).astype(int), PARTS - 1)
    return first + np.sort(np.unique(part, return_index=True)[1])


def explained(runs: dict[str, list], draws: int) -> dict:
    """Return the embedding of trajectories, its explained stress (k,), the error of that, and the null (draws, k)."""
    trajectories = [x for seeds in runs.values() for x in seeds]
    models = [x.roots(dtype=np.float32) ** 2 for x in trajectories]
    D = distance.pairwise(models, precision="float32")
    names = [name for name, seeds in runs.items() for _ in seeds]
    index = {**storage.index(trajectories), "run": np.repeat(names, [x.shape[0] for x in trajectories])}
    embedding = inpca.fit(D, 3, index)
    return {
        "embedding": embedding,
        "geodesic": inpca.place_geodesic(embedding, trajectories)[1],
        "stress": embedding.explained_stress()[:AXES],
        "error": stress_error_of_seeds(D, index["seed"], AXES),
        "null": draw_null(models, trajectories[0].labels, draws),
    }


def draw_null(models: list[np.ndarray], labels: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """Return the explained stress (draws, axes) of models (T, N, C) with samples permuted within their classes."""
    rng, sorted_by_class = np.random.default_rng(seed), np.argsort(labels, kind="stable")

    def order():
        found = np.empty(len(labels), int)
        found[sorted_by_class] = np.argsort(labels + rng.random(len(labels)))
        return found

    with _quiet():
        found = []
        for _ in tqdm(range(draws), desc="samples permuted", disable=None):
            D = distance.pairwise([P.take(order(), axis=1) for P in models], precision="float32")
            found.append(inpca.fit(D).explained_stress()[:AXES])
    return np.array(found)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the library says of every one of many distances."""
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def draw(found: dict[str, dict]) -> Figure:
    """Return the figure: the embedding of all models, and its explained stress beside that of the null.

    found: {selection: what `explained` returns}.
    """
    embedding, geodesic = (found[WHOLE][key] for key in ("embedding", "geodesic"))
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
    for (name, each), color, mark in zip(found.items(), ("black", style.PALETTE[1]), "os"):
        number = np.arange(1, len(each["stress"]) + 1)
        axes[2].errorbar(number, each["stress"], each["error"], color=color, marker=mark, markersize=3.5, label=name)
        null = each["null"]
        axes[2].plot(number, null.mean(axis=0), "--", color=color, linewidth=0.8)
        axes[2].fill_between(number, null.min(axis=0), null.max(axis=0), color=color, alpha=0.3, linewidth=0)
    axes[2].plot([], [], "--", color="0.5", label="samples permuted")
    axes[2].set(xlabel="number of axes", ylabel="explained stress", ylim=(0, 1), xticks=number[::2])
    axes[2].yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    axes[2].legend(loc="lower right")
    return figure


def kind(run: str) -> str:
    """Return which method a run belongs to."""
    if " from " in run:
        return TUNED
    method = run.replace("_as_2way", "").replace("_as_5way", "")  # supervised learning with other settings
    return drawing.METHODS.get(method) or drawing.METHODS.get(f"all_{method.partition('_')[2]}", SUB_TASK)
