"""The runs a picture is made of: which files they are, and whether they belong together."""

import fnmatch
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, valid_name
from info_geometry.storage.format import fingerprint
from info_geometry.storage.labels import labels
from info_geometry.storage.trajectories import check_shapes, open_trajectory


def identity(trajectories, folder):
    """Return what tells these files from others or other versions of them, without reading the predictions."""
    found = []
    for x in trajectories:
        known = labels(x, folder)
        state = x.path.stat()
        found.append(
            [
                f"{x.run}/{x.path.name}",
                x.attributes.get("data_sha256") or state.st_mtime_ns,
                state.st_size,
                None if known is None else fingerprint(known),
            ]
        )
    return found


def find(arguments):
    """Return the opened trajectories of the runs that `arguments` ask for, and the name of the picture.

    They are ordered by run, then by seed.  Raises InputError where there are none, where a name is ambiguous, and
    where files do not belong together: other shapes, other samples, the same seed or the same predictions twice.
    """
    folder = arguments.predictions
    there = sorted({path.parent.name for path in folder.glob("*/preds_*.h5")})
    if not there:
        raise InputError(
            f"{folder} holds no <run>/preds_<seed>.h5; store predictions there or say --predictions FOLDER"
        )
    names = _matching(arguments.runs, there, folder) if arguments.runs else _of_data_set(arguments.name, there, folder)
    datasets = {name.split("_")[0] for name in names}
    name = valid_name(arguments.name or (datasets.pop() if len(datasets) == 1 else "picture"), "--name")
    paths = [path for run in names for path in _seeds(folder / run, arguments.seeds)]
    trajectories = [open_trajectory(path) for path in paths]
    check_shapes(trajectories)
    _check_samples(trajectories)
    _check_distinct(trajectories)
    return trajectories, name


def _matching(patterns, there, folder):
    names = []
    for pattern in patterns:
        pattern = Path(pattern).name if Path(pattern).is_dir() else pattern  # `predictions/digits_all/` does too
        found = fnmatch.filter(there, pattern)
        if not found:
            raise InputError(f"{folder} has no run {pattern!r}; there are {', '.join(there)}")
        names += [name for name in found if name not in names]
    return names


def _of_data_set(name, there, folder):
    datasets = sorted({run.split("_")[0] for run in there})
    if name is None and len(datasets) > 1:
        raise InputError(
            f"{folder} holds runs of several data sets; choose one with --name, or name runs: {', '.join(datasets)}"
        )
    chosen = [run for run in there if run.split("_")[0] == (name or datasets[0])]
    if not chosen:
        raise InputError(
            f"{folder} has no run of data set {name!r}; there are {', '.join(datasets)} "
            "(or name runs: RUN ... --name NAME)"
        )
    return chosen


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


def _check_samples(trajectories):
    known = [x for x in trajectories if "labels_sha256" in x.attributes]
    for other in known[1:]:
        a, b = known[0].attributes["labels_sha256"], other.attributes["labels_sha256"]
        if a != b:
            raise InputError(
                f"labels fingerprint {a[:8]} ({known[0].name}) but {b[:8]} ({other.name}): samples are "
                "different or in a different order; store both from the same samples"
            )


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


def index(trajectories):
    """Return the table that says which model is which: arrays run, seed, checkpoint, t, each (M,)."""
    return {
        "run": np.concatenate([np.full(len(x.t), x.run) for x in trajectories]),
        "seed": np.concatenate([np.full(len(x.t), x.seed) for x in trajectories]),
        "checkpoint": np.concatenate([np.arange(len(x.t)) for x in trajectories]),
        "t": np.concatenate([x.t for x in trajectories]),
    }
