"""A run: what determines it, and the folder it lies in.

checkpoints/<dataset>_<task>[_<method>][_<variant>]/seed_<seed>/
    run.json             the resolved configuration, the task, the schedule
    log.jsonl            one line a checkpoint: step, epoch, learning rate, loss, accuracy, seconds
    ckpt/<epoch>_<batch>.pth   weights only, never changed; or
    ckpt/<epoch>_<batch>.h5    the predictions they give, until those of all checkpoints are in one file
    last.pth             everything needed to go on
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from info_geometry.files import ROOT, InputError, versions, write_text
from learning.config import Config, with_defaults
from learning.tasks import Task

EXIT_REQUEUE = 75  # of a process that was told to end and can be started again
SKIPPED = "skipped (already complete)"  # what came of a run of which there was nothing left to do
REQUIRED = {"config", "schedule", "seed", "steps_per_epoch", "task"}  # of run.json; all else has a default
NO_SETTINGS = {"config", "versions", "trained_by", "stored_by"}  # what may differ between runs of the same settings


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where data sets, runs and predictions lie."""

    data: Path = ROOT / "supervised_imagenet" / "data"
    checkpoints: Path = ROOT / "checkpoints"
    predictions: Path = ROOT / "predictions"

    def run(self, name: str, seed: int) -> Path:
        """Return the folder of a run."""
        return self.checkpoints / name / f"seed_{seed}"

    def file(self, name: str, seed: int) -> Path:
        """Return the prediction file of a run."""
        return self.predictions / name / f"preds_{seed}.h5"


@dataclasses.dataclass(frozen=True)
class Run:
    """What determines a run, as run.json holds it.

    config: the resolved configuration {key: value}.  samples: number of training images.  class_names: of image
    folders, else None.  schedule: the steps, increasing from 0, after which checkpoints are taken.
    t_name: what time counts, steps / steps_per_epoch.  outputs: of the head; 0: there is none; None: one for each class
    of the task.  start: the weights that the run starts from, where these are not initial ones.
    variant: the last part of the name, which tells runs with other settings apart.
    trained_by: the module that trains the run, and what it was told, but for seed and folders.
    stored_by: the module that stores its predictions, where this is another one than for most runs.
    """

    name: str
    task: Task
    seed: int
    config: dict[str, Any]
    samples: int
    class_names: list[str] | None
    steps_per_epoch: int
    schedule: list[int]
    versions: dict[str, str] = dataclasses.field(default_factory=versions)
    t_name: str = "epoch"
    outputs: int | None = None
    start: dict[str, Any] | None = None
    variant: str = ""
    trained_by: tuple[str, ...] = ()
    stored_by: str = ""

    @property
    def classes(self) -> int:
        """The number of outputs of the network's head, 0 without one."""
        return len(self.task.classes) if self.outputs is None else self.outputs

    def time(self, step: int) -> float:
        """Return the time after `step` steps, in `t_name`."""
        return step / self.steps_per_epoch

    def path(self, folder: str | Path, step: int, suffix: str = ".pth") -> Path:
        """Return the path of the checkpoint after `step` steps: `.pth` for weights, `.h5` for predictions."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        return Path(folder) / "ckpt" / f"{epoch}_{batch}{suffix}"

    def missing(self, folder: str | Path, suffixes: tuple[str, ...] = (".pth", ".h5")) -> list[int]:
        """Return the scheduled steps of whose checkpoint there is no file in the folder."""
        return [s for s in self.schedule if not any(self.path(folder, s, suffix).exists() for suffix in suffixes)]


def schedule(config: Config, steps_per_epoch: int) -> list[int]:
    """Return the steps, increasing from 0 (initial weights) to the last, at which checkpoints are taken."""
    total = config.epochs * steps_per_epoch
    if config.schedule == "geometric":
        return geometric(total, config.checkpoints)
    if config.schedule == "thinning":
        return thinning(config.epochs, steps_per_epoch)
    dense = min(config.dense_epochs, config.epochs)
    steps = {round(i * steps_per_epoch / config.per_epoch) for i in range(dense * config.per_epoch + 1)}
    return sorted(steps | {epoch * steps_per_epoch for epoch in range(dense, config.epochs + 1)})


def thinning(epochs: int, steps_per_epoch: int) -> list[int]:
    """Return the steps of Mao et al. (2024): of 200 epochs of 250 steps 67.

    Initial weights; in epochs 0 to 4 after the first batch and each of four quarters; at the end of each of epochs 5 to
    25, of each fourth until 65, of each 15th from there on; and the last.
    """
    quarter, last = max(1, steps_per_epoch // 4), epochs * steps_per_epoch
    steps = {epoch * steps_per_epoch + i + 1 for epoch in range(5) for i in range(0, steps_per_epoch, quarter)}
    every = [*range(5, 26), *range(28, 66, 4), *range(75, epochs, 15)]
    return sorted({0, last} | {step for step in steps | {(e + 1) * steps_per_epoch for e in every} if step <= last})


def geometric(total: int, count: int) -> list[int]:
    """Return about `count` distinct steps from 0 to `total`, the growing part of a geometric series."""
    steps, points = {0, total}, count
    while len(steps) < min(count, total + 1) and points < 64 * count:  # values are added until there are enough
        ratio = total ** (1 / max(1, points - 2))
        steps = {0, total} | {min(total, round(ratio**i)) for i in range(points - 1)}
        points += 1
    return sorted(steps)


def to_json(run: Run) -> dict[str, Any]:
    """Return what run.json holds; what is as in most runs is left out."""
    values = {field.name: getattr(run, field.name) for field in dataclasses.fields(Run)}
    usual = {"t_name": "epoch", "outputs": None, "start": None, "variant": "", "trained_by": (), "stored_by": ""}
    values = {key: value for key, value in values.items() if key not in usual or value != usual[key]}
    return json.loads(json.dumps({**values, "task": dataclasses.asdict(run.task)}))


def from_json(values: dict[str, Any]) -> Run:
    """Return the Run that run.json holds, also of version 0.1: keys of the configuration that came later are added.

    Raises KeyError, TypeError or ValueError where it does not hold one.
    """
    absent = REQUIRED - set(values if isinstance(values, dict) else ())
    if absent:
        raise ValueError(f"it has no {', '.join(sorted(absent))}")
    task = Task(**{**values["task"], "classes": tuple(values["task"]["classes"])})
    known = {field.name for field in dataclasses.fields(Run)}
    given = {key: value for key, value in values.items() if key in known}
    usual = {"name": f"{task.dataset}_{task.name}", "samples": 0, "class_names": None, "versions": {}}
    return Run(
        **{
            **usual,
            **given,
            "task": task,
            "config": with_defaults(values["config"]),
            "trained_by": tuple(values.get("trained_by", ())),
        }
    )


def read(folder: str | Path) -> Run | None:
    """Return the Run in a folder, or None if it was never started."""
    path = Path(folder) / "run.json"
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except KeyError as error:
        raise InputError(f"{path}: not readable (it has no {error}); delete the folder and train again") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not readable ({error}); delete the folder and train again") from None


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return the values of dictionaries in dictionaries, by names such as `start.checkpoint`."""
    found = {}
    for key, value in values.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def start(folder: str | Path, run: Run, cls: type[Config] = Config) -> None:
    """Write run.json, or check that the run there was trained with the same settings.

    cls: the method's configuration, whose defaults keys have that came later.  Raises InputError with the keys that
    differ.
    """
    there = read(folder)
    log = Path(folder) / "log.jsonl"
    begun = any((Path(folder) / "ckpt").glob("[0-9]*")) or (log.exists() and log.stat().st_size)
    if there is None or not begun:
        write_text(Path(folder) / "run.json", json.dumps(to_json(run), indent=1) + "\n")
        return
    flat = [
        {
            **with_defaults(x["config"], cls),
            **_flat({key: value for key, value in x.items() if key not in NO_SETTINGS}),
        }
        for x in map(to_json, (there, run))
    ]
    changed = [
        f"{key} {flat[0].get(key)!r:.60} -> {flat[1].get(key)!r:.60}"
        for key in sorted(flat[0] | flat[1])
        if flat[0].get(key) != flat[1].get(key)
    ]
    if changed:
        raise InputError(
            f"{folder} was trained with other settings ({'; '.join(changed[:5])}); choose another "
            "--checkpoints-folder or --variant, or delete it to train again"
        )
