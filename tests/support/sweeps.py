"""For the tests: runs of sweeps that were planned, and folders as runs leave them, without any training."""

import json

from learning.grids import Grid
from learning.sweeps.planned import Planned
from tests.support.stages import TRAIN


def grid(**changes):
    return Grid(**{"stage": TRAIN, "config": "digits", **changes})


def plan(name="a", seed=0, number=0, **changes):
    run = Planned(number, ("digits", "--seed", str(seed)), (name, seed), {}, (name,), 100, 10, "")
    return run._replace(**changes)


def write(folders, name="a", seed=0, *, steps=0, seconds=1.0, stored=(), **marks):
    """Write a run of the schedule 0, 1, 2, 3 whose log has so many lines."""
    folder = folders.run(name, seed)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"schedule": [0, 1, 2, 3]}))
    lines = [json.dumps({"step": step, "seconds": seconds}) for step in range(steps)]
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for mark, content in marks.items():
        (folder / f"{mark}.json").write_text(json.dumps(content))
    for each in stored:
        folders.file(each, seed).parent.mkdir(parents=True, exist_ok=True)
        folders.file(each, seed).write_bytes(b"")
    return folder
