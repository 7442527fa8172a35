"""More rules of the claims about tasks as vectors: see rules.py, which says how they are read."""

import numpy as np

from experiments.task_distances import distances
from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.rules import (
    ALPHAS,
    HALF,
    KAPPAS,
    MISSING,
    NETWORKS,
    NUMBERS,
    SAME_IMAGES,
    SAME_TASK,
    STABLE,
    TAXONOMY,
    TWICE,
    P,
    chance,
    correlations,
    tested,
)
from learning.finding import Finding, above, below, decide, said

SAME = 1e-9  # distance of one mean of features


def noise_of(found: Measured, k: int) -> np.ndarray:
    """Return the distance of a task to itself on other images, (S,)."""
    pairs = zip(found.vectors["exact"], found.vectors["again"])
    return np.array([distances.cosine(one[k].vector, other[k].vector) for one, other in pairs])


def domain(found: Measured) -> Finding:
    """E7: vectors tell tasks on the same images apart, and means of features do not.

    Distances of tasks to those with random labels of the same images, divided by the distance of the task to itself on
    other images.  Holds if the mean logarithm of each ratio is above log TWICE, and the domain embedding has 0 in every
    seed; fails if one is below.
    """
    pairs = [own for own in (found.index(*pair) for pair in SAME_IMAGES) if own]
    if not pairs:
        return MISSING
    D, ratios, zeros = found.by(), [], []
    for a, b in pairs:
        ratios.append(np.log(D[:, a, b] / noise_of(found, a)))
        zeros.append(found.domain[:, a, b])
    other = found.index("even", "odd")
    beside = ""
    if other:
        parts = [farther_than(each, *other) for each in (D, found.domain)]
        beside = "even and odd are farther than {} of all pairs by vectors, {} by means of features".format(
            *(f"{100 * np.mean(x):.0f} %" for x in parts)
        )
    return Finding(
        "; ".join(f"{found.words[a].text}: times {np.exp(x.mean()):.1f}" for (a, _), x in zip(pairs, ratios)),
        f"means of features: {np.max(zeros):.1g}",
        decide(
            all(above(x, np.log(TWICE)) for x in ratios) and np.max(zeros) < SAME,
            any(below(x, np.log(TWICE)) for x in ratios),
        ),
        {},
        beside,
    )


def farther_than(D: np.ndarray, a: int, b: int) -> np.ndarray:
    """Return the share (S,) of pairs of tasks that are nearer than two of them."""
    i, j = np.triu_indices(D.shape[1], 1)
    return (D[:, i, j] < D[:, a, b][:, None]).mean(axis=1)


def permuted(found: Measured) -> Finding:
    """E8: names of classes do not matter.

    The distance of all classes to the same with permuted labels, less that to the same on other images.  Holds if below
    0; fails if above.
    """
    own = found.index(*SAME_TASK)
    if own is None:
        return MISSING
    d, noise = found.by()[:, own[0], own[1]], noise_of(found, own[0])
    return Finding(
        f"distance {d.mean():.1g}",
        f"the same on other images: {said(noise, 3, False)}",
        decide(below(d - noise), above(d - noise)),
        {},
    )


def numbers(found: Measured) -> Finding:
    """E8b: how many classes tasks have does not make them near.

    Partial rho with the difference of the numbers of classes, given Jaccard distances.  Holds if below NUMBERS; fails
    if above.
    """
    J, C = found.of_classes["Jaccard"], found.of_classes["number of classes"]
    each = partial(found.by(), C, found, [J])
    test = tested(found.by(), C, found.plain, [J])
    raw = correlations(found.by(), C, found.plain)
    return Finding(
        f"partial rho {said(each)}",
        chance(test),
        decide(below(each, NUMBERS), above(each, NUMBERS)),
        {},
        f"without Jaccard distances rho {said(raw)}",
    )


def partial(A: np.ndarray, B: np.ndarray, found: Measured, given) -> np.ndarray:
    """Return partial rho (S,) of A (S, n, n) with B (S, n, n) or (n, n), of tasks as they are, given others (n, n)."""
    return np.array([tested(a, b, found.plain, given).statistic for a, b in zip(A, np.broadcast_to(B, A.shape))])


def taxonomy(found: Measured) -> Finding:
    """E15: a taxonomy of things is recovered.

    rho with the mean distance of classes by a taxonomy made by hand.  Holds if above TAXONOMY and p < P; fails if
    below, or p >= P.
    """
    T = found.of_classes.get("taxonomy")
    if T is None:
        return MISSING
    rho, test = correlations(found.by(), T, found.plain), tested(found.by(), T, found.plain)
    beside = f"given Jaccard distances {tested(found.by(), T, found.plain, [found.of_classes['Jaccard']])}"
    if "WordNet" in found.of_classes:
        paths = correlations(found.by(), found.of_classes["WordNet"], found.plain)
        beside += f"; with paths in WordNet between classes rho {said(paths)}"
    if found.places is not None:
        beside += f", between places of tasks {said(correlations(found.by(), found.places, found.plain))}"
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, TAXONOMY) and test.p < P, below(rho, TAXONOMY) or test.p >= P),
        {},
        beside,
    )


def networks(found: Measured) -> Finding:
    """Tasks that are near by vectors are learned along near paths.

    rho with d_B between networks at equal progress.  Holds if above NETWORKS and p < P; fails if below, or p >= P.
    """
    rho, test = correlations(found.by(), found.along, found.plain), tested(found.by(), found.together, found.plain)
    every = np.arange(len(found.words))
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, NETWORKS) and test.p < P, below(rho, NETWORKS) or test.p >= P),
        {},
        f"of all tasks, with conditions: rho {said(correlations(found.by(), found.along))}, "
        f"p = {tested(found.by(), found.together, every).p:.2g}; Jaccard distances: "
        f"{said(correlations(found.along, found.of_classes['Jaccard'], found.plain))}",
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


def untrained(found: Measured) -> Finding:
    """A probe that has learned something tells more of classes than one that has not.

    rho with Jaccard distances, less that by the initial weights of the probe.  Holds if above 0; fails if below.
    """
    J = found.of_classes["Jaccard"]
    rho, without = (correlations(found.by("cosine", what), J, found.plain) for what in ("exact", "untrained"))
    both = [correlations(found.by("cosine", what), found.along, found.plain) for what in ("exact", "untrained")]
    return Finding(
        f"rho {said(rho)}",
        f"untrained: {said(without)}",
        decide(above(rho - without), below(rho - without)),
        {},
        f"with d_B between networks {said(both[0])}, untrained {said(both[1])}",
    )


def half(found: Measured) -> Finding:
    """A probe that knows half of the classes gives much the same distances.

    rho over all tasks of distances by both.  Holds if above HALF; fails if below.
    """
    rho = correlations(found.by(), found.by("cosine", "half"))
    J = correlations(found.by("cosine", "half"), found.of_classes["Jaccard"], found.plain)
    return Finding(
        f"rho {said(rho)}",
        "other tasks: 0",
        decide(above(rho, HALF), below(rho, HALF)),
        {},
        f"with Jaccard distances rho {said(J)}",
    )


def stability(found: Measured) -> np.ndarray:
    """Return the rank correlations of sources, for ALPHAS and KAPPAS, with the usual ones, (S, alphas, kappas)."""
    return np.array([distances.rank_stability(row, ALPHAS, KAPPAS) for row in found.vectors["exact"]])


def stable(found: Measured) -> Finding:
    """Which source is near does not hang on alpha and kappa.

    The least, over ALPHAS and KAPPAS, of the mean rank correlation of sources of a target.  Holds if above STABLE;
    fails if below.
    """
    every = stability(found)
    least = every.reshape(len(every), -1).min(axis=1)
    return Finding(
        f"at least {said(least, 2, False)}",
        "other sources: 0",
        decide(above(least, STABLE), below(least, STABLE)),
        {},
        f"with the usual kappa, alpha = 0: {said(every[:, 0, 1], 2, False)}",
    )
