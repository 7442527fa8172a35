"""How the tasks of a suite are embedded: the choices, and the folder that files of them have.  Imports no torch."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from experiments.task_distances.conditions import PLAIN
from info_geometry.files import InputError

METHODS = "exact", "sampled", "predictions", "variational", "domain"
VARIATIONAL = "beta", "steps", "rate", "batch", "start", "tolerance"  # what it has besides
NAMED = "images", "samples", "decay", "draws", *VARIATIONAL  # in names, if not usual


@dataclasses.dataclass(frozen=True)
class Choices:
    """method: of `embedding.METHODS`, or "domain": the mean of features, and what a head knows.

    images: that the head is fitted to, of each class as many; samples: of these, in the Fisher information.
    subset: which images: those of two subsets differ.  untrained: by the first checkpoint of the probe.
    decay: of the head.  draws, and what is in VARIATIONAL: as for `embedding.embed`; None: its own value.
    """

    method: str = "exact"
    images: int = 1200
    samples: int = 600
    subset: int = 0
    untrained: bool = False
    decay: float = 0.01
    draws: int | None = None
    beta: float | None = None
    steps: int | None = None
    rate: float | None = None
    batch: int | None = None
    start: float | None = None
    tolerance: float | None = None

    def __post_init__(self):
        if self.method not in METHODS:
            raise InputError(f"--method is {self.method!r}, expected one of {', '.join(METHODS)}")
        for key in ("images", "samples"):
            if getattr(self, key) < 2:
                raise InputError(f"--{key} is {getattr(self, key)}, expected 2 or more")
        if not 0 < self.decay < math.inf:
            raise InputError(f"--decay is {self.decay}, expected a positive number")
        if self.subset < 0:
            raise InputError(f"--subset is {self.subset}, expected 0 or more")
        of = {"draws": ("sampled", "predictions"), **dict.fromkeys(VARIATIONAL, ("variational",))}
        for key, methods in of.items():
            value = getattr(self, key)
            if value is None:
                continue
            if self.method not in methods:
                raise InputError(f"--{key} is of --method {' and '.join(methods)}; leave it out")
            if not value > 0 or (value == math.inf and key != "tolerance"):
                raise InputError(f"--{key} is {value}, expected a positive number")

    @property
    def name(self) -> str:
        """The folder of the files: the method, and what is not usual, such as exact-subset1."""
        parts = [self.method]
        usual = Choices(self.method)
        parts += [f"{key}{getattr(self, key):g}" for key in NAMED if getattr(self, key) != getattr(usual, key)]
        parts += [f"subset{self.subset}"] * (self.subset > 0) + ["untrained"] * self.untrained
        return "-".join(parts)

    def folder(self, predictions: Path, run: str, seed: int) -> Path:
        """Return where the files of a probe are: <predictions>/<run>_vectors/seed_<seed>/<name>."""
        return predictions / f"{run}_vectors" / f"seed_{seed}" / self.name

    def options(self) -> dict[str, float]:
        """Return the arguments of `embedding.embed` that are chosen."""
        found = {key: getattr(self, key) for key in ("draws", *VARIATIONAL)}
        return {key: value for key, value in found.items() if value is not None}


def file_name(task: str, condition: str = PLAIN, listed: Sequence[int] = ()) -> str:
    """Return the name of the file of a task, by its name and the label of its condition.

    listed: the classes of a task that a file of the user lists, whose name does not say which these are.
    """
    digest = f"-{hashlib.sha256(' '.join(map(str, listed)).encode()).hexdigest()[:8]}" if listed else ""
    return f"{task}{digest}_{condition}.npz"
