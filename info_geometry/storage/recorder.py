"""Recording models one by one into a prediction file: the writing side of the file contract.

People call these as `predictions.write` and `predictions.Recorder`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage.format import fingerprint
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
from info_geometry.storage.writer import Writer


class Recorder:
    """Write a prediction file model by model, for example from a training loop of your own.

        with predictions.Recorder("predictions/mine_a/preds_0.h5", labels=test_labels) as recorder:
            for epoch in range(epochs):
                ...
                recorder.append(softmax_outputs, t=epoch)

    The file appears under its name when the block ends without an exception; otherwise nothing is left.
    Arguments are those of `write`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: np.ndarray,
        quantity: str = "sqrt_probability",
        compression: str | None = None,
        t_name: str = "t",
        **attributes: object,
    ):
        self._writer = Writer(path, np.asarray(on_cpu(labels)), quantity, compression, t_name, attributes)

    @property
    def path(self) -> Path:
        """Where the file will be."""
        return self._writer.path

    @property
    def count(self) -> int:
        """Number of models recorded so far."""
        return self._writer.count

    def __enter__(self) -> "Recorder":
        self._writer.__enter__()
        return self

    def __exit__(self, *exception):
        return self._writer.__exit__(*exception)

    def append(self, probabilities: np.ndarray, t: float | None = None) -> None:
        """Add one model: probabilities (N, C), an array or a tensor, rows summing to 1.

        t: its coordinate, by default the number of models before it.
        Raises InputError, naming model and sample, where these are not probabilities.
        """
        rows = np.asarray(on_cpu(probabilities))
        t = float(self.count if t is None else t)
        where = self._where(t)
        self._check_shape(rows, where)
        rows = rows.astype(np.float64)
        explain_rows(rows, where, TOLERANCE)
        rows /= rows.sum(axis=1, keepdims=True)
        quantity = self._writer.quantity
        stored, step = np.empty(rows.shape, TYPES[quantity]), max(1, STEP // rows.shape[1])
        for n in range(0, len(rows), step):
            stored[n : n + step] = encode(rows[n : n + step], quantity)
        self._writer.append(stored, t)

    def append_roots(self, roots: np.ndarray, t: float) -> None:
        """Add one model as square roots of probabilities (N, C), float16; several times faster than `append`.

        Raises InputError, naming model and sample, where these are not square roots of probabilities.
        """
        roots, quantity = np.asarray(on_cpu(roots)), self._writer.quantity
        where = self._where(t)
        expected = f"{len(self._writer.labels)} rows of square roots of probabilities in float16"
        if quantity == "probability" or roots.dtype != np.float16:
            raise InputError(f"{where}: expected {expected}, not {describe(roots)}")
        self._check_shape(roots, where, expected)
        stored, step = np.empty(roots.shape, TYPES[quantity]), max(1, STEP // roots.shape[1])
        for n in range(0, len(roots), step):
            rows = np.ascontiguousarray(roots[n : n + step])
            unit = np.empty(rows.shape, np.float32)
            if not decode(rows, "sqrt_probability", TOLERANCE, unit).all():
                everything = roots.astype(np.float64)
                explain_rows(everything * np.abs(everything), where, TOLERANCE)
            stored[n : n + step] = rows if quantity == "sqrt_probability" else eight_bits(np.abs(unit))
        self._writer.append(stored, t)

    def append_file(self, path: str | Path) -> None:
        """Add the models of another prediction file over the same samples, as they are stored there.

        Raises InputError where that file is not sound, or holds other samples or another quantity.
        """
        other, quantity = open_trajectory(path), self._writer.quantity
        if other.quantity != quantity or other.attributes.get("labels_sha256") != fingerprint(self._writer.labels):
            raise InputError(
                f"{other.path} holds other samples or another quantity than {self.path} is to hold; delete it"
            )
        for i in range(other.shape[0]):
            stored, rows = other.model(i)
            self._check_shape(rows, f"{other.path}: checkpoint {i}")
            self._writer.append(stored.astype(TYPES[quantity], copy=False), float(other.t[i]), (other.path, i))

    def _where(self, t):
        """Return the name of the next model, for messages."""
        return f"{self.path}: checkpoint {self.count} (t = {t:g})"

    def _check_shape(self, rows, where, expected=None):
        """Raise InputError unless rows are floats (N, C) with as many classes as the models before."""
        N, C = len(self._writer.labels), self._writer.classes
        if C is None:
            C = rows.shape[1] if rows.ndim == 2 else "C"
        if rows.shape != (N, C) or rows.dtype.kind != "f" or not rows.size:
            raise InputError(f"{where}: expected {expected or f'({N}, {C}) probabilities'}, not {describe(rows)}")


def write(
    path: str | Path,
    models: Iterable[np.ndarray],
    *,
    labels: np.ndarray,
    t: Sequence[float] | None = None,
    quantity: str = "sqrt_probability",
    compression: str | None = None,
    **attributes: object,
) -> None:
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
