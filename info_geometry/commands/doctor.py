"""A doctor of trajectories: what is sound in every file, and yet hardly meant.

Public suites of checkpoints have shipped the last weights under many names, files in the order of their names as texts,
one seed twice.  Every sign here is a rule on d_B of some samples (`storage.checking.examine`), with nothing to tune for
a data set:

    twice       two checkpoints of a run, or of two, hold the same predictions
    order       t does not increase; or another order of the checkpoints is a much shorter path, as 1, 2, 10 is than
                1, 10, 2
    spike       a checkpoint is farther from both its neighbours than these are from each other: d_B, which is a squared
                distance, min(d(a, b), d(b, c)) > 4 d(a, c)
    stray       a checkpoint is farther from all other seeds, at its t, than these are from each other, 9 times, and its
                neighbours are not
    jump        a step is 30 times (d_B) the largest of the two before and the two after it
    chance      the last model is sure of what it says, and right no more often than chance
"""

import itertools

import numpy as np

from info_geometry.storage import format, labels
from info_geometry.storage.checking import Examined
from info_geometry.sums.steps import FLOOR, group_sums

SPIKE, STRAY, JUMP = 4, 9, 30  # ratios of d_B
SHORTER = 0.6  # of the length of a path, at which another order is the likely one; as texts are, 0.8 is enough
NEAR = 1e-4  # d_B below which all is rounding, and no ratio says anything
SAID = 8  # checkpoints that a sentence names


def distances(roots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return d_B (T, S) of models from square roots of the probabilities of some samples, (T, n, C) and (S, n, C)."""
    a, b = (np.ascontiguousarray(x.transpose(1, 0, 2)) for x in (roots, others))
    total = np.zeros((len(roots), len(others)))
    for start in range(0, len(a), 64):
        affinity = a[start : start + 64] @ b[start : start + 64].transpose(0, 2, 1)
        total -= np.log(np.clip(affinity, FLOOR, 1)).sum(axis=0)
    return np.maximum(total / len(a), 0)


def of_file(x: Examined) -> list[str]:
    """Return what is odd within one file, a sentence each."""
    T, said = len(x.hashes), []
    said += _twice(x) + _order_of_t(x)
    if T >= 3:
        first = [x.hashes.index(found) for found in dict.fromkeys(x.hashes)]  # of models that are there twice, one
        D = distances(x.roots[first], x.roots[first])
        spikes = _spikes(D)
        said += _order_of_path(x, D, first, spikes) or [*_far(x, first, spikes), *_jumps(x, D, first)]
    if x.trajectory.labels is not None and (doubt := labels.doubts(x.trajectory)):
        said.append(doubt)
    return said


def of_run(seeds: list[Examined]) -> list[str]:
    """Return what is odd about a file beside the other seeds of its run, a sentence each."""
    said, apart = (
        [],
        {
            frozenset((i, j)): _at_each_t(x, y)
            for (i, x), (j, y) in itertools.combinations(enumerate(seeds), 2)
            if x.roots.shape == y.roots.shape and np.array_equal(x.trajectory.t, y.trajectory.t)
        },
    )
    ways = {x.trajectory.name: x.trajectory.attributes.get("predicted_by") for x in seeds}
    if len(set(ways.values()) - {None}) > 1:
        said.append("seeds were predicted in different ways: " + ", ".join(f"{k}, {v}" for k, v in ways.items()))
    for i, x in enumerate(seeds):
        others = [j for j in range(len(seeds)) if frozenset((i, j)) in apart]
        if len(others) < 2:
            continue
        T = len(x.hashes)
        mine = np.array([apart[frozenset((i, j))] for j in others])
        theirs = np.array([apart[frozenset(pair)] for pair in itertools.combinations(others, 2)])
        far = mine.min(axis=0) > STRAY * np.maximum(theirs.max(axis=0), NEAR)
        alone = [t for t in np.flatnonzero(far) if not far[[max(t - 1, 0), min(t + 1, T - 1)]].all() or T == 1]
        if alone:
            said.append(f"{x.trajectory.name}: {_which(x, alone)} far from the other seeds at that t")
        if far.all():
            said.append(
                f"{x.trajectory.name}: all its checkpoints are far from the other seeds: another task or order?"
            )
    return said


def _at_each_t(x, y):
    """Return d_B (T,) of the models of two files at the same t."""
    n = x.roots.shape[1]
    return group_sums(x.roots, y.roots, np.zeros(n, int), 1)[0] / n


def of_all(files: list[Examined]) -> list[str]:
    """Return what files have in common that they should not, a sentence each."""
    said, seen = [], {}
    for x in files:
        key = tuple(x.hashes)
        if key in seen:
            said.append(f"{x.trajectory.name} holds the same predictions as {seen[key].trajectory.name}: one is a copy")
            continue
        for y in seen.values():
            both = [i for i, found in enumerate(x.hashes) if found in set(y.hashes)]
            if both and not (both == [0] and x.hashes[0] == y.hashes[0]):  # one start may be meant
                said.append(f"{x.trajectory.name}: {_which(x, both)} also in {y.trajectory.name}")
        seen[key] = x
    return said


def _twice(x):
    places = {}
    for i, found in enumerate(x.hashes):
        places.setdefault(found, []).append(i)
    return [
        f"{x.trajectory.name}: {_which(x, same)} the same predictions: the same weights under several names?"
        for same in places.values()
        if len(same) > 1
    ]


def _order_of_t(x):
    t, i = x.trajectory.t, format.first_fall(x.trajectory.t)
    if i is None or x.trajectory.attributes.get("keep_order"):
        return []
    return [
        f"{x.trajectory.name}: t does not increase: checkpoint {i} has t = {t[i]:g} after {t[i - 1]:g}; "
        "convert --sort puts them in order, convert --keep-order says that it is meant"
    ]


def _order_of_path(x, D, first, spikes):
    """Return a sentence where the same models in another order are a much shorter path, or none.

    spikes: which are left out, if they are few: each is a detour of its own.
    """
    if len(D) < 6:
        return []
    steps = np.sqrt(D)
    number = np.argsort(np.argsort([str(i) for i in range(len(D))]))  # where each model stands among texts
    texts = _length(steps, number) / max(_length(steps), 1e-12)
    if len(spikes) <= max(1, len(D) // 8):
        first = [place for i, place in enumerate(first) if i not in spikes]
        steps = np.delete(np.delete(steps, spikes, axis=0), spikes, axis=1)
    if _length(steps) < len(steps) * np.sqrt(NEAR):
        return []
    best = min((_greedy(steps, start) for start in range(len(steps))), key=lambda path: _length(steps, path))
    shorter = _length(steps, best) / _length(steps)
    if texts < 0.8:
        how, share = "as they would be if they were sorted as texts (10 before 2), undone,", texts
    elif shorter < SHORTER:
        how, share = f"in another one ({', '.join(str(first[i]) for i in best[:SAID])}, ...)", shorter
    else:
        return []
    return [
        f"{x.trajectory.name}: its checkpoints are hardly in the order of training: {how} the path is "
        f"{100 * share:.0f} % as long"
    ]


def _length(steps, path=None):
    path = np.arange(len(steps)) if path is None else path
    return steps[path[:-1], path[1:]].sum()


def _greedy(steps, start):
    """Return the path (T,) from a model to the nearest that is left, and so on."""
    left, path = np.ones(len(steps), bool), [start]
    left[start] = False
    while left.any():
        rest = np.flatnonzero(left)
        path.append(int(rest[steps[path[-1], rest].argmin()]))
        left[path[-1]] = False
    return np.array(path)


def _spikes(D):
    """Return which models are farther from both neighbours than these are from each other."""
    steps, across = np.diag(D, 1), np.diag(D, 2)
    return np.flatnonzero(np.minimum(steps[:-1], steps[1:]) > SPIKE * np.maximum(across, NEAR)) + 1


def _far(x, first, spikes):
    return (
        [f"{x.trajectory.name}: {_which(x, [first[i] for i in spikes])} far from both neighbours"]
        if len(spikes)
        else []
    )


def _jumps(x, D, first):
    steps = np.diag(D, 1)
    around = [np.r_[steps[max(i - 2, 0) : i], steps[i + 1 : i + 3]] for i in range(len(steps))]
    found = [i for i, near in enumerate(around) if 2 <= i < len(steps) - 2 and steps[i] > JUMP * max(near.max(), NEAR)]
    return [
        f"{x.trajectory.name}: between checkpoints {first[i]} and {first[i + 1]} it jumps "
        f"{np.sqrt(steps[i] / max(around[i].max(), NEAR)):.0f} times as far as in the steps around"
        for i in found
    ]


def _which(x, places):
    """Return which checkpoints these are, with their verb."""
    t, name = x.trajectory.t, x.trajectory.attributes.get("t_name", "t")
    texts = [f"{i} ({name} {t[i]:g})" for i in places[:SAID]]
    more = f" and {len(places) - SAID} more" if len(places) > SAID else ""
    return f"checkpoint{'s' * (len(places) > 1)} {', '.join(texts)}{more} {'are' if len(places) > 1 else 'is'}"
