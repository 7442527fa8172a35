"""Images held in memory, as bytes or other numbers, normalised and augmented where they are used."""

import copy
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning.data import warps
from learning.data.plans import Batch

AREA = 0.25  # the least part of an image that `full` shows


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return (pixels - mean) / std in float32: pixels (B, channels, height, width), mean and std (channels,)."""
    mean, std = (_channels(tuple(x), pixels.device) for x in (mean, std))
    return (pixels.float() - mean) / std


@functools.cache
def _channels(values, device):
    with torch.inference_mode(False):  # it is kept for training too
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)


def move(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Return a tensor on a device, without waiting until it has been copied there."""
    if torch.device(device).type == "cuda" and not tensor.is_cuda and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class TensorImages:
    """Images held in memory: pixels (N, channels, height, width), labels (N,), mean and std (channels,).

    Pixels are bytes; those of inputs that are no images, of one pixel, are float32.

    A GPU uses them from its own memory if they take less than half of what is free there and on_device is true,
    otherwise from pinned memory of the host.
    """

    class_names = None

    def __init__(
        self,
        pixels: torch.Tensor,
        labels: Sequence[int] | np.ndarray,
        classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        on_device: bool = True,
    ):
        self.pixels, self.labels, self.classes = pixels, np.asarray(labels, dtype=np.int64), classes
        self.channels, self.size, self._on_device = pixels.shape[1], pixels.shape[2], on_device
        self._mean, self._std = mean, std

    @property
    def std(self) -> Sequence[float]:
        """Standard deviations of the pixels of each channel by which they are divided, as the data set states them."""
        return self._std

    @staticmethod
    def empty(
        samples: int,
        channels: int,
        side: int,
        device: str | torch.device,
        on_device: bool = True,
        dtype: torch.dtype = torch.uint8,
    ) -> torch.Tensor:
        """Return room for pixels, in the memory from which the device uses them, where channels come last."""
        shape = (samples, side, side, channels)
        cuda = torch.device(device).type == "cuda"
        if cuda and on_device and math.prod(shape) * dtype.itemsize < torch.cuda.mem_get_info(device)[0] / 2:
            return torch.empty(shape, dtype=dtype, device=device).permute(0, 3, 1, 2)
        return torch.empty(shape, dtype=dtype, pin_memory=cuda).permute(0, 3, 1, 2)

    def part(self, indices: np.ndarray) -> "TensorImages":
        """Return a set of some of these images alone."""
        found = copy.copy(self)
        found.pixels, found.labels = self.pixels[torch.from_numpy(indices)], self.labels[indices]
        return found

    def beside(self, other: "TensorImages") -> "TensorImages":
        """Return a set of these images, and then of other ones of the same data set."""
        found = copy.copy(self)
        found.pixels, found.labels = torch.cat([self.pixels, other.pixels]), np.append(self.labels, other.labels)
        return found

    def with_pixels(self, pixels: torch.Tensor) -> "TensorImages":
        """Return a set of other pixels (N, channels, height, width) of the same images."""
        found = copy.copy(self)
        found.pixels, found.size = pixels, pixels.shape[2]
        return found

    def in_memory(self, resolution: int, here: Any, *, workers: int = 0, on_device: bool = True) -> "TensorImages":
        """Return these images: they are in memory, and resized when they are used."""
        return self

    def batches(
        self,
        plan: Iterable[Batch],
        *,
        device: str | torch.device = "cpu",
        augmentation: str = "none",
        workers: int = 0,
    ) -> Iterator[torch.Tensor]:
        """Yield normalised images (B, channels, height, width) for each Batch of the plan.

        augmentation: "none", or, for the batches that have a key, "crop_flip" or "full".  workers: of no use, images
        are decoded.
        """
        if augmentation == "random_resized_crop":
            raise InputError(
                "augmentation random_resized_crop is for images decoded when needed; use none, crop_flip or full here"
            )
        if augmentation != "none" and self.size == 1:
            raise InputError(f"augmentation {augmentation} is for images, not for inputs of one pixel; use none here")
        self._place(torch.device(device))
        for batch in plan:
            pixels = _rows(self.pixels, batch.indices).to(device, non_blocking=True)
            images = normalise(pixels, self._mean, self._std)
            if batch.resolution and batch.resolution != self.size:
                size = (batch.resolution, batch.resolution)
                images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
            if augmentation != "none" and batch.key is not None:
                images = {"crop_flip": _crop_flip, "full": _full}[augmentation](images, batch)
            yield images

    def _place(self, device):
        """Move the pixels where a GPU uses them from, once."""
        if device.type == "cuda" and not self.pixels.is_cuda and not self.pixels.is_pinned():
            room = self.empty(len(self.pixels), self.channels, self.size, device, self._on_device, self.pixels.dtype)
            self.pixels = room.copy_(self.pixels)


def _rows(pixels, indices):
    """Return pixels[indices]: a view, which copies to a GPU at full speed, where they follow one another."""
    first = int(indices[0])
    if torch.equal(indices, torch.arange(first, first + len(indices))):
        return pixels[first : first + len(indices)]
    indices = move(indices, pixels.device)
    if pixels.is_contiguous():
        return pixels.index_select(0, indices)  # several times as fast, but it forgets that channels come last
    return pixels[indices]


def _draws(batch, count, device):
    """Return numbers (B, count) between 0 and 1, which follow from the key and the position of each image alone."""
    generator = torch.Generator().manual_seed(batch.key)
    return move(torch.rand(int(batch.positions.max()) + 1, count, generator=generator)[batch.positions], device)


def _full(images, batch):
    """Show a part of each image, of AREA to 1 of it, mirror half of them, change colours, and erase a part of half."""
    draws = _draws(batch, 16, images.device)
    images = warps.crop(images, draws[:, :5], AREA, mirror=True)
    return warps.erase(warps.jitter(images, draws[:, 5:11].unbind(dim=1)), draws[:, 11:])


def _crop_flip(images, batch, padding=4):
    """Shift each image by up to `padding` pixels and mirror half of them, by a generator started from the key."""
    B, _, H, W = images.shape
    draws = _draws(batch, 3, images.device)
    offsets, flipped = (draws[:, :2] * (2 * padding + 1)).long(), draws[:, 2:] < 0.5
    padded = F.pad(images, [padding] * 4)
    rows = offsets[:, :1] + torch.arange(H, device=images.device)
    columns = torch.arange(W, device=images.device).expand(B, W)
    columns = offsets[:, 1:] + torch.where(flipped, columns.flip(1), columns)
    image = torch.arange(B, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
