"""Distances between tasks that look at their classes alone: (n, n) matrices, 0 on the diagonal.  Imports no torch."""

from collections.abc import Callable, Sequence

import numpy as np

from learning.tasks import Task, class_synsets, place, wordnet

KINDS = {  # of things of Fashion-MNIST, and whether they are worn as clothes
    "fashion": (
        *("top", "trouser", "top", "dress", "top", "footwear", "top", "footwear", "bag", "footwear"),
        {"top": True, "trouser": True, "dress": True, "footwear": False, "bag": False},
    ),
}


def square(things: Sequence, distance: Callable) -> np.ndarray:
    """Return the distances (n, n) of all pairs of things, each but the diagonal."""
    found = np.zeros((len(things), len(things)))
    for i in range(len(things)):
        for j in range(i):
            found[i, j] = found[j, i] = distance(things[i], things[j])
    return found


def jaccard(tasks: Sequence[Task]) -> np.ndarray:
    """Return 1 - |A and B| / |A or B| of the sets of classes of tasks."""
    sets = [set(task.classes) for task in tasks]
    return square(sets, lambda a, b: 1 - len(a & b) / len(a | b))


def numbers(tasks: Sequence[Task]) -> np.ndarray:
    """Return by how much the numbers of classes differ."""
    return square(tasks, lambda a, b: abs(len(a.classes) - len(b.classes)))


def over_classes(tasks: Sequence[Task], D: np.ndarray) -> np.ndarray:
    """Return the mean over a class of one task and a class of another of their distances D (C, C)."""
    return square(tasks, lambda a, b: D[np.ix_(a.classes, b.classes)].mean())


def taxonomy(tasks: Sequence[Task]) -> np.ndarray | None:
    """Return the mean distance of two classes by a taxonomy made by hand, or None where a data set has none.

    0: of one kind (tops, trousers, dresses, footwear, bags); 1: both clothing, or both not; 2: else.
    """
    *kinds, worn = KINDS.get(tasks[0].dataset, (None,))
    if worn is None:
        return None
    return over_classes(tasks, square(kinds, lambda a, b: 0 if a == b else 1 if worn[a] == worn[b] else 2))


def paths(tasks: Sequence[Task]) -> np.ndarray | None:
    """Return the mean number of steps between two classes in WordNet, or None where classes have no synsets."""
    synsets = class_synsets(tasks[0].dataset)
    return None if synsets is None else over_classes(tasks, square(synsets, wordnet.path_length))


def places(tasks: Sequence[Task]) -> np.ndarray | None:
    """Return the number of steps between the synsets of tasks in WordNet, nan where one stands nowhere, or None."""
    synsets = [place(task) for task in tasks]
    if sum(each is not None for each in synsets) < 3:
        return None
    return square(synsets, lambda a, b: np.nan if a is None or b is None else wordnet.path_length(a, b))
