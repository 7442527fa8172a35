"""The runs a picture is made of: which files they are, and whether they belong together."""
import argparse
import contextlib
import fnmatch
import json
import os
from pathlib import Path

import numpy as np

from info_geometry import predictions, provenance
from info_geometry.files import ROOT, InputError, lock, remove_orphans, valid_name, write_text


def options(description):
    """Return the parser of the arguments that inpca.py and trajectory.py share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN",
                        help="folders of --predictions, or patterns ('digits_*'); default: all runs of a data set")
    parser.add_argument("--name", help="name of the picture; without RUN also the data set whose runs are taken")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="take these seeds only")
    parser.add_argument("--predictions", type=Path, default=ROOT / "predictions", help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=ROOT / "plots", help="default: %(default)s")
    parser.add_argument("--bootstrap", action="store_true",
                        help="also give errors from drawing the samples anew, 1,000 times; default: from seeds only")
    parser.add_argument("--redo", action="store_true", help="compute and draw again what is there already")
    return parser


def once(stamp, inputs, produce, *, redo=False):
    """Call produce() -> (report, written paths), unless it was called for the same inputs and all it wrote is there.

    stamp: the path of a small file that remembers this.  inputs: a list JSON can hold; the first entry says what the
    data are, and figures carry its fingerprint.  Prints the report and the paths either way.
    """
    key = json.dumps([inputs, provenance.source()], default=str)
    with lock(stamp.parent / ".lock", f"the picture in {stamp.parent}", wait=True):
        remove_orphans(stamp.parent)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            done = json.loads(stamp.read_text(encoding="utf-8"))
            if not redo and done["key"] == key and all(Path(path).exists() for path in done["written"]):
                _print(done["report"], done["written"])
                print("skipped (already complete; --redo computes it again)", flush=True)
                return
        with provenance.of(inputs[0]):
            report, written = produce()
        written = [str(path) for path in written]
        write_text(stamp, json.dumps({"key": key, "report": report, "written": written}))
    _print(report, written)


def _print(report, written):
    print(report)
    for path in written:  # as short as it can be copied into the next command
        print("  " + min(path, os.path.relpath(path), key=len), flush=True)


def identity(trajectories, folder):
    """Return what tells these files from others or other versions of them, without reading the predictions."""
    found = []
    for x in trajectories:
        known = labels(x, folder)
        state = x.path.stat()
        found.append([f"{x.run}/{x.path.name}", x.attributes.get("data_sha256") or state.st_mtime_ns, state.st_size,
                      None if known is None else predictions.fingerprint(known)])
    return found


def find(arguments):
    """Return the opened trajectories of the runs that `arguments` ask for, and the name of the picture.

    They are ordered by run, then by seed.  Raises InputError where there are none, where a name is ambiguous, and
    where files do not belong together: other shapes, other samples, the same seed or the same predictions twice.
    """
    folder = arguments.predictions
    there = sorted({path.parent.name for path in folder.glob("*/preds_*.h5")})
    if not there:
        raise InputError(f"{folder} holds no <run>/preds_<seed>.h5; store predictions there "
                         "or say --predictions FOLDER")
    names = _matching(arguments.runs, there, folder) if arguments.runs else _of_data_set(arguments.name, there, folder)
    datasets = {name.split("_")[0] for name in names}
    name = valid_name(arguments.name or (datasets.pop() if len(datasets) == 1 else "picture"), "--name")
    paths = [path for run in names for path in _seeds(folder / run, arguments.seeds)]
    trajectories = [predictions.open_trajectory(path) for path in paths]
    predictions.check_shapes(trajectories)
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
        raise InputError(f"{folder} holds runs of several data sets; choose one with --name, or name runs: "
                         f"{', '.join(datasets)}")
    chosen = [run for run in there if run.split("_")[0] == (name or datasets[0])]
    if not chosen:
        raise InputError(f"{folder} has no run of data set {name!r}; there are {', '.join(datasets)} "
                         "(or name runs: RUN ... --name NAME)")
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
            raise InputError(f"labels fingerprint {a[:8]} ({known[0].name}) but {b[:8]} ({other.name}): samples are "
                             "different or in a different order; store both from the same samples")


def _check_distinct(trajectories):
    seen = {}
    for x in trajectories:
        content = x.attributes.get("data_sha256")
        if content in seen:
            raise InputError(f"{seen[content]} and {x.name} hold identical predictions: one is a copy, which would "
                             "deflate every spread; remove one")
        if content:
            seen[content] = x.name


def labels(trajectory, folder):
    """Return the true labels (N,) of a trajectory: its own, or for a published file those in folder/labels; or None."""
    if trajectory.labels is not None:
        return trajectory.labels
    path = labels_path(trajectory, folder)
    found = predictions.read_labels(path)
    if found is None:
        return None
    whole = predictions.whole_labels(found, trajectory.shape[1])
    if whole is None:
        raise InputError(f"{path}: expected {trajectory.shape[1]} labels, one for each sample of {trajectory.name}, "
                         f"found an array {found.shape} of {found.dtype}")
    return whole


def labels_path(trajectory, folder):
    """Return where the labels of a published file lie: `predictions/labels/imagenet_val_labels.npy`, say."""
    return folder / "labels" / f"{trajectory.run.split('_')[0]}_val_labels.npy"


def index(trajectories):
    """Return the table that says which model is which: arrays run, seed, checkpoint, t, each (M,)."""
    return {
        "run": np.concatenate([np.full(len(x.t), x.run) for x in trajectories]),
        "seed": np.concatenate([np.full(len(x.t), x.seed) for x in trajectories]),
        "checkpoint": np.concatenate([np.arange(len(x.t)) for x in trajectories]),
        "t": np.concatenate([x.t for x in trajectories]),
    }
