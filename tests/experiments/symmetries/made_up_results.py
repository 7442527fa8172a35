"""For the tests: files of predictions, and logs of stitches, made up."""

import json

import numpy as np

from experiments.symmetries.results import Results
from info_geometry import predictions
from learning.runs.run import Folders

N, C, L = 40, 4, 3
LABELS = np.arange(N) % C
LAYERS = ("2", "5", "8")


def models(count, *key):
    """Return probabilities (count, N, C), which a key of numbers or texts decides."""
    seed = np.frombuffer(repr(key).encode(), np.uint8)
    logits = np.random.default_rng(seed).normal(size=(count, N, C)) + np.eye(C)[LABELS]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def write(folder, run, seed, P=None, t=None, **attributes):
    """Write a prediction file of a run, by default of L random models, and return the models."""
    P = models(L, run, seed) if P is None else P
    predictions.write(folder / "p" / run / f"preds_{seed}.h5", P, labels=LABELS, t=t, **attributes)
    return P


def write_log(folder, run, seed, **values):
    """Write the log of a run of stitches: of each key (checkpoints, L)."""
    place = folder / "c" / run / f"seed_{seed}"
    place.mkdir(parents=True)
    lines = [{key: dict(zip(LAYERS, row)) for key, row in zip(values, rows)} for rows in zip(*values.values())]
    (place / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def results(folder, first=(10, 12), dataset="digits"):
    return Results(Folders(folder / "data", folder / "c", folder / "p"), first, dataset)
