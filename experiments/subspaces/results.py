"""What the networks of runs.yaml predict, read from files, and how well they do.

Regimes: `ln0`, clean labels, over-fit; `ln0.4`, of which 40 % are random; `under`, under-fit.  S is the number of
seeds, in whose order all arrays are.  Scores are a dict of accuracy, nll, ece and brier.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.subspaces import measures
from info_geometry import predictions
from info_geometry.files import InputError

TASK = "fashion_all"
CLEAN, NOISY, UNDER = "ln0", "ln0.4", "under"
REGIMES = {CLEAN: "clean labels", NOISY: "40 % wrong labels", UNDER: "under-fit"}
SCORES = {"accuracy": measures.accuracy, "nll": measures.nll, "ece": measures.ece, "brier": measures.brier}

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class Results:
    """Files of predictions, and logs, of some seeds; folders: of predictions and of checkpoints."""

    predictions: Path
    checkpoints: Path
    seeds: tuple[int, ...]

    def open(self, run: str, seed: int) -> predictions.Trajectory:
        """Return the trajectory `<task>_<run>` of a seed; raise InputError where it is missing."""
        path = self.predictions / f"{TASK}_{run}" / f"preds_{seed}.h5"
        if not path.exists():
            raise InputError(f"{path} is missing; `make subspaces` makes it")
        return predictions.open_trajectory(path)

    def P(self, run: str, seed: int, which: Sequence[int] | None = None) -> np.ndarray:
        """Return probabilities (T, N, C), float64, of a run, or of some of its models, -1 being the last one."""
        x = self.open(run, seed)
        return np.square((x if which is None else x.select(np.asarray(which) % x.shape[0])).roots(dtype=np.float64))

    def last(self, run: str, seed: int) -> np.ndarray:
        """Return probabilities (N, C) of the last model of a run."""
        return self.P(run, seed, [-1])[0]

    def next(self, seed: int) -> int:
        """Return the seed after this one, of the last the first."""
        return self.seeds[(self.seeds.index(seed) + 1) % len(self.seeds)]

    def scores(self, run: str, which: Sequence[int] | None = None) -> Scores:
        """Return the scores (S, T) of the models of a run, or of some of them, on the labels in its files."""
        return stacked([scores(self.P(run, s, which), self.open(run, s).labels) for s in self.seeds])

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """The labels (N,) of evaluation."""
        return self.open(f"point_{CLEAN}_head", self.seeds[0]).labels

    def log(self, run: str, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the epochs (K,) and, for each seed, what the log says of `key` (S, K)."""
        lines = []
        for seed in self.seeds:
            path = self.checkpoints / f"{TASK}_{run}" / f"seed_{seed}" / "log.jsonl"
            try:
                lines.append([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
            except OSError:
                raise InputError(f"{path} cannot be read; `make subspaces` makes it") from None
        return np.array([x["epoch"] for x in lines[0]]), np.array([[x[key] for x in own] for own in lines])


def scores(P: np.ndarray, labels: np.ndarray) -> Scores:
    """Return all scores (...,) of predictions (..., N, C)."""
    return {name: np.asarray(score(P, labels)) for name, score in SCORES.items()}


def stacked(each: Sequence[Scores]) -> Scores:
    """Return the scores of each seed as arrays with an axis of seeds."""
    return {name: np.array([one[name] for one in each]) for name in each[0]}


def of_all(results: Results, predict: Callable[[int], np.ndarray]) -> Scores:
    """Return the scores (S,) of what predict(seed) -> (N, C) gives on the evaluation images."""
    return stacked([scores(predict(seed), results.labels) for seed in results.seeds])


@dataclass(frozen=True)
class Along:
    """The networks along a line or a curve.

    t (T,): positions.  scores (S, T).  pairs (T // 2,): positions a of ensembles with 1 - a; ensembles (S, T // 2).
    """

    t: np.ndarray
    scores: Scores
    pairs: np.ndarray
    ensembles: Scores

    def at(self, key: str, position: float) -> np.ndarray:
        """Return a score (S,) at a position."""
        return self.scores[key][:, place(self.t, position)]

    def ensemble(self, key: str, position: float) -> np.ndarray:
        """Return a score (S,) of the ensemble of a position and its mirror image."""
        return self.ensembles[key][:, place(self.pairs, position)]

    def ends(self, key: str) -> np.ndarray:
        """Return a score (S, 2) at the ends."""
        return self.scores[key][:, [0, -1]]

    @property
    def barrier(self) -> np.ndarray:
        """By how much (S,) the least accuracy on the way is above that of the lesser end: below 0 for a barrier."""
        return self.scores["accuracy"].min(axis=1) - self.ends("accuracy").min(axis=1)


def along(results: Results, run: str) -> Along:
    """Return what there is Along a run."""
    t = results.open(run, results.seeds[0]).t
    half, found = len(t) // 2, []
    for seed in results.seeds:
        P = results.P(run, seed)
        members = [measures.mean_of_probabilities(P[[i, len(t) - 1 - i]]) for i in range(half)]
        found.append(scores(np.array(members), results.labels))
    return Along(t, results.scores(run), t[:half], stacked(found))


def place(t: np.ndarray, position: float) -> int:
    """Return the number of the network at a position; raise InputError where there is none."""
    found = np.flatnonzero(np.isclose(t, position))
    if not len(found):
        raise InputError(f"there is no network at position {position:g}, but at {', '.join(f'{x:g}' for x in t)}")
    return int(found[0])
