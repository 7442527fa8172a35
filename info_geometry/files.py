"""Files that survive faults: atomic writes, one writer at a time, and errors a user can act on."""
import contextlib
import errno
import logging
import os
import re
import shutil
import socket
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock; there two writers of one run are not told apart
    fcntl = None

log = logging.getLogger("info_geometry")  # what the library has to say; commands show it
ROOT = Path(__file__).resolve().parent.parent
DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class InputError(Exception):
    """Something the user can mend.  The message names the file, what was found, what was expected and what to do."""


def command(main):
    """Run the main function of a command: a message instead of a traceback, and a non-zero exit code when it fails."""
    log.handlers = [logging.StreamHandler()]
    log.setLevel(logging.INFO)
    try:
        code = main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from what is complete", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output left (`... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def threads():
    """Return how many threads to use: OMP_NUM_THREADS, as torch does, or one for each processor."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked) if asked.isdecimal() and int(asked) else there


def free_memory():
    """Return how many bytes of memory are free, or 4 GiB where the system does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):  # Linux counts what it would give up, too
        return 1024 * int(Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1].split()[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 1 << 32


def valid_name(name, what):
    """Return `name` if it can be part of a path (letters, digits, `_`, `.`, `-`); raise InputError otherwise."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(name)):
        raise InputError(f"{what} {str(name)!r}: only letters, digits, '_', '.' and '-' can be part of a path")
    return str(name)


@contextlib.contextmanager
def atomic_path(path):
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
def writing(path):
    """Name the file, and the space that is left, where `path` cannot be written (HDF5 raises RuntimeError as well)."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        folder = next(parent for parent in Path(path).absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free / 1e9
        raise InputError(f"cannot write {path}: {reason} ({free:.1f} GB free)") from error


def first_line(error):
    """Return the first line of what an exception says, or its name if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path, text):
    """Write a small text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_orphans(folder, name="*"):
    """Remove what killed writers of `name` left in `folder`; return how many files that were.

    Call it only while no other process writes there (stages hold the lock of the run).
    """
    orphans = list(Path(folder).glob(f".{name}.*.tmp"))
    for orphan in orphans:
        orphan.unlink(missing_ok=True)
    return len(orphans)


@contextlib.contextmanager
def lock(path, what, *, wait=False):
    """Hold the lock file `path` while the block runs: one process at a time works on `what`.

    The lock is the kernel's (flock), so it ends with its process however that dies, and a lock is never stale.
    The file only says who holds it.

    Raises InputError, naming the process and its host, if another one holds it; with `wait`, says so and waits.
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
            found = file.read().strip() or "another process"
            if not wait:
                raise InputError(f"{what} is being written by {found}; wait for it or stop it")
            print(f"{what}: waiting for {found}, which is writing it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"pid {os.getpid()} on host {socket.gethostname()}")
        file.flush()
        yield


def holder(path):
    """Return who holds the lock file `path`, or None if nobody does."""
    try:
        with open(path, encoding="utf-8") as file:
            if fcntl is not None and not _flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB):
                return file.read().strip() or "another process"
    except OSError:  # nobody ever did
        pass
    return None


def _flock(file, kind):
    """Return whether a lock could be had at once."""
    try:
        fcntl.flock(file, kind)
        return True
    except OSError:
        return False
