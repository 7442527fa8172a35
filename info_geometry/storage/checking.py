"""Is a prediction file sound, and what does it hold."""

import hashlib
from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage.format import fingerprint
from info_geometry.storage.trajectories import open_trajectory


def check(path):
    """Read a prediction file from end to end and return a report (str); raises InputError where it is not sound."""
    path = Path(path)
    trajectory = open_trajectory(path)
    T, N, C = trajectory.shape
    digest, correct = hashlib.sha256(), []
    for i in range(T):
        stored, rows = trajectory.model(i)
        digest.update(stored.tobytes())
        if trajectory.labels is not None:
            correct.append(np.mean(rows.argmax(axis=1) == trajectory.labels))
    a = trajectory.attributes
    for key, found in (
        ("data_sha256", digest.hexdigest()),
        ("labels_sha256", trajectory.labels is not None and fingerprint(trajectory.labels)),
    ):
        if key in a and a[key] != found:
            raise InputError(f"{path}: {key.split('_')[0]} do not match their fingerprint; replace the file")
    lines = [
        f"{path}: sound",
        f"    {T} models x {N} samples x {C} classes, {trajectory.quantity}, "
        f"{path.stat().st_size / 1e6:.1f} MB" + (" (published layout)" if trajectory.published else ""),
    ]
    if not trajectory.published:
        named = [f"{key} {a[key]}" for key in ("dataset", "split", "task", "seed") if key in a]
        lines.append(
            "    "
            + ", ".join(
                [
                    *named,
                    f"{a['t_name']} {trajectory.t[0]:g} to {trajectory.t[-1]:g}",
                    f"labels {a['labels_sha256'][:8]}",
                ]
            )
        )
    if correct:
        lines.append(f"    accuracy {correct[0]:.3f} at the first, {correct[-1]:.3f} at the last model")
    return "\n".join(lines)
