"""What the runs of runs.yaml left: files of what networks predict, and of the Fisher information of their layers."""

import functools
from dataclasses import dataclass

import numpy as np
import torch

from experiments.critical_periods.measured import NONE, PROTOCOLS, Condition, Ends, Key, Measured, Tube
from info_geometry import distance, predictions, trajectory
from info_geometry.files import InputError
from learning.fisher.temperature import temperature_of
from learning.runs.run import Folders

ENTROPY = 0.5  # nats, of predictions, at which ends are compared besides
LEAST = 1e-15  # probability: smaller ones are rounded to 0 in files
TUBE = np.concatenate([np.linspace(0, 0.9, 31)[:-1], 1 - np.geomspace(0.1, 0.001, 21)])  # progress, finer to its end
GEODESIC = np.linspace(0, 1, 101)
WITHIN = 2000  # samples that tubes are of


@dataclass(frozen=True)
class Size:
    """Which runs there are; those of `make periods-quick` are fewer.

    ends: of deficits from epoch 0 on, of blur, flip and none; late: of other deficits, and with other rates; later:
    onsets and ends of blurs before as many clean epochs; cnn: ends; onsets: of windows of `length`, flip too; constant:
    ... with a constant rate; factor: of blur, and `weak`, that of a weak one.
    """

    dataset: str = "fashion"
    ends: tuple[int, ...] = (15, 40, 80)
    late: tuple[int, ...] = (40, 80)
    others: tuple[str, ...] = ("permuted_labels", "random_labels", "noise", "constant")
    later: tuple[tuple[int, int], ...] = ((20, 60), (40, 80))
    cnn: tuple[int, ...] = (40, 70)
    length: int = 30
    onsets: tuple[int, ...] = (0, 5, 10, 20, 35, 50)
    constant: tuple[int, ...] = (0, 10, 30, 50)
    factor: int = 7
    weak: int = 4

    @property
    def blur(self) -> str:
        """The deficit of blurred images."""
        return f"blur{self.factor}"

    def every(self) -> list[Key]:
        """Return all conditions."""
        blur, last = self.blur, self.ends[-1]
        found = [Key("restart", NONE)]
        found += [Key("restart", kind, 0, end) for kind in (NONE, blur, "flip") for end in self.ends]
        found += [Key("restart", kind, 0, end) for kind in self.others for end in self.late]
        found += [Key("restart", f"blur{self.weak}", 0, last)]
        found += [Key("restart", blur, onset, end) for onset, end in self.later]
        found += [Key("restart", NONE, 0, end) for _, end in self.later]
        rates = {"annealed": self.late, "constant": self.late, "cnn": self.cnn, "cnn-annealed": self.cnn[-1:]}
        found += [Key(p, kind, 0, end) for p, ends in rates.items() for end in ends for kind in (NONE, blur, "flip")]
        windows = {"window": (self.onsets, (blur, "flip")), "window-constant": (self.constant, (blur,))}
        for protocol, (onsets, kinds) in windows.items():
            found += [Key(protocol, NONE)]
            found += [Key(protocol, kind, onset, onset + self.length) for kind in kinds for onset in onsets]
        return list(dict.fromkeys(found))

    def courses(self) -> list[Key]:
        """Return the conditions of which there are tubes: runs with many checkpoints after a long deficit."""
        kinds = (self.blur, "flip", *self.others)
        return [Key("restart", kind, 0, end) for kind in kinds for end in self.late]


FULL = Size()
QUICK = Size(
    dataset="digits",
    ends=(2, 6),
    late=(6,),
    others=("permuted_labels", "random_labels"),
    later=((3, 6),),
    cnn=(4,),
    length=3,
    onsets=(0, 1, 2),
    constant=(0, 1, 2),
    factor=4,
    weak=2,
)


@dataclass(frozen=True, eq=False)  # what it read is its own
class Results:
    """Files of several seeds."""

    folders: Folders
    seeds: tuple[int, ...]
    size: Size = FULL

    def name(self, key: Key) -> str:
        """Return the name of the runs of a condition."""
        whole, variant = PROTOCOLS[key.protocol]
        label = f"{key.deficit}_{key.onset}to{key.end}" if key.end else "clean"
        parts = (self.size.dataset, "all", label, "window" if whole else "", variant, "layers")
        return "_".join(filter(None, parts))

    @functools.lru_cache(2048)  # noqa: B019  kept as long as the process, which has one of these
    def open(self, key: Key, seed: int) -> predictions.Trajectory:
        """Return the trajectory of a run; raise InputError where it is missing, or says nothing of its layers."""
        path = self.folders.file(self.name(key), seed)
        makes = f"`make periods{'-quick' * (self.size.dataset != FULL.dataset)}` makes it"
        if not path.exists():
            raise InputError(f"{path} is missing; {makes}")
        found = predictions.open_trajectory(path)
        known = found.attributes.get("known")
        if not isinstance(known, dict) or "layers_at_entropy" not in known:
            raise InputError(f"{path} does not say what the layers of its networks hold; delete it, and {makes}")
        return found

    def measured(self) -> Measured:
        """Return all that is measured."""
        keys = self.size.every()
        conditions = {key: self.condition(key) for key in keys}
        last = {key: [self._last(key, seed) for seed in self.seeds] for key in keys}
        cooled = {key: [_cooled(P) for P in each] for key, each in last.items()}
        between = {key.control: (_between(last, key.control), _between(cooled, key.control)) for key in keys}

        def ends(key, control):
            return Ends(_between(last, key, control), _between(cooled, key, control), *between[control])

        found = {key: ends(key, key.control) for key in keys if key.deficit != NONE}
        longest = Key("restart", NONE, 0, self.size.ends[-1])
        tubes = {key: self.tube(key) for key in self.size.courses()} if len(self.seeds) > 2 else {}
        return Measured(self.seeds, conditions, found, tubes, ends(Key("restart", NONE), longest))

    def condition(self, key: Key) -> Condition:
        """Return what is known of the networks of a condition."""
        found = [self.open(key, seed) for seed in self.seeds]
        summaries = [trajectory.summarise(x, x.labels, points=GEODESIC) for x in found]
        each = [x.attributes["known"] for x in found]
        known = {what: np.array([x[what] for x in each], float) for what in each[0] if not what.startswith("layers")}
        known["accuracy"] = np.array([x.accuracy for x in summaries])
        known["progress"] = np.array([x.progress for x in summaries])
        known["off"] = np.array([x.to_geodesic.min(axis=1) for x in summaries])
        layers = np.array([x["layers_at_entropy"] for x in each], float)
        with np.errstate(invalid="ignore"):
            shares = layers / layers.sum(axis=2, keepdims=True)
        return Condition(np.array(found[0].t), known, shares, np.array([x.steps for x in summaries]))

    def tube(self, key: Key) -> Tube:
        """Return where runs are, after a deficit, from the controls of other seeds at equal progress."""
        controls = [self._along(key.control, seed, 0.0) for seed in self.seeds]
        after = [self._along(key, seed, key.end) for seed in self.seeds]
        others = [[x for k, x in enumerate(controls) if k != number] for number in range(len(self.seeds))]
        rows = [[_to_mean(x, rest) for x, rest in zip(each, others)] for each in (controls, after)]
        return Tube(TUBE, *map(np.array, rows))

    @functools.lru_cache(64)  # noqa: B019  kept as long as the process, which has one of these
    def _along(self, key, seed, start):
        """Return the probabilities (G, n, C) of a run at values of progress, from an epoch on; nan outside."""
        x = self.open(key, seed)
        chosen = x.select(np.flatnonzero(np.asarray(x.t) >= start - 1e-9))
        roots = chosen.roots(0, WITHIN, dtype=np.float64)
        progress = trajectory.summarise(chosen, x.labels).progress
        envelope = np.maximum.accumulate(progress)
        inside = (envelope[0] <= TUBE) & (envelope[-1] >= TUBE)
        found = np.full((len(TUBE), *roots.shape[1:]), np.nan)
        found[inside] = trajectory.reindex_roots(roots, trajectory.positions(progress, TUBE[inside])) ** 2
        return found

    def _last(self, key, seed):
        """Return the probabilities (1, N, C) of the last network of a run."""
        x = self.open(key, seed)
        return np.square(x.select([x.shape[0] - 1]).roots(dtype=np.float64))


def _to_mean(x, others):
    """Return the distances (G,) of probabilities (G, n, C) to the mean of others, nan where one is not known."""
    mean = np.mean(others, axis=0)
    known = np.isfinite(x).all(axis=(1, 2)) & np.isfinite(mean).all(axis=(1, 2))
    found = np.full(len(x), np.nan)
    if known.any():
        found[known] = trajectory.compare(x[known], mean[known], TUBE[known])[0]
    return found


def _cooled(P):
    """Return probabilities (1, N, C) at the power at which their mean entropy is ENTROPY."""
    logs = torch.from_numpy(np.log(np.maximum(P[0], LEAST)))
    return torch.softmax(logs / temperature_of(logs, ENTROPY), dim=1).numpy()[None]


def _between(last, first, second=None):
    """Return the distances (S, S) between the last networks of two conditions."""
    return distance.cross(last[first], last[first if second is None else second])
