"""How far the runs of a sweep are: from their folders alone, so that it can be asked at any time, from any machine.

A run is `complete` when all its predictions are stored, `held` while a process works on it, `diverged` or `failed` when
that is what came of it last, `trained` when its predictions are missing, `begun` when checkpoints are, and else
`waiting`.  What failed is in failed.json beside run.json, which the sweep writes, as is what would start from one that
diverged.  What a second stage of its own has stored, of which only that one knows the names, is in stored.json.
"""

import collections
import contextlib
import json
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from info_geometry.files import InputError, holder, write_text
from learning.grids import STORE, Grid
from learning.runs import diverged
from learning.runs.diverged import DIVERGED
from learning.runs.run import Folders
from learning.sweeps.planned import Planned
from learning.workers import Outcome

STATES = ("complete", "trained", "begun", "waiting", "held", "failed", "diverged")
COLUMNS = ("grid", "runs", *STATES, "s a run", "hours left")
SAID = 20  # runs that failed are named, up to so many


class Standing(NamedTuple):
    """How a run stands: its state, the seconds that it was trained so far, whether training is over, and its error."""

    state: str
    seconds: float = 0.0
    trained: bool = False
    error: str = ""


def of(run: Planned, ways: Sequence[str], folders: Folders) -> Standing:
    """Return how a run stands.  ways: of imprinting, of its grid."""
    if run.run is None:
        return Standing("failed", error=run.error)
    folder = folders.run(*run.run)
    seconds, last = _log(folder / "log.jsonl")
    files = [name and folders.file(name, run.run[1]) for name in run.stored]
    noted = _stored(folder) if None in files else []
    if all(file.exists() if file else _plain(way) in noted for file, way in zip(files, ways)):
        return Standing("complete", seconds, True)
    trained = last is not None and last == _last_step(folder)
    locks = [folder / ".lock", *(file.parent / f".{file.stem}.lock" for file in files if file)]
    if any(holder(lock) for lock in locks):
        return Standing("held", seconds, trained)
    away = diverged.found(folder)
    if away and not trained:
        return Standing("diverged", seconds, False, away["error"])
    failed = _read(folder / "failed.json")
    if failed is not None or run.error:
        said = failed if isinstance(failed, dict) else {}
        what = DIVERGED if said.get("outcome") == DIVERGED else "failed"
        return Standing(what, seconds, trained, str(said.get("error") or run.error))
    state = "trained" if trained else "waiting" if last is None else "begun"
    return Standing(state, seconds, trained)


def of_all(planned: Sequence[Sequence[Planned]], every: Sequence[Grid], folders: Folders) -> list[list[Standing]]:
    """Return how the runs of each grid stand."""
    return [[of(run, grid.imprint, folders) for run in own] for grid, own in zip(every, planned)]


def note(folders: Folders, run: tuple[str, int], outcome: Outcome, way: str | None = None, store: str = STORE) -> None:
    """Have the folder of a run say that a stage failed, or that the run from which it starts diverged, and no longer so
    when stage 1 is complete.

    Where that cannot be written, as on a full disk, it is not: it only tells --status.
    way: of imprinting, by stage 2; None: it was stage 1.  store: that stage; what another one than most runs have has
    stored is noted as well.
    """
    folder = folders.run(*run)
    with contextlib.suppress(InputError, OSError):
        if outcome.what == "failed" or (outcome.what == DIVERGED and not diverged.found(folder)):
            said = {"stage": 1 if way is None else 2, "outcome": outcome.what, "error": outcome.error}
            write_text(folder / "failed.json", json.dumps(said) + "\n")
        elif outcome.complete and way is None:
            (folder / "failed.json").unlink(missing_ok=True)
        elif outcome.complete and store != STORE and _plain(way) not in _stored(folder):
            write_text(folder / "stored.json", json.dumps([*_stored(folder), _plain(way)]) + "\n")


def seconds_left(
    planned: Sequence[Sequence[Planned]], standings: Sequence[Sequence[Standing]]
) -> dict[tuple[str, int], float] | None:
    """Return the seconds {(name, seed): s} that training will still take, of the runs where it is not over.

    By the mean of finished runs of the same name, or else of the same grid, or else of all; None where none is.
    """
    taken = collections.defaultdict(list)
    pairs = [(run, stands) for own in zip(planned, standings) for run, stands in zip(*own) if run.run]
    for run, stands in pairs:
        if stands.trained and stands.seconds:
            for key in (run.run[0], run.number, None):
                taken[key].append(stands.seconds)
    if not taken:
        return None
    left = {}
    for run, stands in pairs:
        if not stands.trained and stands.state != "diverged":
            every = next(taken[key] for key in (run.run[0], run.number, None) if key in taken)
            left[run.run] = max(0.0, sum(every) / len(every) - stands.seconds)
    return left


def table(planned: Sequence[Sequence[Planned]], every: Sequence[Grid], folders: Folders) -> str:
    """Return the table of a sweep, a line a grid and one of all, and the runs that failed or diverged.

    s a run: mean seconds of training, of runs where it is over.  hours left: of training, one run after the other.
    """
    standings = of_all(planned, every, folders)
    left = seconds_left(planned, standings)
    rows = [
        _row(grid.name or str(number), own, stands, left)
        for number, (grid, own, stands) in enumerate(zip(every, planned, standings))
    ]
    pairs = [pair for own in zip(planned, standings) for pair in zip(*own)]
    found = list({run.run or (run.number, run.words): (run, stands) for run, stands in pairs}.values())  # each once
    if len(rows) > 1:
        rows.append(_row("all", *zip(*found), left))
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows)]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{x:>{w}}" for x, w in zip(row[1:], widths[1:]))])
        for row in (COLUMNS, *rows)
    ]
    wrong = [(run, stands) for run, stands in found if stands.error]
    lines += [f"{_title(run)}, {stands.state}: {stands.error}" for run, stands in wrong[:SAID]]
    if len(wrong) > SAID:
        lines.append(f"... and {len(wrong) - SAID} more")
    return "\n".join(lines)


def _row(name, runs, standings, left):
    counts = collections.Counter(stands.state for stands in standings)
    seconds = [stands.seconds for stands in standings if stands.trained and stands.seconds]
    mean = f"{sum(seconds) / len(seconds):.3g}" if seconds else ""
    hours = "" if left is None else f"{sum(left.get(run.run, 0.0) for run in runs) / 3600:.3g}"
    return name, str(len(runs)), *(str(counts[state]) for state in STATES), mean, hours


def _stored(folder):
    """Return the ways of imprinting in which a second stage of its own has stored a run."""
    found = _read(folder / "stored.json")
    return found if isinstance(found, list) else []


def _plain(way):
    return shlex.join(shlex.split(way))


def _title(run):
    return "{} seed {}".format(*run.run) if run.run else " ".join(run.words)


def _last_step(folder):
    """Return the last step of the schedule of a run; None where it does not say one."""
    try:
        return _read(folder / "run.json")["schedule"][-1]
    except (LookupError, TypeError):
        return None


def _log(path) -> tuple[float, int | None]:
    """Return the seconds in the log of a run, and its last step; (0, None) where there is none."""
    seconds, last = 0.0, None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, LookupError, TypeError):  # of a line that is being written
                found = json.loads(line)
                seconds, last = seconds + float(found["seconds"]), found["step"]
    return seconds, last


def _read(path):
    """Return the JSON in a file; None where it is not there, or not readable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
