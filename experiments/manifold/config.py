"""How networks of the manifold are trained: the configuration.  Imports no torch."""

import dataclasses
from typing import ClassVar

from info_geometry.files import InputError, valid_name
from learning.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class ManifoldConfig(Config):
    """How a network is trained, and on which images it is looked at: as for `Config`, and

    `rate_factor`: the peak learning rate is multiplied by it: a network that needs another rate than others says it.
    `start`: the name of a run of the same seed, from whose last weights this one starts ("": initial ones).
    `training_images`: that are learned from, of each class as many (0: all).  `label_noise`: the share of them whose
    labels are drawn at random, which may be right; `label_seed`: of which draw.
    `predicted_images`: how many training images are predicted at each checkpoint, and `evaluation_images`: how many
    others, of each class as many (0: all); always the same ones, without augmentation.
    `keep`: `predictions` alone are kept of checkpoints, and the weights of the last one; or `weights`.
    """

    rate_factor: float = 1.0
    start: str = ""
    training_images: int = 0
    label_noise: float = 0.0
    label_seed: int = 0
    predicted_images: int = 1000
    evaluation_images: int = 1000
    keep: str = "predictions"

    validation_images: ClassVar[int] = 0
    recalibration_images: ClassVar[int] = 0
    CHOICES: ClassVar = {**Config.CHOICES, "keep": ("predictions", "weights")}
    POSITIVE: ClassVar = (*Config.POSITIVE, "rate_factor")
    UNUSED: ClassVar = {"evaluate_every": "all checkpoints are predicted, which says their accuracy"}

    def __post_init__(self):
        super().__post_init__()
        if self.label_noise > 1:
            raise InputError(f"label_noise is {self.label_noise}, expected a share from 0 to 1")
        if not self.label_noise:
            self.refuse({"label_seed": "no labels are drawn"})
        if self.start:
            valid_name(self.start, "start")
            self.refuse({"initialisation": f"the weights are those of {self.start}"})

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate at `epoch`, a fraction: that of the middle of a step."""
        return self.rate_factor * super().learning_rate_at(epoch)
