"""How networks learn without labels: the configuration.  Imports no torch."""

import dataclasses
from typing import ClassVar

from info_geometry.files import InputError
from learning.config import Config


@dataclasses.dataclass(frozen=True)
class ContrastiveConfig(Config):
    """How networks learn from the images of a data set: as for `Config`, and

    `objective`: what is minimised, `simclr` (nt_xent, with a `temperature`) or `barlow` (barlow_twins, with a weight
    `off_diagonal`).
    `hidden`, `projected`: sizes of the hidden layer and of the vectors of the projector.
    """

    objective: str = "simclr"
    temperature: float = 0.2
    off_diagonal: float = 0.005
    hidden: int = 128
    projected: int = 64

    CHOICES: ClassVar = {**Config.CHOICES, "objective": ("simclr", "barlow")}
    POSITIVE: ClassVar = (*Config.POSITIVE, "temperature", "hidden", "projected")
    UNUSED: ClassVar = {
        "evaluate_every": "there is no head that could answer",
        "label_smoothing": "labels are never seen",
        "micro_batch_size": "every image of a batch is compared with all others, so a batch cannot go in parts",
        "augmentation": "views are random already",
    }
    IDLE: ClassVar = {"simclr": "off_diagonal", "barlow": "temperature"}  # what an objective does not use

    def __post_init__(self):
        super().__post_init__()
        self.refuse({self.IDLE[self.objective]: f"the objective is {self.objective}"})
        if self.batch_size < 2:
            raise InputError(f"batch_size is {self.batch_size}, expected at least 2: an image is compared with others")
