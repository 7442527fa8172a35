"""What the runs of runs.yaml left: which there are, what is known of each, and which of the grid are left out."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.manifold import outliers
from experiments.manifold.config import ManifoldConfig
from experiments.manifold.measured import AUGMENTATION, BATCH, DECAY, NETWORK, OPTIMISER
from experiments.manifold.parts import PARTS, TRAINING, part
from info_geometry import predictions, trajectory
from info_geometry.files import InputError
from info_geometry.trajectory import Summary
from learning import grids
from learning.config import SHAPE, read
from learning.networks.zoo import NETWORKS
from learning.runs import diverged
from learning.runs.run import Folders

FOLDER = Path(__file__).parent
MOST = 0.35  # final error: sound runs of the pilot end below 0.27, chance is 0.9; 0.1 is of 200 epochs on 50,000 images
GRID, SPEED, CORNERS, SYNTHETIC = SECTIONS = "the grid", "widths", "corners", "Gaussian inputs"
PREFIXES = {"speed-": SPEED, "corner-": CORNERS, "from-": CORNERS}  # of variants; all others are the grid's


DIVERGED, ABSENT = "diverged", "not there"


class FileMissingError(InputError):
    """A run of which there is no prediction file, and which did not diverge."""


@dataclass(frozen=True)
class Size:
    """Which runs there are; those of `make manifold-quick` are fewer.

    runs: the grid file.  dataset: of the grid; sloppy, flat: of Gaussian inputs.  target: of make.
    """

    dataset: str = "fashion"
    runs: Path = FOLDER / "runs.yaml"
    sloppy: str = "sloppy"
    flat: str = "flat"
    target: str = "manifold"


FULL = Size()
QUICK = Size("digits", FOLDER / "quick.yaml", target="manifold-quick")


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
    def error(self) -> float:
        """The final error on clean training images."""
        return float(1 - self.summaries[TRAINING].accuracy[-1])


@dataclass(frozen=True)
class Planned:
    """A run of the grid file, of some seeds."""

    name: str
    variant: str
    config: ManifoldConfig
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Results:
    """Files of several seeds; of Gaussian inputs, of the seeds in the grid file."""

    folders: Folders
    seeds: tuple[int, ...]
    size: Size = FULL

    @functools.cached_property
    def planned(self) -> dict[str, list[Planned]]:
        """The runs of each section, in the order of the grid file."""
        found = {section: {} for section in SECTIONS}
        for grid in grids.read(self.size.runs):
            for words in grid.combinations():
                given = dict(zip(words[1::2], words[2::2]))
                variant = given.pop("--variant", "")
                pairs = [(key.removeprefix("--"), value) for key, value in given.items()]
                config = complete(read(_config(words[0]), ManifoldConfig, pairs))
                section = self._section(config, variant)
                seeds = tuple(map(int, grid.seed)) if section == SYNTHETIC else self.seeds
                for task in grid.task:
                    name = "_".join(filter(None, (config.dataset, task, variant)))
                    found[section][name] = Planned(name, variant, config, seeds)
        return {section: list(runs.values()) for section, runs in found.items()}

    def _section(self, config, variant):
        if config.dataset != self.size.dataset:
            return SYNTHETIC
        return next((section for prefix, section in PREFIXES.items() if variant.startswith(prefix)), GRID)

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

    def open(self, planned: Planned, seed: int) -> Known | None:
        """Return what is known of a run, or None of one that diverged.  Raises InputError where it is missing."""
        path = self.folders.file(planned.name, seed)
        if not path.exists():
            if diverged.found(self.folders.run(planned.name, seed)):
                return None
            raise FileMissingError(f"{path} is missing; {self.advice}")
        return self._open(path, planned, seed)

    @functools.lru_cache(None)  # noqa: B019
    def _open(self, path, planned, seed):
        whole = predictions.open_trajectory(path)
        if whole.labels is None:
            raise InputError(f"{path} holds no labels, without which there is no progress; delete it, {self.advice}")
        if whole.attributes.get("dataset", planned.config.dataset) != planned.config.dataset:
            raise InputError(f"{path} is of {whole.attributes['dataset']}, expected {planned.config.dataset}")
        parts = {which: part(whole, which) for which in PARTS}
        return Known(
            planned.name,
            seed,
            planned.config,
            parts,
            {which: trajectory.summarise(x, x.labels) for which, x in parts.items()},
        )

    def all_of(self, section: str) -> tuple[list[Known], dict[str, str]]:
        """Return the runs of a section, and why others are not among them, {name and seed: DIVERGED or ABSENT}.

        Raises InputError where one is missing; of the grid it is named, since others do not need it.
        """
        found, gone = [], {}
        for planned in self.planned[section]:
            for seed in planned.seeds:
                title = f"{planned.name} seed {seed}"
                try:
                    run = self.open(planned, seed)
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

    @functools.lru_cache(None)  # noqa: B019
    def grid(self) -> tuple[list[Known], list[Known], str, dict[str, str]]:
        """Return the runs of the grid that ended well, all that are there, a text on those left out, and why they are.

        The last is {name and seed: DIVERGED, ABSENT, or the final error}.  Raises InputError where a seed has less than
        three that ended well.
        """
        found, gone = self.all_of(GRID)
        names = {f"{run.name} seed {run.seed}": run for run in found}
        errors = {name: run.error for name, run in names.items()}
        errors |= {name: float("nan") for name, why in gone.items() if why == DIVERGED}
        sorted_out = outliers.by_final_error(errors, MOST)
        kept = [names[name] for name in sorted_out.kept]
        for seed in self.seeds:
            if sum(run.seed == seed for run in kept) < 3:
                raise InputError(
                    f"less than three runs of seed {seed} ended with an error of at most {MOST:g} on training images; "
                    f"{self.advice}"
                )
        absent = [name for name, why in gone.items() if why == ABSENT]
        text = f"{sorted_out}"
        if absent:
            more = f" and {len(absent) - outliers.SAID} more" if len(absent) > outliers.SAID else ""
            text += f"; {len(absent)} more are not there: {', '.join(absent[: outliers.SAID])}{more}"
        why = {name: f"{error:.3f}" for name, error in sorted_out.left_out.items() if not np.isnan(error)}
        return kept, found, text, gone | why


def complete(config: ManifoldConfig) -> ManifoldConfig:
    """Return a configuration that says what shape its network has by itself: configurations alike then are equal."""
    own = inspect.signature(NETWORKS[config.network]).parameters if config.network in NETWORKS else {}
    unsaid = [key for key in SHAPE if key in own and not getattr(config, key)]
    usual = {key: own[key].default for key in unsaid if own[key].default is not inspect.Parameter.empty}
    return dataclasses.replace(config, **usual)


def _config(name):
    """Return the path of a configuration that a grid file names."""
    path = FOLDER / "01_training" / "configs" / f"{name}.yaml"
    return path if path.exists() else Path(name)


def factors_of(configs: Mapping[str, ManifoldConfig]) -> dict[str, dict[str, str]]:
    """Return {name: {factor: level}} of configurations {name: ...}: of the grid, no name needs to be taken apart.

    Networks of one kind that differ in their shape are several levels.
    """
    shapes = {name: (x.network, *(getattr(x, key) for key in SHAPE)) for name, x in configs.items()}
    several = {kind for kind, *_ in shapes.values() if len({s for s in shapes.values() if s[0] == kind}) > 1}

    def network(name):
        kind, *shape = shapes[name]
        return " ".join([kind, *(str(x) for x in shape if x)]) if kind in several else kind

    return {
        name: {
            NETWORK: network(name),
            OPTIMISER: x.optimiser if x.optimiser != "sgd" or not x.momentum else _momentum(x),
            BATCH: str(x.batch_size),
            DECAY: "some" if x.weight_decay else "none",
            AUGMENTATION: x.augmentation,
        }
        for name, x in configs.items()
    }


def _momentum(config):
    return "nesterov" if config.nesterov else "momentum"
