"""Networks in the picture, from those that memorise to ignorance: by beta, and through training.

The last networks of right and of random labels by beta, ordinary networks while they are trained on such labels,
ignorance and truth: distances are of what they predict of other images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from experiments.weight_information.results import Results
from info_geometry import distance, inpca, predictions
from info_geometry.figures import style
from info_geometry.figures.panels import BLUE, ORANGE, RED, SKY, mean

IGNORANCE, TRUTH = "ignorance", "truth"
RIGHT, RANDOM = "right labels, by beta", "random labels, by beta"
TRAINED_RIGHT, TRAINED_RANDOM = "right labels, through training", "random labels, through training"
BY_BETA, TRAINED = {RIGHT: 0, RANDOM: 1}, {TRAINED_RIGHT: 0, TRAINED_RANDOM: 1}
LOOKS = {
    RIGHT: {"color": BLUE, "marker": "o"},
    RANDOM: {"color": RED, "marker": "s"},
    TRAINED_RIGHT: {"color": SKY, "marker": ".", "linestyle": "--"},
    TRAINED_RANDOM: {"color": ORANGE, "marker": ".", "linestyle": "--"},
}


@dataclass(frozen=True)
class Picture:
    """An embedding, whose index says run, seed, checkpoint, t (epoch, or log beta) and accuracy of each model.

    angle (S,): at ignorance, in degrees, between what memorises right labels and what memorises random ones.
    """

    embedding: inpca.Embedding
    angle: np.ndarray

    def where(self, run: str, seed: int | None = None) -> np.ndarray:
        """Return the numbers of the models of a run, in their order."""
        return _where(self.embedding.index, run, seed)


def _where(index, run, seed=None):
    chosen = index["run"] == run
    return np.flatnonzero(chosen if seed is None else chosen & (index["seed"] == seed))


def runs(results: Results) -> list[tuple[str, int, np.ndarray, predictions.Trajectory]]:
    """Return (name, seed, t, models) of all networks that are in the picture."""
    betas, samples = sorted(results.size.betas), max(results.size.ordinary[1])
    found = []
    for seed in results.seeds:
        for name, noise in BY_BETA.items():
            files = [results.open(f"variational_beta{b:g}-ln{noise:g}", seed) for b in betas]
            last = np.concatenate([x.select([x.shape[0] - 1]).roots(dtype=np.float64) for x in files])
            found.append((name, seed, np.log(betas), predictions.as_trajectory(np.square(last))))
        for name, noise in TRAINED.items():
            x = results.open(f"point_ti{samples}-ln{noise:g}", seed)
            found.append((name, seed, np.array(x.t, float), x))
    return found


def draw(results: Results) -> Picture:
    """Return the Picture."""
    found = runs(results)
    labels = results.open(f"variational_beta{results.size.betas[0]:g}-ln0", results.seeds[0]).labels
    _, N, C = found[0][3].shape
    for name, P in {IGNORANCE: np.full((1, N, C), 1 / C), TRUTH: np.eye(C)[labels][None]}.items():
        found.append((name, results.seeds[0], np.zeros(1), predictions.as_trajectory(P)))
    rows = []
    for name, seed, t, x in found:
        right = sum((roots.argmax(axis=2) == labels[n : n + roots.shape[1]]).sum(axis=1) for n, roots in x.blocks())
        rows += [(name, seed, k, float(t[k]), float(right[k] / N)) for k in range(x.shape[0])]
    index = dict(zip(("run", "seed", "checkpoint", "t", "accuracy"), map(np.array, zip(*rows))))
    D = distance.pairwise([x for *_, x in found])
    angle = np.array([_angle(D, index, seed) for seed in results.seeds])
    return Picture(inpca.fit(D, 3, index), angle)


def _angle(D, index, seed):
    """Return the angle at ignorance, in degrees, of the first networks by beta, squared sides being distances D."""
    at, a, b = _where(index, IGNORANCE)[0], _where(index, RIGHT, seed)[0], _where(index, RANDOM, seed)[0]
    if min(D[at, a], D[at, b]) <= 0:
        return np.nan
    cosine = (D[at, a] + D[at, b] - D[a, b]) / (2 * np.sqrt(D[at, a] * D[at, b]))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@style.STYLE
def figure(folder: Path, found: Picture) -> list[Path]:
    """Draw `picture`: two pairs of axes of the embedding; thin lines are seeds, those with dots means of seeds."""
    drawn = Figure((style.PAGE, 3.6), layout="constrained")
    axes, imaginary = found.embedding.coordinates.shape[1], found.embedding.imaginary
    pairs = [(0, k) for k in range(1, min(axes, 3))] or [(0, 0)]
    for ax, pair in zip(np.atleast_1d(drawn.subplots(1, len(pairs))), pairs):
        for run, look in LOOKS.items():
            _strand(ax, found, run, look, pair)
        for run, name in ((IGNORANCE, "$P_0$"), (TRUTH, "$P_*$")):
            point = found.embedding.coordinates[found.where(run)[0]][list(pair)]
            ax.plot(*point[:, None], "D", color="black", markersize=4, zorder=6)
            ax.annotate(
                name,
                point,
                (5, 4),
                textcoords="offset points",
                zorder=7,
                path_effects=[withStroke(linewidth=1.5, foreground="white")],
            )
        labels = [f"InPC {k + 1}" + (" (imaginary)" if imaginary[k] else "") for k in pair]
        ax.set(xlabel=labels[0], ylabel=labels[1])
        ax.margins(0.1)
        ax.locator_params(nbins=5)
    least = np.exp(found.embedding.index["t"][found.where(RIGHT)].min())
    handles = {**LOOKS, f"beta = {least:g}": {"color": "0.4", "marker": "o", "markersize": 7, "linestyle": ""}}
    handles |= {"ignorance and truth": {"color": "black", "marker": "D", "linestyle": ""}}
    lines = [Line2D([], [], **{"markersize": 4, "markeredgewidth": 0, **look}) for look in handles.values()]
    drawn.legend(lines, list(handles), loc="outside lower center", ncols=3)
    angle = f"angle of the arcs at ignorance: {np.nanmean(found.angle):.0f}°" if np.isfinite(found.angle).any() else ""
    stress = style.stress_text(found.embedding.explained_stress(), 3)
    drawn.suptitle("; ".join(filter(None, (stress, angle))), fontsize=7.5)
    return style.save(drawn, folder, "picture")


def _strand(ax, found, run, look, pair):
    """Draw the models of a run, of each seed and the mean; the one of the least beta is larger."""
    seeds = np.unique(found.embedding.index["seed"][found.where(run)])
    points = [found.embedding.coordinates[found.where(run, seed)][:, list(pair)] for seed in seeds]
    if len(points) > 1:
        for each in points:
            ax.plot(*each.T, color=look["color"], linewidth=0.5, alpha=0.5, zorder=2)
    if len({len(each) for each in points}) == 1:
        middle = mean(np.array(points))
        ax.plot(*middle.T, **{"markersize": 3.5, "markeredgewidth": 0, "zorder": 3, **look})
        if run in BY_BETA:
            ax.plot(*middle[:1].T, **{**look, "markersize": 7, "markeredgewidth": 0, "zorder": 4})
