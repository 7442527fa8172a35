"""The layout of prediction files."""

import contextlib
import hashlib
import json
import math

import h5py
import numpy as np

from info_geometry.files import atomic_path, hdf5, writing

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
