"""The runs of grids: their names, their settings, and what they take on the disk, before any of them is trained."""

import contextlib
import io
import json
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from info_geometry.files import InputError
from learning import grids
from learning.arguments import imprinting
from learning.grids import Grid
from learning.workers import script


class Planned(NamedTuple):
    """A run of grid `number`, for which stage 1 is told `words`.

    run: its name and seed, None where these cannot be said.  settings: {key: value} of all that determines it besides.
    stored: the name of the run of its predictions in each way of imprinting, None where another stage names them.
    checkpoints, predictions: the bytes that they may take.  error: why it cannot be trained, as far as that is known.
    """

    number: int
    words: tuple[str, ...]
    run: tuple[str, int] | None
    settings: dict[str, Any]
    stored: tuple[str | None, ...]
    checkpoints: int
    predictions: int
    error: str


def of_grids(every: Sequence[Grid], check: Callable[[], None] = lambda: None) -> list[list[Planned]]:
    """Return the Planned of each grid, in the order of its runs.  check(): is called now and then; it may raise."""
    found = []
    for number, grid in enumerate(every):
        suffixes, words, lines = tuple(map(_suffix, [grid] * len(grid.imprint), grid.imprint)), grid.runs(), []
        for combination in grid.combinations():
            lines += _lines(grid, combination)
            check()
        found.append([_planned(number, told, line, suffixes) for told, line in zip(words, lines, strict=True)])
    return found


def check_names(planned: Sequence[Sequence[Planned]], every: Sequence[Grid], path: str | Path) -> None:
    """Raise InputError, naming both, where two runs have one name and seed, but other settings."""
    seen: dict[tuple[str, int], Planned] = {}
    for run in _all(planned):
        first = seen.setdefault(run.run, run)
        if first.settings != run.settings:
            keys = sorted(first.settings | run.settings)
            pairs = [(key, first.settings.get(key), run.settings.get(key)) for key in keys]
            changed = "; ".join(f"{key} {a!r:.60} and {b!r:.60}" for key, a, b in pairs if a != b)
            one, other = (_said(each.number, every) for each in (first, run))
            who = f"{one} and {other}" if one != other else f"two entries of {one}"
            raise InputError(
                f"{path}: {who} both give the run {run.run[0]} seed {run.run[1]}, with other settings ({changed}); "
                "tell them apart by `variant: NAME`"
            )


def once(planned: Sequence[Sequence[Planned]]) -> list[Planned]:
    """Return the runs of all grids whose names are known, each once: several grids may name the same run."""
    return list({run.run: run for run in reversed(list(_all(planned)))}.values())[::-1]


def _all(planned) -> Iterator[Planned]:
    """Yield the runs of all grids whose names are known."""
    return (run for own in planned for run in own if run.run)


def _said(number, every):
    name = every[number].name
    return f"grid {number}" + (f" ({name})" if name else "")


def _suffix(grid, imprint):
    """Return how names of predictions end in a way of imprinting; None where that is not known."""
    words = shlex.split(imprint)
    if grid.store != grids.STORE:
        return None
    try:
        return "_head" if "--head" in words else imprinting(words).suffix
    except (InputError, SystemExit):  # said when stage 2 is told
        return None


def _lines(grid, combination):
    """Return what the stage of a grid says of the runs of a combination, task by task, seed by seed."""
    error, count = "", len(grid.task) * len(grid.seed)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "plan.jsonl"
        words = [*combination, "--task", *grid.task, "--seed", *grid.seed, "--plan", str(told)]
        try:
            with contextlib.redirect_stderr(io.StringIO()) as said:
                script(grid.stage).main(words)
            return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
        except InputError as failure:
            error = str(failure)
        except SystemExit:  # of the parser of arguments
            error = (said.getvalue().splitlines() or ["unknown arguments"])[-1]
    return [{"run": None, "error": error}] * count


def _planned(number, words, line, suffixes):
    run = line["run"] and (line["run"][0], line["run"][1])
    own = run and line.get("predicts") and suffixes == (None,)  # a stage 2 of its own stores the same file
    stored = (run[0],) if own else tuple(None if x is None or not run else run[0] + x for x in suffixes)
    sizes = line.get("checkpoints", 0), line.get("predictions", 0) * len(stored)
    return Planned(number, words, run, line.get("settings", {}), stored, *sizes, line["error"])
