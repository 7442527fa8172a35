"""The writing side of the file contract: which numbers stand for probabilities, their layout, recording, converting.

    sqrt_probability    float16   sqrt(p)
    probability         float16   p
    fourth_root_8bit    uint8     round(255 (p / max p)^(1/4)), max of the row: half the bytes

People call these as `predictions.write`, `predictions.Recorder` and `python -m info_geometry.predictions convert`.
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

FORMAT_VERSION = 1
TYPES = {"sqrt_probability": np.float16, "probability": np.float16, "fourth_root_8bit": np.uint8}
# stored numbers are roots = (number * unit) ** power, of any norm; 8 bits are below 2^-10, so that the squared norm of
# a row, whatever its largest number, is less than 2, and that of zeros, 0, is further from 1 than any other
ROOTS = {"sqrt_probability": (1.0, 1.0), "probability": (1.0, 0.5), "fourth_root_8bit": (1 / (32 * 255), 2.0)}
PUBLISHED = "published"  # probabilities in float16 rounded to 5 decimals, in chunks that h5py chooses, with LZ4
COMPRESSION = {None: {}, "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True}}
TOLERANCE = 2e-3  # of row sums; storing roots or probabilities in float16 moves them by less than 1e-3
STEP = 1 << 18  # numbers worked on at once: they should stay in cache
OURS = {"format_version", "quantity", "t_name", "labels_sha256", "data_sha256", "versions"}  # attributes


def tolerance(quantity, C):
    """Return by how much the squared norm of a row of C roots may differ from 1, before it is made 1 (see ROOTS).

    The largest of 8 bits in a row is 255, so the squared norm is from 2^-20 to C 2^-20, and that of zeros is not.
    """
    if quantity == "fourth_root_8bit":
        return 1 - 2.0**-21
    # rounding to 5 decimals moves each of the C entries of a published row by up to 5e-6
    return TOLERANCE + 5e-6 * C if quantity == PUBLISHED else TOLERANCE


def encode(probabilities, quantity):
    """Return probabilities, float64 with rows that sum to 1, as they are stored."""
    if quantity == "sqrt_probability":
        return np.sqrt(probabilities).astype(np.float16)
    if quantity == "fourth_root_8bit":
        return _eight_bits(np.sqrt(probabilities))
    return (np.round(probabilities, 5) if quantity == PUBLISHED else probabilities).astype(np.float16)


def _eight_bits(roots):
    """Return square roots as 8 bits: each row is made as large as fits, since its norm is known to be 1.

    Rounding moves a fourth root by at most h = 1/510 of the largest of its row, and the row of square roots, of norm
    1, by at most 2 h C^(1/4) + h^2 C^(1/2): 0.7 % for 10 classes, 2.2 % for 1,000, in directions that hardly add up.
    """
    return np.rint(255 * np.sqrt(roots / roots.max(axis=-1, keepdims=True))).astype(np.uint8)


def to_roots(numbers, quantity):
    """Return the square roots of probabilities, not normalised, that stored numbers (floats, or a tensor) stand for."""
    unit, power = ROOTS[quantity]
    return numbers if unit == power == 1 else (numbers * unit) ** power


def decode(stored, quantity, tolerance, out):
    """Put the square roots of stored probabilities (n, C), rows of unit norm, into `out`; return which are sound (n,).

    tolerance: how much squared norms may differ from 1.
    """
    if stored.dtype != np.float16:
        out[...] = stored
    elif out.dtype == np.float32:
        _widen(stored, out)
    else:
        floats = np.empty(stored.shape, np.float32)
        _widen(stored, floats)
        out[...] = floats
    with np.errstate(invalid="ignore", divide="ignore"):
        if quantity == "probability":
            np.sqrt(out, out=out)
        elif quantity == "fourth_root_8bit":
            np.multiply(out, out, out=out)  # whole numbers below 2^16: exact
        sums = np.einsum("nc,nc->n", out, out)
        if quantity == "fourth_root_8bit":
            sound = stored.max(axis=1) == 255
        else:
            sound = (np.abs(sums - 1) <= tolerance) & (out.min(axis=1) >= 0)
        out /= np.sqrt(sums)[:, None]
    return sound


def _widen(halves, out):
    """Put float16 into float32, exactly; numpy takes 1 to 14 ns a number for this, and most where they are tiny.

    The bits of a half h >= 0, 13 to the left and 112 added to the exponent, are those of the float, except where h
    is subnormal; there they are if the exponent is 1 more and 2^-14 is then taken away, which is larger for all others.
    """
    bits = halves.view(np.uint16)
    if not bits.size or bits.max() >= 0x7C00:  # infinite, not a number, or a sign
        out[...] = halves
        return
    shifted = out.view(np.uint32)
    shifted[...] = bits
    shifted <<= 13
    shifted += np.uint32(113 << 23)
    subnormal = out - np.float32(2.0**-14)
    shifted -= np.uint32(1 << 23)
    np.minimum(out, subnormal, out=out)


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


def explain_rows(rows, where, tolerance):
    """Raise InputError saying what is wrong if the rows (N, C) are not probabilities within `tolerance`."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(f"{where}: {np.sum(~finite)} of {len(rows)} rows are not finite; "
                         f"the first is sample {np.argmin(finite)}")
    sums = rows.sum(axis=1)
    if rows.min() < 0 or np.abs(sums - 1).max() > tolerance:
        first = int(np.argmax((rows.min(axis=1) < 0) | (np.abs(sums - 1) > tolerance)))
        negative = ", some entries are negative" if rows.min() < 0 else ""
        raise InputError(f"{where}: rows sum to {sums.min():.4g}..{sums.max():.4g}{negative} (first: sample {first}); "
                         "these look like logits or features: store softmax outputs")


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
            "versions": _versions(),
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
            stored[n : n + step] = part if self.quantity == "sqrt_probability" else _eight_bits(np.abs(unit))
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
            _complete(self._file, self._disk, self._t, self.labels, attributes)


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


def recode(source, models, start, stop, quantity):
    """Return samples start..stop of some models of an opened trajectory as `quantity` stores them, (t, n, C)."""
    part = source.select(models)
    stored = part.stored(start, stop)
    if quantity == (PUBLISHED if source.published else source.quantity) and stored.dtype == np.dtype(_type(quantity)):
        part.decode(stored, np.float32)  # refuses what is not sound
        return stored
    found, step = np.empty(stored.shape, _type(quantity)), max(1, STEP // stored.shape[2])
    for i in range(len(found)):
        model = part.select([i])
        for n in range(0, found.shape[1], step):
            roots = model.decode(stored[i : i + 1, n : n + step], np.float64)
            found[i, n : n + step] = encode(np.square(roots[0], out=roots[0]), quantity)
    return found


def recode_models(source, quantity, bar):
    """Yield (model, its stored numbers (N, C)) of an opened trajectory as `quantity` stores them."""
    T, N, C = source.shape
    together, rows = (source.chunks or (1, N))[:2]  # models that share chunks are read together, if they fit
    together = max(1, min(together, (1 << 30) // (2 * N * C)))
    rows *= max(1, (1 << 24) // (rows * C * together))
    for first in range(0, T, together):
        models = range(first, min(T, first + together))
        found = np.empty((len(models), N, C), _type(quantity))
        for n in range(0, N, rows):
            found[:, n : n + rows] = recode(source, models, n, n + rows, quantity)
        for i, stored in zip(models, found):
            yield i, stored
            bar.update()


def convert(source, path, quantity, bar, *, labels=None, compression=None):
    """Write the models of an opened trajectory to `path` as `quantity` stores them, or as a published file.

    bar: a progress bar of models.  labels: true classes (N,), which only a published file does without.
    Memory is that of few models, however many there are.  Raises InputError where the source is not sound.
    """
    attributes = {key: value for key, value in source.attributes.items() if key not in OURS}
    t_name = source.attributes.get("t_name", "t")
    if quantity == PUBLISHED:
        _publish(source, path, bar, labels, {**attributes, "t_name": t_name})
        return
    with Recorder(path, labels=labels, quantity=quantity, compression=compression, t_name=t_name,
                  **attributes) as recorder:
        for i, stored in recode_models(source, quantity, bar):
            recorder.append_stored(stored, float(source.t[i]))


def _publish(source, path, bar, labels, attributes):
    """Write a published file; t and labels stay in it beside `data`, where they disturb nobody who reads that."""
    try:
        import hdf5plugin
    except ImportError:
        raise InputError(f"{path}: published files are compressed with LZ4, which needs: pip install hdf5plugin"
                         ) from None
    with new_file(path) as (file, disk):
        with writing(path):
            data = file.create_dataset("data", shape=source.shape, dtype="f2", chunks=True, **hdf5plugin.LZ4())
        together, rows, _ = data.chunks
        for first in range(0, data.shape[0], together):
            models = range(first, min(data.shape[0], first + together))
            for n in range(0, data.shape[1], rows):
                stored = recode(source, models, n, n + rows, PUBLISHED)
                with writing(path):
                    data[first : first + together, n : n + rows] = stored
                    disk.check()
            bar.update(len(models))
        with writing(path):
            if labels is not None:
                attributes["labels_sha256"] = fingerprint(labels)
            _complete(file, disk, source.t, labels, attributes)


@contextlib.contextmanager
def new_file(path):
    """Yield (an HDF5 file, the disk under it) that appears as `path` when the block ends without an exception."""
    with atomic_path(path) as temporary:
        with writing(path):
            disk = hdf5.Disk(temporary, "w+")
        with disk, h5py.File(disk, "w", libver="v110") as file:  # metadata with checksums
            yield file, disk


def _complete(file, disk, t, labels, attributes):
    file.create_dataset("t", data=np.array(t, dtype=np.float64), fletcher32=True)
    if labels is not None:
        file.create_dataset("labels", data=labels.astype(np.int64), fletcher32=True)
    for key, value in attributes.items():
        plain = isinstance(value, (str, int, float, np.integer, np.floating)) and not isinstance(value, bool)
        file.attrs[key] = value if plain else json.dumps(value, sort_keys=True)
    file.close()
    disk.check()


def _type(quantity):
    return TYPES.get(quantity, np.float16)


def on_cpu(array):
    """Return a tensor as what numpy takes; anything else as it is."""
    if not hasattr(array, "detach"):
        return array
    array = array.detach().cpu()
    return array.float() if str(array.dtype) == "torch.bfloat16" else array  # numpy has no bfloat16


def describe(array):
    """Return shape and type of an array in words."""
    return f"an array of shape {array.shape} and type {array.dtype}"


def _versions():
    found = {}
    for package in ("picture-of-tasks", "torch", "torchvision", "numpy", "h5py"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
