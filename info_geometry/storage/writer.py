"""Writing a prediction file whose numbers are encoded already: what `recorder` and `conversion` share."""

import contextlib
import hashlib
import math
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, hdf5, versions, writing
from info_geometry.storage import format
from info_geometry.storage.quantities import TYPES, describe


class Writer:
    """Writes the models of a prediction file one by one; used in a `with` block.

    The file appears under its name when the block ends without an exception; otherwise nothing is left.
    path, labels (N,), quantity: of the file.  classes: their number, None before the first model.
    """

    def __init__(
        self,
        path: str | Path,
        labels: np.ndarray,
        quantity: str,
        compression: str | None = None,
        t_name: str = "t",
        attributes: dict | None = None,
    ):
        """Raises InputError unless labels are N integers, and quantity and compression are known."""
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise InputError(f"{path}: labels must be N integers, not {describe(labels)}")
        if quantity not in TYPES:
            raise InputError(f"{path}: quantity {quantity!r} is not one of {', '.join(TYPES)}")
        if compression not in format.COMPRESSION:
            raise InputError(f"{path}: compression {compression!r} is not one of None, 'gzip'")
        self.path, self.labels, self.quantity, self.classes = Path(path), labels, quantity, None
        self._compression = compression
        self._attributes = {
            **(attributes or {}),
            "format_version": format.FORMAT_VERSION,
            "quantity": quantity,
            "t_name": t_name,
            "labels_sha256": format.fingerprint(labels),
            "versions": versions(),
        }
        self._t, self._hash, self._data = [], hashlib.sha256(), None

    @property
    def count(self) -> int:
        """Number of models written so far."""
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
            if self._data is None:
                raise InputError(f"{self.path}: no model was recorded")
            attributes = {**self._attributes, "data_sha256": self._hash.hexdigest()}
            with writing(self.path):
                format.complete(self._file, self._disk, self._t, self.labels, attributes)

    def append(self, stored: np.ndarray, t: float, source: tuple[Path, int] | None = None) -> None:
        """Write one model, as `quantities.encode` returns it (N, C), at `t`.

        source: the file and the model in it whose chunks hold the same and can be copied.
        Raises InputError where t is not finite, labels are not among the classes, or the file cannot be written.
        """
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
                self._create(N, C)
            self._data.resize(self.count + 1, axis=0)
            if source is None or not hdf5.copy_chunks(*source, self._data, self.count):
                self._data[-1] = stored
            self._disk.check()
        self._hash.update(np.ascontiguousarray(stored))
        self._t.append(t)

    def _create(self, N, C):
        """Create the array that grows with each model."""
        self.classes = C
        self._data = self._file.create_dataset(
            "data",
            shape=(0, N, C),
            maxshape=(None, N, C),
            chunks=(1, format.chunk_rows(N, C), C),
            dtype=TYPES[self.quantity],
            fletcher32=True,
            **format.COMPRESSION[self._compression],
        )
