"""What the runs of runs.yaml left: which there are, what is known of each, and which of the grid are left out."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.manifold import outliers, planned
from experiments.manifold.config import ManifoldConfig
from experiments.manifold.measured import AUGMENTATION, BATCH, DECAY, NETWORK, OPTIMISER
from experiments.manifold.parts import PARTS, TRAINING, part
from experiments.manifold.planned import FULL, GRID, Planned, Size
from info_geometry import predictions, trajectory
from info_geometry.files import InputError
from info_geometry.trajectory import Summary
from learning.config import SHAPE
from learning.runs import diverged
from learning.runs.run import Folders

MOST = 0.35  # final error: sound runs of the pilot end below 0.27, chance is 0.9; 0.1 is of 200 epochs on 50,000 images
LEAST = 3  # runs of a seed: of fewer no factor can be told from chance
DIVERGED, ABSENT = "diverged", "not there"


class FileMissingError(InputError):
    """A run of which there is no prediction file, and which did not diverge."""


@dataclass(frozen=True)
class Known:
    """A run: its name and seed, what it was told, and of each part its predictions, and what one pass tells of them."""

    name: str
    seed: int
    config: ManifoldConfig
    parts: Mapping[str, predictions.Trajectory]
    summaries: Mapping[str, Summary]

    def progress(self, which: str = TRAINING) -> np.ndarray:
        """Return the progress (T,)."""
        return self.summaries[which].progress

    @property
    def title(self) -> str:
        """Name and seed."""
        return titled(self.name, self.seed)

    @property
    def error(self) -> float:
        """The final error on clean training images."""
        return float(1 - self.summaries[TRAINING].accuracy[-1])


@dataclass(frozen=True)
class Results:
    """Files of several seeds; of Gaussian inputs, of the seeds in the grid file."""

    folders: Folders
    seeds: tuple[int, ...]
    size: Size = FULL

    @functools.cached_property
    def planned(self) -> dict[str, list[Planned]]:
        """The runs of each section, in the order of the grid file."""
        return planned.of(self.size, self.seeds)

    @functools.cached_property
    def _opened(self) -> dict[tuple[str, int], Known]:
        """Runs that were read: by these Results alone, since others of the same folders may find other files there."""
        return {}

    @property
    def advice(self) -> str:
        """What trains the runs."""
        return f"`make {self.size.target}` trains them"

    def missing(self, section: str) -> str:
        """Return why a section cannot be measured: no run of it is there; or nothing."""
        runs = self.planned[section]
        if not runs:
            return f"{self.size.runs} says no runs of {section}"
        if any(self.folders.file(run.name, seed).exists() for run in runs for seed in run.seeds):
            return ""
        return f"{self.folders.file(runs[0].name, runs[0].seeds[0])} is missing, and all others of {section}"

    def files(self) -> list[Path]:
        """Return the prediction files that are there, of all sections."""
        places = [self.folders.file(x.name, seed) for runs in self.planned.values() for x in runs for seed in x.seeds]
        return [path for path in dict.fromkeys(places) if path.exists()]

    def diverged(self) -> list[str]:
        """Return name and seed of the runs of all sections that diverged."""
        every = [(x, seed) for runs in self.planned.values() for x in runs for seed in x.seeds]
        return [titled(x.name, seed) for x, seed in every if self._diverged(x.name, seed)]

    def _diverged(self, name, seed):
        return not self.folders.file(name, seed).exists() and diverged.found(self.folders.run(name, seed)) is not None

    def open(self, run: Planned, seed: int) -> Known | None:
        """Return what is known of a run, or None of one that diverged.

        Raises InputError where it is missing, or its file is of another run than the grid file says (`planned.check`).
        """
        if self._diverged(run.name, seed):
            return None
        if (run.name, seed) not in self._opened:
            self._opened[run.name, seed] = self._open(run, seed)
        return self._opened[run.name, seed]

    def _open(self, run, seed):
        path = self.folders.file(run.name, seed)
        if not path.exists():
            raise FileMissingError(f"{path} is missing; {self.advice}")
        whole = predictions.open_trajectory(path)
        if whole.labels is None:
            raise InputError(f"{path} holds no labels, without which there is no progress; delete it, {self.advice}")
        planned.check(path, whole.attributes, run, seed, self.advice)
        parts = {which: part(whole, which) for which in PARTS}
        summaries = {which: trajectory.summarise(x, x.labels) for which, x in parts.items()}
        return Known(run.name, seed, run.config, parts, summaries)

    def all_of(self, section: str) -> tuple[list[Known], dict[str, str]]:
        """Return the runs of a section, and why others are not among them, {name and seed: DIVERGED or ABSENT}.

        Raises InputError where one is missing; of the grid it is named, since others do not need it.
        """
        found, gone = [], {}
        for one in self.planned[section]:
            for seed in one.seeds:
                title = titled(one.name, seed)
                try:
                    run = self.open(one, seed)
                except FileMissingError:
                    if section != GRID:
                        raise
                    gone[title] = ABSENT
                    continue
                if run is None:
                    gone[title] = DIVERGED
                else:
                    found.append(run)
        return found, gone

    def grid(self) -> tuple[list[Known], list[Known], str, dict[str, str]]:
        """Return the runs of the grid that ended well, all that are there, a text on those left out, and why they are.

        The last is {name and seed: DIVERGED, ABSENT, or the final error}.  Raises InputError where fewer than LEAST of
        a seed ended well.
        """
        return self._grid

    @functools.cached_property
    def _grid(self):
        found, gone = self.all_of(GRID)
        for seed in self.seeds:
            self._check(seed, [run for run in found if run.seed == seed], gone)
        errors = {run.title: run.error for run in found}
        errors |= {name: float("nan") for name, why in gone.items() if why == DIVERGED}
        sorted_out = outliers.by_final_error(errors, MOST)
        kept = [run for run in found if run.error <= MOST]
        absent = [name for name, why in gone.items() if why == ABSENT]
        text = f"{sorted_out}"
        if absent:
            text += f"; {len(absent)} more are not there: {outliers.few(absent)}"
        why = {name: f"{error:.3f}" for name, error in sorted_out.left_out.items() if not np.isnan(error)}
        return kept, found, text, gone | why

    def _check(self, seed, found, gone):
        """Raise InputError where fewer than LEAST runs of a seed, of those found and gone, ended well."""
        well = sum(run.error <= MOST for run in found)
        if well >= LEAST:
            return
        own = [gone.get(titled(run.name, seed)) for run in self.planned[GRID]]
        raise InputError(
            f"{well} of {len(own)} runs of seed {seed} of the grid ended with an error of at most {MOST:g} on training "
            f"images, expected {LEAST} or more: {own.count(ABSENT)} are not there, {own.count(DIVERGED)} diverged, "
            f"{len(found) - well} ended with a larger error; {self.advice}"
        )


def titled(name: str, seed: int) -> str:
    """Return what a run is called in texts."""
    return f"{name} seed {seed}"


def factors_of(configs: Mapping[str, ManifoldConfig]) -> dict[str, dict[str, str]]:
    """Return {name: {factor: level}} of configurations {name: ...}: of the grid, no name needs to be taken apart.

    Networks of one kind that differ in their shape are several levels, and so are optimisers that differ in momentum.
    Weight decay is none or some, or where one optimiser has several values, the value.
    Raises InputError for two names of one data set with the same levels, which would count as one configuration.
    """
    shapes = {name: (x.network, *(getattr(x, key) for key in SHAPE)) for name, x in configs.items()}
    momenta = {name: (_optimiser(x), x.momentum) for name, x in configs.items()}
    decays = {(_optimiser(x), x.momentum, x.weight_decay) for x in configs.values() if x.weight_decay}
    several, fast = ({kind for kind, *_ in each if len({x for x in each if x[0] == kind}) > 1}
                     for each in (set(shapes.values()), set(momenta.values())))  # fmt: skip
    one_decay = len({x[:2] for x in decays}) == len(decays)

    def network(name):
        kind, *shape = shapes[name]
        return " ".join([kind, *(str(x) for x in shape if x)]) if kind in several else kind

    def optimiser(name):
        kind, momentum = momenta[name]
        return f"{kind} {momentum:g}" if kind in fast else kind

    levels = {
        name: {
            NETWORK: network(name),
            OPTIMISER: optimiser(name),
            BATCH: str(x.batch_size),
            DECAY: ("some" if one_decay else f"{x.weight_decay:g}") if x.weight_decay else "none",
            AUGMENTATION: x.augmentation,
        }
        for name, x in configs.items()
    }
    _check_distinct(configs, levels)
    return levels


def _optimiser(config):
    if config.optimiser != "sgd" or not config.momentum:
        return config.optimiser
    return "nesterov" if config.nesterov else "momentum"


def _check_distinct(configs, levels):
    """Raise InputError, naming the keys that differ, where two names of one data set have the same levels."""
    first: dict = {}
    for name, row in levels.items():
        other = first.setdefault((configs[name].dataset, *row.values()), name)
        if other != name:
            a, b = (dataclasses.asdict(configs[x]) for x in (other, name))
            keys = [f"{key} ({a[key]} and {b[key]})" for key in a if a[key] != b[key]]
            raise InputError(
                f"{other} and {name} are alike in all factors ({', '.join(row)}), but not in "
                f"{', '.join(keys) or 'their names'}; take one of them out of the grid file"
            )
