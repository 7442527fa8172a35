"""Locks: one process at a time writes a run, and others can ask which one it is."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock

from info_geometry.files.atomic import writing
from info_geometry.files.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# what file systems without locks say: Lustre as it is often mounted, some of NFS and FUSE
NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}
BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class HeldError(InputError):
    """Another process holds a lock."""


class _Unsupported(Exception):
    """The file system has no locks of the kernel."""


@contextlib.contextmanager
def lock(path: str | Path, what: object, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path` while the block runs: one process at a time works on `what`.

    The lock is the kernel's (flock), so it ends with its process however that dies, and a lock is never stale.
    The file only says who holds it.  Where the file system has no such locks, a second file does, `<path>.held`, which
    is there while the lock is held; that of a process of this computer that is gone is taken over, and that of another
    computer is named, to be deleted.

    Raises HeldError, an InputError that names the process and its host, if another one holds it; with `wait`, says so
    and waits.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with open(path, "a+", encoding="utf-8") as file, _held(file, path, what, wait):
        file.truncate(0)
        file.write(f"pid {os.getpid()} on host {socket.gethostname()}")
        file.flush()
        yield


def holder(path: str | Path) -> str | None:
    """Return who holds the lock file `path`, or None if nobody does; nothing is written."""
    try:
        with open(path, encoding="utf-8") as file:
            if not _flock(file, "LOCK_SH"):
                return file.read().strip() or "another process"
    except _Unsupported:
        return _holder_by_file(_marker(path))
    except (OSError, InputError):  # nobody ever did
        pass
    return None


@contextlib.contextmanager
def _held(file, path, what, wait):
    try:
        while not _flock(file, "LOCK_EX"):
            if _flock(file, "LOCK_SH"):  # somebody only asked for the holder
                continue
            file.seek(0)
            _say_who(file.read().strip() or "another process", what, wait)
            fcntl.flock(file, fcntl.LOCK_EX)
            break
    except _Unsupported:
        marker = _marker(path)
        by_file = filelock.SoftFileLock(marker, poll_interval=0.05)
        try:
            by_file.acquire(timeout=0)
        except filelock.Timeout:
            owner = _holder_by_file(marker) or "another process"
            _say_who(owner, what, wait, f"; if it is gone, delete {marker}")
            by_file.acquire()
        try:
            yield
        finally:
            by_file.release()
        return
    yield  # closing the file lets go of it


def _say_who(owner, what, wait, advice=""):
    """Say who holds a lock that is waited for; raise HeldError otherwise."""
    if not wait:
        raise HeldError(f"{what} is being written by {owner}; wait for it or stop it{advice}")
    print(f"{what}: waiting for {owner}, which is writing it{advice}", file=sys.stderr, flush=True)


def _flock(file, kind):
    """Take a lock of the kernel if that is possible at once; return whether it was."""
    if fcntl is None:
        raise _Unsupported
    try:
        fcntl.flock(file, getattr(fcntl, kind) | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise _Unsupported from None
        if error.errno not in BUSY:
            raise InputError(f"cannot lock {file.name}: {error.strerror}") from error
        return False


def _marker(path):
    return Path(f"{path}.held")


def _holder_by_file(marker):
    """Return who a marker of `filelock` names (lines: pid, host, ...); None if it is not there, or its process gone."""
    try:
        pid, host, *_ = [*marker.read_text(encoding="utf-8", errors="replace").splitlines(), "", ""]
    except OSError:
        return None
    if not pid.isdecimal():
        return "another process"
    if host == socket.gethostname() and os.name == "posix":  # on Windows, signal 0 is Ctrl-C
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return None
        except OSError:  # of another user
            pass
    return f"pid {pid} on host {host}"
