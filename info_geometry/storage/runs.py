"""The runs a picture is made of: which files they are, and whether they belong together."""

import contextlib
import fnmatch
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, valid_name
from info_geometry.storage import beside, names
from info_geometry.storage.format import fingerprint
from info_geometry.storage.trajectories import Trajectory, check_shapes, open_trajectory


def identity(trajectories: list[Trajectory]) -> list:
    """Return what tells these files from others or other versions of them, without reading the predictions."""
    found = []
    for x in trajectories:
        state = x.path.stat()
        found.append(
            [
                f"{x.run}/{x.path.name}",
                x.attributes.get("data_sha256") or state.st_mtime_ns,
                state.st_size,
                None if x.labels is None else fingerprint(x.labels),
            ]
        )
    return found


def find(
    folder: Path, patterns: list | tuple = (), *, name: str | None = None, seeds: list | tuple | None = None
) -> tuple[list[Trajectory], str]:
    """Return the opened trajectories of runs in a folder, with their labels, and the name of the picture.

    patterns: names of runs, or patterns of them; none: the runs of the data set `name`, or of the only one.
    name: of the picture, by default that of the data set.  seeds: which ones; by default all.

    They are ordered by run, then by seed.  Raises InputError where there are none, where a name is ambiguous, and
    where files do not belong together: other shapes, other samples, the same seed or the same predictions twice.
    """
    there = sorted({path.parent.name for path in folder.glob("*/preds_*.h5")})
    if not there:
        raise InputError(
            f"{folder} holds no <run>/preds_<seed>.h5; store predictions there or say --predictions FOLDER"
        )
    chosen = _matching(patterns, there, folder) if patterns else _of_data_set(name, there, folder)
    trajectories = [open_trajectory(path) for run in chosen for path in _seeds(folder / run, seeds)]
    datasets = {names.dataset(x.run, x.attributes) for x in trajectories}
    name = valid_name(name or (datasets.pop() if len(datasets) == 1 else "picture"), "--name")
    for x in trajectories:
        beside.attach(x, folder)
    check_shapes(trajectories)
    _check_distinct(trajectories)
    return trajectories, name


def _matching(patterns, there, folder):
    names = []
    for pattern in patterns:
        pattern = Path(pattern).name if Path(pattern).is_dir() else pattern  # `predictions/digits_all/` does too
        found = [pattern] if pattern in there else fnmatch.filter(there, pattern)  # a name may hold brackets
        if not found:
            raise InputError(f"{folder} has no run {pattern!r}; there are {', '.join(there)}")
        names += [name for name in found if name not in names]
    return names


def _of_data_set(name, there, folder):
    of = {run: _dataset(folder / run) for run in there}
    datasets = sorted(set(of.values()))
    if name is None and len(datasets) > 1:
        raise InputError(
            f"{folder} holds runs of several data sets; choose one with --name, or name runs: {', '.join(datasets)}"
        )
    chosen = [run for run in there if of[run] == (name or datasets[0])]
    if not chosen:
        raise InputError(
            f"{folder} has no run of data set {name!r}; there are {', '.join(datasets)} "
            "(or name runs: RUN ... --name NAME)"
        )
    return chosen


def _dataset(folder):
    """Return the data set of a run, of which one file says it, or its name."""
    attributes = {}
    with contextlib.suppress(InputError):  # a damaged file is refused if it is chosen
        attributes = open_trajectory(min(folder.glob("preds_*.h5"))).attributes
    return names.dataset(folder.name, attributes)


def _seeds(folder, wanted):
    seeds = {}
    for path in sorted(folder.glob("preds_*.h5")):
        digits = path.stem.removeprefix("preds_")
        if not digits.isdecimal():
            raise InputError(f"{path}: expected preds_<seed>.h5 with a number for the seed; rename it")
        if int(digits) in seeds:
            raise InputError(f"{seeds[int(digits)]} and {path.name} both say seed {int(digits)}; remove one")
        seeds[int(digits)] = path
    if wanted and set(wanted) - set(seeds):
        missing = ", ".join(map(str, sorted(set(wanted) - set(seeds))))
        raise InputError(f"{folder} has no seed {missing}; there are {', '.join(map(str, sorted(seeds)))}")
    return [seeds[seed] for seed in sorted(seeds) if not wanted or seed in wanted]


def _check_distinct(trajectories):
    seen = {}
    for x in trajectories:
        content = x.attributes.get("data_sha256")
        if content in seen:
            raise InputError(
                f"{seen[content]} and {x.name} hold identical predictions: one is a copy, which would "
                "deflate every spread; remove one"
            )
        if content:
            seen[content] = x.name


def index(trajectories: list[Trajectory]) -> dict:
    """Return the table that says which model is which: arrays run, seed, checkpoint, t, each (M,)."""
    return {
        "run": np.concatenate([np.full(len(x.t), x.run) for x in trajectories]),
        "seed": np.concatenate([np.full(len(x.t), x.seed) for x in trajectories]),
        "checkpoint": np.concatenate([np.arange(len(x.t)) for x in trajectories]),
        "t": np.concatenate([x.t for x in trajectories]),
    }
