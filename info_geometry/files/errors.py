"""Errors that a user can act on, and how a command ends with one."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

log = logging.getLogger("info_geometry")  # what the library has to say; commands show it


class InputError(Exception):
    """Something the user can mend.  The message names the file, what was found, what was expected and what to do."""


def command(main: Callable[[], int | None]) -> NoReturn:
    """Run the main function of a command: a message instead of a traceback, and a non-zero exit code when it fails."""
    for stream in sys.stdout, sys.stderr:  # a terminal that knows no more than ASCII, names of files that are not UTF-8
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    log.handlers = [logging.StreamHandler()]
    log.setLevel(logging.INFO)
    sys.unraisablehook = _interrupted_again
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


def _interrupted_again(unraisable):
    """Raise Ctrl-C a moment later that came in a destructor, or in the callback of a weak reference: it is lost there.

    Libraries have such callbacks everywhere, h5py at each object that it closes.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        main = threading.main_thread().ident
        threading.Timer(0.01, signal.pthread_kill, [main, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, or its name if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
