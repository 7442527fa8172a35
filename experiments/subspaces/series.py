"""What figures draw besides what claims are about: levels of noise, corruptions, training, and the triangle."""

import numpy as np

from experiments.subspaces import kinds, measures
from experiments.subspaces.corruptions import KINDS, SEVERITIES
from experiments.subspaces.kinds import FEWER, MIDDLE, NEAR, NEAR_ENDS, SINGLE, STOPPED, TWO
from experiments.subspaces.results import CLEAN, Results, of_all, place

LEVELS = (0, 0.2, 0.4, 0.6)  # of label noise
CORRUPTED = SINGLE, TWO, MIDDLE, NEAR  # kinds that predict corrupted images


def noise(results: Results) -> dict[str, dict[str, np.ndarray]]:
    """Return {kind: {accuracy, learned: (levels, S)}}: on evaluation images, and on the labels that were learned, which
    are known of single networks, of those stopped early, and of middles of lines."""
    found = {name: {"accuracy": []} for name in (SINGLE, STOPPED, FEWER, MIDDLE)}
    for name in (SINGLE, STOPPED, MIDDLE):
        found[name]["learned"] = []
    for level in (f"ln{level:g}" for level in LEVELS):
        for name, x in found.items():
            kind = kinds.KINDS[name]
            x["accuracy"].append(of_all(results, lambda s, k=kind, v=level: k.predict(results, v, s))["accuracy"])
        found[SINGLE]["learned"].append([_learned(results, f"point_{level}", s, -1) for s in results.seeds])
        found[STOPPED]["learned"].append(
            [_learned(results, f"point_{level}", s, kinds.best_checkpoint(results, level, s)) for s in results.seeds]
        )
        middle = place(results.open(f"line_{level}_training_head", results.seeds[0]).t, 0.5)
        found[MIDDLE]["learned"].append([_learned(results, f"line_{level}", s, middle) for s in results.seeds])
    return {name: {key: np.array(values) for key, values in x.items()} for name, x in found.items()}


def _learned(results, run, seed, number):
    name = f"{run}_training_head"
    return float(measures.accuracy(results.P(name, seed, [number])[0], results.open(name, seed).labels))


def chosen_epochs(results: Results, level: str) -> dict[str, list[float]]:
    """Return the epochs that early stopping, and the choice of a schedule, came to for each seed."""
    t = results.open(f"point_{level}_head", results.seeds[0]).t
    return {
        STOPPED: [float(t[kinds.best_checkpoint(results, level, s)]) for s in results.seeds],
        FEWER: [float(kinds.best_schedule(results, level, s)[0]) for s in results.seeds],
    }


def corruption(results: Results) -> dict[str, dict[str, np.ndarray]]:
    """Return {corruption: {kind: accuracy (severities, S)}}, severity 0 being the images as they are."""
    return {
        how: {name: np.array([_corrupted(results, how, k, name) for k in (0, *SEVERITIES)]) for name in CORRUPTED}
        for how in KINDS
    }


def _corrupted(results, how, severity, name):
    suffix = f"_{how}{severity}" if severity else ""
    single, line = f"point_{{}}{suffix}", f"line_{{}}{suffix}"
    predict = {
        SINGLE: kinds.last(single),
        TWO: kinds.pair(single),
        MIDDLE: kinds.along(line, 0.5),
        NEAR: kinds.along(line, *NEAR_ENDS),
    }[name]
    return of_all(results, lambda seed: predict(results, CLEAN, seed))["accuracy"]


def dynamics(results: Results) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return {run: {squared_cosine, l2, d_B: (epochs (K,), values (S, K))}} of what training logged."""
    runs = {
        "line": f"line_{CLEAN}",
        "curve": f"curve_{CLEAN}",
        "simplex of 3": f"simplex3_{CLEAN}",
        "line, under-fit": "line_under",
        "... without the penalty": "line_under-free",
    }
    return {name: {key: results.log(run, key) for key in ("squared_cosine", "l2", "d_B")} for name, run in runs.items()}


def triangle(results: Results) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return coefficients (P, 3) of the points of a simplex of three vertices, and means over seeds of scores (P,)."""
    name = f"simplex3_{CLEAN}_head"
    c = np.array(results.open(name, results.seeds[0]).attributes["coefficients"])
    return c, {key: values.mean(axis=0) for key, values in results.scores(name).items()}
