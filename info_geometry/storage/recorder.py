"""Recording models one by one into a prediction file: the writing side of the file contract.

People call these as `predictions.write` and `predictions.Recorder`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, log
from info_geometry.storage.arrays import as_array, describe
from info_geometry.storage.format import check_order, fingerprint
from info_geometry.storage.quantities import (
    STACK,
    STEP,
    TOLERANCE,
    TYPES,
    decode,
    eight_bits,
    encode,
    explain_rows,
    rounding,
)
from info_geometry.storage.trajectories import open_trajectory
from info_geometry.storage.writer import Writer

SEEN = 200  # rows of a model that are looked at for how coarsely it was rounded


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
        labels: np.ndarray | None = None,
        quantity: str = "sqrt_probability",
        compression: str | None = None,
        t_name: str = "t",
        keep_order: bool = False,
        overwrite: bool = False,
        **attributes: object,
    ):
        self._writer = Writer(path, labels, quantity, compression, t_name, attributes, keep_order)
        if not (overwrite or (self.path.match("*/preds_*.h5") and self.path.stem[len("preds_") :].isdecimal())):
            log.warning("warning: no command looks for %s: they look for <run>/preds_<seed>.h5, seed a number", path)
        if self.path.exists() and not overwrite:
            log.warning("warning: %s is there and will be replaced; overwrite=True says that it is meant", path)

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

    def say(self, **attributes: object) -> None:
        """Add attributes that were not known when the file was begun."""
        self._writer.say(attributes)

    def append(self, probabilities: np.ndarray, t: float | None = None) -> None:
        """Add one model: probabilities (N, C), an array or a tensor, rows summing to 1.

        t: its coordinate, by default the number of models before it.
        Raises InputError, naming model and sample, where these are not probabilities.
        """
        t = self.count if t is None else _number(t, self.path, self.count)
        where = self._where(t)
        rows = as_array(probabilities, where)
        self._check_shape(rows, where)
        half, rows = rows.dtype == np.float16, rows.astype(np.float64)
        explain_rows(rows, where, TOLERANCE)
        rounded = "in float16" if half else rounding(rows[:SEEN])[0]
        self._writer.rounded = rounded if self._writer.rounded in (None, rounded) else ""
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
        where, quantity, N = self._where(t), self._writer.quantity, self._writer.samples
        self._writer.rounded = ""
        roots = as_array(roots, where)
        expected = f"{'N' if N is None else N} rows of square roots of probabilities in float16"
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
        other, quantity, labels = open_trajectory(path), self._writer.quantity, self._writer.labels
        known = None if labels is None else fingerprint(labels)
        if other.quantity != quantity or other.attributes.get("labels_sha256") != known:
            raise InputError(
                f"{other.path} holds other samples or another quantity than {self.path} is to hold; delete it"
            )
        rounded = other.attributes.get("rounded", "")
        self._writer.rounded = rounded if self._writer.rounded in (None, rounded) else ""
        for i in range(other.shape[0]):
            stored, rows = other.model(i)
            self._check_shape(rows, f"{other.path}: checkpoint {i}")
            self._writer.append(stored.astype(TYPES[quantity], copy=False), float(other.t[i]), (other.path, i))

    def _where(self, t):
        """Return the name of the next model, for messages."""
        return f"{self.path}: checkpoint {self.count} (t = {t:g})"

    def _check_shape(self, rows, where, expected=None):
        """Raise InputError unless rows are floats (N, C) with as many samples and classes as the models before."""
        N, C = self._writer.samples, self._writer.classes
        if rows.ndim == 2:
            N, C = (size if known is None else known for known, size in zip((N, C), rows.shape))
        if rows.shape != (N, C) or rows.dtype.kind != "f" or not rows.size:
            advice = (
                f"; if these are one probability p of two classes, give {STACK}"
                if rows.ndim == 1 and len(rows) == N
                else ""
            )
            wanted = expected or f"({'N' if N is None else N}, {'C' if C is None else C}) probabilities"
            raise InputError(f"{where}: expected {wanted}, not {describe(rows)}{advice}")


def _number(t, path, i):
    """Return t as a float; raise InputError for what is none."""
    try:
        return float(t)
    except (TypeError, ValueError):
        raise InputError(f"{path}: checkpoint {i}: t is {t!r}, expected a number") from None


def write(
    path: str | Path,
    models: Iterable[np.ndarray],
    *,
    labels: np.ndarray | None = None,
    t: Sequence[float] | None = None,
    quantity: str = "sqrt_probability",
    compression: str | None = None,
    keep_order: bool = False,
    overwrite: bool = False,
    **attributes: object,
) -> None:
    """Write the predictions of an ordered set of models to `path`, atomically.

    models: probabilities (softmax outputs), an array (T, N, C) or an iterable of (N, C) arrays, taken one at a time;
    a single array (N, C) is one model.
    labels: true classes (N,), or None if there are none, which is a picture without progress.
    t: (T,) coordinates of the models, by default 0, 1, 2, ...; they increase, unless keep_order=True says that the
    order is meant.
    quantity: what is stored, `sqrt_probability` (distances accurate to 0.03 %), `probability`, or `fourth_root_8bit`
    (half the bytes; benchmarks/storage.py prints the errors).  compression: `gzip` saves 15 to 70 % of the bytes, is
    written 20 times slower and read 5 to 10 times slower.
    overwrite: a file of this name is replaced without a warning, and the name may be one that no command looks for.
    attributes: texts, numbers, or what JSON can hold (paths, dates, arrays and the like become that): task=, seed=,
    dataset=, config=, t_name=, ...

    Raises InputError for what cannot be stored before the first model is taken, naming the model whose rows are not
    probabilities, and where the disk is full; nothing is left under `path` then.
    """
    if not isinstance(models, Iterable):
        raise InputError(f"{path}: expected models (T, N, C), not {type(models).__name__}")
    if getattr(models, "ndim", 3) == 2:
        models = _one_model(models, path, labels)
    if t is not None:
        t = [_number(x, path, i) for i, x in enumerate(t)]
        check_order(t, path, keep_order)
        if hasattr(models, "__len__") and len(models) != len(t):
            raise InputError(f"{path}: {len(models)} models but {len(t)} values of t")
    options = {"quantity": quantity, "compression": compression, "keep_order": keep_order, "overwrite": overwrite}
    with Recorder(path, labels=labels, **options, **attributes) as recorder:
        for i, model in enumerate(models):
            if t is not None and i >= len(t):
                raise InputError(f"{path}: more models than the {len(t)} values of t")
            recorder.append(model, t=None if t is None else t[i])
        if t is not None and recorder.count != len(t):
            raise InputError(f"{path}: {recorder.count} models but {len(t)} values of t")


def _one_model(array, path, labels):
    """Return an array (N, C) as one model (1, N, C); raise InputError where it is (T, N), one probability a sample."""
    if labels is not None and len(array) != len(labels) and array.shape[1] == len(labels):
        raise InputError(
            f"{path}: expected models (T, N, C), not {describe(as_array(array, path))}; if these are T models' one "
            f"probability p of two classes, give {STACK}"
        )
    return [array]
