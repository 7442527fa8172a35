"""The writing side of the file contract: recording models one by one.

People call these as `predictions.write` and `predictions.Recorder`.
"""

import contextlib
import hashlib
import math
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, hdf5, versions, writing
from info_geometry.storage import format
from info_geometry.storage.quantities import (
    STEP,
    TOLERANCE,
    TYPES,
    decode,
    describe,
    eight_bits,
    encode,
    explain_rows,
    on_cpu,
)
from info_geometry.storage.trajectories import open_trajectory


class Recorder:
    """Write a prediction file model by model, for example from a training loop of your own.

        with predictions.Recorder("predictions/mine_a/preds_0.h5", labels=test_labels) as recorder:
            for epoch in range(epochs):
                ...
                recorder.append(softmax_outputs, t=epoch)

    The file appears under its name when the block ends without an exception; otherwise nothing is left.
    Arguments are those of `write`.
    """

    def __init__(self, path, *, labels, quantity="sqrt_probability", compression=None, t_name="t", **attributes):
        self.path = Path(path)
        self.labels = np.asarray(on_cpu(labels))
        self.quantity, self.compression = quantity, compression
        if self.labels.ndim != 1 or self.labels.size == 0 or self.labels.dtype.kind not in "iu":
            raise InputError(f"{path}: labels must be N integers, not {describe(self.labels)}")
        if quantity not in TYPES:
            raise InputError(f"{path}: quantity {quantity!r} is not one of {', '.join(TYPES)}")
        if compression not in format.COMPRESSION:
            raise InputError(f"{path}: compression {compression!r} is not one of None, 'gzip'")
        self.attributes = {
            **attributes,
            "format_version": format.FORMAT_VERSION,
            "quantity": quantity,
            "t_name": t_name,
            "labels_sha256": format.fingerprint(self.labels),
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
        with format.new_file(self.path) as (self._file, self._disk):
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

    def append_file(self, path):
        """Add the models of a prediction file over the same samples, as they are stored there."""
        self.append_trajectory(open_trajectory(path))

    def append_trajectory(self, other):
        """Add the models of an opened prediction file over the same samples, as they are stored there."""
        if other.quantity != self.quantity or other.attributes.get("labels_sha256") != format.fingerprint(self.labels):
            raise InputError(
                f"{other.path} holds other samples or another quantity than {self.path} is to hold; delete it"
            )
        for i in range(other.shape[0]):
            stored, rows = other.model(i)
            self._check_shape(rows, f"{other.path}: checkpoint {i}")
            self.append_stored(
                stored.astype(TYPES[self.quantity], copy=False),
                float(other.t[i]),
                (other.path, int(other.checkpoints[i])),
            )

    def append_stored(self, stored, t, source=None):
        """Write one model as `encode` returns it; source: the file and model whose chunks can be copied for it."""
        N, C = stored.shape
        if not math.isfinite(t):
            raise InputError(f"{self.path}: checkpoint {self.count} (t = {t:g}): t must be a finite number")
        if self._data is None and (self.labels.min() < 0 or self.labels.max() >= C):
            raise InputError(
                f"{self.path}: labels reach from {self.labels.min()} to {self.labels.max()}, "
                f"but the predictions have {C} classes"
            )
        with writing(self.path):
            if self._data is None:
                self._data = self._file.create_dataset(
                    "data",
                    shape=(0, N, C),
                    maxshape=(None, N, C),
                    chunks=(1, format.chunk_rows(N, C), C),
                    dtype=TYPES[self.quantity],
                    fletcher32=True,
                    **format.COMPRESSION[self.compression],
                )
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
            format.complete(self._file, self._disk, self._t, self.labels, attributes)


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
