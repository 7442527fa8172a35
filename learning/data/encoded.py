"""Encoded images: files, in folders or packed, that are decoded, cropped and resized when they are needed.

A source of encoded images has `labels` (N,), `class_names`, `root`, `read(i)` -> bytes and `name(i)` for messages:
`Folder` (folders.py) of image files, `Packed` (packed.py) for what 01_training/write_imagenet.py wrote.
"""

import copy
import itertools
import os
import signal
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError, first_line
from learning.data.memory import TensorImages, normalise
from learning.data.pixels import decode, reason
from learning.data.plans import Batch, evaluation_plan
from learning.tasks.datasets import DataSet

LONGEST = 900  # seconds for which a batch is waited for
ROOM = "Allow more shared memory (docker run --shm-size 16g, or --ipc host), or use fewer --workers"
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of random crops: part of the area, width to height
CENTRE = 224 / 256  # side of the crop for evaluation, to the short side of the image


class EncodedImages:
    """The images of a source, with the interface of `learning.data`, as those of a data set.

    centre: the side of what evaluation sees, to the short side of the image; 1 for images that were cut before.
    """

    def __init__(self, source: Any, facts: DataSet, centre: float = CENTRE):
        self._centre = centre
        self.source, self.root, self.labels = source, source.root, source.labels
        self.channels, self.size, self._mean, self._std = facts.channels, facts.size, facts.mean, facts.std
        self.class_names, self.classes = source.class_names, len(source.class_names)

    def batches(
        self,
        plan: Iterable[Batch],
        *,
        device: str | torch.device = "cpu",
        augmentation: str = "none",
        workers: int = 0,
    ) -> Iterator[torch.Tensor]:
        """Yield normalised images (B, 3, resolution, resolution) for each Batch of the plan.

        augmentation: "none", or "random_resized_crop" for the batches that have a key.  workers: processes that decode.
        Raises InputError where an image cannot be read.
        """
        for pixels in self._decoded(plan, augmentation, workers, torch.device(device).type == "cuda"):
            yield normalise(pixels.to(device, non_blocking=True), self._mean, self._std)

    def part(self, indices: np.ndarray) -> "EncodedImages":
        """Return a set of some of these images alone."""
        found = copy.copy(self)
        found.source = _Part(self.source, indices)
        found.labels = found.source.labels
        return found

    def in_memory(self, resolution: int, here: Any, *, workers: int = 0, on_device: bool = True) -> TensorImages:
        """Return all images, decoded and cut for evaluation: N * 3 * resolution^2 bytes.

        here: the `learning.distributed.Processes` that share the work, each decoding a part.  on_device: as for
        TensorImages.  Raises InputError where an image cannot be read.
        """
        resolution = resolution or self.size
        images = TensorImages.empty(len(self.labels), self.channels, resolution, here.device, on_device)
        images = TensorImages(images, self.labels, self.classes, self._mean, self._std, on_device)
        images.class_names, images.root = self.class_names, self.root
        parts = np.array_split(np.arange(len(self.labels)), here.world)
        mine = parts[here.rank]
        plan = [
            batch._replace(indices=batch.indices + int(mine[0])) for batch in evaluation_plan(len(mine), 64, resolution)
        ]
        for batch, pixels in zip(plan, self._decoded(plan, "none", workers, here.device.type == "cuda")):
            images.pixels[int(batch.indices[0]) : int(batch.indices[-1]) + 1] = pixels
        for rank, part in enumerate(parts):
            if len(part):
                here.broadcast(images.pixels[part[0] : part[-1] + 1].permute(0, 2, 3, 1), rank)
        return images

    def _decoded(self, plan, augmentation, workers, pin):
        if augmentation in ("crop_flip", "full"):
            raise InputError(
                f"augmentation {augmentation} is for images in memory; use none or random_resized_crop here"
            )
        plan = iter(plan)
        first = next(plan, None)
        if first is None:
            return
        check_shared_memory(workers, len(first.indices), first.resolution or self.size)
        loader = torch.utils.data.DataLoader(
            _Decoded(self.source, self.size, augmentation, self._centre),
            sampler=itertools.chain([first], plan),
            batch_size=None,
            num_workers=workers,
            pin_memory=pin,
            generator=torch.Generator(),  # not that of everybody else
            worker_init_fn=_leave_signals_to_parent,
            timeout=LONGEST if workers else 0,
        )
        batches = iter(loader)
        while True:
            try:
                pixels = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if "DataLoader" not in str(error):
                    raise
                raise InputError(f"a process that loads images was lost: {first_line(error)} {ROOM}") from error
            if isinstance(pixels, str):
                raise InputError(pixels)
            yield pixels


def decoded(source: Any, i: int) -> torch.Tensor:
    """Return the pixels (3, height, width), uint8, of image i of a source; raise InputError where it cannot be read."""
    try:
        return decode(source.read(i))
    except InputError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise InputError(f"{source.name(i)}: not a readable image ({reason(error)}); replace or remove it") from None


class _Part:
    """Some of the images of a source, which are read and named as there."""

    def __init__(self, source, indices):
        self._source, self._indices = source, indices
        self.labels, self.root, self.class_names = source.labels[indices], source.root, source.class_names

    def read(self, i):
        return self._source.read(int(self._indices[i]))

    def name(self, i):
        return self._source.name(int(self._indices[i]))


def check_shared_memory(workers: int, images: int, resolution: int) -> None:
    """Raise InputError where processes that load batches of so many images would find no room to hand them over.

    They lie in /dev/shm, which containers keep small, two batches a process; a process without room waits for ever.
    """
    try:
        state = os.statvfs("/dev/shm")
    except (OSError, AttributeError):  # no Linux
        return
    workers_here = workers * int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    needed, free = 2 * workers_here * images * 3 * resolution**2, state.f_bavail * state.f_frsize
    if workers and needed > free:
        raise InputError(
            f"--workers {workers}: their batches of {images} images of {resolution} pixels take {needed / 1e6:.0f} MB "
            f"of shared memory (/dev/shm), and {free / 1e6:.0f} MB are free. {ROOM}"
        )


def _leave_signals_to_parent(_):
    """Schedulers warn all processes of a job: the one that trains still ends its step, and needs those that load."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


class _Decoded(torch.utils.data.Dataset):
    """The uint8 images (B, 3, resolution, resolution) of a Batch.

    An image that cannot be read gives a message: an exception would come with the traceback of the process that loads.
    """

    def __init__(self, source, size, augmentation, centre=CENTRE):
        self._source, self._size, self._augmentation, self._centre = source, size, augmentation, centre

    def __getitem__(self, batch):
        resolution = batch.resolution or self._size
        pixels = torch.empty(len(batch.indices), resolution, resolution, 3, dtype=torch.uint8)
        pixels = pixels.permute(0, 3, 1, 2)  # channels last in memory, as decoders give them and GPUs like them
        augmented = self._augmentation == "random_resized_crop" and batch.key is not None
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of torchvision's decoder, see pixels.py
            for place, (i, position) in enumerate(zip(batch.indices.tolist(), batch.positions.tolist())):
                try:
                    image = decoded(self._source, i)
                except InputError as error:
                    return str(error)
                if augmented:
                    pixels[place] = _random_crop(image, (batch.key + position) % 2**63, resolution)
                else:
                    pixels[place] = _centre_crop(image, resolution, self._centre)
        return pixels


def _random_crop(image, key, resolution):
    """Return a random part of an image at a resolution, mirrored half of the time, by a generator started from key."""
    from torchvision.transforms import RandomResizedCrop

    torch.default_generator.manual_seed(key)
    top, left, height, width = RandomResizedCrop.get_params(image, SCALE, RATIO)
    crop = _resized(image[:, top : top + height, left : left + width], resolution)
    return crop.flip(2) if torch.rand(()) < 0.5 else crop


def _centre_crop(image, resolution, centre=CENTRE):
    """Return the square in the middle of an image, `centre` of its short side wide, at a resolution."""
    height, width = image.shape[1:]
    side = max(1, round(centre * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(image[:, top : top + side, left : left + side], resolution)


def _resized(image, resolution):
    return F.interpolate(image[None], size=(resolution, resolution), mode="bilinear", antialias=True)[0]
