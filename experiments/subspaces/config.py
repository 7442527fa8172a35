"""How subspaces of networks are trained: the configuration.  Imports no torch."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from experiments.subspaces.coefficients import FEWEST, KINDS
from info_geometry.files import InputError
from learning.config import Config

AVERAGED = "averaged_rate", "averaged_from"
HALF, NINE_TENTHS = 0.5, 0.9  # of the time until weights are averaged: where a constant rate is left, and reached


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubspaceConfig(Config):
    """How a line, a curve, a simplex or a single network (`kind: point`) is trained: as for `Config`, and

    `vertices`: of a simplex; of other kinds 1, 2 or 3 (0: as few as the kind has).  `layerwise`: each module draws
    coefficients of its own.  `beta`: of the squared cosine of a random pair of vertices.  `draws`: of coefficients, a
    batch, which is cut into as many parts.
    `rate`: how the learning rate falls after its rise: `cosine` or `linear`, to 0, or not at all (`constant`); for
    averages of weights `swa_constant` (from `averaged_from`, a share of the epochs, on it is `averaged_rate`) and
    `swa_cyclic` (to 0 until then, and from `averaged_rate` to 0 in each of `cycles`); for ensembles of snapshots
    `snapshot` (to 0 in `cycles`).
    `dropout`: of features, before the head.
    `label_noise`: the share of images whose labels are drawn at random, which may be right.
    `training_images`, of each class as many (0: all); `validation_images`: held out of training, of others.
    `recalibration_images`: of training, that the statistics of norm layers are taken from at each point.
    `evaluation_images`: that networks predict, of each class as many (0: all).
    """

    kind: str = "line"
    vertices: int = 0
    layerwise: bool = False
    beta: float = 1.0
    draws: int = 1
    rate: str = "cosine"
    averaged_rate: float = 0.05
    averaged_from: float = 0.6
    cycles: int = 5
    dropout: float = 0.0
    label_noise: float = 0.0
    training_images: int = 0
    validation_images: int = 0
    recalibration_images: int = 2000
    evaluation_images: int = 0
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay: str = "everything"

    CHOICES: ClassVar = {
        **Config.CHOICES,
        "kind": KINDS,
        "rate": ("cosine", "linear", "constant", "swa_constant", "swa_cyclic", "snapshot"),
    }
    POSITIVE: ClassVar = (*Config.POSITIVE, "draws", "averaged_rate", "averaged_from", "cycles", "recalibration_images")
    UNUSED: ClassVar = {
        "evaluate_every": "networks are evaluated by stage 2, after their norm layers are recalibrated",
        "annealing": "`rate` says how the learning rate falls",
    }

    def __post_init__(self):
        super().__post_init__()
        fewest, most = FEWEST[self.kind], None if self.kind == "simplex" else FEWEST[self.kind]
        if self.vertices and (self.vertices < fewest or self.vertices > (most or self.vertices)):
            wanted = f"{fewest}; leave it out" if most else f"at least {fewest}"
            raise InputError(f"vertices is {self.vertices}, but a {self.kind} has {wanted}")
        object.__setattr__(self, "vertices", self.vertices or fewest)  # one name for one subspace
        if self.kind == "point":
            self.refuse({"layerwise": "a point has one vertex"})
            if self.beta not in (0, type(self).beta):
                raise InputError(f"beta is {self.beta}, but a point has one vertex, and so no pair; leave it out")
            object.__setattr__(self, "beta", 0.0)
        used = {"swa_constant": AVERAGED, "swa_cyclic": (*AVERAGED, "cycles"), "snapshot": ("cycles",)}
        idle = {*AVERAGED, "cycles"} - {*used.get(self.rate, ())}
        self.refuse(dict.fromkeys(idle, f"the rate is {self.rate}"))
        if self.label_noise > 1:
            raise InputError(f"label_noise is {self.label_noise}, expected a share from 0 to 1")
        for key in ("dropout", "averaged_from"):
            if not 0 <= getattr(self, key) < 1:
                raise InputError(f"{key} is {getattr(self, key)}, expected a share from 0, below 1")
        if self.batch_size % self.draws:
            raise InputError(
                f"draws is {self.draws}, which does not divide a batch of {self.batch_size}; change either"
            )
        part = self.batch_size // self.draws if self.draws > 1 else 0
        if self.micro_batch_size not in (0, part):
            raise InputError(
                f"micro_batch_size is {self.micro_batch_size}, but parts of a batch are those of draws; leave it out"
            )
        object.__setattr__(self, "micro_batch_size", part)
        first = self.averaged_from * self.epochs
        late = {"swa_constant": self.warmup_epochs > HALF * first, "swa_cyclic": self.warmup_epochs >= first}
        if late.get(self.rate):
            raise InputError(
                f"warmup_epochs is {self.warmup_epochs}, but with the rate {self.rate} weights are averaged from epoch "
                f"{first:g} on, before which the learning rate is to fall; lower it"
            )
        if self.rate in ("swa_cyclic", "snapshot"):
            first, last = self._cycled
            if (last - first) % self.cycles or first != int(first):
                raise InputError(
                    f"rate is {self.rate} with {self.cycles} cycles of {last - first:g} epochs after {first:g}, "
                    "expected whole epochs; change cycles, averaged_from or epochs"
                )
        if self.rate not in ("cosine", "linear", "constant") and self.schedule != "epochs":
            raise InputError(f"rate is {self.rate}, which needs a checkpoint each epoch; add `schedule: epochs`")

    @property
    def _cycled(self):
        """The epochs between which the learning rate goes in cycles."""
        return (0.0 if self.rate == "snapshot" else round(self.averaged_from * self.epochs, 9)), self.epochs

    @property
    def averaged_epochs(self) -> list[int]:
        """The epochs after which networks belong to the average of weights, or to the ensemble of snapshots."""
        if self.rate in ("swa_cyclic", "snapshot"):
            first, last = self._cycled
            every = (last - first) / self.cycles
            return [round(first + every * k) for k in range(self.rate == "snapshot", self.cycles + 1)]
        return list(range(math.ceil(round(self.averaged_from * self.epochs, 9)), self.epochs + 1))

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate at `epoch`, a fraction: that of the middle of a step."""
        if self.rate == "linear":
            return super().learning_rate_at(epoch)
        peak = self.learning_rate * (self.batch_size / self.base_batch_size if self.base_batch_size else 1.0)
        if epoch < self.warmup_epochs:
            return peak * epoch / self.warmup_epochs
        if self.rate == "constant":
            return peak
        first = self.averaged_from * self.epochs
        if self.rate == "swa_constant":
            part = min(1.0, max(0.0, (epoch / first - HALF) / (NINE_TENTHS - HALF)))
            return peak + part * (self.averaged_rate - peak)
        start, end = self.warmup_epochs, self.epochs
        if self.rate == "snapshot" or (self.rate == "swa_cyclic" and epoch >= first):
            start, last = self._cycled
            every = (last - start) / self.cycles
            start += every * min(int((epoch - start) / every), self.cycles - 1)
            end = start + every
            peak = peak if self.rate == "snapshot" else self.averaged_rate
        elif self.rate == "swa_cyclic":
            end = first
        return peak * (1 + math.cos(math.pi * (epoch - start) / (end - start))) / 2


def of_run(values: Mapping[str, Any]) -> SubspaceConfig:
    """Return the configuration in what run.json, or a prediction file, holds; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(SubspaceConfig)}
    return SubspaceConfig(**{key: value for key, value in values.items() if key in known})
