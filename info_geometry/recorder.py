"""The writing side of the file contract: the layout of files, and recording models in them one by one.

People call these as `predictions.write` and `predictions.Recorder`.
"""
import contextlib
import hashlib
import importlib.metadata
import json
import math
from pathlib import Path

import h5py
import numpy as np

from info_geometry import hdf5
from info_geometry.files import InputError, atomic_path, writing
from info_geometry.quantities import STEP, TOLERANCE, TYPES, decode, describe, eight_bits, encode, explain_rows, on_cpu

FORMAT_VERSION = 1
COMPRESSION = {None: {}, "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True}}
OURS = {"format_version", "quantity", "t_name", "labels_sha256", "data_sha256", "versions"}  # attributes


def chunk_rows(N, C):
    """Return how many of N samples of C classes a chunk holds, of one model.

    Whoever reads s samples reads the chunks they touch, s + rows samples on average, each chunk at a cost of its own
    of about that of 14 kB: best is rows^2 C = 7000 s, here for s = 220 between 48 and 1000.  Of the sizes about that
    the one that wastes least of the last chunk is taken.
    """
    best = math.sqrt(1.5e6 / C)
    if 1.3 * best >= N:
        return N
    return min(range(max(1, int(0.75 * best)), int(1.25 * best) + 2), key=lambda rows: (-N % rows, abs(rows - best)))


def fingerprint(labels):
    """Return the SHA-256 of labels (N,): equal when samples carry the same labels in the same order."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").tobytes()).hexdigest()


class Recorder:
    """Writes a prediction file model by model; `predictions.Recorder`, which is this, says how to use it."""

    def __init__(self, path, *, labels, quantity="sqrt_probability", compression=None, t_name="t", **attributes):
        self.path = Path(path)
        self.labels = np.asarray(on_cpu(labels))
        self.quantity, self.compression = quantity, compression
        if self.labels.ndim != 1 or self.labels.size == 0 or self.labels.dtype.kind not in "iu":
            raise InputError(f"{path}: labels must be N integers, not {describe(self.labels)}")
        if quantity not in TYPES:
            raise InputError(f"{path}: quantity {quantity!r} is not one of {', '.join(TYPES)}")
        if compression not in COMPRESSION:
            raise InputError(f"{path}: compression {compression!r} is not one of None, 'gzip'")
        self.attributes = {
            **attributes,
            "format_version": FORMAT_VERSION,
            "quantity": quantity,
            "t_name": t_name,
            "labels_sha256": fingerprint(self.labels),
            "versions": versions(),
        }
        self._t, self._hash, self._data = [], hashlib.sha256(), None

    @property
    def count(self):
        """Number of models recorded so far."""
        return len(self._t)

    def __enter__(self):
        self._manager = self._open()
        self._manager.__enter__()
        return self

    def __exit__(self, *exception):
        return self._manager.__exit__(*exception)

    @contextlib.contextmanager
    def _open(self):
        with new_file(self.path) as (self._file, self._disk):
            yield
            self._finish()

    def append(self, probabilities, t=None):
        """Add one model: probabilities (N, C), rows summing to 1; t defaults to the number of models before it."""
        rows = np.asarray(on_cpu(probabilities))
        t = float(self.count if t is None else t)
        where = f"{self.path}: checkpoint {self.count} (t = {t:g})"
        self._check_shape(rows, where)
        rows = rows.astype(np.float64)
        explain_rows(rows, where, TOLERANCE)
        rows /= rows.sum(axis=1, keepdims=True)
        stored, step = np.empty(rows.shape, TYPES[self.quantity]), max(1, STEP // rows.shape[1])
        for n in range(0, len(rows), step):
            stored[n : n + step] = encode(rows[n : n + step], self.quantity)
        self.append_stored(stored, t)

    def _check_shape(self, rows, where, expected=None):
        N, C = len(self.labels), rows.shape[-1] if rows.ndim == 2 else "C"
        C = C if self._data is None else self._data.shape[2]
        if rows.shape != (N, C) or rows.dtype.kind != "f" or not rows.size:
            raise InputError(f"{where}: expected {expected or f'({N}, {C}) probabilities'}, not {describe(rows)}")

    def append_roots(self, roots, t):
        """Add one model as square roots of probabilities (N, C), float16; several times faster."""
        roots = np.asarray(on_cpu(roots))
        where = f"{self.path}: checkpoint {self.count} (t = {t:g})"
        expected = f"{len(self.labels)} rows of square roots of probabilities in float16"
        if self.quantity == "probability" or roots.dtype != np.float16:
            raise InputError(f"{where}: expected {expected}, not {describe(roots)}")
        self._check_shape(roots, where, expected)
        stored, step = np.empty(roots.shape, TYPES[self.quantity]), max(1, STEP // roots.shape[1])
        for n in range(0, len(roots), step):
            part = np.ascontiguousarray(roots[n : n + step])
            unit = np.empty(part.shape, np.float32)
            if not decode(part, "sqrt_probability", TOLERANCE, unit).all():
                rows = roots.astype(np.float64)
                explain_rows(rows * np.abs(rows), where, TOLERANCE)
            stored[n : n + step] = part if self.quantity == "sqrt_probability" else eight_bits(np.abs(unit))
        self.append_stored(stored, t)

    def append_trajectory(self, other):
        """Add the models of an opened prediction file over the same samples, as they are stored there."""
        if other.quantity != self.quantity or other.attributes.get("labels_sha256") != fingerprint(self.labels):
            raise InputError(f"{other.path} holds other samples or another quantity than {self.path} is to hold; "
                             "delete it")
        for i in range(other.shape[0]):
            stored, rows = other.model(i)
            self._check_shape(rows, f"{other.path}: checkpoint {i}")
            self.append_stored(stored.astype(TYPES[self.quantity], copy=False), float(other.t[i]),
                       (other.path, int(other.checkpoints[i])))

    def append_stored(self, stored, t, source=None):
        """Write one model as `encode` returns it; source: the file and model whose chunks can be copied for it."""
        N, C = stored.shape
        if not math.isfinite(t):
            raise InputError(f"{self.path}: checkpoint {self.count} (t = {t:g}): t must be a finite number")
        if self._data is None and (self.labels.min() < 0 or self.labels.max() >= C):
            raise InputError(f"{self.path}: labels reach from {self.labels.min()} to {self.labels.max()}, "
                             f"but the predictions have {C} classes")
        with writing(self.path):
            if self._data is None:
                self._data = self._file.create_dataset(
                    "data", shape=(0, N, C), maxshape=(None, N, C), chunks=(1, chunk_rows(N, C), C),
                    dtype=TYPES[self.quantity], fletcher32=True, **COMPRESSION[self.compression])
            self._data.resize(self.count + 1, axis=0)
            if source is None or not hdf5.copy_chunks(*source, self._data, self.count):
                self._data[-1] = stored
            self._disk.check()
        self._hash.update(np.ascontiguousarray(stored))
        self._t.append(t)

    def _finish(self):
        if self._data is None:
            raise InputError(f"{self.path}: no model was recorded")
        attributes = {**self.attributes, "data_sha256": self._hash.hexdigest()}
        with writing(self.path):
            complete(self._file, self._disk, self._t, self.labels, attributes)


def write(path, models, *, labels, t=None, quantity="sqrt_probability", compression=None, **attributes):
    """Write the predictions of an ordered set of models to `path`, atomically.

    models: probabilities (softmax outputs), an array (T, N, C) or an iterable of (N, C) arrays, taken one at a time.
    labels: true classes (N,).  t: (T,) coordinates of the models, by default 0, 1, 2, ...
    quantity: what is stored, `sqrt_probability` (distances accurate to 0.03 %), `probability`, or `fourth_root_8bit`
    (half the bytes; benchmarks/storage.py prints the errors).  compression: `gzip` saves 15 to 70 % of the bytes, is
    written 20 times slower and read 5 to 10 times slower.
    attributes: texts, numbers, or anything JSON can hold: task=, seed=, dataset=, config=, t_name=, ...

    Raises InputError naming the model whose rows are not probabilities, and where the disk is full; nothing is left
    under `path` then.
    """
    with Recorder(path, labels=labels, quantity=quantity, compression=compression, **attributes) as recorder:
        for i, model in enumerate(models):
            if t is not None and i >= len(t):
                raise InputError(f"{path}: more models than the {len(t)} values of t")
            recorder.append(model, t=None if t is None else t[i])
        if t is not None and recorder.count != len(t):
            raise InputError(f"{path}: {recorder.count} models but {len(t)} values of t")


@contextlib.contextmanager
def new_file(path):
    """Yield (an HDF5 file, the disk under it) that appears as `path` when the block ends without an exception."""
    with atomic_path(path) as temporary:
        with writing(path):
            disk = hdf5.Disk(temporary, "w+")
        with disk, h5py.File(disk, "w", libver="v110") as file:  # metadata with checksums
            yield file, disk


def complete(file, disk, t, labels, attributes):
    """Write what stands beside the data, and close the file."""
    file.create_dataset("t", data=np.array(t, dtype=np.float64), fletcher32=True)
    if labels is not None:
        file.create_dataset("labels", data=labels.astype(np.int64), fletcher32=True)
    for key, value in attributes.items():
        plain = isinstance(value, (str, int, float, np.integer, np.floating)) and not isinstance(value, bool)
        file.attrs[key] = value if plain else json.dumps(value, sort_keys=True)
    file.close()
    disk.check()


def versions():
    """Return the versions of the packages that predictions depend on, {package: version}."""
    found = {}
    for package in ("picture-of-tasks", "torch", "torchvision", "numpy", "h5py"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
