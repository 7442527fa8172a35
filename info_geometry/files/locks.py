"""Locks: one process at a time writes a run, and others can ask which one it is."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from info_geometry.files.atomic import writing
from info_geometry.files.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no flock; there two writers of one run are not told apart
    fcntl = None


class HeldError(InputError):
    """Another process holds a lock."""


@contextlib.contextmanager
def lock(path: str | Path, what: object, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path` while the block runs: one process at a time works on `what`.

    The lock is the kernel's (flock), so it ends with its process however that dies, and a lock is never stale.
    The file only says who holds it.

    Raises HeldError, an InputError that names the process and its host, if another one holds it; with `wait`, says so
    and waits.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with open(path, "a+", encoding="utf-8") as file:
        while fcntl is not None and not _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if _flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB):  # somebody only asked for the holder
                continue
            file.seek(0)
            owner = file.read().strip() or "another process"
            if not wait:
                raise HeldError(f"{what} is being written by {owner}; wait for it or stop it")
            print(f"{what}: waiting for {owner}, which is writing it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"pid {os.getpid()} on host {socket.gethostname()}")
        file.flush()
        yield


def holder(path: str | Path) -> str | None:
    """Return who holds the lock file `path`, or None if nobody does."""
    try:
        with open(path, encoding="utf-8") as file:
            if fcntl is not None and not _flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB):
                return file.read().strip() or "another process"
    except OSError:  # nobody ever did
        pass
    return None


def _flock(file, kind):
    """Take a lock if that is possible at once; return whether it was."""
    try:
        fcntl.flock(file, kind)
        return True
    except OSError:
        return False
