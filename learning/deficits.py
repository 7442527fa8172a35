"""Deficits: for some epochs, images or labels of training are not what they will be later (Achille et al. 2019).

What a batch looks like follows from seed, epoch and the indices of its images alone: not from how batches are cut, nor
from where a run was gone on with.  Evaluation never sees a deficit.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning.data import move

LABEL_SEED = 20190506  # of labels that are drawn once for each image
NOISE = 1711  # of the keys of noise


@dataclass(frozen=True)
class Deficit:
    """A deficit of a kind among KINDS in the window [onset, end) of training, in epochs, fractions allowed.

    factor: by which `blur` lowers the resolution.  A step is in the window where its middle is.
    """

    kind: str = "none"
    onset: float = 0.0
    end: float = 0.0
    factor: int = 4

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"deficit is {self.kind!r}, expected one of {', '.join(KINDS)}")

    def lasts(self, epoch: float) -> bool:
        """Return whether `epoch`, a fraction, is in the window."""
        return self.onset <= epoch < self.end

    def steps(self, steps_per_epoch: int, total: int) -> range:
        """Return the steps, of `total`, that are in the window: before the first and after the last it is not there."""
        inside = [step for step in range(total) if self.lasts((step + 0.5) / steps_per_epoch)]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def check(self, sides: Iterable[int], classes: int) -> None:
        """Raise InputError where it does not fit images of these sides, in pixels, and a number of classes."""
        sides = list(sides)
        if self.kind in ("blur", "flip") and min(sides) < 2:
            raise InputError(f"deficit is {self.kind}, which leaves inputs of one pixel as they are; take another one")
        if self.kind == "blur" and not 1 < self.factor < min(sides):
            raise InputError(
                f"factor is {self.factor}, which leaves {'all' if self.factor < 2 else 'one pixel'} of images of "
                f"{min(sides)} pixels; expected one from 2 to {min(sides) - 1}"
            )
        if self.kind in ("permuted_labels", "random_labels") and classes < 2:
            raise InputError(f"deficit is {self.kind}, but the task has one class; expected a task of at least 2")

    def applied(
        self,
        images: torch.Tensor,
        outputs: torch.Tensor,
        indices: torch.Tensor,
        epoch: float,
        classes: int,
        seed: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the images (B, C, H, W), normalised floats, and outputs (B,) that a batch has in an epoch.

        indices (B,): of the images in the data set.  epoch: a fraction, that of the middle of a step.  classes: of the
        task.  seed: of the run.  What is given is never changed.
        """
        if not self.lasts(epoch):
            return images, outputs
        return KINDS[self.kind](self, images, outputs, indices, int(epoch), classes, seed)


def blurred(images: torch.Tensor, factor: int) -> torch.Tensor:
    """Return images (B, C, H, W) averaged over squares of `factor` pixels, and brought to their size bilinearly.

    Where a side is no multiple of the factor, it is averaged down to ceil(side / factor) pixels, which overlap.
    """
    sides = images.shape[2:]
    small = F.adaptive_avg_pool2d(images, [-(-side // factor) for side in sides])
    return F.interpolate(small, size=sides, mode="bilinear", align_corners=False)


def permuted(outputs: torch.Tensor, classes: int) -> torch.Tensor:
    """Return outputs (B,), each the next of `classes` and the last the first, so that none is what it was."""
    return (outputs + 1) % classes


def random_labels(indices: torch.Tensor, classes: int) -> torch.Tensor:
    """Return an output (B,) for each index, one of `classes` and always the same, which may be the right one."""
    return _labels(1 << int(indices.max()).bit_length(), classes)[indices]


@functools.lru_cache(4)
def _labels(count, classes):
    """Return the labels of the first `count` images, which more images do not change (see learning/noise.py)."""
    bits = np.random.PCG64(LABEL_SEED).random_raw(count) >> np.uint64(32)
    return torch.from_numpy((bits * np.uint64(classes) >> np.uint64(32)).astype(np.int64))


def white_noise(shape: torch.Size, indices: torch.Tensor, epoch: int, seed: int) -> torch.Tensor:
    """Return images (B, C, H, W) of mean 0 and deviation 1, each drawn from (seed, epoch, index)."""
    keys = ([seed, epoch, index, NOISE] for index in indices.tolist())
    drawn = [np.random.default_rng(key).standard_normal(tuple(shape[1:]), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(drawn))


def _none(deficit, images, outputs, *_):
    return images, outputs


def _blur(deficit, images, outputs, *_):
    return blurred(images, deficit.factor), outputs


def _flip(deficit, images, outputs, *_):
    return images.flip(2), outputs


def _permuted_labels(deficit, images, outputs, indices, epoch, classes, seed):
    return images, permuted(outputs, classes)


def _random_labels(deficit, images, outputs, indices, epoch, classes, seed):
    return images, move(random_labels(indices, classes), outputs.device)


def _noise(deficit, images, outputs, indices, epoch, classes, seed):
    return move(white_noise(images.shape, indices, epoch, seed), images.device).to(images.dtype), outputs


def _constant(deficit, images, outputs, *_):
    return torch.zeros_like(images), outputs


KINDS: dict[str, Callable] = {
    "none": _none,
    "blur": _blur,
    "flip": _flip,
    "permuted_labels": _permuted_labels,
    "random_labels": _random_labels,
    "noise": _noise,
    "constant": _constant,
}
