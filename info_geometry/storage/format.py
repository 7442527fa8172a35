"""The layout of prediction files: chunks, a new file, what completes it, and its header.  `predictions` describes it.

What the numbers mean stands in `quantities`.
"""

import contextlib
import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from info_geometry.files import InputError, atomic_path, hdf5, writing
from info_geometry.storage.labels import as_labels
from info_geometry.storage.quantities import TYPES

FORMAT_VERSION = 1
COMPRESSION = {None: {}, "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True}}
# attributes that this program writes; all others are those of whoever stores predictions
OURS = {"format_version", "quantity", "t_name", "keep_order", "labels_sha256", "data_sha256", "rounded", "versions"}


class Header(NamedTuple):
    """What stands in a prediction file beside its numbers, which are of this shape (T, N, C), type and chunks.

    published: whether it is in the published layout, which has no `quantity`.  t (T,), labels (N,): None if absent.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    chunks: tuple[int, int, int] | None
    quantity: str
    published: bool
    t: np.ndarray | None
    labels: np.ndarray | None
    attributes: dict


def chunk_rows(N: int, C: int) -> int:
    """Return how many of N samples of C classes a chunk holds, of one model.

    Whoever reads s samples reads the chunks they touch, s + rows samples on average, each chunk at a cost of its own
    of about that of 14 kB: best is rows^2 C = 7000 s, here for s = 220 between 48 and 1000.  Of the sizes about that
    the one that wastes least of the last chunk is taken.
    """
    best = math.sqrt(1.5e6 / C)
    if 1.3 * best >= N:
        return N
    return min(range(max(1, int(0.75 * best)), int(1.25 * best) + 2), key=lambda rows: (-N % rows, abs(rows - best)))


def fingerprint(labels: np.ndarray) -> str:
    """Return the SHA-256 of labels (N,): equal when samples carry the same labels in the same order."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").tobytes()).hexdigest()


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[tuple[h5py.File, hdf5.Disk]]:
    """Yield (an HDF5 file, the disk under it) that appears as `path` when the block ends without an exception."""
    with atomic_path(path) as temporary:
        with writing(path):
            disk = hdf5.Disk(temporary, "w+")
        with disk, h5py.File(disk, "w", libver="v110") as file:  # metadata with checksums
            yield file, disk


def complete(
    file: h5py.File, disk: hdf5.Disk, t: np.ndarray | list[float], labels: np.ndarray | None, attributes: dict
) -> None:
    """Write what stands beside the data, and close the file.  Raises OSError where the disk did not take it.

    attributes: as `attributes.encoded` returns them.
    """
    file.create_dataset("t", data=np.array(t, dtype=np.float64), fletcher32=True)
    if labels is not None:
        file.create_dataset("labels", data=labels, fletcher32=True)
    for key, value in attributes.items():
        file.attrs[key] = value
    file.close()
    disk.check()


def read_header(path: Path) -> Header:
    """Return what a prediction file holds, after checking everything that costs no reading of the data.

    Raises InputError for a file that is missing, incomplete, foreign, or that would have other files read.
    """
    with hdf5.reading(path), h5py.File(path, "r", locking=False) as file:
        published, attributes = "quantity" not in file.attrs, hdf5.attributes(file)
        quantity = "probability" if published else attributes.get("quantity")
        eight_bits = quantity == "fourth_root_8bit"
        data = hdf5.dataset(file, path, "data", "u" if eight_bits else "f", 3)
        if quantity not in TYPES:
            raise InputError(f"{path}: quantity is {quantity!r}, expected one of {', '.join(TYPES)}")
        if not published:
            _check_attributes(path, attributes, hdf5.has(file, "labels"))
        if eight_bits and data.dtype != np.uint8:
            raise InputError(f"{path}: 'data' is of {data.dtype}, expected uint8 for {quantity}")
        shape, dtype, chunks = data.shape, data.dtype, data.chunks
        T, N, C = shape
        t = hdf5.dataset(file, path, "t", "fiu", 1, T)[:] if hdf5.has(file, "t") else None
        labels = hdf5.dataset(file, path, "labels", "iuf", 1, N)[:] if hdf5.has(file, "labels") else None
    if t is not None:
        t = t.astype(np.float64)
        if not np.isfinite(t).all():
            raise InputError(f"{path}: t has values that are not finite")
    if labels is not None:
        labels = as_labels(labels, path, N, C)
    return Header(shape, dtype, chunks, quantity, published, t, labels, attributes)


def first_fall(t: np.ndarray) -> int | None:
    """Return the first checkpoint whose t is not above that of the one before it, or None where t (T,) increases."""
    falls = np.flatnonzero(np.diff(t) <= 0)
    return int(falls[0]) + 1 if len(falls) else None


def check_order(t: Sequence[float], path: object, keep_order: bool = False, first: int = 0) -> None:
    """Raise InputError unless coordinates t (T,), of the checkpoints from `first` on, are finite and increase.

    keep_order: whether the order is meant as it is.
    """
    t = np.asarray(t, np.float64)
    if not np.isfinite(t).all():
        i = int(np.argmin(np.isfinite(t)))
        raise InputError(f"{path}: checkpoint {first + i} (t = {t[i]:g}): t must be a finite number")
    if not keep_order and (i := first_fall(t)):
        raise InputError(
            f"{path}: checkpoint {first + i} has t = {t[i]:.12g} after {t[i - 1]:.12g}: checkpoints come in increasing "
            "order of t; sort them (by numbers, not as texts), or say keep_order=True if their order is meant"
        )


def _check_attributes(path, attributes, labelled):
    """Raise InputError unless a file that is not a published one says what such a file has to say."""
    if attributes.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format version {attributes.get('format_version')}, this program reads {FORMAT_VERSION}; update it"
        )
    for key in ("t_name", "data_sha256", *(["labels_sha256"] if labelled else [])):
        if not isinstance(attributes.get(key), str):
            raise InputError(
                f"{path}: the attribute {key} is {attributes.get(key)!r}, expected a text; the file "
                "is damaged or was not written by this program"
            )
