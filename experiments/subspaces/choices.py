"""What stage 2 of subspaces is asked for, and what its files are called.  Imports no torch."""

import math
from dataclasses import dataclass

from info_geometry.files import InputError

SETS = ("evaluation", "training", "validation")
AVERAGES = ("swa", "swag", "soup", "between")
LAST = "last"


@dataclass(frozen=True)
class Choices:
    """Which networks are taken from runs, and on which images they predict.

    positions: on a line or a curve.  steps: intervals along an edge of a simplex; 0: 6 up to a triangle, else 2.
    checkpoints: numbers from 0, or `last`; () for what is usual: of a subspace the last one, of a single network all.
    middle: instead, the middle of a subspace after each checkpoint.
    average: of the checkpoints of a single network `swa`, `swag` (`draws` of them); of the last networks of several
    seeds `soup`; `between`, the line to the next seed.
    images: `evaluation`, `training` or `validation`; samples: so many of them, of each class as many (0: all,
    or as many as the run says, and 2,000 of training).  corruption, severity: of evaluation images.
    as_trained: norm layers keep the statistics of training.  imprint: instead of the networks' own heads.
    """

    positions: tuple[float, ...] = tuple(k / 10 for k in range(11))
    steps: int = 0
    checkpoints: tuple[str, ...] = ()
    middle: bool = False
    average: str = ""
    draws: int = 6
    images: str = SETS[0]
    samples: int = 0
    corruption: str = ""
    severity: int = 0
    as_trained: bool = False
    imprint: bool = False

    def __post_init__(self):
        for position in self.positions:
            if not (math.isfinite(position) and 0 <= position <= 1):
                raise InputError(f"--positions {position:g}: expected numbers from 0 to 1")
        if list(self.positions) != sorted(set(self.positions)):
            raise InputError("--positions: expected increasing numbers")
        for number in self.checkpoints:
            if number != LAST and not number.isdecimal():
                raise InputError(f"--checkpoint {number!r}: expected numbers from 0, or last")
        for key, least in (("steps", 2 if self.steps else 0), ("draws", 2), ("samples", 0)):
            if getattr(self, key) < least:
                raise InputError(f"--{key} is {getattr(self, key)}, expected at least {least}")
        if bool(self.corruption) != bool(self.severity):
            raise InputError("--corruption and --severity belong together; say both, or none")
        if self.corruption and self.images != SETS[0]:
            raise InputError(f"--corruption is of evaluation images; leave out --images {self.images}")
        if self.imprint and self.images != SETS[0]:
            raise InputError(f"--imprint is of evaluation images; leave out --images {self.images}")
        if self.average and self.as_trained:
            raise InputError("--as-trained: an average of weights has no statistics of its own; leave it out")
        if self.middle and (self.average or self.checkpoints):
            raise InputError("--middle takes all checkpoints of a run; leave out --average and --checkpoint")
        if self.average and self.checkpoints:
            raise InputError(f"--average {self.average} knows which checkpoints it takes; leave out --checkpoint")

    def counted(self, kind: str) -> set[str]:
        """Return the keys that what is stored of a run of this kind depends on."""
        keys = {"images", "samples", "corruption", "severity", "as_trained", "imprint", "average", "middle"}
        if self.average == "between" or (kind in ("line", "curve") and not self.middle):
            return keys | {"positions"}
        if self.average == "swag":
            return keys | {"draws"}
        if kind == "simplex" and not self.middle:
            return keys | {"steps"}
        return keys | ({"checkpoints"} if kind == "point" and not self.average else set())

    def name(self, run: str, checkpoint: int | None = None) -> str:
        """Return the name under which the predictions of a run are stored; checkpoint: its number, unless the last."""
        parts = (
            (bool(self.average), self.average),
            (self.middle, "middle"),
            (checkpoint is not None, f"at_{checkpoint}"),
            (self.as_trained, "as_trained"),
            (self.images != SETS[0], self.images),
            (bool(self.samples), f"n{self.samples}"),
            (bool(self.corruption), f"{self.corruption}{self.severity}"),
            (not self.imprint, "head"),
        )
        return "_".join([run, *(part for used, part in parts if used)])
