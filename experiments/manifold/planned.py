"""Which runs a grid file says, section by section, and whether a prediction file is of what it says."""

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.manifold.config import ManifoldConfig
from info_geometry.files import InputError
from learning import grids
from learning.config import SHAPE, read, with_defaults
from learning.networks.zoo import NETWORKS

FOLDER = Path(__file__).parent
GRID, SPEED, CORNERS, SYNTHETIC = SECTIONS = "the grid", "widths", "corners", "Gaussian inputs"
PREFIXES = {"speed-": SPEED, "corner-": CORNERS, "from-": CORNERS}  # of variants; all others are the grid's
PATHS, MEANS = "the grid at equal progress", "means of the grid"  # parts that may be missing where the grid is there
NOTHING = "nothing"  # is said of a key


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
class Planned:
    """A run of the grid file, of some seeds."""

    name: str
    variant: str
    config: ManifoldConfig
    seeds: tuple[int, ...]


def of(size: Size, seeds: tuple[int, ...]) -> dict[str, list[Planned]]:
    """Return the runs of each section, in the order of the grid file; those of Gaussian inputs have its seeds."""
    found = {section: {} for section in SECTIONS}
    for grid in grids.read(size.runs):
        for words in grid.combinations():
            given = dict(zip(words[1::2], words[2::2]))
            variant = given.pop("--variant", "")
            pairs = [(key.removeprefix("--"), value) for key, value in given.items()]
            config = complete(read(_path(words[0]), ManifoldConfig, pairs))
            section = _section(config, variant, size)
            own = tuple(map(int, grid.seed)) if section == SYNTHETIC else seeds
            for task in grid.task:
                name = "_".join(filter(None, (config.dataset, task, variant)))
                found[section][name] = Planned(name, variant, config, own)
    return {section: list(runs.values()) for section, runs in found.items()}


def _path(name):
    """Return the path of a configuration that a grid file names."""
    path = FOLDER / "01_training" / "configs" / f"{name}.yaml"
    return path if path.exists() else Path(name)


def _section(config, variant, size):
    if config.dataset != size.dataset:
        return SYNTHETIC
    return next((section for prefix, section in PREFIXES.items() if variant.startswith(prefix)), GRID)


def complete(config: ManifoldConfig) -> ManifoldConfig:
    """Return a configuration that says what shape its network has by itself: configurations alike then are equal."""
    return dataclasses.replace(config, **_own_shape(dataclasses.asdict(config)))


def _own_shape(values):
    """Return the shape {key: value} that the network of a configuration has by itself, of keys that this leaves out."""
    network = NETWORKS.get(values.get("network"))
    own = inspect.signature(network).parameters if network else {}
    unsaid = [key for key in SHAPE if key in own and not values.get(key)]
    return {key: own[key].default for key in unsaid if own[key].default is not inspect.Parameter.empty}


def check(path: Path, attributes: Mapping[str, Any], planned: Planned, seed: int, advice: str) -> None:
    """Raise InputError where the attributes of a prediction file are of another run than the planned one of a seed.

    Of the data set, the seed and the configuration, as far as the file says them; of one that was written before a key
    was there, this has its default.  The sentence names the file, the keys and both values.
    """
    there, wanted = dict(attributes), {"dataset": planned.config.dataset, "seed": seed}
    if isinstance(there.get("config"), Mapping):
        values = with_defaults(there.pop("config"), ManifoldConfig)
        there = {**values, **_own_shape(values), **{key: there[key] for key in wanted if key in there}}
        wanted = {**dataclasses.asdict(planned.config), **wanted}
    else:
        there = {key: there.get(key, value) for key, value in wanted.items()}
    changed = [
        f"{key} {there.get(key, NOTHING)!r}, expected {wanted.get(key, NOTHING)!r}"
        for key in dict.fromkeys([*wanted, *there])
        if there.get(key, NOTHING) != wanted.get(key, NOTHING)
    ]
    if changed:
        raise InputError(
            f"{path} is of another run than the grid file says: {'; '.join(changed[:5])}; delete it and its "
            f"checkpoints, {advice}, or name the folder of other files, --predictions"
        )
