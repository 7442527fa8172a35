"""Data sets behind one small interface: batches of a task to train on, and evaluation samples in a fixed order.

A set of images has `labels` (N,), `classes`, `class_names` (of an image folder, else None), `channels`, `size`, and

    batches(plan, ...)     float images (B, channels, height, width) for a plan of (indices, key)

A subset is a list of indices, never a copy.  Order and augmentation are functions of (seed, epoch, batch), so that a
run can be resumed at any step and does not depend on the number of processes that load it.
"""
import gzip
import math
import os
import shutil
import zlib
from http.client import HTTPException
from pathlib import Path

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


def training_plan(indices, batch_size, seed, epoch, first=0, rank=0, world=1):
    """Yield (indices (B,), key) for the batches of an epoch from number `first`: this rank's share of each.

    The order is a permutation drawn from (seed, epoch); samples that do not fill a batch wait for the next epoch.
    The key, an integer, fixes the augmentation of the batch.
    """
    order = np.random.default_rng([seed, epoch]).permutation(indices)
    for batch in range(first, steps_per_epoch(len(indices), batch_size)):
        whole = order[batch * batch_size : (batch + 1) * batch_size]
        key = int(np.random.SeedSequence([seed, epoch, batch, rank]).generate_state(1, np.uint64)[0] >> 1)
        yield torch.from_numpy(whole[rank::world]), key


def steps_per_epoch(samples, batch_size):
    """Return the number of batches of an epoch: full ones, or a single small one."""
    return max(1, samples // batch_size)


def evaluation_plan(samples, batch_size):
    """Yield (indices, None) for all samples in their order, the last batch being smaller."""
    for start in range(0, samples, batch_size):
        yield torch.arange(start, min(start + batch_size, samples)), None


class TensorImages:
    """Images held in memory as bytes, (N, channels, height, width)."""

    class_names = None

    def __init__(self, pixels, labels, classes, mean, std):
        self.pixels, self.labels, self.classes = pixels, np.asarray(labels, dtype=np.int64), classes
        self.channels, self.size = pixels.shape[1], pixels.shape[2]
        self._mean, self._std = (torch.tensor(x, dtype=torch.float32).view(1, -1, 1, 1) for x in (mean, std))

    def batches(self, plan, *, device="cpu", augmentation="none", resolution=0, workers=0):
        """Yield normalised images (B, channels, height, width) for each (indices, key) of the plan."""
        if augmentation == "random_resized_crop":
            raise InputError("augmentation random_resized_crop is for image folders; use none or crop_flip here")
        self.pixels, mean, std = self.pixels.to(device), self._mean.to(device), self._std.to(device)
        for indices, key in plan:
            images = (self.pixels[indices.to(device)].float() - mean) / std
            if resolution and resolution != self.size:
                images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", antialias=True)
            yield images if augmentation == "none" or key is None else _crop_flip(images, key)


def _crop_flip(images, key, padding=4):
    """Shift each image by up to `padding` pixels and mirror half of them, by a generator started from `key`."""
    generator = torch.Generator().manual_seed(key)
    B, _, H, W = images.shape
    offsets = torch.randint(0, 2 * padding + 1, (2, B, 1), generator=generator).to(images.device)
    flipped = (torch.rand(B, 1, generator=generator) < 0.5).to(images.device)
    padded = F.pad(images, [padding] * 4)
    rows = offsets[0] + torch.arange(H, device=images.device)
    columns = torch.arange(W, device=images.device).expand(B, W)
    columns = offsets[1] + torch.where(flipped, columns.flip(1), columns)
    batch = torch.arange(B, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


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
    root = folder / "imagenet" if (folder / "imagenet").is_dir() else folder
    return FolderImages(root / split)


class FolderImages:
    """Image files in one folder a class, `<split>/<class>/*.JPEG`, decoded when they are needed."""

    channels, size = 3, 224
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, root):
        import torchvision

        if not root.is_dir():
            raise InputError(f"{root}: no such folder; it should hold one folder of images a class "
                             "(say where with --data)")
        try:
            found = torchvision.datasets.ImageFolder(root)
        except FileNotFoundError as error:
            raise InputError(f"{root}: {str(error).splitlines()[0]}") from None
        self.root, self.class_names, self.classes = root, found.classes, len(found.classes)
        self.paths, labels = zip(*found.samples)
        self.labels = np.array(labels, dtype=np.int64)

    def batches(self, plan, *, device="cpu", augmentation="none", resolution=0, workers=0):
        """Yield normalised images (B, 3, resolution, resolution) for each (indices, key) of the plan."""
        if augmentation == "crop_flip":
            raise InputError("augmentation crop_flip is for images in memory; use none or random_resized_crop here")
        sampler = ([(int(i), None if key is None else (key + position) % 2**63) for position, i in enumerate(indices)]
                   for indices, key in plan)
        files = _Files(self, resolution or self.size, augmentation)
        loader = torch.utils.data.DataLoader(files, batch_sampler=_Batches(sampler), num_workers=workers,
                                             collate_fn=_stack_or_message,
                                             pin_memory=torch.device(device).type == "cuda")
        for images in loader:
            if isinstance(images, str):
                raise InputError(images)
            yield images.to(device, non_blocking=True)


class _Batches(torch.utils.data.Sampler):
    """A batch sampler from an iterator of lists, used once."""

    def __init__(self, lists):
        self._lists = lists

    def __iter__(self):
        return iter(self._lists)


def _stack_or_message(images):
    """Return images (B, 3, H, W), or the first message among them."""
    return next((image for image in images if isinstance(image, str)), None) or torch.stack(images)


class _Files(torch.utils.data.Dataset):
    """Decoded, transformed images for (index, key): key is the seed of the augmentation, None for evaluation.

    A file that is no image gives a message: an exception would arrive with the traceback of the process that loads.
    """

    def __init__(self, images, resolution, augmentation):
        from torchvision.transforms import v2

        finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(images.mean, images.std)]
        self._paths = images.paths
        self._plain = v2.Compose([v2.Resize(math.ceil(resolution * 256 / 224)), v2.CenterCrop(resolution), *finish])
        crop = [v2.RandomResizedCrop(resolution), v2.RandomHorizontalFlip()]
        self._augmented = v2.Compose([*crop, *finish]) if augmentation == "random_resized_crop" else self._plain

    def __getitem__(self, item):
        from PIL import Image

        index, key = item
        try:
            with Image.open(self._paths[index]) as image:
                image = image.convert("RGB")
        except Exception as error:  # damaged files make Pillow raise almost anything
            return f"{self._paths[index]}: not a readable image ({' '.join(str(error).split())}); replace or remove it"
        if key is None:
            return self._plain(image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key)
            return self._augmented(image)
