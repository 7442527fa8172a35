"""What a sweep takes, said before it starts: numbers of runs, disk against what is free, and time."""

import collections
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import InputError
from learning.runs.run import Folders
from learning.sweeps.planned import Planned
from learning.sweeps.standing import Standing, seconds_left

LOOKED_AT = 5  # finished runs of a grid, to see what they take


def disk(
    planned: Sequence[Sequence[Planned]], standings: Sequence[Sequence[Standing]], folders: Folders
) -> tuple[int, int]:
    """Return the bytes that checkpoints and predictions will still take.

    checkpoints x weights x bytes, and checkpoints x samples x classes x 2 bytes of predictions, of runs that lack
    them; in proportion to what finished runs of the same grid take, where there are some.
    """
    left = {}
    for own, stands in zip(planned, standings):
        pairs = [(run, stand) for run, stand in zip(own, stands) if run.run]
        whole = [run for run, stand in pairs if stand.trained][:LOOKED_AT]
        stored = [run for run, stand in pairs if stand.state == "complete" and None not in run.stored][:LOOKED_AT]
        weights = _ratio([(_size(folders.run(*run.run).glob("**/*.pth")), run.checkpoints) for run in whole])
        files = [(_size(folders.file(name, run.run[1]) for name in run.stored), run.predictions) for run in stored]
        predictions = _ratio(files)
        for run, stand in pairs:
            if stand.state not in ("complete", "diverged"):
                trained = 0 if stand.trained else run.checkpoints
                left[run.run] = trained * weights, run.predictions * predictions
    return tuple(int(sum(each)) for each in zip(*left.values())) or (0, 0)


def _ratio(pairs):
    """Return what was taken / what was expected; 1 where nothing is known."""
    taken, expected = (sum(each) for each in zip(*pairs)) if pairs else (0, 0)
    return taken / expected if taken and expected else 1.0


def _size(paths):
    return sum(path.stat().st_size for path in paths if path.exists())


def lines(
    planned: Sequence[Sequence[Planned]], standings: Sequence[Sequence[Standing]], folders: Folders, jobs: int
) -> list[str]:
    """Return two lines for people: how many runs there are and what they take, of disk and of time; and, where some
    cannot be trained as far as is known, why.
    """
    pairs = {run.run or run.words: (run, stand) for own in zip(planned, standings) for run, stand in zip(*own)}
    states = collections.Counter(stand.state for _, stand in pairs.values())
    checkpoints, predictions = disk(planned, standings, folders)
    free = " and ".join(dict.fromkeys(_gb(_free(folder)) for folder in (folders.checkpoints, folders.predictions)))
    found = [
        f"{len(pairs)} runs, {len(pairs) - states['complete']} of them not complete: about {_gb(checkpoints)} of "
        f"checkpoints and {_gb(predictions)} of predictions, {free} free"
    ]
    left, done = seconds_left(planned, standings), sum(stand.trained for _, stand in pairs.values())
    if left is None:
        found.append("time: not known before a run is finished; --status says it then")
    else:
        hours = sum(left.values()) / 3600 / jobs
        found.append(f"time: about {hours:.3g} hours of training left with --jobs {jobs}, by what {done} runs took")
    wrong = collections.Counter(run.error for run, stand in pairs.values() if run.error and stand.state != "complete")
    return [*found, *(f"{count} runs will fail: {error}" for error, count in wrong.items())]


def check_disk(checkpoints: int, predictions: int, folders: Folders) -> None:
    """Raise InputError where a disk does not hold what a sweep needs."""
    needed: dict[int, list] = {}
    for folder, size in ((folders.checkpoints, checkpoints), (folders.predictions, predictions)):
        needed.setdefault(_device(folder), []).append((folder, size))
    for own in needed.values():
        total, free = sum(size for _, size in own), _free(own[0][0])
        if total > free:
            raise InputError(
                f"{' and '.join(str(folder) for folder, _ in own)}: this sweep needs about {_gb(total)}, {_gb(free)} "
                "free; make room, keep fewer checkpoints (--set checkpoints=N), choose another disk "
                "(--checkpoints-folder, --predictions), or say --force"
            )


def _device(folder: Path) -> int:
    return os.stat(_there(folder)).st_dev


def _free(folder: Path) -> int:
    return shutil.disk_usage(_there(folder)).free


def _there(folder):
    """Return a folder, or the lowest one above it that is there."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _gb(size):
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
