"""Data sets behind one small interface: batches of a task to train on, and evaluation samples in a fixed order."""

import gzip
import os
import shutil
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch

from info_geometry.files import InputError, first_line, lock
from learning.data.memory import TensorImages

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
        _download(
            "FashionMNIST",
            folder,
            f"put {' and '.join(names)} (or .gz) into {place}",
            lambda: all(_either(place / name) for name in names) or _fetch_fashion(folder / ".download", place),
        )
    pixels, labels = (_idx(_either(place / name) or place / name) for name in names)
    if pixels.shape[1:] != (28, 28) or labels.shape != pixels.shape[:1] or not labels.size or labels.max() > 9:
        raise InputError(
            f"{place}: {names[0]} and {names[1]} are not Fashion-MNIST (shapes {pixels.shape} and {labels.shape})"
        )
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
        images = _download(
            kind.__name__,
            folder,
            f"unpack {kind.filename} into {folder}",
            lambda: kind(folder, train=split == "train", download=True),
        )
    pixels = torch.from_numpy(np.ascontiguousarray(images.data)).permute(0, 3, 1, 2).contiguous()
    return TensorImages(pixels, images.targets, len(images.classes), [125.3, 123.0, 113.9], [63.0, 62.1, 66.7])


def _download(name, folder, advice, fetch):
    """Return fetch(), which downloads (torchvision verifies checksums), in one process after the other."""
    try:
        with lock(folder / ".download.lock", f"{name} in {folder}", wait=True):
            return fetch()
    except (OSError, RuntimeError, HTTPException) as error:
        raise InputError(
            f"{name} is not in {folder} and cannot be downloaded ({first_line(error)}); {advice}"
        ) from None


def _imagenet(dataset, split, folder):
    from learning.data import encoded as images
    from learning.data import packed

    root = (folder / "imagenet" if (folder / "imagenet").is_dir() else folder) / split
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; it should hold one folder of images a class, or packed images (say "
            "where with --data)"
        )
    return images.EncodedImages(packed.Packed(root) if packed.is_packed(root) else images.Folder(root))
