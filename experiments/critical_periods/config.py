"""How networks are trained with a temporary deficit: the configuration.  Imports no torch."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from info_geometry.files import InputError
from learning.config import Config

DEFICITS = "none", "blur", "flip", "permuted_labels", "random_labels", "noise", "constant"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeriodsConfig(Config):
    """How a network is trained with a deficit (learning/deficits.py): as for `Config`, and

    `deficit`: its kind, from epoch `onset` until epoch `end`; `factor`: of `blur`.
    `protocol`: with `removal`, `clean_epochs` follow the end of the deficit, whole epochs; with `window` there are
    `epochs` in all.  Without a deficit, `end` of `removal` is that of the deficit which a run is a control of.
    `rate`: the learning rate is multiplied by `decay_rate` after each epoch since the end of the deficit (`restart`, of
    `removal` alone: all runs have the same clean schedule), since the first one (`annealed`), or never (`constant`).
    `label_noise`: the share of images whose labels are drawn at random, which may be right, with or without a deficit.
    `training_images`, of each class as many (0: all); `validation_images`: held out of training, of others;
    `evaluation_images`: that networks predict (0: all).
    """

    epochs: int = 0
    deficit: str = "none"
    onset: float = 0.0
    end: float = 0.0
    factor: int = 4
    protocol: str = "removal"
    clean_epochs: int = 60
    rate: str = "restart"
    decay_rate: float = 0.97
    label_noise: float = 0.0
    training_images: int = 0
    validation_images: int = 0
    evaluation_images: int = 0
    warmup_epochs: float = 0.0
    nesterov: bool = False
    decay: str = "everything"

    recalibration_images: ClassVar[int] = 0  # norm layers keep their running statistics
    CHOICES: ClassVar = {
        **Config.CHOICES,
        "deficit": DEFICITS,
        "protocol": ("removal", "window"),
        "rate": ("restart", "annealed", "constant"),
    }
    POSITIVE: ClassVar = (*(key for key in Config.POSITIVE if key != "epochs"), "clean_epochs", "decay_rate")
    UNUSED: ClassVar = {
        "warmup_epochs": "the learning rate begins at its peak",
        "annealing": "`rate` says how the learning rate falls",
    }

    def __post_init__(self):
        if self.protocol == "removal":
            self._count_epochs()
        elif self.protocol == "window" and not self.epochs:
            raise InputError("epochs is missing: the protocol window has as many in all; add `epochs: ...`")
        super().__post_init__()
        self._check_window()
        if self.protocol == "window":
            self.refuse({"clean_epochs": "the protocol window has `epochs` in all"})
            if self.rate == "restart":
                raise InputError("rate is restart, which is of the protocol removal; expected annealed or constant")
        if self.rate == "constant":
            self.refuse({"decay_rate": "the rate is constant"})
        if self.decay_rate > 1:
            raise InputError(f"decay_rate is {self.decay_rate}, expected at most 1")
        if self.label_noise > 1:
            raise InputError(f"label_noise is {self.label_noise}, expected a share from 0 to 1")

    def _count_epochs(self):
        """Set `epochs` of the protocol removal."""
        if not math.isfinite(self.end) or self.end != int(self.end):
            raise InputError(f"end is {self.end}, expected whole epochs, since those after it are counted from it")
        total = max(0, int(self.end)) + self.clean_epochs
        if self.epochs not in (0, total):
            raise InputError(
                f"epochs is {self.epochs}, but the protocol removal has those until end and clean_epochs, {total}; "
                "leave it out"
            )
        object.__setattr__(self, "epochs", total)

    def _check_window(self):
        """Raise InputError where the window and the kind of the deficit do not belong together."""
        if self.deficit == "none":
            self.refuse({"onset": "there is no deficit"})
            if self.protocol == "window":
                self.refuse({"end": "there is no deficit"})
        elif not self.end:
            raise InputError(f"deficit is {self.deficit}, but it has no window; say end, and onset unless it is 0")
        elif self.end <= self.onset:
            raise InputError(f"end is {self.end:g}, expected more than onset ({self.onset:g})")
        if self.end > self.epochs:
            raise InputError(f"end is {self.end:g}, but training ends after {self.epochs} epochs; lower it")
        if self.deficit != "blur":
            self.refuse({"factor": f"the deficit is {self.deficit}"})
        elif self.factor < 2:
            raise InputError(f"factor is {self.factor}, which does not blur; expected at least 2")

    @property
    def label(self) -> str:
        """The part of a run's name that says the deficit and its window, such as blur4_0to40, or clean."""
        if not self.end:
            return "clean"
        kind = f"blur{self.factor}" if self.deficit == "blur" else self.deficit
        return f"{kind}_{_number(self.onset)}to{_number(self.end)}"

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate at `epoch`, a fraction: that of the middle of a step."""
        peak = self.learning_rate * (self.batch_size / self.base_batch_size if self.base_batch_size else 1.0)
        if self.rate == "constant":
            return peak
        return peak * self.decay_rate ** int(max(0.0, epoch - self.end if self.rate == "restart" else epoch))


def _number(value):
    """Return a number as short as it can be read back."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def of_run(values: Mapping[str, Any]) -> PeriodsConfig:
    """Return the configuration in what run.json holds; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(PeriodsConfig)}
    return PeriodsConfig(**{key: value for key, value in values.items() if key in known})
