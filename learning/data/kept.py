"""Images that this process has read, kept for its next run, as long as their files are what they were.

A worker of a sweep takes run after run; decoding TinyImageNet anew for each would take longer than many runs.
"""

import copy
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from learning.data.memory import TensorImages

MOST = 2  # sets of images that are kept: both splits of one data set
_kept = {}  # {what: (its files, images)}, the newest last


def kept(what: tuple, paths: Iterable[str | Path], read: Callable[[], TensorImages]) -> TensorImages:
    """Return read(), or what it returned before for the same `what`, unless one of its files is another one now.

    paths: of the files, in their order.  What is returned shares pixels with what was kept: nobody writes into them.
    """
    files = [(os.fspath(path), *_state(path)) for path in paths]  # before they are read: a later change is noticed
    before, images = _kept.pop(what, (None, None))
    if before != files:
        images = None  # given back before the new ones take as much memory again
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        images = read()
    _kept[what] = files, images
    return copy.copy(images)


def _state(path):
    """Return what changes when a file is written, replaced or removed."""
    try:
        found = os.stat(path)
    except OSError:
        return (None,)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
