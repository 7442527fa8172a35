"""What is measured of tasks that are learned after each other and beside each other.

Arrays have S seeds first; K tasks, rows being those that were learned first and columns those that come after.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.task_distances import conditions
from experiments.task_distances.inspection import Inspection
from experiments.task_distances.reaching import paths
from experiments.task_distances.sizes import QUICK, Size
from info_geometry import distance, predictions
from info_geometry.files import InputError
from learning import tasks
from learning.runs.run import Folders

REACHED = 0.9  # of the accuracy from scratch: the time until a network has it
RANDOM = "random_labels"
LONG = "long"  # variant of runs with twice the epochs
PRICE = "_beta1"  # how names of runs of variational networks end
DEEP = "mlp"  # variant of the networks that do not reach what is near


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
    def time_alone(self) -> np.ndarray:
        """The same (S, K) from scratch."""
        return _first(self.alone, self.alone[..., -1], self.epochs)

    @property
    def detour(self) -> np.ndarray:
        """R3 (S, K, K): length of the path over the shortest one between its ends."""
        return self.length / self.between

    @property
    def conditional(self) -> np.ndarray:
        """Distance C (S, K, K): 1/2 [|w - w1|^2 / lambda^2 + log det], in nats."""
        return self.norm + self.determinant

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
        return {
            "A": self.determinants.distance,
            "B": self.priced.distance,
            "C": Distance(self.reached.tasks, self.reached.conditional, "nats"),
            "D": Distance(self.reached.tasks, self.reached.length),
        }


@dataclass(frozen=True)
class Files:
    """Files of what is known of runs."""

    folders: Folders
    seeds: tuple[int, ...]
    size: Size

    def task(self, word: str) -> Task:
        """Return a Task."""
        name, condition = conditions.apart(word)
        found = tasks.load(self.size.dataset, name)
        return Task(word, f"{found.name}_{condition.label}", frozenset(found.classes), condition.label)

    @functools.lru_cache(None)  # noqa: B019
    def open(self, name: str, seed: int) -> predictions.Trajectory:
        """Return what is known of a run; raise InputError where it is missing."""
        stored = Inspection().name(f"{self.size.dataset}_{name}")
        path, quick = self.folders.file(stored, seed), self.size.dataset == QUICK.dataset
        makes = f"`make tasks{'-quick' * quick}` makes it"
        if not path.exists():
            raise InputError(f"{path} is missing; {makes}")
        found = predictions.open_trajectory(path)
        if not isinstance(found.attributes.get("known"), dict):
            raise InputError(f"{path} does not say what its networks know; delete it, and {makes}")
        return found

    def each(self, names: Sequence, function: Callable) -> np.ndarray:
        """Return (S, ..., *): what a function finds of opened files, for names (...) of runs."""
        names = np.array(names)
        found = [[function(self.open(name, seed)) for name in names.ravel()] for seed in self.seeds]
        first = np.shape(found[0][0])
        return np.array(found, float).reshape(len(self.seeds), *names.shape, *first)

    def measured(self) -> Measured:
        """Return all that is measured."""
        every, deep, priced = (
            [self.task(word) for word in words] for words in (self.size.pairs, self.size.reach, self.size.priced)
        )
        return Measured(
            self.seeds,
            self.reached(every),
            self.reached(deep, DEEP) if deep else None,
            self.at_once(every, lambda x: x.attributes["information"]["determinant"]),
            self.at_once(every, lambda x: x.attributes["information"]["norm"]),
            self.at_once(priced, _kl, PRICE),
        )

    def at_once(self, every: Sequence[Task], function: Callable, end: str = "") -> AtOnce:
        """Return what a function finds of networks of tasks, and of two of them at once; end: of names of runs."""
        names = [task.name for task in every]
        order = {name: k for k, name in enumerate(names)}
        both = [["_and_".join(sorted((a, b), key=order.get)) + end for b in names] for a in names]
        return AtOnce(tuple(every), self.each([name + end for name in names], function), self.each(both, function))

    def reached(self, every: Sequence[Task], variant: str = "") -> Reached:
        """Return how tasks are learned after each other, by networks of a variant."""
        end = f"_{variant}" if variant else ""
        names = [task.name for task in every]
        alone = [name + end for name in names]
        after = [[f"{b}_from_{a}{end}{end}" for b in names] for a in names]
        score, course = (self._scores(every, what) for what in ("end", "course"))
        found = self.each(after, _path)
        information = self.each(after, _conditional)
        return Reached(
            tuple(every),
            np.array(self.open(after[0][0], self.seeds[0]).t, float),
            score(alone),
            score([f"{name}_{variant + '-' if variant else ''}{LONG}" for name in names]),
            score(after),
            course(after),
            course(alone),
            np.array([self._static(alone, seed) for seed in self.seeds]),
            *np.moveaxis(found, -1, 0),
            *np.moveaxis(information, -1, 0),
            self.each(alone, _conditional).sum(axis=-1),
        )

    def _scores(self, every, what):
        """Return a function that tells accuracies of runs, the last of whose axes are tasks."""
        random = np.array([task.condition == RANDOM for task in every])

        def of(x):
            known = x.attributes["known"]
            if what == "end":
                return x.attributes["end"]["accuracy"], known["training_accuracy"][-1]
            return known["accuracy"], known["training_accuracy"]

        def scores(names):
            found = self.each(names, of)  # (S, ..., K, 2) or (S, ..., K, 2, T)
            axis = 1 + np.ndim(names)
            others, learned = np.take(found, 0, axis), np.take(found, 1, axis)
            return np.where(random if what == "end" else random[:, None], learned, others)

        return scores

    def _static(self, names, seed):
        """Return d_B (K, K) between the last networks of runs."""
        ends = [x.select([x.shape[0] - 1]) for x in (self.open(name, seed) for name in names)]
        return distance.pairwise(ends)


def _path(x):
    found = paths.path(x, x.t, x.labels)
    return found.length, found.between, found.action


def _conditional(x):
    information = x.attributes["information"]
    return information["conditional_norm"], information["conditional_determinant"]


def _kl(x):
    """Return the KL divergence of the body of a variational network, in nats."""
    layers = x.attributes["kl_of_layers"]
    return sum(nats for layer, nats in layers.items() if not layer.startswith("head"))


def read(folders: Folders, seeds: Sequence[int], size: Size) -> Measured:
    """Return what is measured of the runs of seeds; raise InputError where a file is missing."""
    return Files(folders, tuple(seeds), size).measured()
