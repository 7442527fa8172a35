"""The runs a picture is made of: which files they are, and whether they belong together."""

import contextlib
import fnmatch
import hashlib
import itertools
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, log, valid_name
from info_geometry.storage import beside, names
from info_geometry.storage.format import fingerprint, first_fall
from info_geometry.storage.trajectories import Trajectory, check_shapes, open_trajectory


def identity(trajectories: list[Trajectory]) -> list:
    """Return what tells these files from others or other versions of them, without reading the predictions.

    It is of all that they hold: numbers, labels, times and attributes.
    """
    found = []
    for x in trajectories:
        state = x.path.stat()
        found.append(
            [
                f"{x.run}/{x.path.name}",
                x.attributes.get("data_sha256") or state.st_mtime_ns,
                state.st_size,
                None if x.labels is None else fingerprint(x.labels),
                hashlib.sha256(np.ascontiguousarray(x.t)).hexdigest(),
                x.attributes,
            ]
        )
    return found


def find(
    folder: Path, patterns: list | tuple = (), *, name: str | None = None, seeds: list | tuple | None = None
) -> tuple[list[Trajectory], str]:
    """Return the opened trajectories of runs in a folder, with their labels, and the name of the picture.

    patterns: names of runs, or patterns of them; none: all runs, unless their files say that they are of different data
    sets; then those of the data set `name`.
    name: of the picture, by default that of the data set.  seeds: which ones; by default all.

    They are ordered by run, then by seed.  Raises InputError where there are none, where a name is ambiguous, and
    where files do not belong together: other shapes, other samples, the same seed or the same predictions twice, seeds
    of a run that were predicted in different ways (of runs, that is a warning).
    """
    there = sorted({path.parent.name for path in folder.glob("*/preds_*.h5")})
    if not there:
        raise InputError(
            f"{folder} holds no <run>/preds_<seed>.h5{_instead(folder)}; store predictions there or say "
            "--predictions FOLDER"
        )
    if others := sorted({path.parent.name for path in folder.glob("*/*.h5")} - set(there)):
        log.warning(
            "warning: no file in %s is called preds_<seed>.h5, as predictions have to be: left out",
            _some([str(folder / run) for run in others]),
        )
    chosen = _matching(patterns, there, folder) if patterns else _of_data_set(name, there, folder)
    trajectories = [open_trajectory(path) for run in chosen for path in _seeds(folder / run, seeds)]
    datasets = {names.dataset(x.run, x.attributes) for x in trajectories}
    name = valid_name(name or (datasets.pop() if len(datasets) == 1 else "picture"), "--name")
    for x in trajectories:
        beside.attach(x, folder)
        if not x.attributes.get("keep_order") and (i := first_fall(x.t)):
            raise InputError(
                f"{x.name}: checkpoint {i} has t = {x.t[i]:.12g} after {x.t[i - 1]:.12g}: put checkpoints in the order "
                "of t, or say that theirs is meant: python -m info_geometry.predictions convert FILE... FOLDER --sort, "
                "or --keep-order"
            )
    check_shapes(trajectories)
    _check_distinct(trajectories)
    check_alike(trajectories)
    return trajectories, name


def _matching(patterns, there, folder):
    names = []
    for pattern in patterns:
        pattern = Path(pattern).name if Path(pattern).is_dir() else pattern  # `predictions/digits_all/` does too
        found = [pattern] if pattern in there else fnmatch.filter(there, pattern)  # a name may hold brackets
        if not found:
            raise InputError(f"{folder} has no run {pattern!r}; there are {_some(there)}")
        names += [name for name in found if name not in names]
    return names


def _instead(folder):
    """Return what a folder without predictions holds instead, for a message."""
    if list(folder.glob("preds_*.h5")):
        return (
            f", but preds_<seed>.h5 itself: it is a run, so say --predictions {folder.absolute().parent} {folder.name}"
        )
    others = sorted(path.relative_to(folder).as_posix() for path in [*folder.glob("*.h5"), *folder.glob("*/*.h5")])
    return f", but {_some(others)}" if others else ""


def _of_data_set(name, there, folder):
    """Return the runs of the data set `name`, or all if that is None and no file says that they are of several.

    A run whose files say no data set is of the one that its name begins with, where that is asked for or is there.
    """
    said = {run: _dataset(folder / run) for run in there}
    known = {dataset for dataset in said.values() if dataset}
    begins = {run: names.dataset(run) for run in there}
    of = {run: said[run] or (begins[run] if begins[run] in {name, *known} else None) for run in there}
    datasets = sorted(set(of.values()), key=str)
    chosen = there if name is None and len(datasets) == 1 else [run for run in there if of[run] and of[run] == name]
    if chosen:
        if not known and name is None and len(set(begins.values())) > 1:
            log.info("no file says of which data set it is: all runs in %s are one picture (%s)", folder, _some(there))
        return chosen
    runs = "; ".join(
        f"{dataset or 'runs that say none'} ({_some([run for run in there if of[run] == dataset])})"
        for dataset in datasets
    )
    if name is None:
        raise InputError(f"{folder} holds runs of several data sets; choose one with --name, or name runs: {runs}")
    raise InputError(
        f"{folder} has no run of data set {name!r}; there are {runs} (or name runs: RUN ... --name {name}; '*' is all)"
    )


def _dataset(folder):
    """Return the data set that one file of a run says, or None."""
    with contextlib.suppress(InputError):  # a damaged file is refused if it is chosen
        return open_trajectory(min(folder.glob("preds_*.h5"))).attributes.get("dataset")


def _some(names, most=12):
    """Return names as a list for a message, the first of them if they are many."""
    return ", ".join(names[:most]) + (f", ... and {len(names) - most} more" if len(names) > most else "")


def seeds_of(folder: Path) -> dict[int, Path]:
    """Return {seed: file} of the folder of a run.  Raises InputError where a name says no seed, or two say the same."""
    seeds = {}
    for path in sorted(folder.glob("preds_*.h5")):
        digits = path.stem.removeprefix("preds_")
        if not digits.isdecimal():
            raise InputError(f"{path}: expected preds_<seed>.h5 with a number for the seed; rename it")
        if int(digits) in seeds:
            raise InputError(f"{seeds[int(digits)]} and {path.name} both say seed {int(digits)}; remove one")
        seeds[int(digits)] = path
    return seeds


def t_name(trajectories: list[Trajectory]) -> str:
    """Return what t counts in all of these files, or `t` where that differs."""
    found = {x.attributes.get("t_name", "t") for x in trajectories}
    return found.pop() if len(found) == 1 else "t"


def _seeds(folder, wanted):
    seeds = seeds_of(folder)
    if wanted and set(wanted) - set(seeds):
        missing = ", ".join(map(str, sorted(set(wanted) - set(seeds))))
        raise InputError(f"{folder} has no seed {missing}; there are {', '.join(map(str, sorted(seeds)))}")
    return [seeds[seed] for seed in sorted(seeds) if not wanted or seed in wanted]


def check_alike(trajectories: list[Trajectory]) -> None:
    """Warn where files say that their predictions were made in different ways; one of them may be imprinting, say.

    Raises InputError where that is so of seeds of one run.
    """
    ways: dict[str, dict[str, Trajectory]] = {}
    for x in trajectories:
        if way := x.attributes.get("predicted_by"):
            ways.setdefault(str(way), {}).setdefault(x.run, x)
    for (one, some), (other, others) in itertools.combinations(ways.items(), 2):
        if both := sorted(some.keys() & others.keys()):
            raise InputError(
                f"{some[both[0]].name} was predicted by {one}, {others[both[0]].name} by {other}: seeds of one run "
                "have to be alike; delete one and store it again"
            )
    if len(ways) > 1:
        said = "; ".join(f"{way} ({_some(sorted(runs), 4)})" for way, runs in ways.items())
        log.warning("warning: predictions were made in different ways, which distances show too: %s", said)


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
