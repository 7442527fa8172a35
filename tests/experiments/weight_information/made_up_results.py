"""For the tests: files of what is known of networks, made up."""

import numpy as np

from experiments.weight_information.results import Results, Size
from info_geometry import predictions
from learning.runs.run import Folders

N, C = 30, 10
LABELS = np.arange(N) % C
KEYS = "cross_entropy", "cross_entropy_of_draws", "training_accuracy", "kl", "norm", "determinant", "trace", "noise"
T = [0.0, 1.0, 2.5]  # epochs
SMALL = Size(
    dataset="digits",
    betas=(0.01, 1, 10),
    partly=(0.25,),
    few=(0.01, 1),
    posteriors=(0.01, 1),
    samples=200,
    others=(100,),
    bounded=(1000, (5,)),
    again=(("random", 1, (1,)), ("right", 0, (10,))),
    nuisances=(0.01, 1),
    batches=(16,),
    ordinary=((0, 0.25), (100,)),
)


def models(count, *key):
    """Return probabilities (count, N, C), which a key of numbers or texts decides."""
    seed = np.frombuffer(repr(key).encode(), np.uint8)
    logits = np.random.default_rng(seed).normal(size=(count, N, C)) + np.eye(C)[LABELS]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def values(run, seed):
    """Return what is said to be known of the networks of a run, {what: (T,)}."""
    rng = np.random.default_rng(np.frombuffer(repr((run, seed)).encode(), np.uint8))
    return {key: rng.uniform(0.1, 0.9, len(T)).tolist() for key in KEYS}


def write(folder, run, seed, samples=200, label_noise=0.0, **attributes):
    """Write what is known of a run, and return its models and values."""
    P, known = models(len(T), run, seed), values(run, seed)
    said = {"known": known, "samples": samples, "config": {"label_noise": label_noise}, "t_name": "epoch"}
    place = folder / "p" / f"digits_all_{run}_information" / f"preds_{seed}.h5"
    predictions.write(place, P, labels=LABELS, t=T, **{**said, **attributes})
    return P, known


def results(folder, seeds=(10, 11), size=SMALL):
    """Return the results in a folder."""
    return Results(Folders(folder / "data", folder / "c", folder / "p"), seeds, size)
