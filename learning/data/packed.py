"""Packed images: the JPEG bytes of many images in a few HDF5 files that are quick to read at random.

    <root>/00000.h5, 00001.h5, ...   jpeg (bytes,), offsets (n + 1,), crc32 (n,), labels (n,): PART images each
    <root>/index.json                class folder names, images in each file, size, quality; written last

Every file appears when it is complete, so packing goes on where it was interrupted.  Tasks are lists of indices; images
are numbered through all files, in the order of the folders they come from.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import zlib
from pathlib import Path

import h5py
import numpy as np

from info_geometry.files import InputError, atomic_path, hdf5, write_text, writing

FORMAT_VERSION = 1
INDEX = "index.json"
PART = 2048
KIND = ("file of packed images", "run 01_training/write_imagenet.py again")


def is_packed(root):
    """Return whether a folder holds packed images, complete or not."""
    return (root / INDEX).is_file() or any(root.glob("[0-9]" * 5 + ".h5"))


class Packed:
    """A source of encoded images (see `learning.images`) from packed files."""

    def __init__(self, root):
        """Open the index; raise InputError where packing did not finish or files are missing or damaged."""
        self.root, self._open = root, {}
        index = read_index(root)
        if index is None:
            raise InputError(f"{root}: packing did not finish; {KIND[1]}")
        self.class_names = index["classes"]
        self._starts = np.cumsum([0, *index["images"]])
        labels = [_Part(part_path(root, number)).labels for number in range(len(index["images"]))]
        self.labels = np.concatenate(labels).astype(np.int64)
        if list(map(len, labels)) != index["images"]:
            raise InputError(f"{root}: the files do not hold as many images as {INDEX} says; {KIND[1]}")
        if not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise InputError(f"{root}: labels do not fit the {len(self.class_names)} classes; {KIND[1]}")

    def name(self, i):
        """Return how messages call image i."""
        number, place = self._place(i)
        return f"{part_path(self.root, number)}: image {place}"

    def read(self, i):
        """Return the bytes of image i; raise InputError where they are not those that were written."""
        number, place = self._place(i)
        key = (os.getpid(), number)  # a process that was forked opens its own
        if key not in self._open:
            self._open[key] = _Part(part_path(self.root, number))
        return self._open[key].read(place)

    def _place(self, i):
        number = int(np.searchsorted(self._starts, i, side="right")) - 1
        return number, int(i) - int(self._starts[number])

    def __getstate__(self):
        return {**self.__dict__, "_open": {}}


@contextlib.contextmanager
def _reading(path):
    """Say what to do about a file of packed images that cannot be read."""
    try:
        with hdf5.reading(path, KIND):
            yield
    except InputError as error:
        advice = "" if KIND[1] in str(error) or "ulimit" in str(error) else f"; delete it and {KIND[1]}"
        raise InputError(f"{error}{advice}") from error


class _Part:
    """One file, open for reading."""

    def __init__(self, path):
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

    def read(self, place):
        with _reading(self._path):
            raw = self._jpeg[self._offsets[place] : self._offsets[place + 1]].tobytes()
        if zlib.crc32(raw) != self._crc32[place]:
            raise InputError(f"{self._path}: image {place}: checksum mismatch; delete the file and {KIND[1]}")
        return raw


def verify(path):
    """Read all images of a file; raise InputError where they are not those that were written."""
    part = _Part(path)
    for place in range(len(part.labels)):
        part.read(place)


def part_path(root, number):
    """Return the path of a file of packed images."""
    return Path(root) / f"{number:05d}.h5"


def read_index(root):
    """Return what the index of packed images says, or None if there is none."""
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
        raise InputError(f"{path}: not readable ({error}); delete it and {KIND[1]}") from None


def has_index(root, index):
    """Return whether packed images have been published with this index."""
    with contextlib.suppress(InputError):
        return read_index(root) == {"format_version": FORMAT_VERSION, **index}
    return False


def drop_other_index(root, origin):
    """Take packed images back that are published but come from other images or settings."""
    with contextlib.suppress(InputError):
        index = read_index(root)
        if index is None or index.get("origin") == origin:
            return
    (Path(root) / INDEX).unlink(missing_ok=True)


def write_index(root, index):
    """Publish packed images that are complete."""
    write_text(Path(root) / INDEX, json.dumps({"format_version": FORMAT_VERSION, **index}, indent=1) + "\n")


def write_part(path, encoded, labels, **attributes):
    """Write one file from encoded images (a list of bytes) and their labels, atomically."""
    arrays = {
        "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        "labels": np.asarray(labels, np.int32),
        "crc32": np.array([zlib.crc32(raw) for raw in encoded], np.uint32),
        "jpeg": np.frombuffer(b"".join(encoded), np.uint8),
    }  # contiguous: a chunk would be read as a whole
    with atomic_path(path) as temporary, writing(path), hdf5.Disk(temporary, "w+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            for name, array in arrays.items():  # jpeg has checksums of its own
                file.create_dataset(name, data=array, fletcher32=name != "jpeg")
            for key, value in attributes.items():
                file.attrs[key] = value
        disk.check()


def reduced(raw, size, quality):
    """Return an RGB JPEG (bytes) of an encoded image, its short side at most `size` pixels.

    An image that needs no change, and would only grow by being encoded again, stays as it is.  Raises whatever
    Pillow raises for what is no complete image.
    """
    from PIL import Image

    with Image.open(io.BytesIO(raw)) as image:
        kept = image.format == "JPEG" and image.mode == "RGB" and min(image.size) <= size
        image = image.convert("RGB")
    if min(image.size) > size:
        scale = size / min(image.size)
        image = image.resize([max(size, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return raw if kept and len(raw) <= buffer.tell() else buffer.getvalue()


def reason(error):
    """Return what Pillow says of a damaged image, in one line and without addresses in memory."""
    return " ".join(re.sub("<_io.*>", "", str(error)).split()) or type(error).__name__


def origin(names, labels, size, quality):
    """Return a text that is the same for images of the same names and labels packed in the same way."""
    lines = [f"{size} {quality}", *(f"{label} {name}" for name, label in zip(names, labels))]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def pack_part(path, root, names, labels, *, size, quality, skip_corrupt):
    """Write one file from the images `names` in the folder `root`, unless it is there.

    Returns how many images it holds, a message for each image that cannot be read (those are left out with
    `skip_corrupt`, and without it the file is not written), and whether it was written.
    """
    same = origin(names, labels, size, quality)
    with contextlib.suppress(InputError):  # not there, or damaged
        there = _Part(path)
        corrupt = there.attributes.get("corrupt")
        whole = corrupt == [] and there.labels.tolist() == list(labels)
        if there.attributes.get("origin") == same and (whole or (skip_corrupt and corrupt)):
            return len(there.labels), corrupt, False
    images, kept, corrupt = [], [], []
    for name, label in zip(names, labels):
        try:
            images.append(reduced((root / name).read_bytes(), size, quality))
            kept.append(label)
        except Exception as error:  # damaged files make Pillow raise almost anything
            corrupt.append(f"{root / name}: {reason(error)}")
    if images and (skip_corrupt or not corrupt):
        write_part(path, images, kept, origin=same, corrupt=json.dumps(corrupt))
    return len(images), corrupt, True
