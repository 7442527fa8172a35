"""Which images a run learns from, which are held out, and which labels are wrong.

All of it follows from the data set and the configuration, not from the seed of the run: networks of other seeds, and of
other kinds, see the same images and the same wrong labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.subspaces.config import SubspaceConfig
from info_geometry.files import InputError
from learning.imprinting import evenly

NOISE_SEED = 20210220  # of wrong labels


@dataclass(frozen=True)
class Split:
    """Indices of training images of a data set: those learned from, held out, and that norm layers are recalibrated on.

    The last are of the first ones, in a random order: image folders come class by class, of which no batch is typical.
    """

    training: np.ndarray
    validation: np.ndarray
    recalibration: np.ndarray


def split(labels: np.ndarray, classes: Sequence[int], config: SubspaceConfig) -> Split:
    """Return the Split of images with these labels (N,), for a task of some classes.

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


def noisy(outputs: np.ndarray, own: Split, classes: int, share: float) -> np.ndarray:
    """Return a copy of outputs (N,), of which a share of the images learned from, and of those held out, is random.

    Which images these are, and what each is called, does not depend on the share: those of a smaller one are among
    those of a larger.  A random label may be the right one.  Multiplying 32 random bits up keeps to the raw bit stream,
    the only part of numpy.random that is promised to stay.
    """
    bits = np.random.PCG64(NOISE_SEED).random_raw(2 * len(outputs)) >> np.uint64(32)
    turn, label = bits[::2], (bits[1::2] * np.uint64(classes) >> np.uint64(32)).astype(outputs.dtype)
    found = outputs.copy()
    for indices in (own.training, own.validation):
        chosen = indices[np.argsort(turn[indices], kind="stable")][: round(share * len(indices))]
        found[chosen] = label[chosen]
    return found
