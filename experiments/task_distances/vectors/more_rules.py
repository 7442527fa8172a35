"""More rules of the claims about tasks as vectors: see rules.py, which says how they are read."""

import numpy as np

from experiments.task_distances import distances
from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.rules import (
    ALPHAS,
    HALF,
    KAPPAS,
    MISSING,
    NUMBERS,
    SAME_IMAGES,
    SAME_TASK,
    STABLE,
    TAXONOMY,
    P,
    chance,
    correlations,
    partial,
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
    other images.  Holds if each ratio is above 1, by its logarithm, and the domain embedding has 0 in every seed; fails
    if one is below.
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
        f"to itself on other images: times 1; means of features: {np.max(zeros):.1g}",
        decide(
            all(above(x) for x in ratios) and np.max(zeros) < SAME,
            any(below(x) for x in ratios),
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
        f"by construction 0; the same on other images: {said(noise, 3, False)}",
        decide(below(d - noise), above(d - noise)),
        {},
    )


def numbers(found: Measured) -> Finding:
    """E8b: how many classes tasks have does not make them near.

    Size of the partial rho with the difference of the numbers of classes, given Jaccard distances.  Holds if below
    NUMBERS; fails if above.
    """
    J, C = found.of_classes["Jaccard"], found.of_classes["number of classes"]
    each = partial(found.by(), C, found, [J])
    test = tested(found.by(), C, found.plain, [J])
    raw = correlations(found.by(), C, found.plain)
    return Finding(
        f"partial rho {said(each)}",
        chance(test),
        decide(below(abs(each), NUMBERS), above(abs(each), NUMBERS)),
        {},
        f"without Jaccard distances rho {said(raw)}",
    )


def taxonomy(found: Measured) -> Finding:
    """E15: a taxonomy of things is recovered.

    rho, of vectors on images of two subsets, with the mean distance of classes by a taxonomy made by hand.  Holds if
    above TAXONOMY and p < P; fails if below, or p >= P.
    """
    T = found.of_classes.get("taxonomy")
    if T is None:
        return MISSING
    D = found.apart()
    rho, test = correlations(D, T, found.plain), tested(D, T, found.plain)
    beside = f"given Jaccard distances {tested(D, T, found.plain, [found.of_classes['Jaccard']])}"
    if "WordNet" in found.of_classes:
        paths = correlations(D, found.of_classes["WordNet"], found.plain)
        beside += f"; with paths in WordNet between classes rho {said(paths)}"
    if found.places is not None:
        beside += f", between places of tasks {said(correlations(D, found.places, found.plain))}"
    return Finding(
        f"rho {said(rho)}",
        chance(test),
        decide(above(rho, TAXONOMY) and test.p < P, below(rho, TAXONOMY) or test.p >= P),
        {},
        beside,
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
