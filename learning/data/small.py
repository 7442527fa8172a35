"""Small image files, all of the size that networks see: decoded whole, and held in memory.

Nothing is cut off or resized, in training or evaluation, and they are augmented as other images in memory are.
"""

import warnings
from typing import Any

import torch

from info_geometry.files import InputError, in_threads
from learning.data.encoded import decoded
from learning.data.memory import TensorImages
from learning.tasks.datasets import DataSet


def in_memory(source: Any, facts: DataSet) -> TensorImages:
    """Return the images of a source (see `encoded.py`), as those of a data set: N * channels * size^2 bytes.

    Several threads read and decode.  Raises InputError where an image cannot be read, or is of another size.
    """
    side = facts.size
    pixels = torch.empty(len(source.labels), facts.channels, side, side, dtype=torch.uint8)

    def fill(part):
        for i in range(part.start, part.stop):
            image = decoded(source, i)
            height, width = image.shape[1:]
            if (height, width) != (side, side):
                raise InputError(
                    f"{source.name(i)}: {width} x {height} pixels, expected {side} x {side}; these are not the images "
                    f"of {facts.name}"
                )
            pixels[i] = image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torchvision's decoder, see pixels.py
        in_threads(fill, len(pixels))
    images = TensorImages(pixels, source.labels, len(source.class_names), facts.mean, facts.std)
    images.class_names, images.root = source.class_names, source.root
    return images
