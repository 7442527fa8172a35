"""What claims about choosing a source are about: arrays over S seeds, m sources, n targets; and what reads them.

Sources are words TASK:CONDITION, also of networks of another width: `all@8`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.task_distances import conditions
from experiments.task_distances.choosing.scores import LOOKING, SCORES
from experiments.task_distances.sizes import Size
from info_geometry import predictions
from info_geometry.files import InputError
from learning.runs.run import Folders
from learning.tasks import load

EXPERT = "all"  # the source that learned all classes, as they are


@dataclass(frozen=True)
class Measured:
    """All that is measured.

    accuracy, training_accuracy (S, m, n): of networks that went on from a source, and learned few labels of a target;
    scratch (S, n): from initial weights.  scores: {score: (S, m, n)}, of which the larger is the better; permuted:
    {score: (S, permutations, m, n)}, with permuted labels.
    holds (m, n): the source has learned all classes of the target, and maybe others, under whatever condition.
    """

    seeds: tuple[int, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    accuracy: np.ndarray
    training_accuracy: np.ndarray
    scratch: np.ndarray
    scores: Mapping[str, np.ndarray]
    permuted: Mapping[str, np.ndarray]
    holds: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The accuracy (m, n), mean over seeds."""
        return self.accuracy.mean(axis=0)

    def among(self, hard: bool) -> np.ndarray:
        """Return (m, n): which sources there are to choose from; hard: those that lack a class of the target."""
        return ~self.holds if hard else np.ones_like(self.holds)


def run_of(dataset: str, word: str) -> str:
    """Return the name of the run that learned a source from initial weights, of a word such as all:flip or all@8."""
    word, _, width = word.partition("@")
    name, condition = conditions.apart(word)
    return f"{dataset}_{load(dataset, name).name}_{condition.label}" + (f"_width{width}" if width else "")


def read(folders: Folders, seeds: Sequence[int], size: Size) -> Measured:
    """Return what `store_scores` stored.  Raises InputError for a file that is not there, or says no scores."""
    dataset = size.dataset
    words = (*size.sources, *(f"all@{width}" for width in size.widths))
    targets = [f"{run_of(dataset, word)}" for word in size.targets]

    def opened(name, seed):
        path = folders.file(name, seed)
        if not path.exists():
            quick = "" if dataset == "fashion" else "-quick"
            raise InputError(f"{path} is missing; `make tasks{quick}` makes it")
        found = predictions.open_trajectory(path).attributes
        if not isinstance(found.get("known"), dict):
            raise InputError(f"{path} does not say what its networks know; delete it and store it again")
        return found

    found = [
        [
            [opened(f"{t}_from_{run_of(dataset, w).removeprefix(dataset + '_')}_few_scores", seed) for t in targets]
            for w in words
        ]
        for seed in seeds
    ]
    for rows in found:
        for row in rows:
            for one in row:
                if "scored" not in one:
                    raise InputError(
                        f"{one.get('run', 'a file')}: says no scores; delete its predictions, store them again"
                    )

    def of(*path):
        return np.array([[[_inside(one, path) for one in row] for row in rows] for rows in found], float)

    classes = [set(found[0][0][j]["classes"]) for j in range(len(targets))]
    return Measured(
        tuple(seeds),
        words,
        tuple(size.targets),
        of("known", "accuracy"),
        of("known", "training_accuracy"),
        np.array([[opened(f"{t}_few_scores", seed)["known"]["accuracy"] for t in targets] for seed in seeds]),
        {name: score.better(of("scored", "scores", name)) for name, score in SCORES.items()},
        {name: np.moveaxis(SCORES[name].better(of("scored", "permuted", name)), 3, 1) for name in LOOKING},
        np.array([[set(row[0]["scored"]["source"]["classes"]) >= each for each in classes] for row in found[0]]),
    )


def _inside(found, path):
    """Return what a path of keys leads to in dictionaries."""
    for key in path:
        found = found[key]
    return found
