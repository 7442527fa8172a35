"""The file contract: an HDF5 file holds an ordered set of models, each as its predictions on the same samples.

    data    (T, N, C) float16   square roots of probabilities (or probabilities): model, sample, class
    t       (T,) float64        where each model stands in the order: usually training time
    labels  (N,) int64          true classes of the samples
    attributes                  format_version, quantity, t_name, labels_sha256, data_sha256, versions, and what the
                                writer adds: task, seed, dataset, split, config (JSON), ...

A file that exists is complete (it is built under a temporary name), in chunks that compress and carry checksums.
A file with `data` alone is a published one: float16 probabilities rounded to 5 decimals, compressed with LZ4.

    python -m info_geometry.predictions check FILE...      says what a file holds and whether it is sound
"""
import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import math
import sys
from pathlib import Path

import h5py
import numpy as np

from info_geometry import hdf5
from info_geometry.files import InputError, atomic_path, command, writing

FORMAT_VERSION = 1
QUANTITIES = ("sqrt_probability", "probability")
TOLERANCE = 2e-3  # of row sums; storing roots or probabilities in float16 moves them by less than 1e-3
CHUNK_BYTES = 1 << 18
BLOCK_BYTES = 1 << 27


def fingerprint(labels):
    """Return the SHA-256 of labels (N,): equal when samples carry the same labels in the same order."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").tobytes()).hexdigest()


def write(path, models, *, labels, t=None, quantity="sqrt_probability", **attributes):
    """Write the predictions of an ordered set of models to `path`, atomically.

    models: probabilities (softmax outputs), an array (T, N, C) or an iterable of (N, C) arrays, taken one at a time.
    labels: true classes (N,).  t: (T,) coordinates of the models, by default 0, 1, 2, ...
    quantity: what is stored, `sqrt_probability` (distances accurate to 0.03 %) or `probability`.
    attributes: texts, numbers, or anything JSON can hold: task=, seed=, dataset=, config=, t_name=, ...

    Raises InputError naming the model whose rows are not probabilities, and where the disk is full; nothing is left
    under `path` then.
    """
    with Recorder(path, labels=labels, quantity=quantity, **attributes) as recorder:
        for i, model in enumerate(models):
            if t is not None and i >= len(t):
                raise InputError(f"{path}: more models than the {len(t)} values of t")
            recorder.append(model, t=None if t is None else t[i])
        if t is not None and recorder.count != len(t):
            raise InputError(f"{path}: {recorder.count} models but {len(t)} values of t")


class Recorder:
    """Write a prediction file model by model, for example from a training loop of your own.

        with predictions.Recorder("predictions/mine_a/preds_0.h5", labels=test_labels) as recorder:
            for epoch in range(epochs):
                ...
                recorder.append(softmax_outputs, t=epoch)

    The file appears under its name when the block ends without an exception; otherwise nothing is left.
    """

    def __init__(self, path, *, labels, quantity="sqrt_probability", t_name="t", **attributes):
        self.path = Path(path)
        self.labels = np.asarray(_on_cpu(labels))
        self.quantity = quantity
        if self.labels.ndim != 1 or self.labels.size == 0 or self.labels.dtype.kind not in "iu":
            raise InputError(f"{path}: labels must be N integers, not {_describe(self.labels)}")
        if quantity not in QUANTITIES:
            raise InputError(f"{path}: quantity {quantity!r} is not one of {', '.join(QUANTITIES)}")
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
        with atomic_path(self.path) as temporary:
            with writing(self.path):
                self._disk = hdf5.Disk(temporary, "w+")
            with self._disk, h5py.File(self._disk, "w", libver="v110") as self._file:  # metadata with checksums
                yield
                self._finish()

    def append(self, probabilities, t=None):
        """Add one model: probabilities (N, C), rows summing to 1; t defaults to the number of models before it."""
        rows = np.asarray(_on_cpu(probabilities))
        t = float(self.count if t is None else t)
        where = f"{self.path}: checkpoint {self.count} (t = {t:g})"
        self._check_shape(rows, where)
        rows = rows.astype(np.float64)
        explain_rows(rows, where, TOLERANCE)
        rows /= rows.sum(axis=1, keepdims=True)
        self._store((np.sqrt(rows) if self.quantity == "sqrt_probability" else rows).astype(np.float16), t)

    def _check_shape(self, rows, where, expected=None):
        N, C = len(self.labels), rows.shape[-1] if rows.ndim == 2 else "C"
        C = C if self._data is None else self._data.shape[2]
        if rows.shape != (N, C) or rows.dtype.kind != "f" or not rows.size:
            raise InputError(f"{where}: expected {expected or f'({N}, {C}) probabilities'}, not {_describe(rows)}")

    def append_roots(self, roots, t):
        """Add one model as it is stored: square roots of probabilities (N, C), float16; several times faster."""
        roots = np.asarray(_on_cpu(roots))
        where = f"{self.path}: checkpoint {self.count} (t = {t:g})"
        expected = f"{len(self.labels)} rows of square roots of probabilities in float16"
        if self.quantity != "sqrt_probability" or roots.dtype != np.float16:
            raise InputError(f"{where}: expected {expected}, not {_describe(roots)}")
        self._check_shape(roots, where, expected)
        sums = np.einsum("nc,nc->n", roots, roots, dtype=np.float32)
        if not (np.abs(sums - 1) <= TOLERANCE).all() or roots.min() < 0:
            rows = roots.astype(np.float64)
            explain_rows(rows * np.abs(rows), where, TOLERANCE)
        self._store(roots, t)

    def append_file(self, path):
        """Add the models of a prediction file over the same samples, as they are stored there."""
        other = open_trajectory(path)
        if other.quantity != self.quantity or other.attributes.get("labels_sha256") != fingerprint(self.labels):
            raise InputError(f"{path} holds other samples or another quantity than {self.path} is to hold; delete it")
        for i in range(other.shape[0]):
            stored, _ = other.model(i)
            self._check_shape(stored, f"{path}: checkpoint {i}")
            self._store(stored.astype(np.float16, copy=False), float(other.t[i]), path, i)

    def _store(self, stored, t, source=None, model=0):
        """Write one model; chunks that a `source` of the same layout has compressed already are copied."""
        N, C = stored.shape
        if not math.isfinite(t):
            raise InputError(f"{self.path}: checkpoint {self.count} (t = {t:g}): t must be a finite number")
        if self._data is None and (self.labels.min() < 0 or self.labels.max() >= C):
            raise InputError(f"{self.path}: labels reach from {self.labels.min()} to {self.labels.max()}, "
                             f"but the predictions have {C} classes")
        with writing(self.path):
            if self._data is None:
                self._create(N, C)
            self._data.resize(self.count + 1, axis=0)
            if source is None or not self._copy(source, model):
                self._data[-1] = stored
            self._disk.check()
        self._hash.update(stored.tobytes())
        self._t.append(t)

    def _copy(self, source, model):
        """Copy the chunks of a model from another file; return whether they have the same layout."""
        with h5py.File(source, "r", locking=False) as file:
            other = file["data"]
            layouts = [(x.chunks, x.dtype, x.compression, x.compression_opts, x.shuffle, x.fletcher32)
                       for x in (other, self._data)]
            if layouts[0] != layouts[1]:
                return False
            for start in range(0, other.shape[1], other.chunks[1]):
                mask, chunk = other.id.read_direct_chunk((model, start, 0))
                self._data.id.write_direct_chunk((self.count, start, 0), chunk, mask)
        return True

    def _create(self, N, C):
        rows = min(N, max(1, CHUNK_BYTES // (2 * C)))
        self._data = self._file.create_dataset(
            "data", shape=(0, N, C), maxshape=(None, N, C), chunks=(1, rows, C), dtype="f2",
            compression="gzip", compression_opts=1, shuffle=True, fletcher32=True,
        )

    def _finish(self):
        if self._data is None:
            raise InputError(f"{self.path}: no model was recorded")
        with writing(self.path):
            self._file.create_dataset("t", data=np.array(self._t, dtype=np.float64), fletcher32=True)
            self._file.create_dataset("labels", data=self.labels.astype(np.int64), fletcher32=True)
            for key, value in {**self.attributes, "data_sha256": self._hash.hexdigest()}.items():
                plain = isinstance(value, (str, int, float, np.integer, np.floating)) and not isinstance(value, bool)
                self._file.attrs[key] = value if plain else json.dumps(value, sort_keys=True)
            self._file.close()
            self._disk.check()


class Trajectory:
    """An ordered set of models whose predictions are read in blocks of samples.

    name: for messages, a path or "trajectory 3".  shape: (T, N, C).  t: (T,).  labels: (N,) or None.
    attributes: dict.  path, run, seed: where it lies, `predictions/<run>/preds_<seed>.h5`; None for arrays.
    """

    def __init__(self, name, read, shape, *, quantity, tolerance=TOLERANCE, t=None, labels=None, attributes=None,
                 path=None):
        self.name, self.shape, self.quantity, self.labels, self.path = str(name), tuple(shape), quantity, labels, path
        self.t = np.arange(self.shape[0], dtype=np.float64) if t is None else t
        self.attributes = attributes or {}
        self.run = path.parent.name if path else None
        digits = path.stem.removeprefix("preds_") if path else ""
        self.seed = int(digits) if digits.isdecimal() else None
        self._read, self._tolerance = read, tolerance

    def roots(self, start=0, stop=None, *, dtype=np.float32):
        """Return the square roots of the probabilities of samples start..stop, (T, n, C), every row of unit norm.

        Raises InputError, naming the checkpoint and the sample, where the rows are not probabilities.
        """
        stop = self.shape[1] if stop is None else min(stop, self.shape[1])
        block = self._read(slice(None), start, stop).astype(dtype)
        with np.errstate(invalid="ignore"):
            negative = self.quantity == "sqrt_probability" and (block < 0).any(axis=(1, 2))
            if self.quantity == "probability":
                np.sqrt(block, out=block)
            sums = np.einsum("tnc,tnc->tn", block, block)
            bad = ~(np.abs(sums - 1) <= self._tolerance).all(axis=1) | negative
        if bad.any():
            self.model(int(np.argmax(bad)))  # looks at all its samples, and says what is wrong
        block /= np.sqrt(sums)[..., None]
        return block

    def select(self, checkpoints):
        """Return a Trajectory of some of the models: indices (k,), in any order."""
        chosen = np.arange(self.shape[0])[np.asarray(checkpoints)]

        def read(which, start, stop):
            return np.concatenate([self._read(slice(i, i + 1), start, stop) for i in chosen[which]])

        part = Trajectory(self.name, read, (len(chosen), *self.shape[1:]), quantity=self.quantity,
                          tolerance=self._tolerance, t=self.t[chosen], labels=self.labels, attributes=self.attributes)
        part.path, part.run, part.seed = self.path, self.run, self.seed
        return part

    def blocks(self, size=None, *, dtype=np.float32):
        """Yield (start, roots of `size` samples, by default as many as block_size says) until all have been seen."""
        size = size or block_size([self])
        for start in range(0, self.shape[1], size):
            yield start, self.roots(start, start + size, dtype=dtype)

    def model(self, checkpoint):
        """Return one model as it is stored and as probabilities (N, C), float64; raise InputError if it is neither."""
        stored = self._read(slice(checkpoint, checkpoint + 1), 0, self.shape[1])[0]
        rows = stored.astype(np.float64)
        if self.quantity == "sqrt_probability":
            rows *= np.abs(rows)
        explain_rows(rows, f"{self.name}: checkpoint {checkpoint} (t = {self.t[checkpoint]:g})", self._tolerance)
        return stored, rows


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


def as_trajectory(models, name="predictions"):
    """Return `models` as a Trajectory: one already, or an array of probabilities (T, N, C) or (N, C)."""
    if isinstance(models, Trajectory):
        return models
    array = np.asarray(_on_cpu(models))
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.size == 0 or array.dtype.kind != "f":
        raise InputError(f"{name}: expected probabilities (T, N, C) or (N, C), not {_describe(array)}")
    return Trajectory(name, lambda which, start, stop: array[which, start:stop], array.shape, quantity="probability")


def block_size(trajectories, more=0):
    """Return how many samples of these trajectories, and of `more` models beside them, to hold at once."""
    models = sum(x.shape[0] for x in trajectories) + more
    return max(1, BLOCK_BYTES // (4 * models * trajectories[0].shape[2]))


def check_shapes(trajectories):
    """Raise InputError unless all trajectories predict the same number of samples and classes."""
    if not trajectories:
        raise InputError("no trajectories were given")
    first = trajectories[0]
    for other in trajectories[1:]:
        if other.shape[1:] != first.shape[1:]:
            raise InputError(
                f"{first.name} has {first.shape[1]} samples x {first.shape[2]} classes, {other.name} has "
                f"{other.shape[1]} x {other.shape[2]}. Trajectories must be predictions of the same samples over the "
                "same classes: imprint both on the same task")


def open_trajectory(path):
    """Open a prediction file, ours or a published one, and check everything that costs no reading of the data.

    Raises InputError for a file that is missing, incomplete, foreign, or that would have other files read.
    """
    path = Path(path)
    with hdf5.reading(path), h5py.File(path, "r", locking=False) as file:
        data = hdf5.dataset(file, path, "data", "f", 3)
        published = "quantity" not in file.attrs
        attributes = hdf5.attributes(file)
        quantity = "probability" if published else attributes.get("quantity")
        if quantity not in QUANTITIES:
            raise InputError(f"{path}: quantity is {quantity!r}, expected one of {', '.join(QUANTITIES)}")
        if not published and attributes.get("format_version") != FORMAT_VERSION:
            raise InputError(f"{path}: format version {attributes.get('format_version')}, this program reads "
                             f"{FORMAT_VERSION}; update it")
        for key in () if published else ("t_name", "labels_sha256", "data_sha256"):
            if not isinstance(attributes.get(key), str):
                raise InputError(f"{path}: the attribute {key} is {attributes.get(key)!r}, expected a text; the file "
                                 "is damaged or was not written by this program")
        T, N, C = shape = data.shape
        t = hdf5.dataset(file, path, "t", "f", 1, T)[:] if hdf5.has(file, "t") else None
        labels = hdf5.dataset(file, path, "labels", "iu", 1, N)[:] if hdf5.has(file, "labels") else None
    if t is not None and not np.isfinite(t).all():
        raise InputError(f"{path}: t has values that are not finite")
    if labels is not None and not (labels.min() >= 0 and labels.max() < C):
        raise InputError(f"{path}: labels reach from {labels.min()} to {labels.max()}, expected 0 to {C - 1}")
    # Rounding to 5 decimals moves each of the C entries of a published row by up to 5e-6.
    tolerance = TOLERANCE + 5e-6 * C if published else TOLERANCE
    return Trajectory(path, _reader(path, shape), shape, quantity=quantity, tolerance=tolerance, t=t,
                      labels=None if labels is None else labels.astype(np.int64), attributes=attributes, path=path)


def read_labels(path):
    """Return the array in a file of published labels, or None if there is none; raise InputError for other files."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not an array of labels ({error})") from error


def _reader(path, shape):
    """Return read(checkpoints, start, stop), which opens the file for as long as it reads."""
    state = path.stat()

    def read(which, start, stop):
        with hdf5.reading(path):
            now = path.stat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (state.st_ino, state.st_size, state.st_mtime_ns):
            raise InputError(f"{path} changed while it was being read; start again")
        with hdf5.reading(path), h5py.File(path, "r", locking=False) as file:
            try:
                return file["data"][which, start:stop]
            except OSError as error:
                raise InputError(hdf5.locate(file["data"], path, which, start, stop, error)) from error

    return read


def _on_cpu(array):
    if not hasattr(array, "detach"):
        return array
    array = array.detach().cpu()
    return array.float() if str(array.dtype) == "torch.bfloat16" else array  # numpy has no bfloat16


def _describe(array):
    return f"an array of shape {array.shape} and type {array.dtype}"


def _versions():
    found = {}
    for package in ("picture-of-tasks", "torch", "torchvision", "numpy", "h5py"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def check(path):
    """Read a prediction file from end to end and return a report (str); raises InputError where it is not sound."""
    path = Path(path)
    trajectory = open_trajectory(path)
    T, N, C = trajectory.shape
    digest, correct = hashlib.sha256(), []
    for i in range(T):
        stored, rows = trajectory.model(i)
        digest.update(stored.tobytes())
        if trajectory.labels is not None:
            correct.append(np.mean(rows.argmax(axis=1) == trajectory.labels))
    a = trajectory.attributes
    for key, found in (("data_sha256", digest.hexdigest()),
                       ("labels_sha256", trajectory.labels is not None and fingerprint(trajectory.labels))):
        if key in a and a[key] != found:
            raise InputError(f"{path}: {key.split('_')[0]} do not match their fingerprint; replace the file")
    lines = [f"{path}: sound",
             f"    {T} models x {N} samples x {C} classes, {trajectory.quantity}, "
             f"{path.stat().st_size / 1e6:.1f} MB" + ("" if "quantity" in a else " (published layout)")]
    if "quantity" in a:
        named = [f"{key} {a[key]}" for key in ("dataset", "split", "task", "seed") if key in a]
        lines.append("    " + ", ".join([*named, f"{a['t_name']} {trajectory.t[0]:g} to {trajectory.t[-1]:g}",
                                         f"labels {a['labels_sha256'][:8]}"]))
    if correct:
        lines.append(f"    accuracy {correct[0]:.3f} at the first, {correct[-1]:.3f} at the last model")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="Say what prediction files hold and whether they are sound.")
    parser.add_argument("action", choices=["check"])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    unsound = 0
    for path in arguments.files:
        try:
            print(check(path), flush=True)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            unsound += 1
    print(f"{len(arguments.files) - unsound} sound, {unsound} not")
    return 1 if unsound else 0


if __name__ == "__main__":
    command(main)
