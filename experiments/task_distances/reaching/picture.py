"""Paths of fine-tuning in the picture: to all classes from near tasks, from far ones, and from initial weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.task_distances.reaching.drawing import name_of
from experiments.task_distances.reaching.reading import DEEP, Files
from info_geometry import distance, inpca, predictions
from info_geometry.figures import page, style
from info_geometry.figures.panels import BLUE, GREEN, ORANGE, PINK, RED, legend

TRUTH, IGNORANCE = "truth", "ignorance"
LOOKS = {
    "from scratch": {"color": "0.35", "linestyle": ":"},
    "after itself": {"color": GREEN},
    "after a part": {"color": PINK},
    "blurred": {"color": RED, "linestyle": "--"},
    "upside down": {"color": BLUE, "linestyle": "-."},
    "others": {"color": ORANGE},
}


def look_of(name: str) -> dict:
    """Return how the path of this name is drawn."""
    kind = "blurred" if "blur" in name else "upside down" if "flip" in name else "others"
    return LOOKS.get(name, LOOKS[kind])


@dataclass(frozen=True)
class Picture:
    """An embedding, whose index says run, seed, checkpoint, t (epoch) and accuracy; names of its paths, in order."""

    embedding: inpca.Embedding
    names: tuple[str, ...]

    def where(self, run: str, seed: int | None = None) -> np.ndarray:
        """Return the numbers of the models of a run, in their order."""
        index = self.embedding.index
        chosen = index["run"] == run
        return np.flatnonzero(chosen if seed is None else chosen & (index["seed"] == seed))


def paths_of(files: Files, deep: bool = False) -> dict[str, str]:
    """Return {name in the picture: run}: all classes from initial weights, and after themselves, blurred, ...

    deep: of perceptrons.
    """
    every = [files.task(word) for word in (files.size.reach if deep else files.size.pairs)]
    end = f"_{DEEP}" if deep else ""
    whole = next(task for task in every if task.word == "all")
    names = {"itself": whole, **{name_of(task.word): task for task in every if task.word.startswith("all:")}}
    names |= dict([("a part", task) for task in every if task.within(whole)][:1])
    found = {"from scratch": whole.name + end}
    return {**found, **{f"after {name}": f"{whole.name}_from_{task.name}{end}{end}" for name, task in names.items()}}


def draw(files: Files, deep: bool = False) -> Picture:
    """Return the Picture; deep: of perceptrons."""
    runs = paths_of(files, deep)
    found = [(name, seed, files.open(run, seed)) for name, run in runs.items() for seed in files.seeds]
    labels = found[0][2].labels
    _, N, C = found[0][2].shape
    for name, P in {IGNORANCE: np.full((1, N, C), 1 / C), TRUTH: np.eye(C)[labels][None]}.items():
        found.append((name, files.seeds[0], predictions.as_trajectory(P)))
    rows = []
    for name, seed, x in found:
        right = sum((roots.argmax(axis=2) == labels[n : n + roots.shape[1]]).sum(axis=1) for n, roots in x.blocks())
        t = np.zeros(1) if name in (IGNORANCE, TRUTH) else np.array(x.t, float)
        rows += [(name, seed, k, t[k], right[k] / N) for k in range(x.shape[0])]
    index = dict(zip(("run", "seed", "checkpoint", "t", "accuracy"), map(np.array, zip(*rows))))
    return Picture(inpca.fit(distance.pairwise([x for *_, x in found]), 3, index), tuple(runs))


@style.STYLE
def figure(folder: Path, found: Picture, name: str = "reaching_paths") -> list[Path]:
    """Draw `reaching_paths`, or another name: two pairs of axes; thin lines are seeds, dots where paths begin."""
    drawn = Figure((style.PAGE, 3.8), layout="constrained")
    x = found.embedding
    pairs = [(0, k) for k in range(1, min(x.coordinates.shape[1], 3))] or [(0, 0)]
    for ax, pair in zip(np.atleast_1d(drawn.subplots(1, len(pairs))), pairs):
        for run in found.names:
            look = look_of(run)
            seeds = np.unique(x.index["seed"][found.where(run)])
            points = np.array([x.coordinates[found.where(run, seed)][:, list(pair)] for seed in seeds])
            for each in points if len(points) > 1 else []:
                ax.plot(*each.T, color=look["color"], linewidth=0.4, alpha=0.45)
            mean = points.mean(axis=0)
            ax.plot(*mean.T, **look, linewidth=1.1)
            ax.plot(*mean[:1].T, "o", color=look["color"], markersize=4, markeredgewidth=0)
        inside = np.concatenate([x.coordinates[found.where(run)] for run in (*found.names, IGNORANCE)])[:, list(pair)]
        low, high = inside.min(axis=0), inside.max(axis=0)
        room = 0.07 * (high - low)
        ax.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        origin, truth = (x.coordinates[found.where(run)[0]][list(pair)] for run in (IGNORANCE, TRUTH))
        ax.plot(*origin[:, None], "D", color="black", markersize=4)
        ax.annotate("$P_0$", origin, (5, 4), textcoords="offset points")
        where = f"$P_*$ is at {truth[0]:.2f}, {truth[1]:.2f}".replace("-", "−")
        ax.text(0.98, 0.98, where, ha="right", va="top", fontsize=7, color="0.3", transform=ax.transAxes)
        labels = [f"InPC {k + 1}" + (" (imaginary)" if x.imaginary[k] else "") for k in pair]
        ax.set(xlabel=labels[0], ylabel=labels[1])
    handles = {
        **{name: look_of(name) for name in found.names},
        "start": {"color": "0.4", "marker": "o", "linestyle": ""},
    }
    legend(drawn, {**handles, "ignorance": {"color": "black", "marker": "D", "linestyle": ""}}, 4)
    drawn.suptitle(style.stress_text(x.explained_stress(), 3), fontsize=7.5)
    return style.save(drawn, folder, name)


def html(folder: Path, found: Picture) -> list[Path]:
    """Write the page of the picture."""
    x, title = found.embedding, "Tasks learned after each other, in the picture"
    return page.write(folder, x.coordinates, x.eigenvalues, x.imaginary, x.index, x.explained_stress(), name=title)
