"""Chunks of HDF5 files, read beside HDF5: by several threads, each of which checks the sums of what it reads.

HDF5 reads in one thread at a time, and most of that time it checks sums.  What the chunks of our files hold is plain:
numbers, and four bytes of a Fletcher-32 sum.  So their places in the file are asked for once, and then it is read from
there.  Whatever else is found, a wrong sum among it, is left to HDF5, and so are its messages.
"""

import contextlib
import os
import sys
from pathlib import Path

import h5py
import numpy as np

from info_geometry.files.machine import in_threads

AT_ONCE = 1 << 28  # bytes of a file from which numba is imported to check sums; earlier only if that was done already
SHARED_FROM = 1 << 20  # bytes read at once that are shared among threads
LONGEST = 1 << 22  # words of a chunk, whose sums fit 64 bits


class Chunks:
    """Where the chunks (1, rows, C) of the `data` (T, N, C) of a file lie, and reading from there."""

    def __init__(self, path: str | Path) -> None:
        """Look where chunks lie; `places` (T, chunks of a model) is None unless all of them are plain."""
        self.path, self.places = path, None
        if sys.byteorder != "little" or not hasattr(os, "preadv"):
            return
        with contextlib.suppress(OSError, RuntimeError, KeyError), h5py.File(path, "r", locking=False) as file:
            data = file["data"]
            (T, N, C), kind, filters = data.shape, data.dtype, data.id.get_create_plist()
            if not data.chunks or data.chunks[::2] != (1, C) or not kind.isnative:
                return
            self.rows, self.bytes = data.chunks[1], data.chunks[1] * C * kind.itemsize
            if [filters.get_filter(i)[0] for i in range(filters.get_nfilters())] != [h5py.h5z.FILTER_FLETCHER32]:
                return
            if self.bytes % 2 or self.bytes > 2 * LONGEST or not hasattr(data.id, "chunk_iter"):
                return
            places = np.zeros((T, -(-N // self.rows)), np.int64)

            def note(chunk):
                if chunk.filter_mask == 0 and chunk.size == self.bytes + 4:
                    places[chunk.chunk_offset[0], chunk.chunk_offset[1] // self.rows] = chunk.byte_offset

            data.id.chunk_iter(note)
            self.places = places if places.all() else None

    def read(self, indices: np.ndarray, start: int, stop: int, out: np.ndarray) -> bool:
        """Put `data`[indices (k,), start:stop] into `out`, a C-contiguous array; return whether all sums are right."""
        if self.places is None:
            return False
        first, end = start // self.rows, -(-stop // self.rows)
        places = self.places[indices, first:end]
        row = self.bytes // self.rows
        target = out.reshape(len(indices), -1).view(np.uint8)
        try:
            from info_geometry.files import plain_chunks

            with open(self.path, "rb", buffering=0) as file:

                def read(part):
                    return plain_chunks.read(
                        file.fileno(), places[part], self.bytes, row, first * self.rows, start, target[part]
                    )

                return all(in_threads(read, len(indices), pays=out.nbytes >= SHARED_FROM))
        except (ImportError, RuntimeError, OSError):  # numba may find no folder for what it compiles
            return False


def pays(size: int) -> bool:
    """Return whether to read a file of so many bytes of numbers in this way."""
    return "numba" in sys.modules or size >= AT_ONCE
