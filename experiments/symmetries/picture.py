"""Stitched networks in the picture: two networks as they are trained, what is stitched of them, and lines between them.

The embedding is of networks, stitched ones, ignorance and truth of the first pair; all have models of one shape.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.symmetries import measured
from experiments.symmetries.measured import ALIGNED, ANY, BEFORE, IDENTITY, MATCHED, NOISE, RANK_1, RANK_4, REPAIRED
from experiments.symmetries.measuring import KINDS, PLAIN, SENDERS, SHOWN_ALPHA, TRANSFORMED
from experiments.symmetries.results import LINES, SHOWCASE, Results, accuracy
from info_geometry import distance, inpca, predictions
from info_geometry.figures import style

IGNORANCE, TRUTH = "ignorance", "truth"
TRAINED, OTHER = "network, while it is trained", "without batch norm, while it is trained"
LEARNED, SOFT, PATH = "permutation with scales, learned", "the same, soft", "the same, while it is learned"
BY_DEPTH = (ANY, LEARNED, MATCHED, RANK_4, RANK_1, IDENTITY, NOISE)
BEHIND = {measured.SCALED: "behind G_ReLU, retrained", measured.ROTATED: "behind a rotation, retrained"}


@dataclass(frozen=True)
class Picture:
    """An embedding, whose index says run, seed, checkpoint and t of each model, and the accuracy of it."""

    embedding: inpca.Embedding

    def where(self, run: str, seed: int | None = None) -> np.ndarray:
        """Return the numbers of the models of a run, in their order."""
        index = self.embedding.index
        chosen = index["run"] == run
        return np.flatnonzero(chosen if seed is None else chosen & (index["seed"] == seed))


def runs(results: Results) -> list[tuple[str, int, predictions.Trajectory]]:
    """Return (name, seed, trajectory) of all that is in the picture."""
    pair = results.one_way[0]
    start = f"{results.task}_{SHOWCASE}_{pair.name}"
    files = [(TRAINED, seed, f"{results.task}_{SHOWCASE}_head") for seed in pair.seeds]
    files += [(name, pair.sender, f"{start}_{KINDS[name]}_head") for name in BY_DEPTH if name in KINDS]
    files.append((NOISE, pair.sender, f"{results.task}_{SHOWCASE}_{SENDERS[NOISE]}_{pair.name}_full_head"))
    files += [(name, pair.sender, f"{start}_{SHOWN_ALPHA}{how}_head") for name, how in ((LEARNED, ""), (SOFT, "_soft"))]
    last = results.open(f"{start}_full_head", pair.sender).attributes["layers"][-1]
    files.append((PATH, pair.sender, f"{start}_{SHOWN_ALPHA}_path_at_{last}_head"))
    files += [(way, pair.sender, LINES[way].name(f"{results.task}_{SHOWCASE}")) for way in (BEFORE, ALIGNED, REPAIRED)]
    files.append((OTHER, pair.sender, f"{results.task}_{PLAIN}_head"))
    files += [
        (name, pair.sender, f"{results.task}_{PLAIN}_retrained_{TRANSFORMED[how]}_head") for how, name in BEHIND.items()
    ]
    return [(name, seed, results.open(run, seed)) for name, seed, run in files]


def draw(results: Results) -> Picture:
    """Return the Picture of the first pair."""
    found = runs(results)
    labels, (_, N, C) = found[0][2].labels, found[0][2].shape
    constant = {IGNORANCE: np.full((1, N, C), 1 / C), TRUTH: np.eye(C)[labels][None]}
    found += [(name, results.first[0], predictions.as_trajectory(P)) for name, P in constant.items()]
    rows = []
    for name, seed, x in found:
        t = np.arange(x.shape[0]) if x.t is None else x.t
        scores = accuracy(np.square(x.roots(dtype=np.float64)), labels) / 100
        rows += [(name, seed, k, float(t[k]), float(scores[k])) for k in range(x.shape[0])]
    columns = dict(zip(("run", "seed", "checkpoint", "t", "accuracy"), map(np.array, zip(*rows))))
    return Picture(inpca.fit(distance.pairwise([x for _, _, x in found]), 3, columns))


@style.STYLE
def figure(folder: Path, found: Picture) -> list[Path]:
    """Draw `picture`: two pairs of axes of the embedding, and the end of training."""
    points, index = found.embedding.coordinates, found.embedding.index
    palette = style.PALETTE
    looks = {
        TRAINED: {"color": "0.35", "linewidth": 1.2, "marker": "."},
        OTHER: {"color": "0.7", "linewidth": 1.0, "marker": "."},
        ANY: {"color": palette[0], "marker": "o", "linewidth": 1.1},
        LEARNED: {"color": palette[1], "marker": "o", "linewidth": 1.1},
        SOFT: {"color": palette[1], "marker": "x", "linewidth": 0.8, "linestyle": ":"},
        PATH: {"color": palette[1], "marker": ".", "linewidth": 0.8, "linestyle": "--"},
        MATCHED: {"color": palette[2], "marker": "s", "linewidth": 1.0},
        RANK_4: {"color": palette[3], "marker": "v", "linewidth": 1.0},
        RANK_1: {"color": palette[3], "marker": "^", "linewidth": 1.0, "linestyle": "--"},
        IDENTITY: {"color": "black", "marker": "x", "linestyle": ""},
        NOISE: {"color": palette[4], "marker": "P", "linewidth": 1.0},
        BEFORE: {"color": palette[5], "linewidth": 1.2, "linestyle": "--"},
        ALIGNED: {"color": palette[5], "linewidth": 1.2},
        REPAIRED: {"color": palette[5], "linewidth": 1.0, "linestyle": ":"},
        BEHIND[measured.SCALED]: {"color": "0.55", "marker": "*", "linestyle": ""},
        BEHIND[measured.ROTATED]: {"color": "0.55", "marker": "+", "linestyle": ""},
        IGNORANCE: {"color": "black", "marker": "D", "linestyle": ""},
        TRUTH: {"color": "black", "marker": "*", "linestyle": "", "markersize": 8},
    }
    drawn = Figure((style.PAGE, 4.0), layout="constrained")
    late = np.concatenate([found.where(run) for run in (ANY, MATCHED, ALIGNED, RANK_4, LEARNED, NOISE)])
    for ax, axes, zoomed in zip(drawn.subplots(1, 3), ((0, 1), (0, 2), (0, 1)), (False, False, True)):
        for run, look in looks.items():
            for seed in np.unique(index["seed"]):
                own = found.where(run, seed)
                ax.plot(*points[own][:, axes].T, **{"markersize": 3.5, "markeredgewidth": 0.6, **look})
        imaginary = found.embedding.imaginary
        labels = [f"InPC {k + 1}" + (" (imaginary)" if imaginary[k] else "") for k in axes]
        ax.set(xlabel=labels[0], ylabel=labels[1])
        if zoomed:
            low, high = points[late][:, axes].min(axis=0), points[late][:, axes].max(axis=0)
            low, high = low - 0.08 * (high - low), high + 0.08 * (high - low)
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), title="the end")
        ax.locator_params(nbins=4)
    handles = [Line2D([], [], **{"markersize": 4, **look}) for look in looks.values()]
    drawn.legend(handles, list(looks), loc="outside lower center", ncols=3)
    drawn.suptitle(style.stress_text(found.embedding.explained_stress(), 3), fontsize=7.5)
    return style.save(drawn, folder, "picture")
