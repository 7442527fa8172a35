"""Atomic writes: a file under its final name is complete, whatever happened to the process that wrote it."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from info_geometry.files.errors import InputError, first_line

DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; publish it as `path` if the block succeeds, remove it if not.

    A file under its final name is therefore always complete.  The temporary name is `.<name>.<pid>.tmp`, which no
    reader looks at; what a killed writer leaves behind is removed by `remove_orphans`.

    Raises InputError where the file cannot be written; exceptions of the block about anything else pass through.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            yield temporary
        except OSError as error:  # ours if it is about this file; the block may have read others
            if error.errno not in DISK_FULL and str(error.filename) != str(temporary):
                raise
            with writing(path):
                raise
        with writing(path):
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # the folder may be gone
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn an error of the block, which writes `path`, into an InputError that names the file.

    It also says how much space is free, but where the system gives a reason that has nothing to do with space.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 raises RuntimeError as well
        reason = getattr(error, "strerror", None) or first_line(error)
        free = ""
        if getattr(error, "errno", None) in {None, *DISK_FULL}:
            folder = next(parent for parent in Path(path).absolute().parents if parent.exists())
            free = f" ({shutil.disk_usage(folder).free / 1e9:.1f} GB free)"
        raise InputError(f"cannot write {path}: {reason}{free}") from error


def unwritable(path: str | Path) -> str | None:
    """Return why no file can be written as `path`, in a sentence, or None if one can; nothing is left or created."""
    path = Path(path)
    try:
        with writing(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with tempfile.TemporaryFile(dir=next(x for x in path.absolute().parents if x.exists())):
                pass
    except InputError as error:
        return str(error)
    return None


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write a small text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_orphans(folder: str | Path, name: str = "*") -> int:
    """Remove the temporary files that killed writers of `name` left in `folder`; return how many there were.

    Call it only while no other process writes there (stages hold the lock of the run).
    """
    orphans = list(Path(folder).glob(f".{name}.*.tmp"))
    for orphan in orphans:
        orphan.unlink(missing_ok=True)
    return len(orphans)
