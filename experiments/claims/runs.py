"""The runs that the claims are measured on: what they are called, and where their predictions lie."""

from dataclasses import dataclass, field
from pathlib import Path

from info_geometry import predictions
from info_geometry.files import InputError

DATASET = "fashion"
ALL, RANDOM = "all", "randomlab"  # the task of all classes, and the one whose labels are shuffled
TASKS = (ALL, "clothing", "garment", "footwear", "shirt", "shoe", "3rd", RANDOM)
EPISODIC, NEAR = ("all_2way", "all_5way"), ("all_simclr", "all_barlow", "all_fixmatch")
SUB_TASKS = "clothing", "footwear"

Seeds = list[predictions.Trajectory]  # the trajectories of one task and method, in the order of seeds


@dataclass(frozen=True)
class Runs:
    """The trajectories that the claims are measured on.

    supervised: task -> trajectories.  episodic, near: method -> trajectories, all of the task of all classes.
    tuned: sub-task -> number of the checkpoint of `all` that fine-tuning started from -> trajectories.
    times: number of the checkpoint -> epochs of `all` before it, for the figure.
    draws: how many null models are drawn where they are random.
    """

    supervised: dict[str, Seeds] = field(default_factory=dict)
    episodic: dict[str, Seeds] = field(default_factory=dict)
    near: dict[str, Seeds] = field(default_factory=dict)
    tuned: dict[str, dict[int, Seeds]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    draws: int = 20

    def everything(self) -> dict[str, Seeds]:
        """Return all of them, name -> trajectories; those of fine-tuning are called `<sub-task> from <checkpoint>`."""
        tuned = {f"{task} from {start}": x for task, starts in self.tuned.items() for start, x in starts.items()}
        return {**self.supervised, **self.episodic, **self.near, **tuned}


def read(folder: Path, starts: list[int], seeds: list[int], draws: int = 20) -> Runs:
    """Return the Runs of files `<folder>/<run>/preds_<seed>.h5`; raise InputError where one is missing.

    starts: the checkpoints of `all` that fine-tuning started from.
    """
    trained = {name: f"{DATASET}_{name}" for name in (*TASKS, *EPISODIC, *NEAR)}
    tuned = {task: {start: f"{DATASET}_{task}_from_all_at_{start}" for start in starts} for task in SUB_TASKS}
    names = [*trained.values(), *(run for of_task in tuned.values() for run in of_task.values())]
    files = {run: [folder / run / f"preds_{seed}.h5" for seed in seeds] for run in names}
    missing = [str(path) for paths in files.values() for path in paths if not path.exists()]
    if missing:
        raise InputError(
            f"{len(missing)} files of predictions are missing, the first is {missing[0]}; `make claims` makes them"
        )
    found = {run: [predictions.open_trajectory(path) for path in paths] for run, paths in files.items()}
    return Runs(
        {name: found[trained[name]] for name in TASKS},
        {name: found[trained[name]] for name in EPISODIC},
        {name: found[trained[name]] for name in NEAR},
        {task: {start: found[run] for start, run in of_task.items()} for task, of_task in tuned.items()},
        {start: found[trained[ALL]][0].t[start] for start in starts},
        draws,
    )
