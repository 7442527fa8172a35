"""Every way of getting predictions from the networks of runs.yaml, at a level of label noise, side by side.

Nothing is selected on evaluation images: what is chosen is chosen on images held out of training, whose labels are as
wrong as those of training.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.subspaces import measures
from experiments.subspaces.coefficients import RANDOM
from experiments.subspaces.config import of_run
from experiments.subspaces.results import Results, place

SHORT = {"short3": 3, "short6": 6, "short10": 10, "half": 20}  # variants with fewer epochs: their number
LINES = {"line": "line", "layerwise line": "layerwise_line", "curve": "curve"}
SIMPLEXES = (3, 4, 5)
NEAR_ENDS = 0.1, 0.9  # positions of the two networks of an ensemble

Predict = Callable[[Results, str, int], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A way of getting predictions: predict(results, level, seed) -> (N, C).

    networks: how many it predicts with.  cost: of its training, in that of one network.  shared: all seeds have the
    same one.
    """

    name: str
    networks: int
    cost: float
    predict: Predict
    shared: bool = False


def best_checkpoint(results: Results, level: str, seed: int) -> int:
    """Return the number of the checkpoint of a single network that is most accurate on the images held out."""
    run = f"point_{level}_validation_head"
    return int(measures.accuracy(results.P(run, seed), results.open(run, seed).labels).argmax())


def best_schedule(results: Results, level: str, seed: int) -> tuple[int, str]:
    """Return the epochs, and the run, of the whole schedule that is most accurate on the images held out."""
    runs = {SHORT[variant]: f"point_{variant}-{level}" for variant in SHORT}
    runs[int(results.open(f"point_{level}_head", seed).t[-1])] = f"point_{level}"

    def held_out(epochs):
        run = f"{runs[epochs]}_validation_head"
        return measures.accuracy(results.last(run, seed), results.open(run, seed).labels)

    epochs = max(runs, key=held_out)
    return epochs, runs[epochs]


def last(run: str) -> Predict:
    """Return what takes the last network of a run, in whose name {} is the level."""
    return lambda results, level, seed: results.last(f"{run.format(level)}_head", seed)


def along(run: str, *positions: float) -> Predict:
    """Return what takes the network at a position of a line or curve, or the ensemble of several."""

    def predict(results, level, seed):
        name = f"{run.format(level)}_head"
        t = results.open(name, seed).t
        members = results.P(name, seed, [place(t, a) for a in positions])
        return members[0] if len(members) == 1 else measures.mean_of_probabilities(members)

    return predict


def _barycentre(n: int) -> Predict:
    return lambda results, level, seed: results.P(f"simplex{n}_{level}_head", seed, [n])[0]


def _random_points(n: int) -> Predict:
    def predict(results, level, seed):
        return measures.mean_of_probabilities(results.P(f"simplex{n}_{level}_head", seed, range(-RANDOM, 0)))

    return predict


def _stopped(results, level, seed):
    return results.P(f"point_{level}_head", seed, [best_checkpoint(results, level, seed)])[0]


def _fewer_epochs(results, level, seed):
    return results.last(f"{best_schedule(results, level, seed)[1]}_head", seed)


def _soup(results, level, seed):
    return results.last(f"point_{level}_soup_head", results.seeds[0])  # of all seeds, so the same for each


def pair(run: str) -> Predict:
    """Return what takes the ensemble of the last networks of a seed and the next one."""

    def predict(results, level, seed):
        members = [results.last(f"{run.format(level)}_head", s) for s in (seed, results.next(seed))]
        return measures.mean_of_probabilities(np.array(members))

    return predict


def _all_seeds(results, level, seed):
    members = [results.last(f"point_{level}_head", s) for s in results.seeds]
    return measures.mean_of_probabilities(np.array(members))


def _swag(results, level, seed):
    return measures.mean_of_probabilities(results.P(f"point_constant-{level}_swag_head", seed))


def snapshots(results: Results, level: str, seed: int) -> np.ndarray:
    """Return the predictions (M, N, C) of the networks at the ends of cycles."""
    x = results.open(f"point_snapshot-{level}_head", seed)
    config = of_run(x.attributes["config"])
    return results.P(f"point_snapshot-{level}_head", seed, [place(x.t, epoch) for epoch in config.averaged_epochs])


def _snapshots(results, level, seed):
    return measures.mean_of_probabilities(snapshots(results, level, seed))


SINGLE, STOPPED, FEWER, TWO, SWA = (
    "single network",
    "early stopping",
    "fewer epochs",
    "2 networks",
    "SWA, constant rate",
)
MIDDLE, NEAR, BETWEEN = "line, middle", "line, 0.1 and 0.9", "middle between 2 networks"
KINDS = {
    kind.name: kind
    for kind in (
        Kind(SINGLE, 1, 1, last("point_{}")),
        Kind(STOPPED, 1, 1, _stopped),
        Kind(FEWER, 1, 1 + sum(SHORT.values()) / 40, _fewer_epochs),
        Kind("dropout", 1, 1, last("point_dropout-{}")),
        Kind("label smoothing", 1, 1, last("point_smoothing-{}")),
        Kind(SWA, 1, 1, last("point_constant-{}_swa")),
        Kind("SWA, cyclic rate", 1, 1, last("point_cyclic-{}_swa")),
        Kind("greedy soup of the seeds", 1, 5, _soup, shared=True),
        Kind(BETWEEN, 1, 2, along("point_{}_between", 0.5)),
        Kind(MIDDLE, 1, 1, along("line_{}", 0.5)),
        Kind("layerwise line, middle", 1, 1, along("layerwise_line_{}", 0.5)),
        Kind("curve, middle", 1, 1, along("curve_{}", 0.5)),
        *(Kind(f"simplex of {n}, barycentre", 1, 1, _barycentre(n)) for n in SIMPLEXES),
        Kind(TWO, 2, 2, pair("point_{}")),
        Kind("2 networks, half the epochs", 2, 1, pair("point_half-{}")),
        Kind("all seeds", 5, 5, _all_seeds, shared=True),
        Kind("snapshots", 5, 1, _snapshots),
        Kind("SWAG, 6 draws", 6, 1, _swag),
        Kind(NEAR, 2, 1, along("line_{}", *NEAR_ENDS)),
        Kind("layerwise line, 0.1 and 0.9", 2, 1, along("layerwise_line_{}", *NEAR_ENDS)),
        Kind("curve, 0.1 and 0.9", 2, 1, along("curve_{}", *NEAR_ENDS)),
        *(Kind(f"simplex of {n}, {RANDOM} random points", RANDOM, 1, _random_points(n)) for n in SIMPLEXES),
    )
}
