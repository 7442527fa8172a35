"""Checking a prediction file from end to end: is it sound, and what does it hold?"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage import beside
from info_geometry.storage.format import fingerprint
from info_geometry.storage.trajectories import Trajectory, open_trajectory

KEPT = 2e7  # numbers of a file that `examine` keeps: 80 MB


@dataclass(frozen=True)
class Examined:
    """A sound file: its Trajectory, a report of some lines, and what tells its models apart.

    hashes: of each model's stored numbers, T texts.  roots (T, n, C): square roots of the probabilities of some
    samples, evenly chosen.
    """

    trajectory: Trajectory
    report: str
    hashes: list[str]
    roots: np.ndarray


def check(path: str | Path) -> str:
    """Read a prediction file from end to end and return a report of some lines.

    Raises InputError, naming the file and the place in it, where it is not sound.
    """
    return examine(path, labels=False).report


def examine(path: str | Path, *, labels: bool = True) -> Examined:
    """Read a prediction file from end to end, and return what was seen.

    labels: those that lie beside its run count as well.
    Raises InputError, naming the file and the place in it, where it is not sound.
    """
    path = Path(path)
    trajectory = open_trajectory(path)
    own = trajectory.labels
    if labels:
        beside.attach(trajectory, path.absolute().parent.parent)
    T, N, C = trajectory.shape
    digest, hashes, correct = hashlib.sha256(), [], []
    which = np.unique(np.linspace(0, N - 1, int(np.clip(KEPT / (T * C), min(N, 50), N))).astype(int))
    roots = np.empty((T, len(which), C), np.float32)
    for i in range(T):
        stored, rows = trajectory.model(i)
        digest.update(stored.tobytes())
        hashes.append(hashlib.sha256(stored).hexdigest())
        roots[i] = np.sqrt(rows[which] / rows[which].sum(axis=1, keepdims=True))
        if trajectory.labels is not None:
            correct.append(np.mean(rows.argmax(axis=1) == trajectory.labels))
    attributes = trajectory.attributes
    for key, computed in (
        ("data_sha256", digest.hexdigest()),
        ("labels_sha256", own is not None and fingerprint(own)),
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
        facts.append("no labels" if own is None else f"labels {attributes['labels_sha256'][:8]}")
        lines.append("    " + ", ".join(facts))
        if attributes.get("predicted_by", "imprinting") != "imprinting":  # of what was trained here: the usual way
            lines.append(f"    predicted by {attributes['predicted_by']}")
    if correct:
        lines.append(f"    accuracy {correct[0]:.3f} at the first, {correct[-1]:.3f} at the last model")
    return Examined(trajectory, "\n".join(lines), hashes, roots)
