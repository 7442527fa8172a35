"""A run's folder: names, schedule, atomic saving, loading of weights only, and what continuing needs.

checkpoints/<dataset>_<task>/seed_<seed>/
    run.json             the resolved configuration, the task, the schedule
    log.jsonl            one line a checkpoint: step, epoch, learning rate, loss, accuracy, seconds
    ckpt/<epoch>_<batch>.pth   weights only, never changed; or
    ckpt/<epoch>_<batch>.h5    the predictions they give, until those of all checkpoints are in one file
    last.pth             everything needed to go on
"""

import importlib.metadata
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import torch

from info_geometry.files import InputError, atomic_path, write_text
from learning.data import steps_per_epoch
from learning.tasks import targets


def schedule(config, steps_per_epoch):
    """Return the steps, increasing from 0 (initial weights) to the last, at which checkpoints are taken."""
    total = config.epochs * steps_per_epoch
    if config.schedule == "geometric":
        # the growing part of a geometric series of distinct steps: add values until there are enough
        steps, points = {0, total}, config.checkpoints
        while len(steps) < min(config.checkpoints, total + 1) and points < 64 * config.checkpoints:
            ratio = total ** (1 / max(1, points - 2))
            steps = {0, total} | {min(total, round(ratio**i)) for i in range(points - 1)}
            points += 1
    else:
        dense = min(config.dense_epochs, config.epochs)
        steps = {round(i * steps_per_epoch / config.per_epoch) for i in range(dense * config.per_epoch + 1)}
        steps |= {epoch * steps_per_epoch for epoch in range(dense, config.epochs + 1)}
    return sorted(steps)


def describe(task, seed, images, config):
    """Return what determines a run, as it is kept in run.json.

    Methods may change `name`, and add `t_name` (what time counts, where that is not epochs), `outputs` (of the head,
    where these are not the classes of the task; 0: there is no head) and what else determines their runs.
    """
    samples = int(np.isin(targets(task.random_labels, images), task.classes).sum())
    steps = steps_per_epoch(samples, config.batch_size)
    return {
        "name": task.run,
        "task": vars(task),
        "seed": seed,
        "config": vars(config),
        "samples": samples,
        "class_names": images.class_names,
        "steps_per_epoch": steps,
        "schedule": schedule(config, steps),
        "versions": versions(),
    }


def path(folder, run, step, suffix=".pth"):
    """Return the path of the checkpoint after `step` steps: `ckpt/<epoch>_<batch>.pth`, or `.h5` for predictions."""
    epoch, batch = divmod(step, run["steps_per_epoch"])
    return Path(folder) / "ckpt" / f"{epoch}_{batch}{suffix}"


def versions():
    """Return the versions of the packages that training depends on."""
    return {package: importlib.metadata.version(package) for package in ("torch", "torchvision", "numpy")}


def missing(folder, run):
    """Return the scheduled steps whose checkpoint is not in the folder; `run` is what run.json holds."""
    return [s for s in run["schedule"] if not any(path(folder, run, s, suffix).exists() for suffix in (".pth", ".h5"))]


def read_run(folder):
    """Return what run.json holds, or None if the run was never started."""
    path = Path(folder) / "run.json"
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        absent = {"config", "schedule", "seed", "steps_per_epoch", "task"} - set(run if isinstance(run, dict) else ())
        if absent:
            raise ValueError(f"it has no {', '.join(sorted(absent))}")
        return run
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); delete the folder and train again") from None


def start_run(folder, run):
    """Write run.json, or check that the run there was trained with the same settings.

    Raises InputError with the keys that differ.
    """
    there, run = read_run(folder), json.loads(json.dumps(run))
    log = Path(folder) / "log.jsonl"
    begun = any((Path(folder) / "ckpt").glob("[0-9]*")) or (log.exists() and log.stat().st_size)
    if there is None or not begun:
        write_text(Path(folder) / "run.json", json.dumps(run, indent=1) + "\n")
        return
    flat = [
        {**x["config"], **{key: value for key, value in x.items() if key not in ("config", "versions")}}
        for x in (there, run)
    ]
    changed = [
        f"{key} {flat[0].get(key)!r:.60} -> {flat[1].get(key)!r:.60}"
        for key in sorted(flat[0] | flat[1])
        if flat[0].get(key) != flat[1].get(key)
    ]
    if changed:
        raise InputError(
            f"{folder} was trained with other settings ({'; '.join(changed[:5])}); choose another "
            "--checkpoints-folder, or delete it to train again"
        )


def weights(network, where, half=False):
    """Return the weights of a network on the CPU, with `half` those of convolutions and linear maps in float16.

    Raises InputError, saying `where`, if some are not finite.
    """
    state = {}
    for key, value in network.state_dict().items():
        value = value.detach().to("cpu", torch.float16 if half and value.ndim > 1 else None)
        bad = int((~torch.isfinite(value)).sum()) if value.is_floating_point() else 0
        if bad:
            raise InputError(f"{where}: {bad} non-finite values in {key}; training diverged, lower the learning rate")
        state[key] = value
    return state


def save(path, content):
    """Write tensors and plain values atomically."""
    buffer = io.BytesIO()  # written to a file, torch hides that the disk is full
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path):
    """Return the tensors and plain values of a `.pth` file, on the CPU.

    Raises InputError if it is truncated, damaged (the checksums of the archive are verified, which torch does not
    do), or holds anything that would have to be executed.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise InputError(f"{path}: checksum mismatch in {damaged}; delete it and train again")
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError:
        raise
    except Exception as error:  # a damaged archive makes torch raise almost anything
        first = (str(error).splitlines() or [""])[0]
        if "Unsupported" in str(error) or "weights_only" in str(error) or "GLOBAL" in str(error):
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = found.group(1) if found else first
            raise InputError(
                f"{path} contains pickled objects ({what}). Only tensors and plain values are loaded."
            ) from None
        raise InputError(f"{path} is not a complete checkpoint ({first}); delete it and train again") from error


def load_weights(path, network):
    """Load the weights in a file into a network, as `fit_weights` does."""
    fit_weights(load(path), network, path)


def unwrapped(content, path):
    """Return {key: tensor} of the network, whatever wrapper (`module.`, `_orig_mod.`) weights were saved from.

    Raises InputError for what is no dictionary of tensors.
    """
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise InputError(f"{path} holds no weights; expected a dictionary of tensors")
    return {re.sub(r"^(module\.|_orig_mod\.)+", "", key): value for key, value in content.items()}


def fit_weights(content, network, path):
    """Put weights strictly into a network, as `unwrapped` returns them.

    Raises InputError with the first keys and the heads that do not fit, or the first weight that is not finite.
    """
    state = unwrapped(content, path)
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: {int((~torch.isfinite(value)).sum())} non-finite values in {key}")
    expected = network.state_dict()
    absent, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in sorted(expected.keys() & state.keys(), key=lambda key: (not key.startswith("head."), key))
        if state[key].shape != expected[key].shape
    ]
    if absent or extra or shapes:
        raise InputError(
            f"{path} does not fit the network: missing {absent[:3] or 'none'}, unexpected "
            f"{extra[:3] or 'none'}, other shapes {shapes[:3] or 'none'}"
        )
    network.load_state_dict(state, strict=True)
