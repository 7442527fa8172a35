"""Predictions that look like those of many configurations, from a seeded model: what `manifold.py` is measured on.

Logits of sample n and class c at time t, of a run of network k, optimiser o, batch size b, seed e, and so on:

    z = 9 (1 - exp(-4 v t / d_n)) y_nc + 4 x (1 - x) (2 A_k + 0.5 B_o + 0.2 C_b + 0.3 E)_nc + 0.05 noise,   x = t^v

with labels y, difficulties d_n (log-normal, the same for all), a speed v of the network and the run, directions A, B, C
(N, C) of levels, standard Gaussian, and E of the run.  t are T times in [0, 1], more of them early.  In one of 50 runs
learning stops at t = 0.002.
"""

import shutil
from pathlib import Path

import numpy as np

from info_geometry import predictions
from info_geometry.files import InputError

FACTORS = {"network": 5, "optimiser": 3, "batch": 3, "augmentation": 2}  # levels; `rate` counts the rest
SEEDS = 3
BENDS = {"network": 2.0, "optimiser": 0.5, "batch": 0.2}
BAD = 50  # one run of so many ends badly
CLASSES = 10


def table(count: int) -> dict:
    """Return {factor: level of each of `count` runs}, with `setting`, of which SEEDS runs differ by seed alone."""
    setting, seed = np.divmod(np.arange(count), SEEDS)
    found, rest = {"setting": setting, "seed": seed}, setting
    for name, levels in FACTORS.items():
        rest, found[name] = np.divmod(rest, levels)
    return {**found, "rate": rest}


def paths(folder: Path, count: int) -> list[Path]:
    """Return where the predictions of each run lie, a run a setting."""
    rows = table(count)
    return [folder / f"s{a:04d}" / f"preds_{b}.h5" for a, b in zip(rows["setting"], rows["seed"])]


def run(number: int, row: dict, T: int, N: int, C: int = CLASSES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the probabilities (T, N, C), float32, of a run with the levels `row`, times (T,) and labels (N,)."""
    shared = np.random.default_rng(0)
    labels, difficulty = shared.integers(0, C, N), np.exp(0.8 * shared.standard_normal(N))
    bend = sum(
        size * np.random.default_rng([i, row[name]]).standard_normal((N, C))
        for i, (name, size) in enumerate(BENDS.items())
    )
    rng = np.random.default_rng([10, number])
    bend = (bend + 0.3 * rng.standard_normal((N, C))).astype(np.float32)
    speed = (0.7 + 0.15 * row["network"]) * np.exp(0.1 * rng.standard_normal())
    t = np.linspace(0, 1, T) ** 2
    along = np.minimum(t, 0.002) if number % BAD == BAD - 1 else t
    x = (along**speed).astype(np.float32)[:, None, None]
    P = rng.standard_normal((T, N, C), dtype=np.float32)
    P *= 0.05
    P += 4 * x * (1 - x) * bend
    P[:, np.arange(N), labels] += 9 * (1 - np.exp(-4 * speed * along[:, None] / difficulty))
    np.exp(P, out=P)
    P /= P.sum(axis=2, keepdims=True)
    return P, t, labels


def write(folder: Path, count: int, T: int, N: int) -> list[Path]:
    """Write the files of all runs that are not there yet; return their paths."""
    rows, found = table(count), paths(folder, count)
    needed, free = 2.1 * count * T * N * CLASSES, shutil.disk_usage(folder).free
    missing = [i for i, path in enumerate(found) if not path.exists()]
    if free < needed * len(missing) / count:
        raise InputError(
            f"{folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} are needed; take another folder"
        )
    for path in found:
        if path.exists() and (shape := predictions.open_trajectory(path).shape) != (T, N, CLASSES):
            raise InputError(
                f"{path} holds predictions {shape}, not {(T, N, CLASSES)}; empty {folder}, or take another"
            )
    for i in missing:
        P, t, labels = run(i, {name: int(levels[i]) for name, levels in rows.items()}, T, N)
        with predictions.Recorder(found[i], labels=labels, t_name="time", dataset="generated") as recorder:
            for moment, roots in zip(t, np.sqrt(P).astype(np.float16)):
                recorder.append_roots(roots, moment)
    return found
