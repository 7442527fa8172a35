"""HDF5 without surprises: refuse files that are incomplete or refer to other files, and say where reading failed."""

import contextlib
import errno
import io
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from info_geometry.files.errors import InputError, first_line

KINDS = {"f": "floats", "i": "integers", "u": "unsigned integers"}  # numpy's letters
LZ4 = 32004  # registered HDF5 filter number
TRAJECTORY = "trajectory file", "store its predictions, or download it, again"  # for messages: what it is, how to mend


class Disk(io.FileIO):
    """A file for HDF5 to write into that keeps errors to itself until `check`: HDF5 crashes when a write fails."""

    error = None

    def write(self, data):
        rest = memoryview(data)
        with self._kept():
            while len(rest):
                rest = rest[super().write(rest) :]
        return len(data)

    def truncate(self, size=None):
        with self._kept():
            super().truncate(size)

    @contextlib.contextmanager
    def _kept(self):
        try:
            yield
        except OSError as error:
            self.error = self.error or error

    def check(self) -> None:
        """Raise the first error (OSError), if there was one."""
        if self.error:
            raise self.error


@contextlib.contextmanager
def reading(path: str | Path, kind: tuple[str, str] = TRAJECTORY) -> Iterator[None]:
    """Turn an error of the block, which reads `path`, into an InputError that names the file and what to do.

    kind: what the file should be, and how to get a sound one, for the message.
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a {kind[0]}") from None
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise InputError(f"{path}: too many open files; allow more (ulimit -n)") from None
        raise _incomplete(path, kind, error) from error
    except (RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise _incomplete(path, kind, error) from error


def _incomplete(path, kind, error):
    what = f"{path} is not a complete {kind[0]} (HDF5: {first_line(error)})"
    if "signature not found" in str(error) and Path(path).stat().st_size:  # it may be something else that people need
        return InputError(f"{what}, nor any HDF5 file; if it should be one, {kind[1]}")
    return InputError(f"{what}. Delete it and {kind[1]}")


def has(file: h5py.File, name: str) -> bool:
    """Return whether `file` has a link called `name`, without following it."""
    return file.id.links.exists(name.encode())


def dataset(
    file: h5py.File,
    path: str | Path,
    name: str,
    kinds: str,
    dimensions: int,
    length: int | None = None,
    kind: tuple[str, str] = TRAJECTORY,
) -> h5py.Dataset:
    """Return the array `name` of an open file after refusing everything but a complete one stored in this very file.

    kinds: letters of numpy's kinds of numbers that are admitted ("f", "iu").  length: of the first dimension.
    """
    if not has(file, name):
        raise InputError(f"{path} is not a {kind[0]}: there is no array {name!r} in it")
    # `name in file` and file.get() would follow a link to look; the link's own record says what it is
    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise InputError(f"{path}: {name!r} is a link to another place; refused")
    data = file[name]
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{path} is not a {kind[0]}: {name!r} is not an array")
    if data.is_virtual or data.external:
        raise InputError(f"{path}: {name!r} refers to other files; refused")
    if data.dtype.kind not in kinds or data.dtype.itemsize > 8 or data.ndim != dimensions or 0 in data.shape:
        numbers = " or ".join(KINDS[kind] for kind in kinds)
        raise InputError(
            f"{path}: {name!r} has shape {data.shape} of {data.dtype}, expected a non-empty numeric "
            f"array of {dimensions} dimension(s) of {numbers}, at most 64 bits each"
        )
    if length is not None and len(data) != length:
        raise InputError(f"{path}: {name!r} has {len(data)} entries, expected {length}")
    _require_filters(data, path)
    if data.chunks:
        stored, expected = data.id.get_num_chunks(), math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks))
    else:
        stored, expected = data.id.get_storage_size(), math.prod(data.shape) * data.dtype.itemsize
    if stored < expected:
        raise InputError(
            f"{path} is not complete: {name!r} declares {data.shape}, "
            f"but only {stored} of {expected} {'chunks' if data.chunks else 'bytes'} were written"
        )
    return data


def _require_filters(data, path):
    """Refuse compression that cannot be read; hdf5plugin is imported only for the published files' LZ4."""
    plist = data.id.get_create_plist()
    for number, *_, name in (plist.get_filter(i) for i in range(plist.get_nfilters())):
        if number == LZ4 and not h5py.h5z.filter_avail(LZ4):
            with contextlib.suppress(ImportError):
                import hdf5plugin  # noqa: F401 - HDF5 learns to read LZ4 by it
        if not h5py.h5z.filter_avail(number):
            advice = "pip install hdf5plugin" if number == LZ4 else "decompress it first (h5repack -f NONE)"
            raise InputError(
                f"{path} is compressed with {name.decode(errors='replace') or 'an unknown filter'} "
                f"(HDF5 filter {number}), which cannot be read here: {advice}"
            )


def stretches(indices: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Divide `indices` (k,) into stretches of consecutive numbers; yield (slice of the source, slice of the result).

    HDF5 reads slices with steps twenty times slower than one entry after the other.
    """
    ends = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    for first, end in itertools.pairwise(ends):
        yield slice(int(indices[first]), int(indices[end - 1]) + 1), slice(first, end)


def read(path: str | Path, indices: np.ndarray, start: int, stop: int, out: np.ndarray) -> None:
    """Read `data`[indices (k,), start:stop] of a file into `out`, of the same type, with no copy on the way."""
    # every chunk is wanted once: a cache for them would only be one copy more
    with reading(path), h5py.File(path, "r", locking=False, rdcc_nbytes=0) as file:
        data = file["data"]
        try:
            for source, target in stretches(indices):
                data.read_direct(out, np.s_[source, start:stop], np.s_[target])
        except OSError as error:
            raise InputError(_locate(data, path, indices, start, stop, error)) from error


def _locate(data, path, indices, start, stop, error):
    """Return a message that says where in the file reading failed."""
    rows = (data.chunks or data.shape)[1]
    first = (start // rows) * rows
    for i, n in itertools.product(indices, range(first, stop, rows)):
        try:
            data[i, n : n + rows]
        except OSError:
            last = min(n + rows, data.shape[1]) - 1
            where = f"{path}: checkpoint {i}, samples {n}-{last}"
            return f"{where}: checksum mismatch or unreadable bytes; replace the file"
    return f"{path}: cannot be read ({first_line(error)})"


def copy_chunks(path: str | Path, i: int, data: h5py.Dataset, j: int) -> bool:
    """Copy entry i of the `data` of a file to entry j of `data`, as compressed as it is; return whether that was done.

    Nothing is copied unless both are laid out alike.
    """
    with h5py.File(path, "r", locking=False) as file:
        other = file["data"]
        layouts = [
            (x.chunks, x.dtype, x.compression, x.compression_opts, x.shuffle, x.fletcher32) for x in (other, data)
        ]
        if layouts[0] != layouts[1]:
            return False
        for start in range(0, other.shape[1], other.chunks[1]):
            mask, chunk = other.id.read_direct_chunk((i, start, 0))
            data.id.write_direct_chunk((j, start, 0), chunk, mask)
    return True


def attributes(file: h5py.File) -> dict:
    """Return the attributes of `file` that are texts, numbers or JSON; others are not read (HDF5 may crash on them)."""
    readable = {}
    for name in file.attrs:
        attribute = h5py.h5a.open(file.id, name.encode())
        kinds = h5py.h5t.TypeStringID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID
        if attribute.shape == () and isinstance(attribute.get_type(), kinds):
            readable[name] = plain(file.attrs[name])
    return {name: value for name, value in readable.items() if value is not None}


def plain(value: object) -> object:
    """Return an attribute as text, number, or what its JSON text holds; None for anything else."""
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    if isinstance(value, str) and value[:1] in "{[":
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value if isinstance(value, (str, int, float)) else None
