"""Networks with and without a deficit in one picture: joint InPCA, from ignorance to truth."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from experiments.critical_periods.figures import LOOKS, name_of
from experiments.critical_periods.measured import NONE, Key
from experiments.critical_periods.results import Results
from info_geometry import distance, inpca, predictions
from info_geometry.figures import style
from info_geometry.figures.panels import legend, mean

IGNORANCE, TRUTH = "ignorance", "truth"
WITHOUT = name_of(NONE)
SAMPLES = 2000  # of evaluation images that distances are of


def draw(results: Results) -> inpca.Embedding:
    """Return the embedding; its index says run, seed, checkpoint, t (epoch), accuracy, and whether the deficit lasts.

    Of the longest deficits, whose rate begins again, and networks without a deficit for as many epochs.
    """
    size = results.size
    end = size.ends[-1]
    found = []
    for deficit in (NONE, size.blur, "flip", *size.others):
        for seed in results.seeds:
            x = results.open(Key("restart", deficit, 0, end), seed)
            P = np.square(x.roots(0, min(SAMPLES, x.shape[1]), dtype=np.float32))
            found.append((name_of(deficit), seed, np.array(x.t, float), P))
    labels, C = x.labels[: len(P[0])], P.shape[2]
    for name, P in {IGNORANCE: np.full((1, len(labels), C), 1 / C), TRUTH: np.eye(C)[labels][None]}.items():
        found.append((name, results.seeds[0], np.zeros(1), P))
    rows = []
    for name, seed, t, P in found:
        right = (P.argmax(axis=2) == labels).mean(axis=1)
        lasts = (t < end - 1e-9) & (name not in (WITHOUT, IGNORANCE, TRUTH))
        rows += [(name, seed, k, float(t[k]), float(right[k]), bool(lasts[k])) for k in range(len(t))]
    index = dict(zip(("run", "seed", "checkpoint", "t", "accuracy", "lasts"), map(np.array, zip(*rows))))
    D = distance.pairwise([predictions.as_trajectory(P) for *_, P in found])
    return inpca.fit(D, 3, index)


@style.STYLE
def figure(folder: Path, found: inpca.Embedding) -> list[Path]:
    """Draw `picture`: two pairs of axes; thin lines are seeds, thick ones means: dotted while the deficit lasts."""
    drawn = Figure((style.PAGE, 3.9), layout="constrained")
    axes, index = found.coordinates.shape[1], found.index
    pairs = [(0, k) for k in range(1, min(axes, 3))] or [(0, 0)]
    looks = {name: look for name, look in LOOKS.items() if name in index["run"]}
    for ax, pair in zip(np.atleast_1d(drawn.subplots(1, len(pairs))), pairs):
        for name, look in looks.items():
            _strand(ax, found, name, look, list(pair))
        for name, short, beside in ((IGNORANCE, "$P_0$", (5, 4)), (TRUTH, "$P_*$", (5, -10))):
            point = found.coordinates[np.flatnonzero(index["run"] == name)[0]][list(pair)]
            ax.plot(*point[:, None], "D", color="black", markersize=4, zorder=6)
            halo = [withStroke(linewidth=1.5, foreground="white")]
            ax.annotate(short, point, beside, textcoords="offset points", zorder=7, path_effects=halo)
        imaginary = [" (imaginary)" if found.imaginary[k] else "" for k in pair]
        ax.set(xlabel=f"InPC {pair[0] + 1}{imaginary[0]}", ylabel=f"InPC {pair[1] + 1}{imaginary[1]}")
        ax.margins(0.08)
        ax.locator_params(nbins=5)
    lasting = {"color": "0.4", "linestyle": ":", "linewidth": 1}
    handles = {**looks, "while the deficit lasts": lasting}
    handles |= {"ignorance and truth": {"color": "black", "marker": "D", "linestyle": ""}}
    legend(drawn, handles, 4)
    drawn.suptitle(style.stress_text(found.explained_stress(), 3), fontsize=7.5)
    return style.save(drawn, folder, "picture")


def _strand(ax, found, name, look, pair):
    """Draw the models of a run, of each seed and the mean; after the deficit as a line that ends in a mark."""
    index = found.index
    rows = [np.flatnonzero((index["run"] == name) & (index["seed"] == seed)) for seed in np.unique(index["seed"])]
    rows = [each for each in rows if len(each)]
    points = [found.coordinates[each][:, pair] for each in rows]
    if len({len(each) for each in points}) != 1:
        return
    middle, lasts = mean(np.array(points)), index["lasts"][rows[0]]
    after = np.flatnonzero(~lasts)
    before = np.arange(after[0] + 1)
    if lasts.any():
        ax.plot(*middle[before].T, color=look["color"], linestyle=":", linewidth=1, zorder=3)
        ax.plot(
            *middle[before[-1:]].T, marker="o", markerfacecolor="white", color=look["color"], markersize=4, zorder=5
        )
    if len(points) > 1:
        for each in points:
            ax.plot(*each[after].T, color=look["color"], linewidth=0.4, alpha=0.45, zorder=2)
    ax.plot(*middle[after].T, color=look["color"], linewidth=1.3, zorder=4)
    ax.plot(*middle[-1:].T, marker=look["marker"], color=look["color"], markersize=5.5, markeredgewidth=0, zorder=6)
