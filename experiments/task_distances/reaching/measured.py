"""What is measured of tasks that are learned after each other and beside each other.

Arrays have S seeds first; K tasks, rows being those that were learned first and columns those that come after.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.task_distances import conditions

REACHED = 0.9  # of the accuracy from scratch: the time until a network has it
RANDOM = "random_labels"


@dataclass(frozen=True)
class Task:
    """A word TASK:CONDITION of a data set: what runs call it, its classes, and its condition."""

    word: str
    name: str
    classes: frozenset
    condition: str

    def within(self, other: "Task") -> bool:
        """Return whether it has some of the classes of another one, both as they are."""
        plain = self.condition == other.condition == conditions.PLAIN
        return plain and self.classes < other.classes


@dataclass(frozen=True)
class Distance:
    """A distance between tasks (S, K, K), from rows to columns, in a unit, or without one."""

    tasks: tuple[Task, ...]
    values: np.ndarray
    unit: str = ""

    @property
    def turned(self) -> np.ndarray:
        """How much longer it is than the way back (S, K, K)."""
        return self.values - np.swapaxes(self.values, 1, 2)

    def among(self, tasks: Sequence[Task]) -> np.ndarray:
        """Return the distances between some of the tasks."""
        chosen = [self.tasks.index(task) for task in tasks]
        return self.values[:, chosen][:, :, chosen]


@dataclass(frozen=True)
class Reached:
    """How tasks are learned after each other.  "Accuracy" is that on training images where labels are random.

    scratch, longer (S, K): accuracy at the end, with as many epochs as after another task, and with those of both.
    after (S, K, K): after another task.  epochs (T,), course (S, K, K, T), alone (S, K, T): accuracy on fewer images.
    static (S, K, K): d_B between both networks from scratch.  length, between, action (S, K, K): see `paths`, of what
    is predicted while the second is learned.  norm, determinant (S, K, K): of the conditional distance, in nats; anew
    (S, K): both terms, of networks from scratch, centred at their initial weights.
    """

    tasks: tuple[Task, ...]
    epochs: np.ndarray
    scratch: np.ndarray
    longer: np.ndarray
    after: np.ndarray
    course: np.ndarray
    alone: np.ndarray
    static: np.ndarray
    length: np.ndarray
    between: np.ndarray
    action: np.ndarray
    norm: np.ndarray
    determinant: np.ndarray
    anew: np.ndarray

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all tasks."""
        return tuple(task.word for task in self.tasks)

    @property
    def gap(self) -> np.ndarray:
        """R1 (S, K, K): accuracy from scratch, with as many epochs in all, less that after another task."""
        return self.longer[:, None] - self.after

    @property
    def time(self) -> np.ndarray:
        """R2 (S, K, K): epochs until the accuracy is REACHED of that from scratch; all of them where it never is."""
        return _first(self.course, self.alone[:, None, :, -1], self.epochs)

    @property
    def detour(self) -> np.ndarray:
        """R3 (S, K, K): length of the path over the shortest one between its ends."""
        return self.length / self.between

    @property
    def conditional(self) -> np.ndarray:
        """Distance C (S, K, K): 1/2 [|w - w1|^2 / lambda^2 + log det], in nats."""
        return self.norm + self.determinant

    @property
    def distances(self) -> dict[str, Distance]:
        """C and D."""
        return {"C": Distance(self.tasks, self.conditional, "nats"), "D": Distance(self.tasks, self.length)}

    def at(self, word: str) -> int:
        """Return the number of a task."""
        return self.words.index(word)


def _first(course, reference, epochs):
    """Return the epoch at which a course (..., T) first reaches a part of a reference (...), linear between epochs."""
    wanted = REACHED * reference[..., None]
    there = course >= wanted
    k = np.where(there.any(axis=-1), there.argmax(axis=-1), len(epochs) - 1)[..., None]
    before = np.maximum(k - 1, 0)
    low, high = (np.take_along_axis(course, i, axis=-1) for i in (before, k))
    rise = np.where(high > low, high - low, 1)
    part = np.clip((wanted - low) / rise, 0, 1)
    found = epochs[before] + part * (epochs[k] - epochs[before])
    return np.where(there.any(axis=-1), found[..., 0], epochs[-1])


@dataclass(frozen=True)
class AtOnce:
    """What networks of one task hold, single (S, K), and networks of two at once, both (S, K, K), in nats."""

    tasks: tuple[Task, ...]
    single: np.ndarray
    both: np.ndarray

    @property
    def distance(self) -> Distance:
        """I(w12; D1 D2) - I(w1; D1)."""
        return Distance(self.tasks, self.both - self.single[:, :, None], "nats")


@dataclass(frozen=True)
class Measured:
    """All that is measured: of convolutional networks, and of perceptrons that learn few tasks, `deep`, or None.

    determinants, norms: the terms of the information in bodies of networks.  priced: KL of those of variational ones.
    """

    seeds: tuple[int, ...]
    reached: Reached
    deep: Reached | None
    determinants: AtOnce
    norms: AtOnce
    priced: AtOnce

    @property
    def distances(self) -> dict[str, Distance]:
        """A: increment of log-determinants; B: of KL at one beta; C: the conditional one; D: length of the path."""
        return {"A": self.determinants.distance, "B": self.priced.distance, **self.reached.distances}
