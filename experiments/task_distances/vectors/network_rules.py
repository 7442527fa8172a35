"""The rules of the claims about vectors beside networks that learn the tasks; rules.py says how to read them."""

import numpy as np

from experiments.task_distances.vectors import agreement
from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.rules import NETWORKS, TREES, P, among, chance, correlations, partial, tested
from info_geometry.embedding import linkage
from info_geometry.uncertainty.procrustes import procrustes
from learning.finding import Finding, above, below, decide, said


def networks(found: Measured) -> Finding:
    """Tasks that are near by vectors are learned along near paths.

    rho with d_B between networks at equal progress.  Holds if above NETWORKS and p < P; fails if below, or p >= P.
    """
    rho, test = correlations(found.by(), found.along, found.plain), tested(found.by(), found.together, found.plain)
    J, every = found.of_classes["Jaccard"], np.arange(len(found.words))
    beside = [
        f"of vectors on images of two subsets: rho {said(correlations(found.apart(), found.along, found.plain))}",
        f"of all tasks, with conditions: {said(correlations(found.by(), found.along))}, "
        f"p = {tested(found.by(), found.together, every).p:.2g}",
        f"of Jaccard distances: {said(correlations(found.along, J, found.plain))}",
        f"of means of features: {said(correlations(found.domain, found.along, found.plain))}",
    ]
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, NETWORKS) and test.p < P, below(rho, NETWORKS) or test.p >= P),
        {},
        "; ".join(beside),
    )


def ends(found: Measured) -> Finding:
    """... and paths tell more of it than their ends.

    rho with d_B at equal progress less rho with d_B at the end.  Holds if above 0; fails if below.
    """
    along, end = (correlations(found.by(), D, found.plain) for D in (found.along, found.ends))
    test = tested(found.by(), found.ends, found.plain)
    return Finding(
        f"rho {said(along)} along, {said(end)} at the end",
        f"at the end {chance(test)}",
        decide(above(along - end), below(along - end)),
        {},
    )


def beyond(found: Measured) -> Finding:
    """... beyond what classes say.

    Partial rho of vectors with d_B at equal progress, given Jaccard distances and differences of numbers of classes.
    Holds if above 0 and p < P; fails if below, or p >= P.
    """
    given = [found.of_classes["Jaccard"], found.of_classes["number of classes"]]
    rho = partial(found.by(), found.along, found, given)
    test = tested(found.by(), found.together, found.plain, given)
    return Finding(
        f"partial rho {said(rho)}",
        chance(test),
        decide(above(rho) and test.p < P, below(rho) or test.p >= P),
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
    left = agreement.known(D, of)
    return procrustes(*(agreement.picture(among(each, left)).coordinates for each in (of, D)))


def trees(found: Measured) -> Finding:
    """The dendrograms of both are alike.

    Correlation of the distances at which two tasks are joined, all tasks.  Holds if above TREES; fails if below.
    """
    left = agreement.known(*found.along, *found.by())
    pairs = list(zip(among(found.by(), left), among(found.along, left)))
    joined = [[linkage.cophenetic(agreement.tree(D)) for D in pair] for pair in pairs]
    both = np.array([np.corrcoef(agreement.upper(a), agreement.upper(b))[0, 1] for a, b in joined])
    own = [np.corrcoef(agreement.upper(a), agreement.upper(D))[0, 1] for (D, _), (a, _) in zip(pairs, joined)]
    rng = np.random.default_rng(0)
    shuffled = []
    for _ in range(200):
        order = rng.permutation(len(left))
        shuffled += [np.corrcoef(agreement.upper(a), agreement.upper(b[np.ix_(order, order)]))[0, 1] for a, b in joined]
    return Finding(
        f"cophenetic correlation {said(both)}",
        f"permuted: 95 % below {np.quantile(shuffled, 0.95):.2f}",
        decide(above(both, TREES), below(both, TREES)),
        {},
        f"of a dendrogram with its own distances: {said(own)}",
    )
