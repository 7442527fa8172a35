"""What the runs of runs.yaml left: predictions and logs of networks, of stitched ones, and of lines between them."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.symmetries.choices import LineChoices
from experiments.symmetries.lines import CORRECTIONS
from experiments.symmetries.measured import ALIGNED, BEFORE, BY_WEIGHTS, REPAIRED, UNCORRECTED, Line, Stitches
from info_geometry import distance, predictions, trajectory
from info_geometry.files import InputError
from learning.runs.run import Folders

DIGITS = "digits_all"
WIDTHS = 16, 24, 32, 48, 64
SHOWCASE = "width48"
LEAST = 1e-30  # probability
LINES = {
    BEFORE: LineChoices(matching="none"),
    BY_WEIGHTS: LineChoices(matching="weights"),
    ALIGNED: LineChoices(),
    UNCORRECTED: LineChoices(correction=CORRECTIONS[0]),
    REPAIRED: LineChoices(correction=CORRECTIONS[2]),
}


@dataclass(frozen=True)
class Pair:
    """A directed pair of networks: seeds of the sender and of the receiver."""

    sender: int
    receiver: int

    @property
    def seeds(self) -> tuple[int, int]:
        """Both seeds."""
        return self.sender, self.receiver

    @property
    def name(self) -> str:
        """How runs that stitch it are called."""
        return "plus1" if self.receiver > self.sender else "minus1"


@dataclass(frozen=True, eq=False)  # what it read is its own
class Results:
    """Files of predictions and checkpoints of a data set, of pairs of seeds (first, first + 1)."""

    folders: Folders
    first: tuple[int, ...]
    dataset: str = "fashion"

    @property
    def task(self) -> str:
        """How the names of runs begin."""
        return f"{self.dataset}_all"

    @property
    def one_way(self) -> tuple[Pair, ...]:
        """The pairs, from the first seed to the second."""
        return tuple(Pair(seed, seed + 1) for seed in self.first)

    @property
    def both(self) -> tuple[Pair, ...]:
        """The pairs in both directions."""
        return (*self.one_way, *(Pair(pair.receiver, pair.sender) for pair in self.one_way))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all networks."""
        return tuple(seed for pair in self.one_way for seed in pair.seeds)

    def open(self, run: str, seed: int) -> predictions.Trajectory:
        """Return the trajectory of a run; raise InputError where it is missing."""
        path = self.folders.file(run, seed)
        if not path.exists():
            raise InputError(f"{path} is missing; `make symmetries` makes it")
        return predictions.open_trajectory(path)

    @functools.lru_cache(64)  # noqa: B019  kept as long as the process, which has one of these
    def network(self, networks: str, seed: int) -> tuple[np.ndarray, float]:
        """Return probabilities (N, C) of a trained network, and its accuracy in points."""
        x = self.open(f"{self.task}_{networks}_head", seed)
        P = np.square(x.select([x.shape[0] - 1]).roots(dtype=np.float64))[0]
        return P, accuracy(P, x.labels)

    def stitches(self, networks: str, kind: str, pairs: Sequence[Pair], choices: str = "", null: str = "") -> Stitches:
        """Return what was stitched of pairs; kind: how the name of its run ends; choices: of stage 2.

        null: a sender that is none of the pair, `self`, `planted`, or comes before the pair in the name of the run.
        """
        found = [self._stitches(networks, kind, pair, choices, null) for pair in pairs]
        return Stitches(*(np.array(values) for values in zip(*found)))

    def _stitches(self, networks, kind, pair, choices, null):
        alone = null in ("self", "planted")
        where = null if alone else "_".join(filter(None, [null, pair.name]))
        seed = pair.sender
        x = self.open("_".join(filter(None, [self.task, networks, where, kind, choices, "head"])), seed)
        P = np.square(x.roots(dtype=np.float64))
        ends = [self.network(networks, s) for s in ((seed, seed) if alone else (seed, pair.receiver))]
        clean = (ends[0][1] + ends[1][1]) / 2
        truth = np.eye(P.shape[2])[x.labels]
        to = distance.cross([x], [ends[0][0], ends[1][0], truth])
        return clean - accuracy(P, x.labels), to[:, 0], to[:, 1], to[:, 2]

    def log(self, networks: str, kind: str, pair: Pair, key: str) -> np.ndarray:
        """Return what the log of a run of stitches says of `key`, (checkpoints, L)."""
        folder = self.folders.run(f"{self.task}_{networks}_{pair.name}_{kind}", pair.sender)
        try:
            lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            raise InputError(f"{folder / 'log.jsonl'} cannot be read; `make symmetries` makes it") from None
        return np.array([list(json.loads(line)[key].values()) for line in lines])

    def line(self, run: str, way: str) -> Line:
        """Return the lines of a run between the networks of each pair, of the ways LINES."""
        x = [self.open(LINES[way].name(run), seed) for seed in self.first]
        P = [np.square(each.roots(dtype=np.float64)) for each in x]
        labels = x[0].labels
        return Line(
            x[0].t,
            np.array([nll(each, labels) for each in P]),
            np.array([accuracy(each, labels) for each in P]),
            np.array([trajectory.riemann_length(each) for each in x]),
            np.array([trajectory.riemann_length(each.select([0, each.shape[0] - 1])) for each in x]),
        )


def accuracy(P: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the accuracy (...,) of predictions (..., N, C), in points."""
    return 100 * (P.argmax(axis=-1) == labels).mean(axis=-1)


def nll(P: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean negative log-likelihood (...,) of labels under predictions (..., N, C)."""
    return -np.log(np.maximum(P[..., np.arange(len(labels)), labels], LEAST)).mean(axis=-1)
