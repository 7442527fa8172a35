"""Made-up measurements of tasks as vectors, of which all claims hold, and ways to break them."""

import dataclasses

import numpy as np

from experiments.task_distances.embedding import Embedding
from experiments.task_distances.sizes import FULL
from experiments.task_distances.vectors.heads import Known
from experiments.task_distances.vectors.measured import BETAS, EARLY_NAME, Measured
from experiments.task_distances.vectors.of_tasks import KINDS
from experiments.task_distances.vectors.suites import resolved

SEEDS = 0, 1, 2
F = 160  # filters
WORDS = tuple(resolved("fashion", FULL.suite))
RANDOM = [k for k, word in enumerate(WORDS) if word.condition.kind == "random_labels"]
FEW = 6, 13


def rng(*key):
    return np.random.default_rng(key)


def profiles():
    """Return what each class needs of each filter (10, F): each has filters of its own, and shares others by kind."""
    kinds, worn = KINDS["fashion"][:-1], KINDS["fashion"][-1]
    own = rng(1).exponential(size=(10, F)) * (rng(2).random((10, F)) < 0.15)
    kind = {name: rng(3, k).exponential(size=F) * (rng(4, k).random(F) < 0.15) for k, name in enumerate(worn)}
    side = {flag: rng(5, flag).exponential(size=F) * (rng(6, flag).random(F) < 0.2) for flag in (False, True)}
    return np.array([2 * own[k] + kind[name] + side[worn[name]] for k, name in enumerate(kinds)]) + 0.1


def vector_of(word, noise, key):
    """Return the vector of a task, with a relative noise: the mean of its classes, longer where it is difficult."""
    own = profiles()[list(word.task.classes)].mean(axis=0)
    condition = {"plain": 0, "permuted_labels": 0, "flip": 1, "blur": 2, "random_labels": 3}[word.condition.kind]
    if condition:
        own = own + 2 * rng(7, condition).exponential(size=F) * (rng(8, condition).random(F) < 0.4)
    return own / difficulty(word) ** -1 * np.exp(noise * rng(9, *key).standard_normal(F))


def difficulty(word):
    return 0.05 + 0.5 * rng(10, *word.task.classes, len(word.condition.kind)).random()


def embedding(vector, word, method="exact", probe="made up"):
    names = [f"body.0.weight[{i}]" for i in range(F)]
    return Embedding(vector, names, probe, method, 600, len(word.task.classes), 0.1, np.zeros(F))


def vectors(noise, number, method="exact"):
    """Return embeddings of all tasks and seeds; permuted labels have those of the task."""
    return tuple(
        tuple(
            embedding(vector_of(w, noise, (number, s, *w.task.classes, w.condition.kind == "flip")), w, method)
            for w in WORDS
        )
        for s in SEEDS
    )


def nothing(number, method="exact"):
    """Return embeddings that have nothing to do with tasks."""
    return tuple(
        tuple(embedding(rng(11, number, s, k).exponential(size=F), w, method) for k, w in enumerate(WORDS))
        for s in SEEDS
    )


def known():
    features = profiles()
    rows = []
    for s in SEEDS:
        own = []
        for word in WORDS:
            image = {"flip": 1, "blur": 2}.get(word.condition.kind, 0)
            mean = features[list(word.task.classes)].mean(axis=0) + image * rng(12, image).random(F)
            error = float(
                np.clip(difficulty(word) * np.exp(0.05 * rng(13, s, *word.task.classes).standard_normal()), 0, 1)
            )
            own.append(Known(mean, error, 2 * error, error, len(word.task.classes), "made up"))
        rows.append(tuple(own))
    return tuple(rows)


def between(number):
    """Return distances (S, n, n) that have nothing to do with tasks."""
    n, found = len(WORDS), []
    for s in SEEDS:
        points = rng(14, number, s).standard_normal((n, 5))
        found.append(np.square(points[:, None] - points).sum(axis=2) / 100)
    return np.array(found)


def measured(**changes) -> Measured:
    """Return what was measured, with changes of its fields."""
    found = {
        "exact": vectors(0.05, 0),
        "again": vectors(0.05, 1),
        "sampled": vectors(0.06, 2, "sampled"),
        "untrained": nothing(3),
        "predictions": vectors(0.07, 4, "predictions"),
        "half": vectors(0.3, 5),
    }
    exact = [[found["exact"][s][k] for k in FEW] for s in SEEDS]
    variational = {
        name: tuple(
            tuple(
                embedding(e.vector * np.exp(spread * rng(15, s, k).standard_normal(F)), WORDS[k], "variational")
                for e, k in zip(row, FEW)
            )
            for s, row in zip(SEEDS, exact)
        )
        for name, spread in ((f"{BETAS[0]:g}", 0.2), (EARLY_NAME, 5.0))
    }
    made = Measured(SEEDS, WORDS, found, variational, FEW, known(), *[np.zeros((3, 2, 2))] * 3)
    along = made.by() + 0.05 * between(16)
    made = dataclasses.replace(made, along=along, ends=between(17), together=along.mean(axis=0))
    return dataclasses.replace(made, **changes)


def with_vectors(**others):
    """Return what was measured, with other embeddings: {name: embeddings}; distances between networks as they are."""
    usual = measured()
    return dataclasses.replace(usual, vectors={**usual.vectors, **others})
