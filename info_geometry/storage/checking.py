"""Checking a prediction file from end to end: is it sound, and what does it hold?"""

import hashlib
from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage.format import fingerprint
from info_geometry.storage.trajectories import open_trajectory


def check(path: str | Path) -> str:
    """Read a prediction file from end to end and return a report of some lines.

    Raises InputError, naming the file and the place in it, where it is not sound.
    """
    path = Path(path)
    trajectory = open_trajectory(path)
    T, N, C = trajectory.shape
    digest, correct = hashlib.sha256(), []
    for i in range(T):
        stored, rows = trajectory.model(i)
        digest.update(stored.tobytes())
        if trajectory.labels is not None:
            correct.append(np.mean(rows.argmax(axis=1) == trajectory.labels))
    attributes = trajectory.attributes
    for key, computed in (
        ("data_sha256", digest.hexdigest()),
        ("labels_sha256", trajectory.labels is not None and fingerprint(trajectory.labels)),
    ):
        if key in attributes and attributes[key] != computed:
            raise InputError(f"{path}: {key.split('_')[0]} do not match their fingerprint; replace the file")
    lines = [
        f"{path}: sound",
        f"    {T} models x {N} samples x {C} classes, {trajectory.quantity}, "
        f"{path.stat().st_size / 1e6:.1f} MB" + (" (published layout)" if trajectory.published else ""),
    ]
    if not trajectory.published:
        facts = [f"{key} {attributes[key]}" for key in ("dataset", "split", "task", "seed") if key in attributes]
        facts.append(f"{attributes['t_name']} {trajectory.t[0]:g} to {trajectory.t[-1]:g}")
        facts.append("no labels" if trajectory.labels is None else f"labels {attributes['labels_sha256'][:8]}")
        lines.append("    " + ", ".join(facts))
    if correct:
        lines.append(f"    accuracy {correct[0]:.3f} at the first, {correct[-1]:.3f} at the last model")
    return "\n".join(lines)
