"""How networks are trained with labels of a part of the images: the configuration.  Imports no torch."""

import dataclasses
from typing import ClassVar

from info_geometry.files import InputError
from learning.config import Config


@dataclasses.dataclass(frozen=True)
class FixMatchConfig(Config):
    """How networks are trained with labels of a part of the images.

    Of all images of a task, `labelled` keep their labels, divided evenly among the classes.  A step takes `batch_size`
    of these and `unlabelled_ratio` times as many of all.  `threshold` and `unlabelled_weight`: see `loss`.
    """

    labelled: int = 400
    unlabelled_ratio: int = 7
    threshold: float = 0.95
    unlabelled_weight: float = 1.0

    POSITIVE: ClassVar = (*Config.POSITIVE, "labelled", "unlabelled_ratio", "threshold")
    UNUSED: ClassVar = {
        "augmentation": "views are random already",
        "label_smoothing": "the loss of FixMatch has none",
        "micro_batch_size": "images with and without labels go through the network together",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.threshold > 1:
            raise InputError(f"threshold is {self.threshold}, expected at most 1: it is a probability")
