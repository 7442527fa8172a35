"""The rules of the claims: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained.  SE is the standard error of a mean over
seeds; a bound is passed if the mean is on that side of it by more than 2 SE.  Distances A, C and D are those of
`Measured.distances`; rows are tasks that were learned first.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from experiments.task_distances.reaching.measured import RANDOM, AtOnce, Measured, Task
from learning.finding import Finding, above, below, decide, said

CHANCE = 0.05  # of a sign test, or a Mantel test
TRIANGLE = 0.05  # the share of triangles that may be violated
MOST = 8  # tasks of which all permutations are taken
SHUFFLES = 200  # of the entries of a matrix, for a null

Rule = Callable[[Measured], Finding]


def to_a_part(name: str) -> Rule:
    """From a task to a part of its classes is shorter than back.

    Pairs of tasks as they are, one of which has some of the classes of the other: distance to the whole less distance
    to the part.  Holds if the mean over pairs is above 0, and so are, of means over seeds, more pairs than chance gives
    (p of `right_by_chance`); fails if it is below 0.
    """

    def rule(found: Measured) -> Finding:
        d = found.distances[name]
        pairs = parts(d.tasks)
        each = np.array([d.turned[:, i, j] for i, j in pairs])  # i a part of j
        difference, right = each.mean(axis=0), int((each.mean(axis=1) > 0).sum())
        p = right_by_chance(d.turned.mean(axis=0), pairs)
        sizes = np.array([len(task.classes) for task in d.tasks])
        least = right_by_chance(np.sign(sizes[None, :] - sizes[:, None]), pairs)  # where all pairs are right
        anew = np.array([found.reached.anew[:, j] - found.reached.anew[:, i] for i, j in pairs]) if name == "C" else []
        return Finding(
            f"back longer by {_of(difference, d)}; {right} of {len(pairs)} pairs, p = {p:.2g}",
            f"symmetric: 0; tasks permuted: half of the pairs, p at least {least:.2g}",
            decide(above(difference) and p < CHANCE, below(difference)),
            {},
            f"from initial weights the whole costs more than the part by {_of(anew.mean(axis=0), d)}"
            if len(anew)
            else "",
        )

    return rule


def right_by_chance(turned: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
    """Return the share of the permutations of tasks, the identity being one, with as many pairs (i, j) above 0.

    turned (K, K): d_ij - d_ji; rows and columns are permuted together, since pairs that share a task are not
    independent, among the tasks that are in a pair: all K! where these are at most 8, else 9,999 random ones.
    """
    used = np.unique(pairs)
    i, j = np.searchsorted(used, np.array(pairs)).T
    d, count = turned[np.ix_(used, used)], len(used)
    if count <= MOST:
        orders = np.array(list(itertools.permutations(range(count))))
    else:
        rng = np.random.default_rng(0)
        orders = np.array([np.arange(count), *(rng.permutation(count) for _ in range(9999))])
    right = (d[orders[:, i], orders[:, j]] > 0).sum(axis=1)
    return float((right >= right[0]).mean())


def _of(values, distance):
    """Return differences of a distance in words."""
    return f"{said(values, 0)} {distance.unit}" if distance.unit else said(values)


def parts(tasks: Sequence[Task]) -> list[tuple[int, int]]:
    """Return the pairs (i, j) of tasks, as they are, of which i has some of the classes of j."""
    return [(i, j) for i, a in enumerate(tasks) for j, b in enumerate(tasks) if a.within(b)]


def self_nearest(name: str, columns: bool = False) -> Rule:
    """A task is nearest to itself, of all that come after it; or, by columns, of all that it comes after.

    The share of rows, or columns, whose smallest entry is on the diagonal.  Holds if it is 1 in every seed; fails if it
    is below 1.
    """

    def rule(found: Measured) -> Finding:
        d = found.distances[name]
        right = d.values.argmin(axis=1 if columns else 2) == np.arange(len(d.tasks))
        share, words = right.mean(axis=1), np.array([task.word for task in d.tasks])
        never = words[~right.any(axis=0)]
        return Finding(
            f"{said(share, sign=False)} of {'columns' if columns else 'rows'}",
            f"chance: {1 / len(words):.2f}",
            decide(bool((share == 1).all()), below(share, 1)),
            {},
            f"in no seed so: {', '.join(never)}" if len(never) else "",
        )

    return rule


def random_farthest(name: str, deep: bool = False) -> Rule:
    """Random labels are farther than any other task, from wherever one comes; deep: by perceptrons, which learn them.

    The share of rows, but for its own, whose largest entry is in the column of random labels.  Holds if it is 1 in
    every seed; fails if it is below 1.
    """

    def rule(found: Measured) -> Finding:
        d, reached = found.distances[name], found.reached
        if deep and found.deep:
            d, reached = found.deep.distances[name], found.deep
        k, count = number_of_random(d.tasks), len(d.tasks)
        others = [i for i in range(count) if i != k]
        rows = d.values[:, others]
        share = (rows.argmax(axis=2) == k).mean(axis=1)
        apart = np.array([[row[i, others[:i] + others[i + 1 :]].mean() for i in range(count - 1)] for row in rows])
        learned = reached.scratch[:, k]
        more = (rows[:, :, k] - apart).mean(axis=1)
        return Finding(
            f"{said(share, sign=False)} of rows; on average farther than others by {_of(more, d)}",
            f"chance: {1 / count:.2f}; 0",
            decide(bool((share == 1).all()), below(share, 1)),
            {},
            f"networks learn {said(learned, sign=False)} of the random labels of training images"
            if name == "A"
            else "",
        )

    return rule


def number_of_random(tasks):
    """Return the number of the task with random labels."""
    return next(k for k, task in enumerate(tasks) if task.condition == RANDOM)


def triangle(name: str) -> Rule:
    """A way over a third task is no shorter.

    The share of triples of tasks with d(i -> k) > d(i -> j) + d(j -> k).  Holds if it is below TRIANGLE, fails if it is
    above.
    """

    def rule(found: Measured) -> Finding:
        values, rng = found.distances[name].values, np.random.default_rng(0)
        share = np.array([violations(d) for d in values])
        null = [violations(_shuffled(d, rng)) for d in values for _ in range(SHUFFLES)]
        return Finding(
            f"{said(share, 3, False)} of triples",
            f"entries shuffled: {np.mean(null):.3f} +- {np.std(null):.3f}",
            decide(below(share, TRIANGLE), above(share, TRIANGLE)),
            {},
        )

    return rule


def violations(d: np.ndarray) -> float:
    """Return the share of ordered triples of different objects with d_ik > d_ij + d_jk, of distances (K, K)."""
    triples = list(itertools.permutations(range(len(d)), 3))
    return float(np.mean([d[i, k] > d[i, j] + d[j, k] for i, j, k in triples]))


def _shuffled(d, rng):
    """Return distances (K, K) whose entries beside the diagonal are in a random order."""
    others = ~np.eye(len(d), dtype=bool)
    found = d.copy()
    found[others] = rng.permutation(d[others])
    return found


def no_more_than_apart(name: str) -> Rule:
    """What two tasks hold at once is no more than what they hold apart: d(D1 -> D2) <= I(w2; D2).

    The share of pairs of different tasks.  Holds if it is 1 in every seed; fails if it is below 1.
    """

    def rule(found: Measured) -> Finding:
        x: AtOnce = {"A": found.determinants, "B": found.priced}[name]
        i, j = np.triu_indices(len(x.tasks), 1)
        ratio = x.both[:, i, j] / (x.single[:, i] + x.single[:, j])
        share = (ratio <= 1).mean(axis=1)
        return Finding(
            f"{said(share, sign=False)} of pairs; at once / apart {said(ratio.mean(axis=1), 2, False)}",
            "nothing in common: 1",
            decide(bool((share == 1).all()), below(share, 1)),
            {},
        )

    return rule


def cheaper_than_anew(found: Measured) -> Finding:
    """A task costs less from the network of another one than from initial weights, by C.

    Mean of log C(i -> j) / C(initial -> j) over different tasks whose labels are not random.  Holds if it is below 0,
    fails if it is above.
    """
    reached = found.reached
    k, count = number_of_random(reached.tasks), len(reached.tasks)
    pairs = [(i, j) for i, j in itertools.permutations(range(count), 2) if k not in (i, j)]
    logs = np.array([np.log(reached.conditional[:, i, j] / reached.anew[:, j]) for i, j in pairs]).mean(axis=0)
    kept = [j for j in range(count) if j != k]
    random = np.log(reached.conditional[:, k, kept] / reached.anew[:, kept]).mean(axis=1)
    return Finding(
        f"{said(np.exp(logs), 2, False)} of the nats from initial weights",
        "as much: 1",
        decide(below(logs), above(logs)),
        {},
        f"from networks that have learned random labels {said(np.exp(random), 2, False)}",
    )
