"""The rules of the claims about tasks as vectors: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained.  SE is the standard error of a mean over
seeds; a bound is passed if the mean is on that side of it by more than 2 SE.  rho is Spearman's rank correlation of the
distances of all pairs of tasks; p of it is the Mantel test's, of the means over seeds.  Unless others are named, the
distance is the scaled cosine of exact vectors, and the tasks are those that are as they are: classes say nothing of
conditions.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from experiments.task_distances import distances
from experiments.task_distances.vectors import agreement
from experiments.task_distances.vectors.agreement import rank_correlation
from experiments.task_distances.vectors.measured import BETAS, EARLY_NAME, Measured
from info_geometry.uncertainty.mantel import Mantel, mantel, partial_mantel
from learning.finding import Finding, above, below, decide, said

REPEATED = 0.9  # rho over images and probes
CLASSES = 0.5  # rho with Jaccard distances
NEAREST = 1, 3  # neighbours
DIFFICULT, FEW_TASKS = 0.3, 0.1  # rho of norms with errors, and its p
NOISE = 0.8  # rank correlation of entries of vectors
NUMBERS = 0.2  # rho with numbers of classes, of a distance that does not look at them
TAXONOMY = 0.3  # rho with a taxonomy
NETWORKS = 0.25  # rho with distances between networks
HALF = 0.5  # rho by a probe that knows half of the classes
ITSELF = 0.5  # share of tasks that are nearest to themselves
STABLE = 0.8  # rank correlation of sources
ALPHAS, KAPPAS = (0.0, 0.05, 0.15, 0.3), (1e-4, 1e-3, 1e-2)
TREES = 0.3  # correlation of two dendrograms
P = 0.05
PERMUTATIONS = 9999
FOOTWEAR = "footwear", "shoe", "7,9", "5,7,8,9"
SAME_IMAGES = ("all", "all:random_labels"), ("0,2,4,6", "0,2,4,6:random_labels")
SAME_TASK = "all", "all:permuted_labels"
MISSING = Finding("not measured", "", "undecided", {})


def among(D: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return distances (..., n, n) of some tasks alone."""
    return D[..., which[:, None], which]


def correlations(A: np.ndarray, B: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
    """Return rho (S,) of A (S, n, n) with B (S, n, n) or (n, n), of some tasks."""
    if which is not None:
        A, B = among(A, which), among(B, which)
    return np.array([rank_correlation(a, b) for a, b in zip(A, np.broadcast_to(B, A.shape))])


def tested(A: np.ndarray, B: np.ndarray, which: np.ndarray, given: Sequence[np.ndarray] = ()):
    """Return the Mantel test of means over seeds, of some tasks, or the partial one given others (n, n).

    Tasks of which a distance is not known are left out.
    """
    every = [among(D.mean(axis=0) if D.ndim == 3 else D, which) for D in (A, B, *given)]
    left = agreement.known(*every)
    if len(left) < 3:
        return Mantel(np.nan, np.nan, 0, len(left), False, "less than 3 tasks have distances that are known")
    a, b, *others = (among(D, left) for D in every)
    return partial_mantel(a, b, others, PERMUTATIONS) if given else mantel(a, b, PERMUTATIONS)


def partial(A: np.ndarray, B: np.ndarray, found: Measured, given) -> np.ndarray:
    """Return partial rho (S,) of A (S, n, n) with B (S, n, n) or (n, n), of tasks as they are, given others (n, n)."""
    return np.array([tested(a, b, found.plain, given).statistic for a, b in zip(A, np.broadcast_to(B, A.shape))])


def chance(test) -> str:
    """Return the null of a Mantel test in words."""
    return f"other tasks: 0; p = {test.p:.2g}" if not test.reason else test.reason


def repeatable(found: Measured) -> Finding:
    """E1: other images, and another probe too, give the same distances.

    rho over all tasks of distances by two subsets of images, by one probe, and by two.  Holds if both are above
    REPEATED; fails if one is below.
    """
    first, again = found.by(), found.by("cosine", "again")
    images = correlations(first, again)
    pairs = list(itertools.combinations(range(len(first)), 2))
    both = np.array([rank_correlation(first[s], again[t]) for s, t in pairs]) if pairs else images
    return Finding(
        f"rho {said(images, 3, False)} by other images, {said(both, 3, False)} by another probe too",
        "other tasks: 0",
        decide(above(images, REPEATED) and above(both, REPEATED), below(images, REPEATED) or below(both, REPEATED)),
        {},
    )


def itself(found: Measured) -> Finding:
    """E1b: on other images a task is nearer to itself than other tasks are.

    The share of tasks, but that of permuted labels, whose vector on other images is the nearest of all vectors there.
    Holds if above ITSELF; fails if below.
    """
    own = np.flatnonzero([word.condition.kind != "permuted_labels" for word in found.words])
    d = np.array(
        [
            [[distances.cosine(a[i].vector, b[j].vector) for j in own] for i in own]
            for a, b in zip(found.vectors["exact"], found.vectors["again"])
        ]
    )
    share = (d.argmin(axis=2) == np.arange(len(own))).mean(axis=1)
    same = d.diagonal(axis1=1, axis2=2).mean(axis=1)
    others = (d.sum(axis=(1, 2)) - same * len(own)) / (len(own) * (len(own) - 1))
    return Finding(
        f"{said(share, 2, False)} of tasks; mean distance {said(same, 2, False)}",
        f"by chance {1 / len(own):.2f}; to others {said(others, 2, False)}",
        decide(above(share, ITSELF), below(share, ITSELF)),
        {},
    )


def classes(found: Measured) -> Finding:
    """E2: tasks that share classes are near, also on other images.

    rho with Jaccard distances, of vectors on images of two subsets, so that no images are shared.  Holds if above
    CLASSES, and p < P; fails if below, or p >= P.
    """
    J = found.of_classes["Jaccard"]
    rho, test = correlations(found.apart(), J, found.plain), tested(found.apart(), J, found.plain)
    every = ", ".join(
        f"{name.replace('_', ' ')} {said(correlations(found.by(name), J, found.plain))}" for name in distances.SYMMETRIC
    )
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, CLASSES) and test.p < P, below(rho, CLASSES) or test.p >= P),
        {},
        f"of vectors on the same images: {every}",
    )


def scaled(found: Measured) -> Finding:
    """E2b: dividing filters by a + b helps.

    rho of the scaled cosine with Jaccard distances less that of the plain cosine.  Holds if above 0, fails if below.
    """
    J = found.of_classes["Jaccard"]
    gain = correlations(found.by(), J, found.plain) - correlations(found.by("plain_cosine"), J, found.plain)
    return Finding(f"rho gains {said(gain)}", "the same: 0", decide(above(gain), below(gain)), {})


def nearest(found: Measured) -> Finding:
    """E3: the nearest tasks are of one kind, also on other images.

    Of vectors on images of two subsets: the share of FOOTWEAR whose nearest task is another of them, and the mean
    taxonomic distance of the k nearest tasks, less that in random order, for k in NEAREST.  Holds if the share is 1 in
    every seed and the differences are below 0; fails if it is 1 in no seed, or a difference is above 0.
    """
    own, taxonomy = found.index(*FOOTWEAR), found.of_classes.get("taxonomy")
    if own is None or taxonomy is None:
        return MISSING
    D, of = among(found.apart(), found.plain), among(taxonomy, found.plain)
    mine = np.flatnonzero(np.isin(found.plain, own))
    share = _shares(found.apart(), found.plain, mine)
    lucky = (len(mine) - 1) / (D.shape[1] - 1)
    random = agreement.by_chance(of)
    curves = np.array([agreement.neighbours(each, of) for each in D])
    gaps = {k: curves[:, k - 1] - random for k in NEAREST}
    best = agreement.neighbours(of, of)
    text = "; ".join(f"k = {k}: {said(curves[:, k - 1], 2, False)} (at best {best[k - 1]:.2f})" for k in NEAREST)
    return Finding(
        f"{said(share, 2, False)} of footwear beside footwear; taxonomic distance of the nearest, {text}",
        f"random order: {lucky:.2f}, {random:.2f}",
        decide(
            bool((share == 1).all()) and all(below(gap) for gap in gaps.values()),
            bool((share < 1).all()) or any(above(gap) for gap in gaps.values()),
        ),
        {},
        f"of vectors on the same images {said(_shares(found.by(), found.plain, mine), 2, False)} of footwear",
    )


def _shares(D, plain, mine):
    """Return the share (S,) of tasks `mine` of which the nearest, of tasks `plain`, is another of them."""
    far = among(D, plain) + np.where(np.eye(len(plain), dtype=bool), np.inf, 0)
    return np.isin(far[:, mine].argmin(axis=2), mine).mean(axis=1)


def difficulty(found: Measured) -> Finding:
    """E4: vectors of difficult tasks are long.

    rho over all tasks, but those of permuted labels, of |h|_1 with the share of other images that the head takes for
    another class, and with their cross entropy; p is that of the means over seeds.  Holds if both are above DIFFICULT
    and p < FEW_TASKS; fails if one is below.
    """
    own = np.flatnonzero([word.condition.kind != "permuted_labels" for word in found.words])
    norms, rows = found.norms[:, own], {}
    for what in ("error", "cross_entropy"):
        values = found.of_heads(what)[:, own]
        rho = np.array([spearmanr(x, y).statistic for x, y in zip(norms, values)])
        rows[what] = rho, float(spearmanr(norms.mean(axis=0), values.mean(axis=0)).pvalue)
    plain = [spearmanr(x[found.plain], y[found.plain]).statistic for x, y in zip(found.norms, found.of_heads("error"))]
    return Finding(
        "; ".join(f"{what.replace('_', ' ')}: {said(rho)}" for what, (rho, _) in rows.items()),
        f"no order: 0; p = {', '.join(f'{p:.2g}' for _, p in rows.values())} ({len(own)} tasks)",
        decide(
            all(above(rho, DIFFICULT) and p < FEW_TASKS for rho, p in rows.values()),
            any(below(rho, DIFFICULT) for rho, _ in rows.values()),
        ),
        {},
        f"error, tasks as they are: {said(plain)}",
    )


def noise(found: Measured) -> Finding:
    """E6: the noise that filters bear says the same as gradients, once it has converged.

    Rank correlation of the entries of variational vectors, less their floor, with exact ones, the mean over a few
    tasks.  Holds if it is above NOISE for one beta, and for that beta above what 312 steps give; fails if it is below
    for all, or no better.
    """
    if not found.variational:
        return MISSING
    exact = [[row[k].vector for k in found.few] for row in found.vectors["exact"]]
    rho = {
        name: np.array(
            [
                np.mean([spearmanr(x.vector - x.floor, y).statistic for x, y in zip(row, vectors)])
                for row, vectors in zip(rows, exact)
            ]
        )
        for name, rows in found.variational.items()
    }
    done = {name: rho[name] for name in map("{:g}".format, BETAS)}
    best = max(done, key=lambda name: done[name].mean())
    gain = done[best] - rho[EARLY_NAME]
    return Finding(
        "; ".join(f"beta {name}: {said(x, 2, False)}" for name, x in done.items()),
        f"312 steps from 0.05 of the prior: {said(rho[EARLY_NAME], 2, False)}",
        decide(above(done[best], NOISE) and above(gain), all(below(x, NOISE) for x in done.values()) or below(gain)),
        {},
    )


def methods(found: Measured) -> Finding:
    """Labels that are drawn, and predictions alone, give the same distances.

    rho over all tasks with distances by exact vectors.  Holds if both are above REPEATED; fails if one is below.
    """
    rho = {name: correlations(found.by("cosine", name), found.by()) for name in ("sampled", "predictions")}
    return Finding(
        "; ".join(f"{name}: rho {said(x, 3, False)}" for name, x in rho.items()),
        "other tasks: 0",
        decide(all(above(x, REPEATED) for x in rho.values()), any(below(x, REPEATED) for x in rho.values())),
        {},
    )
