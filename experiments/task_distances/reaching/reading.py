"""What the runs of reaching.yaml left: files of what is known of networks, and of what they predict."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.task_distances import conditions
from experiments.task_distances.inspection import Inspection
from experiments.task_distances.reaching import paths
from experiments.task_distances.reaching.measured import RANDOM, AtOnce, Measured, Reached, Task
from experiments.task_distances.sizes import QUICK, Size
from info_geometry import distance, predictions
from info_geometry.files import InputError
from learning import tasks
from learning.runs.run import Folders

LONG = "long"  # variant of runs with twice the epochs
PRICE = "_beta1"  # how names of runs of variational networks end
DEEP = "mlp"  # variant of perceptrons


@dataclass(frozen=True, eq=False)  # what it read is its own
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

    @functools.lru_cache(None)  # noqa: B019  kept as long as the process, which has one of these
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
