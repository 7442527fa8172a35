"""Made-up measurements with planted properties, and made-up files."""

import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np

from experiments.task_distances.reaching.measured import AtOnce, Measured, Reached, Task
from experiments.task_distances.reaching.reading import Files
from info_geometry import predictions
from learning.runs.run import Folders

TASKS = (
    Task("all", "all_plain", frozenset(range(10)), "plain"),
    Task("even", "even_plain", frozenset(range(0, 10, 2)), "plain"),
    Task("low", "low_plain", frozenset(range(5)), "plain"),
    Task("0,2", "classes_0-2_plain", frozenset((0, 2)), "plain"),
    Task("all:flip", "all_flip", frozenset(range(10)), "flip"),
    Task("all:blur3", "all_blur3", frozenset(range(10)), "blur3"),
    Task("all:random_labels", "all_random_labels", frozenset(range(10)), "random_labels"),
)
SEEDS = (0, 1, 2)
ALIKE = Path("alike")
EPOCHS = np.arange(11.0)
K, S, T = len(TASKS), len(SEEDS), len(EPOCHS)


def planted(noise=0.01, seed=0):
    """Return Measured in which all claims are true: tasks have a size, and lie at places on a line."""
    rng = np.random.default_rng(seed)
    size = np.array([10.0, 6, 5, 2, 10.5, 9, 20])  # what a task holds
    place = np.array([0.0, 1, 2, 3, 4, 0.5, 12])
    apart = np.abs(place[:, None] - place)

    def noisy(x):
        return np.asarray(x) + noise * rng.normal(size=(S, *np.shape(x)))

    shared = 0.5 * np.minimum(size[:, None], size) * np.exp(-apart / 2) + 0.1
    both = size[:, None] + size - shared
    directed = both - size[:, None]
    np.fill_diagonal(directed, 0.2)
    length = 2 + directed
    time = 0.5 + length / length.max() * 5
    reached = np.full(K, 0.8)
    after = np.full((K, K), 0.8)
    after[5, 0] = 0.75  # sharp after blurred
    course = np.clip(EPOCHS / time[..., None], 0, 1) * 0.8 * 0.9 + 1e-9
    alone = np.tile(np.clip(EPOCHS / 10, 0, 1) * 0.8, (K, 1))
    single, together = noisy(size), noisy(both)
    together = (together + np.swapaxes(together, 1, 2)) / 2
    diagonal = np.arange(K)
    together[:, diagonal, diagonal] = single + 0.2
    static = np.minimum(apart / 10, 1)
    found = Reached(
        TASKS,
        EPOCHS,
        noisy(reached) * 1,
        np.full((S, K), 0.8) + noise * 0.01 * rng.normal(size=(S, K)),
        after + noise * 0.01 * rng.normal(size=(S, K, K)),
        np.broadcast_to(course, (S, K, K, T)),
        np.broadcast_to(alone, (S, K, T)),
        noisy(static),
        noisy(length),
        np.ones((S, K, K)),
        noisy(length**2 / 5),
        noisy(directed / 2),
        noisy(directed / 2),
        np.full((S, K), 40.0),
    )
    at_once = AtOnce(TASKS, single, together)
    return Measured(SEEDS, found, None, at_once, at_once, at_once)


class _All(Files):
    """Files that are written as they are asked for."""

    _written: ClassVar = {}

    def open(self, name, seed):
        path = self.folders.file(f"{self.size.dataset}_{name}_known", seed)
        if not path.exists():
            kind = len_of(name)
            if self.folders.data == ALIKE and kind in self._written:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self._written[kind], path)
            else:
                write(path, name, seed)
                self._written[kind] = path
        return super().open(name, seed)


def len_of(name):
    """Return how many models a made-up run has."""
    return 2 if "_and_" in name or name.endswith(("long", "beta1")) else 6


def write(path, name, seed):
    """Write a file of what is known of a made-up run."""
    rng = np.random.default_rng([seed, *name.encode()])
    T, N, C = len_of(name), 40, 10
    labels = np.arange(N) % C
    logits = np.cumsum(rng.normal(size=(T, N, C)), axis=0) + 3 * np.linspace(0, 1, T)[:, None, None] * np.eye(C)[labels]
    P = np.exp(logits)
    accuracy = np.linspace(0.1, rng.uniform(0.6, 0.9), T).tolist()
    keys = "accuracy", "cross_entropy", "training_accuracy", "training_cross_entropy"
    terms = "norm", "determinant", "conditional_norm", "conditional_determinant"
    said = {
        "known": dict.fromkeys(keys, accuracy),
        "end": {"accuracy": accuracy[-1], "cross_entropy": 0.5},
        "information": {key: float(rng.uniform(1, 9)) for key in terms},
        "kl_of_layers": {"body.1": float(rng.uniform(1, 9)), "head": 100.0},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with predictions.Recorder(path, labels=labels, **said) as recorder:
        for t, p in enumerate(P / P.sum(axis=2, keepdims=True)):
            recorder.append(p, t)


def write_all(folder, seeds, size, data=Folders.data):
    """Write the files of all runs that are measured, and return the Folders and the names of the runs.

    data: ALIKE where all files may be the same.
    """
    folders = Folders(data, predictions=folder)
    files = _All(folders, seeds, size)
    files.measured()
    return folders, {path.parent.name.removesuffix("_known") for path in folder.glob("*/*.h5")}
