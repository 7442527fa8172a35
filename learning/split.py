"""Which images a run learns from, which are held out, and which norm layers are recalibrated on.

It follows from the data set and the configuration, not from the seed of the run: all networks see the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from info_geometry.files import InputError
from learning.imprinting import evenly


@dataclass(frozen=True)
class Split:
    """Indices of training images of a data set: those learned from, held out, and that norm layers are recalibrated on.

    The last are of the first ones, in a random order: image folders come class by class, of which no batch is typical.
    """

    training: np.ndarray
    validation: np.ndarray
    recalibration: np.ndarray


def split(labels: np.ndarray, classes: Sequence[int], config: Any) -> Split:
    """Return the Split of images with these labels (N,), for a task of some classes.

    config: with `training_images` (0: all), `validation_images` and `recalibration_images`, of each class as many.
    Raises InputError if there are fewer images than are asked for.
    """
    there = np.flatnonzero(np.isin(labels, classes))
    held, wanted = config.validation_images, config.training_images
    if held + (wanted or len(classes)) > len(there):
        raise InputError(
            f"training_images is {wanted} and validation_images {held}, but the task has {len(there)} training images"
        )
    validation = there[evenly(labels[there], held)]
    rest = np.setdiff1d(there, validation, assume_unique=True)
    training = rest[evenly(labels[rest], wanted)] if wanted else rest
    few = training[evenly(labels[training], config.recalibration_images)]
    return Split(training, validation, np.random.default_rng(0).permutation(few))
