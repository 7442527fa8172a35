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
from info_geometry.uncertainty.mantel import mantel, partial_mantel
from info_geometry.uncertainty.procrustes import procrustes
from learning.finding import Finding, above, below, decide, said

REPEATED = 0.9  # rho over images and probes
CLASSES = 0.5  # rho with Jaccard distances
NEAREST = 1, 3  # neighbours
DIFFICULT, FEW_TASKS = 0.3, 0.1  # rho of norms with errors, and its p
NOISE = 0.8  # rank correlation of entries of vectors
TWICE = 2.0  # times the distance to the same task on other images
NUMBERS = 0.2  # rho with numbers of classes, of a distance that does not look at them
TAXONOMY = 0.3  # rho with a taxonomy
NETWORKS = 0.25  # rho with distances between networks
HALF = 0.5  # rho by a probe that knows half of the classes
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
    """Return the Mantel test of means over seeds, of some tasks, or the partial one given others (n, n)."""
    a, b = (among(D.mean(axis=0) if D.ndim == 3 else D, which) for D in (A, B))
    if given:
        return partial_mantel(a, b, [among(Z, which) for Z in given], PERMUTATIONS)
    return mantel(a, b, PERMUTATIONS)


def chance(test) -> str:
    """Return the null of a Mantel test in words."""
    return f"other tasks: 0; p = {test.p:.2g}"


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


def classes(found: Measured) -> Finding:
    """E2: tasks that share classes are near.

    rho with Jaccard distances.  Holds if above CLASSES, and p < P; fails if below, or p >= P.
    """
    J = found.of_classes["Jaccard"]
    rho, test = correlations(found.by(), J, found.plain), tested(found.by(), J, found.plain)
    every = ", ".join(
        f"{name.replace('_', ' ')} {said(correlations(found.by(name), J, found.plain))}" for name in distances.SYMMETRIC
    )
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, CLASSES) and test.p < P, below(rho, CLASSES) or test.p >= P),
        {},
        f"by other distances: {every}",
    )


def scaled(found: Measured) -> Finding:
    """E2b: dividing filters by a + b helps.

    rho of the scaled cosine with Jaccard distances less that of the plain cosine.  Holds if above 0, fails if below.
    """
    J = found.of_classes["Jaccard"]
    gain = correlations(found.by(), J, found.plain) - correlations(found.by("plain_cosine"), J, found.plain)
    return Finding(f"rho gains {said(gain)}", "the same: 0", decide(above(gain), below(gain)), {})


def nearest(found: Measured) -> Finding:
    """E3: the nearest tasks are of one kind.

    The share of FOOTWEAR whose nearest task is another of them, and the mean taxonomic distance of the k nearest tasks,
    less that in random order, for k in NEAREST.  Holds if the share is 1 in every seed and the differences are below 0;
    fails if the share is not above chance, or a difference is above 0.
    """
    own, taxonomy = found.index(*FOOTWEAR), found.of_classes.get("taxonomy")
    if own is None or taxonomy is None:
        return MISSING
    D, of = among(found.by(), found.plain), among(taxonomy, found.plain)
    mine = np.flatnonzero(np.isin(found.plain, own))
    far = D + np.where(np.eye(D.shape[1], dtype=bool), np.inf, 0)
    share = np.isin(far[:, mine].argmin(axis=2), mine).mean(axis=1)
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
            share.mean() <= lucky or any(above(gap) for gap in gaps.values()),
        ),
        {},
    )


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

    Rank correlation of the entries of variational vectors with exact ones, the mean over a few tasks.  Holds if it is
    above NOISE for one beta, and for that beta above what 312 steps give; fails if it is below for all, or no better.
    """
    if not found.variational:
        return MISSING
    exact = [[row[k].vector for k in found.few] for row in found.vectors["exact"]]
    rho = {
        name: np.array(
            [
                np.mean([spearmanr(x.vector, y).statistic for x, y in zip(row, vectors)])
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


def picture(found: Measured) -> Finding:
    """Tasks as points by vectors and by networks that learn them make the same picture.

    Procrustes m^2 of two axes of InPCA, all tasks.  Holds if p < P of the means over seeds, and m^2 is below the 5 %
    quantile of permutations in every seed; fails if p >= P.
    """
    seeds = [_laid(a, b) for a, b in zip(found.by(), found.along)]
    both = _laid(found.by().mean(axis=0), found.together)
    return Finding(
        f"m^2 {said([x.m2 for x in seeds], 2, False)}; of the means over seeds {both.m2:.2f}",
        f"permuted: 5 % below {both.least:.2f}; p = {both.p:.2g}",
        decide(both.p < P and all(x.m2 < x.least for x in seeds), both.p >= P),
        {},
    )


def _laid(D, of):
    return procrustes(agreement.picture(of).coordinates, agreement.picture(D).coordinates)


def trees(found: Measured) -> Finding:
    """The dendrograms of both are alike.

    Correlation of the distances at which two tasks are joined, all tasks.  Holds if above TREES; fails if below.
    """
    pairs = list(zip(found.by(), found.along))
    joined = [[agreement.cophenetic(agreement.tree(D)) for D in pair] for pair in pairs]
    both = np.array([np.corrcoef(agreement.upper(a), agreement.upper(b))[0, 1] for a, b in joined])
    own = [np.corrcoef(agreement.upper(a), agreement.upper(D))[0, 1] for (D, _), (a, _) in zip(pairs, joined)]
    rng = np.random.default_rng(0)
    shuffled = []
    for _ in range(200):
        order = rng.permutation(len(found.words))
        shuffled += [np.corrcoef(agreement.upper(a), agreement.upper(b[np.ix_(order, order)]))[0, 1] for a, b in joined]
    return Finding(
        f"cophenetic correlation {said(both)}",
        f"permuted: 95 % below {np.quantile(shuffled, 0.95):.2f}",
        decide(above(both, TREES), below(both, TREES)),
        {},
        f"of a dendrogram with its own distances: {said(own)}",
    )
