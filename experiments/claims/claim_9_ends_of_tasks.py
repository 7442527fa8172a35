"""Claim 9: the ends of tasks are arranged as the tasks are.

Measure: matrix and dendrogram (average linkage) of the ends of supervised tasks; the Spearman correlation of the mean
distances of ends with the Jaccard distance of classes, without random labels.
Null: all permutations of tasks; tasks whose seeds are one branch, with runs permuted.
Holds: the seeds of every task are one branch of the dendrogram, and p <= 0.05.
Fails: less than half of the tasks are one branch, or the correlation is not above 0.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from experiments.claims.classes import jaccard
from experiments.claims.finding import ends_of_all
from experiments.claims.runs import RANDOM, Runs
from info_geometry.figures import style
from info_geometry.uncertainty.mantel import mantel
from learning.finding import Finding, decide

CLAIM = "Ends of tasks are arranged as the tasks are"
WHERE = "new"

DRAWS = 1000


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs."""
    D, of = ends_of_all(runs.supervised)
    names = list(runs.supervised)
    tree = hierarchy.linkage(squareform(D, checks=False), "average")
    one = branches(tree, of)
    rng = np.random.default_rng(0)
    null = [len(branches(tree, rng.permutation(of))) for _ in range(DRAWS)]
    means = np.array([[D[np.ix_(of == a, of == b)].mean() for b in names] for a in names])
    means = (means + means.T) / 2  # which differ by rounding
    labelled = [k for k, name in enumerate(names) if name != RANDOM]
    found = mantel(means[np.ix_(labelled, labelled)], jaccard([names[k] for k in labelled]))
    apart = [name for name in names if name not in one]
    return Finding(
        f"{len(one)} of {len(names)} tasks are one branch{f' (not {chr(44).join(apart)})' if apart else ''}; Spearman "
        f"{found.statistic:.2f}, p = {found.p:.2g} with the Jaccard distance of classes",
        f"{np.mean(null):.2f} tasks with runs permuted (largest {max(null)}); {found.compared}",
        decide(not apart and found.p <= 0.05, len(one) < len(names) / 2 or found.statistic <= 0),
        {"distances": D, "of": of, "tree": tree},
    )


def branches(tree: np.ndarray, of: Sequence[str]) -> set[str]:
    """Return the tasks whose runs, and no others, are the leaves of one node of a linkage tree; of: of each leaf."""
    leaves = {k: frozenset([k]) for k in range(len(of))}
    for k, (a, b, *_) in enumerate(tree):
        leaves[len(of) + k] = leaves[int(a)] | leaves[int(b)]
    nodes = set(leaves.values())
    return {name for name in set(of) if frozenset(np.flatnonzero(np.asarray(of) == name).tolist()) in nodes}


def draw(distances: np.ndarray, of: np.ndarray, tree: np.ndarray) -> Figure:
    """Return the figure: distances of ends (R, R) in the order of the dendrogram, which stands beside them."""
    figure = Figure((style.PAGE, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    drawn = hierarchy.dendrogram(
        tree, ax=left, orientation="left", no_labels=True, color_threshold=0, above_threshold_color="0.35"
    )
    order = drawn["leaves"]
    starts = [k for k in range(len(order)) if k == 0 or of[order[k]] != of[order[k - 1]]]
    stops = [*starts[1:], len(order)]
    middles = [(a + b) / 2 for a, b in zip(starts, stops)]
    names = [str(of[order[k]]) for k in starts]
    left.set_yticks([10 * m for m in middles], names)  # a leaf is 10 wide
    left.yaxis.tick_right()
    left.tick_params(axis="y", length=0)
    left.set(xlabel="mean distance of ends (average linkage)")
    left.spines["left"].set_visible(False)
    image = right.imshow(distances[np.ix_(order, order)], origin="lower", cmap="viridis")
    for k in starts[1:]:
        right.axhline(k - 0.5, color="white", linewidth=0.6)
        right.axvline(k - 0.5, color="white", linewidth=0.6)
    right.set_yticks([])
    right.set_xticks([m - 0.5 for m in middles], names, rotation=45, ha="right", rotation_mode="anchor")
    figure.colorbar(image, ax=right, label="distance of ends")
    return figure
