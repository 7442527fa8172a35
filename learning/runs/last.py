"""The last weights of a run, from which another one may start though predictions alone were kept."""

import hashlib
from typing import Any

from info_geometry.files import InputError
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.find import Asked, training_command
from learning.runs.run import Folders


def state(name: str, seed: int, folders: Folders) -> dict[str, Any]:
    """Return the last weights of a run that is finished, of which predictions alone may be kept, {key: tensor}.

    Raises InputError, with the command that trains it, where they are not there.
    """
    folder = folders.run(name, seed)
    there = runs.read(folder)
    if there is None:
        raise InputError(f"{folder} holds no run to start from; train {name} with seed {seed} first")
    advice, path = f"go on with {training_command(Asked(name, seed), there, folders)}", folder / "last.pth"
    found = weights.load(path) if path.exists() else {"step": None}
    if found["step"] != there.schedule[-1]:
        raise InputError(f"{folder}: training did not finish; {advice}")
    return found["network"]


def said(name: str, seed: int, folders: Folders) -> dict[str, str]:
    """Return what run.json says of a run that starts from the last state of another: {"run", "checkpoint", "sha256"}.

    The last is that of its tensors.  Raises InputError as `state` does.
    """
    digest = hashlib.sha256()
    for key, value in sorted(state(name, seed, folders).items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return {"run": name, "checkpoint": "last.pth", "sha256": digest.hexdigest()}
