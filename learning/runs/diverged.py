"""Runs that diverged: a loss, weight or prediction is not finite.  One is named, and not trained again for nothing.

From the same settings and seed the same numbers follow, so a run that diverged would diverge again, at the same step.
`diverged.json` in its folder says at which; while it is there the run is not gone on with.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from info_geometry.files import InputError, write_text
from learning.runs import run as runs

DIVERGED = "diverged"  # what came of such a run
MARK = "diverged.json"


class DivergedError(InputError):
    """A loss, weight or prediction that is not finite.  step: at which it was found.

    everywhere: whether all processes that train the run know, so that they can go on with the next one.
    """

    def __init__(self, text: str, step: int | None = None, everywhere: bool = False):
        super().__init__(text)
        self.step, self.everywhere = step, everywhere


def found(folder: str | Path) -> dict[str, Any] | None:
    """Return what is said of a run that diverged, {"step", "error"}, or None of one that did not."""
    try:
        content = json.loads((Path(folder) / MARK).read_text(encoding="utf-8"))
        return {"step": content["step"], "error": str(content["error"])}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError):  # damaged: it says no more than that it is there
        return {"step": None, "error": f"{folder}: training diverged; delete {Path(folder) / MARK} to train it again"}


def note(folder: str | Path, error: DivergedError) -> None:
    """Have the folder of a run say that it diverged."""
    write_text(Path(folder) / MARK, json.dumps({"step": error.step, "error": str(error)}) + "\n")


@contextlib.contextmanager
def noted(job) -> Iterator[None]:
    """While the block trains the run of a Job: note that it diverged, if it does.  Of one that did before, raise what
    was said then; where it had other settings, an InputError that says which.
    """
    before = found(job.folder)
    if job.here.any(before is not None):
        if job.here.main:
            runs.start(job.folder, job.run, type(job.config))
        raise DivergedError(before["error"] if before else f"{job.folder}: training diverged", everywhere=True)
    try:
        yield
    except DivergedError as error:
        if job.here.main:
            with contextlib.suppress(InputError):  # of a full disk: that the run diverged is what is said
                note(job.folder, error)
        raise
