"""Writing a prediction file whose numbers are encoded already: what `recorder` and `conversion` share."""

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, hdf5, versions, writing
from info_geometry.storage import format
from info_geometry.storage.attributes import encoded
from info_geometry.storage.labels import as_labels
from info_geometry.storage.quantities import TYPES


class Writer:
    """Writes the models of a prediction file one by one; used in a `with` block.

    The file appears under its name when the block ends without an exception; otherwise nothing is left.
    path, labels (N,) or None, quantity: of the file.  classes: their number, None before the first model.
    """

    def __init__(
        self,
        path: str | Path,
        labels: np.ndarray | None,
        quantity: str,
        compression: str | None = None,
        t_name: str = "t",
        attributes: dict | None = None,
        keep_order: bool = False,
    ):
        """keep_order: t need not increase.

        Raises InputError unless labels are whole numbers, quantity and compression known, and attributes such as can
        be stored.
        """
        self.labels = None if labels is None else as_labels(labels, path)
        if quantity not in TYPES:
            raise InputError(f"{path}: quantity {quantity!r} is not one of {', '.join(TYPES)}")
        if compression not in format.COMPRESSION:
            raise InputError(f"{path}: compression {compression!r} is not one of None, 'gzip'")
        if not isinstance(t_name, str):
            raise InputError(f"{path}: t_name is {t_name!r}, expected a text: what t counts, such as 'epoch'")
        self.path, self.quantity, self.classes, self.samples = Path(path), quantity, None, None
        self._compression, self._keep_order, self._manager = compression, keep_order, None
        ours = {"format_version": format.FORMAT_VERSION, "quantity": quantity, "t_name": t_name, "versions": versions()}
        if self.labels is not None:
            self.samples, ours["labels_sha256"] = len(self.labels), format.fingerprint(self.labels)
        if keep_order:
            ours["keep_order"] = 1
        self._attributes = {}
        self.say(attributes or {})
        self._attributes.update({key: encoded(key, value, path) for key, value in ours.items()})
        self._t, self._hash, self._data = [], hashlib.sha256(), None
        self.rounded = None  # how coarsely all models were rounded before they came here (`quantities.rounding`)

    @property
    def count(self) -> int:
        """Number of models written so far."""
        return len(self._t)

    def say(self, attributes: dict) -> None:
        """Add attributes; raise InputError where one cannot be stored, or is one that this program writes."""
        if taken := sorted(format.OURS & attributes.keys()):
            raise InputError(f"{self.path}: the attribute {taken[0]} is written by this program; call yours otherwise")
        self._attributes.update({key: encoded(key, value, self.path) for key, value in attributes.items()})

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
            if self.rounded:
                attributes["rounded"] = self.rounded
            with writing(self.path):
                format.complete(self._file, self._disk, self._t, self.labels, attributes)

    def append(self, stored: np.ndarray, t: float, source: tuple[Path, int] | None = None) -> None:
        """Write one model, as `quantities.encode` returns it (N, C), at `t`.

        source: the file and the model in it whose chunks hold the same and can be copied.
        Raises InputError where t is not finite or does not increase, labels are not among the classes, or the file
        cannot be written.
        """
        if self._manager is None:
            raise InputError(f"{self.path}: it is written in a with block: with predictions.Recorder(...) as recorder:")
        N, C = stored.shape
        format.check_order([*self._t[-1:], t], self.path, self._keep_order, first=max(0, self.count - 1))
        if self._data is None and self.labels is not None:
            as_labels(self.labels, self.path, N, C)
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
        self.classes, self.samples = C, N
        self._data = self._file.create_dataset(
            "data",
            shape=(0, N, C),
            maxshape=(None, N, C),
            chunks=(1, format.chunk_rows(N, C), C),
            dtype=TYPES[self.quantity],
            fletcher32=True,
            **format.COMPRESSION[self._compression],
        )
