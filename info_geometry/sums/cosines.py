"""The cosines of models with ignorance and with truth: the two numbers a sample from which progress follows."""

import math

import numpy as np

from info_geometry.files import in_threads
from info_geometry.storage import quantities
from info_geometry.storage.arrays import as_array
from info_geometry.storage.labels import as_labels
from info_geometry.storage.trajectories import Trajectory, as_trajectory, block_size

FUSED_FROM = 1 << 24  # numbers of a trajectory from which numba's pass is taken, which takes seconds to import
SHARED_FROM = 1 << 19  # numbers that are shared among threads
CACHE_BYTES = 1 << 20  # of the rows that a thread works on at a time, as float64


def cosines(P: np.ndarray | Trajectory, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines (T, N) of models with ignorance, sum_c sqrt(P_c) / sqrt(C), and with truth, sqrt(P_label).

    P, labels: as for `geodesic.progress`.  Which code computes follows from the size of P alone.
    """
    trajectory = as_trajectory(P)
    (T, N, C) = trajectory.shape
    labels = as_labels(labels, trajectory.name, N, C)
    scalars = _fused_scalars if T * N * C >= FUSED_FROM else _scalars
    if trajectory is P:
        parts = [
            scalars(stored, labels[start : start + stored.shape[1]], trajectory)
            for start, stored in _stored_blocks(trajectory)
        ]
        return tuple(np.concatenate(part, axis=1) for part in zip(*parts))
    models = as_array(P, trajectory.name).reshape(T, N, C).astype(trajectory.dtype, copy=False)
    return scalars(models, labels, trajectory)


def _stored_blocks(trajectory):
    """Yield (start, numbers as they are stored) of samples until all have been seen, in whole chunks of the file."""
    (T, N, C), size = trajectory.shape, block_size([trajectory])
    size = min(N, -(-size // trajectory.chunk) * trajectory.chunk)
    buffer = np.empty(T * size * C, trajectory.dtype)  # used again: memory used for the first time is slow
    for start in range(0, N, size):
        shape = (T, min(size, N - start), C)
        yield start, trajectory.stored(start, start + size, out=buffer[: math.prod(shape)].reshape(shape))


def two_scalars(roots: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines (T, n) of roots (T, n, C) with the uniform distribution and with the one-hot labels (n,)."""
    return _scalars(roots, labels)


def _scalars(models, labels, trajectory=None):
    """Return the cosines (T, n) of models (T, n, C), stored numbers of the trajectory, by default roots."""
    T, n, C = models.shape
    uniform, truth, norms = np.empty((3, T * n))
    sound = np.ones(T * n, bool)
    rows, labels = models.reshape(T * n, C), np.tile(labels, T)
    count, ones = max(1, CACHE_BYTES // (8 * C)), np.ones(C)

    def add(part):  # a few rows at a time, which stay in cache, in memory that is used again
        floats, doubles = np.empty((count, C), np.float32), np.empty((count, C))
        for start in range(part.start, part.stop, count):
            here = slice(start, min(start + count, part.stop))
            roots, wide = rows[here], doubles[: here.stop - start]
            if trajectory is not None:
                roots = floats[: here.stop - start]
                sound[here] = quantities.decode(rows[here], trajectory.quantity, trajectory.tolerance, roots)
            np.copyto(wide, roots)
            # in float64: a norm of 1 - 1e-7, as float32 has them, would be an angle of 5e-4 for a model on the geodesic
            np.dot(wide, ones, out=uniform[here])
            truth[here] = wide[np.arange(len(wide)), labels[here]]
            np.square(wide, out=wide)
            np.dot(wide, ones, out=norms[here])

    in_threads(add, T * n, pays=rows.size >= SHARED_FROM)
    if not sound.all():
        trajectory.refuse(np.flatnonzero(~sound) // n)
    np.sqrt(norms, out=norms)
    uniform /= norms * np.sqrt(C)
    truth /= norms
    return uniform.reshape(T, n), truth.reshape(T, n)


def _fused_scalars(models, labels, trajectory):
    """Return the same as `_scalars`, by numba's pass where it is there."""
    try:
        from info_geometry.sums import fused

        uniform, truth, off = fused.cosines(models, labels, trajectory.quantity)
    except (ImportError, RuntimeError):  # numba may find no folder for what it compiles
        return _scalars(models, labels, trajectory)
    bad = ~(off <= trajectory.tolerance).all(axis=1)
    if bad.any():
        trajectory.refuse(np.flatnonzero(bad))
    return uniform, truth
