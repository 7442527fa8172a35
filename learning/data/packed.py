"""Packed images: the JPEG bytes of many images in a few HDF5 files that are quick to read at random.

    <root>/00000.h5, 00001.h5, ...   jpeg (bytes,), offsets (n + 1,), crc32 (n,), labels (n,) of n images each
                                     and digests (m * 16,) of the bytes of the m files they were made from
    <root>/index.json                class folder names, images in each file, size, quality; written last

Here they are read; `packing.py` writes them.  Images are numbered through all files, in the order of the folders they
come from.  A task is a list of these numbers.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from info_geometry.files import InputError, hdf5, log

FORMAT_VERSION = 1
RECIPE = 2  # of what an image becomes; what was packed by another one is packed again
INDEX = "index.json"
ADVICE = "run 01_training/write_imagenet.py again"
KIND = ("file of packed images", ADVICE)  # how messages call a file, and what they say of one that is of no use


def part_path(root: str | Path, number: int) -> Path:
    """Return the path of a file of packed images."""
    return Path(root) / f"{number:05d}.h5"


def parts_in(root: Path) -> list[Path]:
    """Return the paths of all files of packed images in a folder."""
    return sorted(root.glob("[0-9]" * 5 + ".h5"))


def is_packed(root: Path) -> bool:
    """Return whether a folder holds packed images, complete or not."""
    return (root / INDEX).is_file() or bool(parts_in(root))


class Packed:
    """The images in a folder of packed files, a source of encoded images (see `learning/data/encoded.py`).

    labels (N,): their classes, int64.  class_names: of the folders the images came from.
    """

    def __init__(self, root: Path):
        """Open the index; raise InputError where packing did not finish or files are missing or damaged."""
        self.root, self._open = root, {}
        index = read_index(root)
        if index is None:
            raise InputError(f"{root}: packing did not finish; {ADVICE}")
        if index.get("recipe", 1) < RECIPE:
            log.info(
                "%s: packed by an earlier version, which took hidden folders for classes, clipped 16 bits and "
                "turned no image as EXIF says; where there are such, %s",
                root,
                ADVICE,
            )
        self.class_names = index["classes"]
        self._starts = np.cumsum([0, *index["images"]])
        labels = [Part(part_path(root, number)).labels for number in range(len(index["images"]))]
        self.labels = np.concatenate(labels).astype(np.int64)
        if list(map(len, labels)) != index["images"]:
            raise InputError(f"{root}: the files do not hold as many images as {INDEX} says; {ADVICE}")
        if not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise InputError(f"{root}: labels do not fit the {len(self.class_names)} classes; {ADVICE}")

    def name(self, i: int) -> str:
        """Return how messages call image i."""
        number, place = self._place(i)
        return f"{part_path(self.root, number)}: image {place}"

    def read(self, i: int) -> bytes:
        """Return the bytes of image i; raise InputError where they are not those that were written."""
        number, place = self._place(i)
        key = (os.getpid(), number)  # a process that was forked opens its own
        if key not in self._open:
            self._open[key] = Part(part_path(self.root, number))
        return self._open[key].read(place)

    def _place(self, i):
        """Return the number of the file that holds image i, and the number of the image in that file."""
        number = int(np.searchsorted(self._starts, i, side="right")) - 1
        return number, int(i) - int(self._starts[number])

    def __getstate__(self):  # another process opens the files itself
        return {**self.__dict__, "_open": {}}


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say what to do about a file of packed images that cannot be read."""
    try:
        with hdf5.reading(path, KIND):
            yield
    except InputError as error:
        advice = "" if ADVICE in str(error) or "ulimit" in str(error) else f"; delete it and {ADVICE}"
        raise InputError(f"{error}{advice}") from error


class Part:
    """One file, open for reading: labels (n,) of its images, attributes {name: value}."""

    def __init__(self, path: Path):
        """Open it; raise InputError where it is not a file of packed images, or damaged."""
        self._path = path
        with _reading(path):
            self._file = h5py.File(path, "r", locking=False)
            self._jpeg = hdf5.dataset(self._file, path, "jpeg", "u", 1, kind=KIND)
            self._crc32 = hdf5.dataset(self._file, path, "crc32", "u", 1, kind=KIND)[:]
            self._offsets = hdf5.dataset(self._file, path, "offsets", "i", 1, len(self._crc32) + 1, KIND)[:]
            self.labels = hdf5.dataset(self._file, path, "labels", "i", 1, len(self._crc32), KIND)[:]
            self.attributes = hdf5.attributes(self._file)
            if self._offsets[0] != 0 or (np.diff(self._offsets) <= 0).any() or self._offsets[-1] != len(self._jpeg):
                raise InputError(f"{path}: offsets do not fit its {len(self._jpeg)} bytes")

    def digests(self, count: int) -> np.ndarray:
        """Return the digests (count, bytes) of the images it was made from; raise InputError as __init__ does."""
        with _reading(self._path):
            return hdf5.dataset(self._file, self._path, "digests", "u", 1, kind=KIND)[:].reshape(count, -1)

    def read(self, place: int) -> bytes:
        """Return the bytes of an image by its number in this file; raise InputError where they are damaged."""
        with _reading(self._path):
            raw = self._jpeg[self._offsets[place] : self._offsets[place + 1]].tobytes()
        if zlib.crc32(raw) != self._crc32[place]:
            raise InputError(f"{self._path}: image {place}: checksum mismatch; delete the file and {ADVICE}")
        return raw


def verify(path: Path) -> None:
    """Read all images of a file; raise InputError where they are not those that were written."""
    part = Part(path)
    for place in range(len(part.labels)):
        part.read(place)


def read_index(root: str | Path) -> dict[str, Any] | None:
    """Return what the index of packed images says, or None if there is none; raise InputError for a damaged one."""
    path = Path(root) / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {index['format_version']}, this program reads {FORMAT_VERSION}")
        for key, kind in (("classes", str), ("images", int)):
            if not index[key] or not all(type(each) is kind for each in index[key]):
                raise ValueError(f"{key} are {index[key]!r:.60}")
        return index
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error}); delete it and {ADVICE}") from None
