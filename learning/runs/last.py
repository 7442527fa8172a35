"""The last weights of a run, from which another one may start though predictions alone were kept."""

import hashlib
from typing import Any

import torch

from info_geometry.files import InputError
from learning.runs import diverged, weights
from learning.runs import run as runs
from learning.runs.diverged import DivergedError
from learning.runs.find import Asked, training_command
from learning.runs.run import Folders, Run


def state(name: str, run: Run, folders: Folders) -> dict[str, Any]:
    """Return the last weights of a run that is finished, of which predictions alone may be kept, {key: tensor}.

    run: the one that starts from it, of the same seed.  Raises InputError, naming both, with the command that trains
    the first, where its weights are not there; DivergedError where it diverged, so that there never will be any.
    """
    folder = folders.run(name, run.seed)
    there = runs.read(folder)
    if there is None:
        raise InputError(f"{_title(run)}: {folder} holds no run to start from; train {name} with seed {run.seed} first")
    path = folder / "last.pth"
    found = weights.load(path) if path.exists() else {"step": None}
    if found["step"] != there.schedule[-1]:
        away = diverged.found(folder)
        if away:
            raise DivergedError(f"{_title(run)} starts from {name}, which diverged: {away['error']}", everywhere=True)
        advice = f"go on with {training_command(Asked(name, run.seed), there, folders)}"
        raise InputError(f"{_title(run)} starts from {folder}, of which training did not finish; {advice}")
    return found["network"]


def said(name: str, run: Run, folders: Folders) -> dict[str, str]:
    """Return what run.json says of a run that starts from the last state of another: {"run", "checkpoint", "sha256"}.

    The last is that of its tensors.  Raises InputError as `state` does.
    """
    digest = hashlib.sha256()
    for key, value in sorted(state(name, run, folders).items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return {"run": name, "checkpoint": "last.pth", "sha256": digest.hexdigest()}


def put(run: Run, network: torch.nn.Module, folders: Folders) -> None:
    """Put into a network the last weights of the run that `run.start` names.

    Raises InputError, naming both runs, where they are not there, or are those of another network.
    """
    name = run.start["run"]
    try:
        found = state(name, run, folders)
    except DivergedError as error:  # it is not this run that did, whose folder would say so
        raise InputError(str(error)) from None
    try:
        weights.fit(found, network, name)
    except InputError as error:
        raise InputError(
            f"{_title(run)} does not start: {error}; give it network and shape of {name}, or another --start"
        ) from None


def _title(run):
    return f"{run.name} seed {run.seed}"
