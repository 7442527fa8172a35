"""How all runs are doing, as a table: from their folders alone, so that it can be asked at any time."""

import datetime
import json
from pathlib import Path

from info_geometry.files import InputError, holder
from learning.runs import run as runs

COLUMNS = ("run", "seed", "state", "epoch", "accuracy", "evaluation", "images/s", "time left")


def table(folder: str | Path) -> str:
    """Return a table of the runs in a folder of checkpoints, as of their last checkpoint.

    accuracy: on the training images since the checkpoint before.  evaluation: on evaluation images, where configured.
    """
    rows = [_row(path) for path in sorted(Path(folder).glob("*/seed_*/run.json"), key=_natural)]
    if not rows:
        return f"{folder} holds no runs"
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows)]
    return "\n".join(
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{x:>{w}}" for x, w in zip(row[1:], widths[1:]))])
        for row in (COLUMNS, *rows)
    )


def _natural(path):
    digits = path.parent.name.removeprefix("seed_")
    return path.parent.parent.name, int(digits) if digits.isdecimal() else -1


def _row(path):
    folder = path.parent
    first = folder.parent.name, folder.name.removeprefix("seed_")
    try:
        run = runs.read(folder)
        log = folder / "log.jsonl"
        lines = [
            json.loads(line)
            for line in (log.read_text(encoding="utf-8") if log.exists() else "").splitlines()
            if line.endswith("}")
        ]
        last, config = (lines or [{"step": 0}])[-1], run.config
        left = run.schedule[-1] - last["step"]
        state = "done" if lines and not left else "running" if holder(folder / ".lock") else "stopped"
        evaluation = [line["evaluation_accuracy"] for line in lines if "evaluation_accuracy" in line]
        rates = [line["images"] / line["seconds"] for line in lines[-3:] if line.get("images") and line["seconds"]]
        rate = sum(rates) / len(rates) if rates else 0.0
        seconds = left * min(config["batch_size"], run.samples) / rate if rate and left else None
        return (
            *first,
            state,
            f"{run.time(last['step']):.2f} of {config['epochs']}",
            *("" if x is None else f"{x:.3f}" for x in (last.get("accuracy"), (evaluation or [None])[-1])),
            f"{rate:.0f}" if rate else "",
            "" if seconds is None else str(datetime.timedelta(seconds=round(seconds))),
        )
    except (InputError, OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return *first, "unreadable", "", "", "", "", ""
