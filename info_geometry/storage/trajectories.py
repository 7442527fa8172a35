"""Trajectories: ordered sets of models, from a prediction file or an array, read in blocks of samples.

This is the reading side of the file contract.  People call it as `predictions.open_trajectory`.
"""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, hdf5
from info_geometry.files.chunks import Chunks, pays
from info_geometry.storage import format, quantities
from info_geometry.storage.arrays import as_array, describe
from info_geometry.storage.labels import check_alike
from info_geometry.storage.quantities import TOLERANCE, explain_rows

QUANTITIES = tuple(quantities.TYPES)
BLOCK_BYTES = 1 << 27  # of memory for a block of samples, in float32


class Trajectory:
    """An ordered set of models whose predictions are read in blocks of samples.

    name: for messages, a path or "trajectory 3".  shape: (T, N, C).  t: (T,).  labels: (N,) or None.
    attributes: dict.  path, run, seed: where it lies, `predictions/<run>/preds_<seed>.h5`; None for arrays.
    quantity, dtype: what the stored numbers mean, and their type.  published: whether they lie in a published file.
    tolerance: by how much squared norms of stored rows of roots (see to_roots) may differ from 1; more once `refuse`
    saw that they are rounded more coarsely.
    chunks: (models, samples, classes) that lie together in the file, or None; chunk: how many samples that are, or 1.
    checkpoints: (T,) which models of the file these are.
    labels_path: where labels that the file does not hold are looked for (see `storage.labels.attach`), or None.
    """

    def __init__(
        self,
        name: object,
        read: Callable[[np.ndarray, int, int, np.ndarray], None],
        shape: tuple[int, int, int],
        dtype: np.dtype,
        *,
        quantity: str,
        tolerance: float = TOLERANCE,
        t: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        attributes: dict | None = None,
        path: Path | None = None,
        chunks: tuple[int, int, int] | None = None,
        published: bool = False,
    ):
        """read(checkpoints (k,), start, stop, out): puts these models' stored numbers of samples start..stop there."""
        self.name, self.shape, self.quantity = str(name), tuple(shape), quantity
        # bytes in the order of this processor, and no wider floats than numba, torch and we compute with
        self.dtype = np.dtype(dtype).newbyteorder("=") if np.dtype(dtype).itemsize <= 8 else np.dtype(np.float64)
        self.labels, self.path, self.chunks, self.published = labels, path, chunks, published
        self.t = np.arange(self.shape[0], dtype=np.float64) if t is None else t
        self.attributes = attributes or {}
        self.run = path.parent.name if path else None
        digits = path.stem.removeprefix("preds_") if path else ""
        self.seed = int(digits) if digits.isdecimal() else None
        self.chunk = chunks[1] if chunks else 1
        self.checkpoints = np.arange(self.shape[0])
        self._read, self._tolerance, self.labels_path = read, [tolerance], None  # shared with those of `select`

    @property
    def tolerance(self) -> float:
        """By how much squared norms of stored rows of roots may differ from 1."""
        return self._tolerance[0]

    def stored(self, start: int = 0, stop: int | None = None, out: np.ndarray | None = None) -> np.ndarray:
        """Return the numbers of samples start..stop as they are stored, (T, n, C) of type `dtype`, unchecked.

        out: where to put them, a C-contiguous array of that shape and type (such as some models of a larger one);
        nothing is copied on the way there.  Raises InputError for another `out`, and where the file is damaged or has
        changed since it was opened.
        """
        T, N, C = self.shape
        stop = N if stop is None else min(stop, N)
        shape = (T, max(0, stop - start), C)
        if out is None:
            out = np.empty(shape, self.dtype)
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise InputError(
                f"{self.name}: out must be a C-contiguous array of shape {shape} and type {self.dtype}, "
                f"not {describe(out)}"
            )
        if out.size:
            self._read(self.checkpoints, start, stop, out)
        return out

    def roots(self, start: int = 0, stop: int | None = None, *, dtype: type = np.float32) -> np.ndarray:
        """Return the square roots of the probabilities of samples start..stop, (T, n, C), every row of unit norm.

        Raises InputError, naming the checkpoint and the sample, where the rows are not probabilities.
        """
        return self.decode(self.stored(start, stop), dtype)

    def decode(self, stored: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Return the square roots (T, n, C), as `roots` does, that numbers returned by `stored` stand for."""
        out = np.empty(stored.shape, dtype)
        flat, roots = (x.reshape(-1, stored.shape[2]) for x in (stored, out))
        sound, step = np.empty(len(flat), bool), max(1, quantities.STEP // stored.shape[2])
        for i in range(0, len(flat), step):
            rows = slice(i, i + step)
            sound[rows] = quantities.decode(flat[rows], self.quantity, self.tolerance, roots[rows])
        if not sound.all():
            self.refuse(np.flatnonzero(~sound) // stored.shape[1])
        return out

    def refuse(self, models: Sequence[int] | np.ndarray) -> None:
        """Look at all samples of some models (k,) again, and raise InputError saying what is wrong with the first.

        Those that are as they should be for numbers that are rounded as these are, are taken from now on.
        """
        for i in np.unique(models):
            self.model(i)

    def select(self, checkpoints: Sequence[int] | np.ndarray) -> "Trajectory":
        """Return a Trajectory of some of the models: indices (k,), in any order."""
        which = np.arange(self.shape[0])[np.asarray(checkpoints)]
        selected = copy.copy(self)
        selected.shape, selected.t = (len(which), *self.shape[1:]), self.t[which]
        selected.checkpoints = self.checkpoints[which]
        return selected

    def samples(self, start: int, stop: int) -> "Trajectory":
        """Return a Trajectory of the samples start..stop alone, of the same models; its messages count them from 0."""
        T, N, C = self.shape
        if not 0 <= start < stop <= N:
            raise InputError(f"{self.name}: samples {start} to {stop} of {N}; expected 0 <= start < stop <= {N}")
        part, whole = copy.copy(self), self._read

        def read(checkpoints, first, last, out):
            whole(checkpoints, start + first, start + last, out)

        part._read, part.shape = read, (T, stop - start, C)
        part.name, part.labels_path = f"{self.name}, samples {start} to {stop}", None
        part.labels = None if self.labels is None else self.labels[start:stop]
        part.attributes = {key: value for key, value in self.attributes.items() if key != "labels_sha256"}
        return part

    def intervals(self, size: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of blocks of `size` samples, by default as many as block_size says."""
        size = size or block_size([self])
        for start in range(0, self.shape[1], size):
            yield start, min(start + size, self.shape[1])

    def blocks(self, size: int | None = None, *, dtype: type = np.float32) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (start, roots of `size` samples, by default as many as block_size says) until all have been seen."""
        for start, stop in self.intervals(size):
            yield start, self.roots(start, stop, dtype=dtype)

    def model(self, checkpoint: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one model twice, (N, C): as it is stored, and as probabilities in float64.

        Raises InputError, naming the checkpoint and the sample, where it is not sound.
        """
        stored = self.select([checkpoint]).stored()[0]
        rows = stored.astype(np.float64)
        if self.quantity == "sqrt_probability":
            rows *= np.abs(rows)
        where = f"{self.name}: checkpoint {self.checkpoints[checkpoint]} (t = {self.t[checkpoint]:g})"
        if self.quantity == "fourth_root_8bit":
            largest = stored.max(axis=1)
            if largest.min() < 255:
                first = int(np.argmax(largest < 255))
                raise InputError(
                    f"{where}: the largest number of a row is {largest[first]}, expected 255 (first: "
                    f"sample {first}); the file is damaged or was not written by this program"
                )
            rows **= 4
            rows /= rows.sum(axis=1, keepdims=True)
        self._tolerance[0] = explain_rows(rows, where, self.tolerance)
        return stored, rows


def as_trajectory(models: Trajectory | np.ndarray, name: str = "predictions") -> Trajectory:
    """Return `models` as a Trajectory: one already, or an array of probabilities (T, N, C) or (N, C).

    name: what messages call it.  Raises InputError for anything else.
    """
    if isinstance(models, Trajectory):
        return models
    array = as_array(models, name)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.size == 0 or array.dtype.kind != "f":
        raise InputError(f"{name}: expected probabilities (T, N, C) or (N, C), not {describe(array)}")

    def read(checkpoints, start, stop, out):
        for source, target in hdf5.stretches(checkpoints):
            out[target] = array[source, start:stop]

    return Trajectory(name, read, array.shape, array.dtype, quantity="probability")


def block_size(trajectories: Sequence[Trajectory], more: int = 0) -> int:
    """Return how many samples of these trajectories, and of `more` models beside them, to hold at once."""
    models = sum(x.shape[0] for x in trajectories) + more
    return max(1, BLOCK_BYTES // (4 * models * trajectories[0].shape[2]))


def check_shapes(trajectories: Sequence[Trajectory]) -> None:
    """Raise InputError unless all trajectories predict the same samples, by their labels, and the same classes."""
    if not trajectories:
        raise InputError("no trajectories were given")
    first = trajectories[0]
    for other in trajectories[1:]:
        if other.shape[1:] != first.shape[1:]:
            raise InputError(
                f"{first.name} has {first.shape[1]} samples x {first.shape[2]} classes, {other.name} has "
                f"{other.shape[1]} x {other.shape[2]}. Trajectories must be predictions of the same samples over the "
                "same classes: imprint both on the same task"
            )
    check_alike([x for x in trajectories if x.labels is not None])


def open_trajectory(path: str | Path) -> Trajectory:
    """Open a prediction file, ours or a published one, and check everything that costs no reading of the data.

    Raises InputError for a file that is missing, incomplete, foreign, or that would have other files read.
    """
    path = Path(path)
    header = format.read_header(path)
    return Trajectory(
        path,
        _reader(path),
        header.shape,
        header.dtype,
        quantity=header.quantity,
        tolerance=quantities.tolerance(quantities.PUBLISHED if header.published else header.quantity, header.shape[2]),
        t=header.t,
        labels=header.labels,
        attributes=header.attributes,
        path=path,
        chunks=header.chunks,
        published=header.published,
    )


def _reader(path):
    """Return read(checkpoints, start, stop, out), which opens the file for as long as it reads (0.2 ms)."""
    state = path.stat()

    @functools.cache
    def chunks():
        return Chunks(path)

    def read(checkpoints, start, stop, out):
        with hdf5.reading(path):
            now = path.stat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (state.st_ino, state.st_size, state.st_mtime_ns):
            raise InputError(f"{path} changed while it was being read; start again")
        if not (pays(state.st_size) and chunks().read(checkpoints, start, stop, out)):
            hdf5.read(path, checkpoints, start, stop, out)

    return read
