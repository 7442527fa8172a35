"""For the tests: files of predictions, and measured scores, made up."""

import numpy as np

from experiments.subspaces import kinds
from experiments.subspaces.measured import Measured
from experiments.subspaces.results import CLEAN, NOISY, TASK, UNDER, Along, Results
from info_geometry import predictions

N, C = 60, 3
LABELS = np.arange(N) % C
S = 4
WOBBLE = np.linspace(-1, 1, S)  # of seeds


def guesses(right, sure=2.0, seed=0):
    """Return probabilities (N, C) that are right on the first `right` samples, one class beside on the others."""
    rng = np.random.default_rng(seed)
    answers = np.where(np.arange(N) < right, LABELS, (LABELS + 1) % C)
    logits = sure * np.eye(C)[answers] + 0.1 * rng.normal(size=(N, C))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def write(folder, run, seed, models, t=None, labels=LABELS, **attributes):
    """Write a prediction file `<task>_<run>`."""
    path = folder / f"{TASK}_{run}" / f"preds_{seed}.h5"
    predictions.write(path, np.array(models), labels=labels, t=t, **attributes)


def results(folder, seeds=(1, 2)):
    return Results(folder, folder / "checkpoints", seeds)


def score(accuracy, nll=0.5, ece=0.05, spread=0.001):
    """Return scores (S,) around these numbers, of the same sign of deviation for all seeds."""
    return {
        "accuracy": accuracy + spread * WOBBLE,
        "nll": nll + spread * WOBBLE,
        "ece": ece + spread * WOBBLE / 10,
        "brier": np.full(S, 0.2),
    }


def line(ends=0.80, middle=0.84, nll_ends=0.5, nll_middle=0.45):
    """Return an Along of three positions and one pair."""
    one, two = score(ends, nll_ends), score(middle, nll_middle)
    stacked = {key: np.stack([one[key], two[key], one[key]], axis=1) for key in one}
    pair = {key: values[:, None] for key, values in score(middle + 0.005, nll_middle - 0.02).items()}
    return Along(np.array([0, 0.5, 1]), stacked, np.array([0.1]), pair)


def measured(**changed):
    """Return what is measured where all claims hold, but for what is changed."""
    levels, own = {}, {}
    for level in (CLEAN, NOISY):
        x = {name: score(0.83, 0.6, 0.10) for name in kinds.KINDS}
        x[kinds.MIDDLE] = score(0.85, 0.45, 0.02)
        x[kinds.NEAR] = score(0.86, 0.40, 0.01)
        x[kinds.TWO] = score(0.86, 0.50, 0.05)
        if level == NOISY:
            x |= {name: score(0.60, 0.95, 0.20) for name in (kinds.SINGLE, kinds.SWA, kinds.TWO)}
        levels[level] = x
        own[level] = {"identity": np.full(S, 1e-14), "d_B": np.full(S, 0.05)}
    answers = {
        "middle": 0.40, "ends": 0.50, "circle": 0.45, "single": 0.6, "length": 2.0, "chord": 1.0, "cloud": 0.08,
        "to_cloud": 0.06, "stopped_to_cloud": 0.07, "off": 0.01, "off_null": 0.02,
    }  # fmt: skip
    values = {
        "lines": {(kind, regime): line() for kind in kinds.LINES for regime in (CLEAN, NOISY, UNDER)}
        | {("layerwise line", UNDER): line(ends=0.78)},
        "free": line(),
        "fast": line(),
        "between": {level: line(0.8, 0.3) for level in (CLEAN, NOISY)},
        "raw": {CLEAN: line(0.6), UNDER: line(0.6, 0.83)},
        "kinds": levels,
        "pairs": {level: {"2 networks": x} for level, x in own.items()},
        "under": {kinds.SINGLE: score(0.83), kinds.TWO: score(0.84)},
        "simplexes": {(n, regime): score(0.84 + 0.01 * (n - 2)) for n in (3, 4) for regime in (CLEAN, NOISY, UNDER)},
        "geometry": {
            "line_under": (np.full(S, 0.002), 0.02 + 0.001 * WOBBLE),
            "line_under-free": (np.full(S, 0.2), 0.015 + 0.001 * WOBBLE),
        },
        "picture": {level: {key: value + 0.001 * WOBBLE for key, value in answers.items()} for level in (CLEAN, NOISY)},
    }
    return Measured(**{**values, **changed})
