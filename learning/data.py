"""Data sets behind one small interface: batches of a task to train on, and evaluation samples in a fixed order.

A set of images has `labels` (N,), `classes`, `class_names` (of an image folder, else None), `channels`, `size`, and

    batches(plan, ...)     float images (B, channels, height, width) for each Batch of a plan
    in_memory(...)         the same images decoded and cut for evaluation

A subset is a list of indices, never a copy.  Order and augmentation are functions of (seed, epoch, batch), so that a
run can be resumed at any step and does not depend on the number of processes that load it or train on it.
"""
import functools
import gzip
import math
import os
import shutil
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError, first_line, lock

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
EVALUATION_SPLIT = {"digits": "test", "fashion": "test", "cifar10": "test", "cifar100": "test", "imagenet": "val"}


def load(dataset, split, folder):
    """Return the images of a data set; split is "train" or the data set's EVALUATION_SPLIT, folder where data lie.

    Raises InputError where the data set is unknown, not there and not to be downloaded, or damaged.
    """
    loaders = {"digits": _digits, "fashion": _fashion, "cifar10": _cifar, "cifar100": _cifar, "imagenet": _imagenet}
    if dataset not in loaders:
        raise InputError(f"unknown data set {dataset!r}; there are {', '.join(loaders)}")
    if split not in ("train", EVALUATION_SPLIT[dataset]):
        raise InputError(f"{dataset} has no split {split!r}; there are train, {EVALUATION_SPLIT[dataset]}")
    return loaders[dataset](dataset, split, Path(folder))


class Batch(NamedTuple):
    """Samples that are loaded together: indices (B,), and for augmentation where they stand in the whole batch (B,)
    and the key, an integer, that fixes it (None: no augmentation).  resolution: side of the images, 0: as they are."""

    indices: torch.Tensor
    positions: torch.Tensor
    key: int | None = None
    resolution: int = 0


def training_plan(indices, batch_size, seed, epoch, first=0, rank=0, world=1, micro=0, resolution=0):
    """Yield a Batch for each batch of an epoch from number `first`: this rank's share, in parts of `micro` (0: whole).

    The order is a permutation drawn from (seed, epoch); samples that do not fill a batch wait for the next epoch.
    Augmentation follows from (seed, epoch, batch, position), whatever the number of processes.
    """
    order = np.random.default_rng([seed, epoch]).permutation(indices)
    for number in range(first, steps_per_epoch(len(indices), batch_size)):
        whole = torch.from_numpy(order[number * batch_size : (number + 1) * batch_size])
        key = int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0] >> 1)
        for positions in torch.arange(len(whole))[rank::world].split(micro or len(whole)):
            yield Batch(whole[positions], positions, key, resolution)


def whole_plan(indices, config, seed, first, rank=0, world=1):
    """Yield the Batches of all epochs of a configuration from step `first`, as `training_plan` does those of one."""
    start, number = divmod(first, steps_per_epoch(len(indices), config.batch_size))
    for epoch in range(start, config.epochs):
        yield from training_plan(indices, config.batch_size, seed, epoch, number if epoch == start else 0, rank, world,
                                 config.micro_batch_size, config.resolution_at(epoch))


def steps_per_epoch(samples, batch_size):
    """Return the number of batches of an epoch: full ones, or a single small one."""
    return max(1, samples // batch_size)


def evaluation_plan(samples, batch_size, resolution=0):
    """Yield a Batch for all samples in their order, the last one being smaller."""
    for start in range(0, samples, batch_size):
        indices = torch.arange(start, min(start + batch_size, samples))
        yield Batch(indices, indices, resolution=resolution)


def normalise(pixels, mean, std):
    """Return float images from bytes (B, channels, height, width), by the mean and deviation of each channel."""
    mean, std = (_channels(tuple(x), pixels.device) for x in (mean, std))
    return (pixels.float() - mean) / std


@functools.cache
def _channels(values, device):
    with torch.inference_mode(False):  # it is kept for training too
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)


def move(tensor, device):
    """Return a tensor on a device; neither waits for the other."""
    if torch.device(device).type == "cuda" and not tensor.is_cuda and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class TensorImages:
    """Images held in memory as bytes, (N, channels, height, width).

    On a GPU they are used from its own memory where they take less than half of what is free there (on_device), else
    from pinned memory.
    """

    class_names = None

    def __init__(self, pixels, labels, classes, mean, std, on_device=True):
        self.pixels, self.labels, self.classes = pixels, np.asarray(labels, dtype=np.int64), classes
        self.channels, self.size, self._on_device = pixels.shape[1], pixels.shape[2], on_device
        self._mean, self._std = mean, std

    @staticmethod
    def empty(samples, channels, side, device, on_device=True):
        """Return room for pixels, channels last in memory, where a GPU reads them from."""
        shape = (samples, side, side, channels)
        cuda = torch.device(device).type == "cuda"
        if cuda and on_device and math.prod(shape) < torch.cuda.mem_get_info(device)[0] / 2:
            return torch.empty(shape, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
        return torch.empty(shape, dtype=torch.uint8, pin_memory=cuda).permute(0, 3, 1, 2)

    def in_memory(self, resolution, here, *, workers=0, on_device=True):
        """Return these images: they are in memory, and resized when they are used."""
        return self

    def batches(self, plan, *, device="cpu", augmentation="none", workers=0):
        """Yield normalised images (B, channels, height, width) for each Batch of the plan."""
        if augmentation == "random_resized_crop":
            raise InputError("augmentation random_resized_crop is for image folders; use none or crop_flip here")
        self._place(torch.device(device))
        for batch in plan:
            pixels = _rows(self.pixels, batch.indices).to(device, non_blocking=True)
            images = normalise(pixels, self._mean, self._std)
            if batch.resolution and batch.resolution != self.size:
                size = (batch.resolution, batch.resolution)
                images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
            yield images if augmentation == "none" or batch.key is None else _crop_flip(images, batch)

    def _place(self, device):
        if device.type == "cuda" and not self.pixels.is_cuda and not self.pixels.is_pinned():
            room = self.empty(len(self.pixels), self.channels, self.size, device, self._on_device)
            self.pixels = room.copy_(self.pixels)


def _rows(pixels, indices):
    """Return pixels[indices]: a view, which copies to a GPU at full speed, where they follow one another."""
    first = int(indices[0])
    if torch.equal(indices, torch.arange(first, first + len(indices))):
        return pixels[first : first + len(indices)]
    return pixels[move(indices, pixels.device)]


def _crop_flip(images, batch, padding=4):
    """Shift each image by up to `padding` pixels and mirror half of them, by a generator started from the key."""
    generator = torch.Generator().manual_seed(batch.key)
    B, _, H, W = images.shape
    draws = torch.rand(int(batch.positions.max()) + 1, 3, generator=generator)[batch.positions]
    draws = move(draws, images.device)
    offsets, flipped = (draws[:, :2] * (2 * padding + 1)).long(), draws[:, 2:] < 0.5
    padded = F.pad(images, [padding] * 4)
    rows = offsets[:, :1] + torch.arange(H, device=images.device)
    columns = torch.arange(W, device=images.device).expand(B, W)
    columns = offsets[:, 1:] + torch.where(flipped, columns.flip(1), columns)
    image = torch.arange(B, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _digits(dataset, split, folder):
    """scikit-learn's hand-written digits, which come with it: every third image is for evaluation."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = (np.arange(len(digits.target)) % 3 == 0) == (split == "test")
    pixels = torch.from_numpy(digits.images[chosen].astype(np.uint8))[:, None]
    return TensorImages(pixels, digits.target[chosen], 10, [4.88], [6.02])


def _fashion(dataset, split, folder):
    """Fashion-MNIST: from folder, from Debian's package dataset-fashion-mnist, or downloaded into folder."""
    part = "train" if split == "train" else "t10k"
    names = [f"{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
    places = [folder / "FashionMNIST" / "raw", folder, DEBIAN_FASHION]
    place = next((p for p in places if all(_either(p / name) for name in names)), None)
    if place is None:
        place = places[0]
        _download("FashionMNIST", folder, f"put {' and '.join(names)} (or .gz) into {place}",
                  lambda: all(_either(place / name) for name in names) or _fetch_fashion(folder / ".download", place))
    pixels, labels = (_idx(_either(place / name) or place / name) for name in names)
    if pixels.shape[1:] != (28, 28) or labels.shape != pixels.shape[:1] or not labels.size or labels.max() > 9:
        raise InputError(f"{place}: {names[0]} and {names[1]} are not Fashion-MNIST "
                         f"(shapes {pixels.shape} and {labels.shape})")
    return TensorImages(torch.from_numpy(pixels)[:, None], labels, 10, [72.94], [90.02])


def _fetch_fashion(staging, place):
    """Move each file into its place when all are complete: other processes and later runs look for it there."""
    import torchvision

    shutil.rmtree(staging, ignore_errors=True)  # of a download that was killed
    try:
        torchvision.datasets.FashionMNIST(staging, download=True)
        place.mkdir(parents=True, exist_ok=True)
        for path in (staging / "FashionMNIST" / "raw").glob("*.gz"):
            os.replace(path, place / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _either(path):
    """Return the path of a file, compressed or not, or None."""
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _idx(path):
    """Return the array of bytes in an IDX file (the format of MNIST), compressed or not."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if raw[:3] != b"\0\0\x08":
            raise ValueError("it does not begin as one of bytes does")
        shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy()
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise InputError(f"{path} is not a complete IDX file ({error}); delete it and get it again") from None


def _cifar(dataset, split, folder):
    import torchvision

    kind = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[dataset]
    try:
        images = kind(folder, train=split == "train", download=False)
    except RuntimeError:  # not there, or not whole
        images = _download(kind.__name__, folder, f"unpack {kind.filename} into {folder}",
                           lambda: kind(folder, train=split == "train", download=True))
    pixels = torch.from_numpy(np.ascontiguousarray(images.data)).permute(0, 3, 1, 2).contiguous()
    return TensorImages(pixels, images.targets, len(images.classes), [125.3, 123.0, 113.9], [63.0, 62.1, 66.7])


def _download(name, folder, advice, fetch):
    """Return fetch(), which downloads (torchvision verifies checksums), in one process after the other."""
    try:
        with lock(folder / ".download.lock", f"{name} in {folder}", wait=True):
            return fetch()
    except (OSError, RuntimeError, HTTPException) as error:
        raise InputError(f"{name} is not in {folder} and cannot be downloaded ({first_line(error)}); "
                         f"{advice}") from None


def _imagenet(dataset, split, folder):
    from learning import images, packed

    root = (folder / "imagenet" if (folder / "imagenet").is_dir() else folder) / split
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it should hold one folder of images a class, or packed images (say "
                         "where with --data)")
    return images.EncodedImages(packed.Packed(root) if packed.is_packed(root) else images.Folder(root))
