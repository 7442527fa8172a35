"""Nuisances planted in images: what an image shows besides its class, and independently of it.

    position    the image at one of the 4 corners of a dark canvas, whose side is 10/7 of its own, rounded
    stripes     amplitude (1 + cos(2 pi <u, (row, column)> / period)) / 2 is added to pixels, u of one of 4 orientations

The number n = 0..3 of a nuisance follows from where an image stands in its data set, not from its class or a seed.
"""

import math
from typing import Any

import numpy as np
import torch

from info_geometry.files import InputError
from learning.data import TensorImages

KINDS = 4  # of each nuisance: corners, orientations
NUISANCE_SEED = 20180601  # of which nuisance an image has
CANVAS = 10 / 7  # side, in sides of an image
PERIOD = 1 / 3  # of stripes, in sides of an image
AMPLITUDE = 0.7  # of stripes, in standard deviations of the data set's pixels: about a quarter of all values


def values(count: int) -> np.ndarray:
    """Return the nuisances (count,), 0..3, of images 0, 1, ... of a data set.

    The 2 highest bits of the raw bit stream, the only part of numpy.random that is promised to stay.
    """
    return (np.random.PCG64(NUISANCE_SEED).random_raw(count) >> np.uint64(62)).astype(np.int64)


def seen(images: Any, kind: str) -> Any:
    """Return the images of a whole data set as networks see them; kind: of nuisance, or "none"."""
    return images if kind == "none" else planted(images, kind, values(len(images.labels)))


def planted(images: Any, kind: str, values: np.ndarray | int) -> TensorImages:
    """Return images with nuisances (N,), or one for all; kind: position or stripes.

    Raises InputError where images are not in memory, and for other kinds and nuisances.
    """
    if not isinstance(images, TensorImages):
        raise InputError(
            f"nuisance {kind} is planted in images held in memory, such as those of digits, fashion, cifar10"
        )
    if images.size == 1:
        raise InputError(f"nuisance {kind} is planted in images, not in inputs of one pixel; leave it out")
    n = np.broadcast_to(np.asarray(values, dtype=np.int64), len(images.labels))
    if not np.isin(n, range(KINDS)).all():
        raise InputError(f"nuisances are {n.min()} to {n.max()}, expected 0 to {KINDS - 1}")
    n = torch.from_numpy(n.copy())
    if kind == "position":
        return images.with_pixels(positioned(images.pixels, n))
    if kind == "stripes":
        return images.with_pixels(striped(images.pixels, n, AMPLITUDE * float(np.mean(images.std))))
    raise InputError(f"nuisance is {kind!r}, expected position or stripes")


def corner(side: int, n: int) -> tuple[slice, slice]:
    """Return the rows and columns of a canvas at which an image of a side has its place: top left, top right, ..."""
    free = round(CANVAS * side) - side
    row, column = (n // 2) * free, (n % 2) * free
    return slice(row, row + side), slice(column, column + side)


def positioned(pixels: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """Return images (N, channels, side, side) on canvases of zeros, each at the corner n (N,)."""
    N, channels, side, _ = pixels.shape
    found = pixels.new_zeros(N, channels, *2 * (round(CANVAS * side),))
    for value in range(KINDS):
        chosen = torch.nonzero(n == value).flatten()
        rows, columns = corner(side, value)
        found[chosen, :, rows, columns] = pixels[chosen]
    return found


def stripes(side: int, n: int, amplitude: float) -> np.ndarray:
    """Return a pattern (side, side), whole numbers from 0 to amplitude: stripes along 0, 45, 90 or 135 degrees."""
    angle = n * math.pi / KINDS
    row, column = np.mgrid[:side, :side]
    phase = (math.cos(angle) * row + math.sin(angle) * column) / (PERIOD * side)
    return np.round(amplitude * (1 + np.cos(2 * math.pi * phase)) / 2).astype(np.int64)


def striped(pixels: torch.Tensor, n: torch.Tensor, amplitude: float) -> torch.Tensor:
    """Return images (N, channels, side, side) with stripes of orientations n (N,) added, at most 255."""
    found = torch.empty_like(pixels)
    for value in range(KINDS):
        chosen = torch.nonzero(n == value).flatten()
        pattern = torch.from_numpy(stripes(pixels.shape[2], value, amplitude)).to(pixels)
        found[chosen] = pixels[chosen].minimum(255 - pattern) + pattern
    return found
