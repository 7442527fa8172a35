"""How networks are trained on tasks under conditions: the configuration.  Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from experiments.task_distances import conditions
from info_geometry.files import InputError
from learning.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskConfig(Config):
    """How a network learns a task: as for `Config`, and

    `condition`: of its images or labels, such as blur7 (conditions.py).
    `training_images`, of each class as many (0: all); of a union of two tasks, of each task as many.
    `validation_images`: held out of training, of others.
    `beta`: 0, or that of the KL divergence of a variational network (learning/variational.py), in nats, beside the
    cross entropy summed over all training images.  It rises to this value, linearly from 0, over the first `kl_warmup`
    epochs.  `variance_rate` is the learning rate of the logarithms of variances, which begin at `initial_log_variance`,
    and of the prior, in proportion to that of mean weights.
    """

    condition: str = conditions.PLAIN
    training_images: int = 0
    validation_images: int = 0
    beta: float = 0.0
    kl_warmup: float = 0.0
    variance_rate: float = 2e-2
    initial_log_variance: float = -9.0

    recalibration_images: ClassVar[int] = 0  # norm layers keep their running statistics
    posterior: ClassVar[str] = "diagonal"
    rank: ClassVar[int] = 0
    POSITIVE: ClassVar = (*Config.POSITIVE, "variance_rate")
    SIGNED: ClassVar = ("initial_log_variance",)

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "condition", conditions.read(self.condition).label)
        if not self.beta:
            self.refuse(dict.fromkeys(("kl_warmup", "variance_rate", "initial_log_variance"), "beta is 0"))
            return
        if self.optimiser != "adam":
            raise InputError(f"optimiser is {self.optimiser}, but beta is {self.beta:g}; expected adam")
        if self.kl_warmup > self.epochs:
            raise InputError(f"kl_warmup is {self.kl_warmup}, expected at most epochs ({self.epochs})")
        why = {"weight_decay": "the prior keeps weights small", "micro_batch_size": "noise is drawn for a whole batch"}
        values = {"weight_decay": self.weight_decay, "micro_batch_size": self.micro_batch_size}
        for key, value in values.items():
            if value:
                raise InputError(f"{key} is {value}, but {why[key]} where beta is not 0; say {key}: 0")

    def beta_at(self, epoch: float) -> float:
        """Return beta at `epoch`, a fraction: that of the middle of a step."""
        return self.beta * (min(1.0, epoch / self.kl_warmup) if self.kl_warmup else 1.0)


def of_run(values: Mapping[str, Any]) -> TaskConfig:
    """Return the configuration in what run.json holds; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(TaskConfig)}
    return TaskConfig(**{key: value for key, value in values.items() if key in known})
