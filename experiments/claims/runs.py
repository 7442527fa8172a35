"""The runs that the claims are measured on: what they are called, and where their predictions lie."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from info_geometry import predictions
from info_geometry.files import InputError

DATASET = "fashion"
ALL, RANDOM = "all", "randomlab"  # the task of all classes, and the one whose labels are shuffled
NAMED = ("clothing", "garment", "3rd", "footwear", "shirt", "shoe")
TASKS = (ALL, *NAMED, RANDOM)
PAIRS = tuple(itertools.combinations(range(10), 2))  # the tasks of two classes, by their class ids
IMAGES = 6_000  # to train on, of each class
EPISODIC = {"all_2way": "all_as_2way", "all_5way": "all_as_5way"}  # and supervised learning with the same settings
CONTRASTIVE = ("simclr", "barlow")
NEAR = (*(f"{ALL}_{name}" for name in CONTRASTIVE), "all_fixmatch")
SUB_TASKS = "clothing", "footwear"  # of contrastive learning and of fine-tuning; no class is in both

Seeds = list[predictions.Trajectory]  # the trajectories of one task and method, in the order of seeds


@dataclass(frozen=True)
class Runs:
    """The trajectories that the claims are measured on.

    supervised: task -> trajectories.  pairs: class ids of a task of two classes -> trajectories.
    episodic, like_episodic: number of ways (`all_2way`) -> trajectories of episodes, and of supervised learning with
    their settings.  near, contrastive: method (`all_simclr`), and method on a sub-task (`clothing_simclr`).
    tuned: sub-task -> number of the checkpoint of `all` that fine-tuning started from -> trajectories.
    retrained: `all`, from the last of these on.  times: number of the checkpoint -> epochs of `all` before it.
    fitted: names of supervised, near and contrastive -> the same with fitted temperatures.
    draws: how many null models are drawn where they are random and costly.
    """

    supervised: dict[str, Seeds] = field(default_factory=dict)
    pairs: dict[tuple[int, int], Seeds] = field(default_factory=dict)
    episodic: dict[str, Seeds] = field(default_factory=dict)
    like_episodic: dict[str, Seeds] = field(default_factory=dict)
    near: dict[str, Seeds] = field(default_factory=dict)
    contrastive: dict[str, Seeds] = field(default_factory=dict)
    tuned: dict[str, dict[int, Seeds]] = field(default_factory=dict)
    retrained: Seeds = field(default_factory=list)
    times: dict[int, float] = field(default_factory=dict)
    fitted: dict[str, Seeds] = field(default_factory=dict)
    draws: int = 20

    def of_all_seeds(self) -> dict[str, Seeds]:
        """Return name -> trajectories of all but the tasks of two classes and what is imprinted twice.

        Those of fine-tuning are called `<task> from <checkpoint>`.
        """
        tuned = {f"{task} from {start}": x for task, starts in self.tuned.items() for start, x in starts.items()}
        again = {f"{ALL} from {max(self.times)}": self.retrained} if self.retrained else {}
        like = {EPISODIC[name]: seeds for name, seeds in self.like_episodic.items()}
        return {**self.supervised, **self.episodic, **like, **self.near, **self.contrastive, **tuned, **again}

    def everything(self) -> list[predictions.Trajectory]:
        """Return all trajectories."""
        groups = itertools.chain(self.of_all_seeds().values(), self.pairs.values(), self.fitted.values())
        return list(itertools.chain.from_iterable(groups))


def read(folder: Path, starts: list[int], seeds: list[int], draws: int = 20) -> Runs:
    """Return the Runs of files `<folder>/<run>/preds_<seed>.h5`; raise InputError where one is missing.

    starts: the checkpoints of `all` that fine-tuning started from.  Of tasks of two classes there are the first three
    seeds.
    """
    missing = []

    def found(name, seeds=seeds):
        paths = [folder / f"{DATASET}_{name}" / f"preds_{seed}.h5" for seed in seeds]
        absent = [path for path in paths if not path.exists()]
        missing.extend(absent)
        return [] if absent else [predictions.open_trajectory(path) for path in paths]

    contrastive = [f"{task}_{method}" for method in CONTRASTIVE for task in SUB_TASKS]
    runs = Runs(
        supervised={name: found(name) for name in TASKS},
        pairs={pair: found("classes_{}-{}".format(*pair), seeds[:3]) for pair in PAIRS},
        episodic={name: found(name) for name in EPISODIC},
        like_episodic={name: found(like) for name, like in EPISODIC.items()},
        near={name: found(name) for name in NEAR},
        contrastive={name: found(name) for name in contrastive},
        tuned={task: {start: found(f"{task}_from_{ALL}_at_{start}") for start in starts} for task in SUB_TASKS},
        retrained=found(f"{ALL}_from_{ALL}_at_{max(starts)}"),
        fitted={name: found(f"{name}_fitted") for name in (*TASKS, *NEAR, *contrastive)},
        draws=draws,
    )
    if missing:
        raise InputError(
            f"{len(missing)} files of predictions are missing, the first is {missing[0]}; `make claims` makes them"
        )
    runs.times.update({start: float(runs.supervised[ALL][0].t[start]) for start in starts})
    return runs
