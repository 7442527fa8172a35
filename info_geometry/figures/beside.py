"""Work beside the process: one figure is written while the next one is made.

matplotlib draws in one thread.  So a copy of the process (fork) does what is asked and ends; what it cannot do, or
not in time, is done again here, and fails here if it must.  With one processor, or without Linux, all is done here.
"""

import contextlib
import contextvars
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator

from info_geometry.files import threads

PATIENCE = 60.0  # seconds for a copy of the process
_copies = contextvars.ContextVar("copies", default=None)


@contextlib.contextmanager
def copies() -> Iterator[None]:
    """Have `do` hand work to copies of the process; the block ends when all of it is done."""
    if sys.platform != "linux" or threads() < 2:
        yield
        return
    running = []
    token = _copies.set(running)
    try:
        yield
        while running:
            pid, work = running[0]
            well = _well(pid)
            running.pop(0)
            if not well:
                work()
    finally:
        _copies.reset(token)
        for pid, _ in running:  # something failed, or was interrupted
            with contextlib.suppress(ChildProcessError):
                _well(pid, patience=2)


def do(work: Callable[[], object]) -> None:
    """Call work(), which writes a file and changes nothing else, here or in a copy of the process."""
    if _copies.get() is None:
        work()
        return
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that other threads are not copied: none is needed
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
            work()
            code = 0
        finally:  # whatever went wrong goes wrong again in the process that waits, which says so
            os._exit(code)
    _copies.get().append((pid, work))


def _well(pid, patience=None):
    """Return whether a copy of the process ended well; it is ended where it takes too long."""
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() > end:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.005)
