"""How variational networks are trained: the configuration.  Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from info_geometry.files import InputError
from learning.config import Config

POSTERIORS = "isotropic", "diagonal", "low_rank"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariationalConfig(Config):
    """How a variational network is trained: as for `Config`, and

    `beta`: of the KL divergence, in nats, beside the cross entropy summed over all training images.  It rises to this
    value, linearly from 0, over the first `kl_warmup` epochs.
    `posterior`: the covariance of the weights of a layer: `isotropic` (one variance), `diagonal` (one each) or
    `low_rank` (one each, and as many directions common to all as `rank`).
    `learning_rate` is that of mean weights, `variance_rate` that of the logarithms of variances, which begin at
    `initial_log_variance`, and of the prior; both are constant after `warmup_epochs`.
    `label_noise`: the share of images whose labels are drawn at random, which may be right.
    `training_images`, of each class as many (0: all); `validation_images`: held out of training, of others.
    `evaluation_images`: that networks predict, of each class as many (0: all).
    `draws`: of weights, over which probabilities are averaged.
    `nuisance`: what images show besides, independently of their class, in training and evaluation: their `position` on
    a canvas, or `stripes` of one of 4 orientations.
    """

    beta: float
    posterior: str = "diagonal"
    rank: int = 4  # of the posterior low_rank alone
    kl_warmup: float = 40.0
    variance_rate: float = 2e-2
    initial_log_variance: float = -9.0
    label_noise: float = 0.0
    training_images: int = 0
    validation_images: int = 0
    evaluation_images: int = 0
    draws: int = 10
    nuisance: str = "none"
    optimiser: str = "adam"
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0

    recalibration_images: ClassVar[int] = 0  # there are no norm layers
    CHOICES: ClassVar = {
        **Config.CHOICES,
        "posterior": POSTERIORS,
        "nuisance": ("none", "position", "stripes"),
        "optimiser": ("adam",),
        "augmentation": ("none",),
    }
    POSITIVE: ClassVar = (*Config.POSITIVE, "beta", "rank", "variance_rate", "draws")
    SIGNED: ClassVar = ("initial_log_variance",)
    UNUSED: ClassVar = {
        "weight_decay": "weights are kept small by the prior",
        "annealing": "the learning rate stays at its peak",
        "label_smoothing": "the bounds are of the plain cross entropy",
        "micro_batch_size": "noise is drawn for a whole batch",
        "compile": "noise is drawn inside the network",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.posterior != "low_rank":
            self.refuse({"rank": f"the posterior is {self.posterior}"})
        if self.label_noise > 1:
            raise InputError(f"label_noise is {self.label_noise}, expected a share from 0 to 1")
        if self.nuisance != "none":
            self.refuse({"evaluate_every": "evaluation images of the log have no nuisance"})
        if self.kl_warmup > self.epochs:
            raise InputError(f"kl_warmup is {self.kl_warmup}, expected at most epochs ({self.epochs})")

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate of mean weights at `epoch`, a fraction: that of the middle of a step."""
        peak = self.learning_rate * (self.batch_size / self.base_batch_size if self.base_batch_size else 1.0)
        return peak * (min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0)

    def beta_at(self, epoch: float) -> float:
        """Return beta at `epoch`, a fraction: that of the middle of a step."""
        return self.beta * (min(1.0, epoch / self.kl_warmup) if self.kl_warmup else 1.0)


def of_run(values: Mapping[str, Any]) -> VariationalConfig:
    """Return the configuration in what run.json holds; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(VariationalConfig)}
    return VariationalConfig(**{key: value for key, value in values.items() if key in known})
