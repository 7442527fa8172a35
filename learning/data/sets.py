"""The loaders of the data sets: each finds the files of a split, reads them, and returns a set of images.

What is known of a data set before its files are read stands in `learning/tasks/datasets.py`.
"""

import functools
import gzip
import os
import shutil
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch

from info_geometry.files import InputError, first_line, lock
from learning.data import encoded, gaussian, packed, small
from learning.data.folders import Folder, absent, some
from learning.data.kept import kept
from learning.data.memory import TensorImages
from learning.tasks.datasets import DataSet, facts

TINY = ("tiny-imagenet-200", "tinyimagenet")  # what the folder of TinyImageNet is called
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def load(dataset: str, split: str, folder: str | Path) -> TensorImages | encoded.EncodedImages:
    """Return the images of a data set; split is "train" or its evaluation split, folder where data lie.

    Raises InputError where the data set is unknown, not there and not to be downloaded, or damaged.
    """
    if dataset not in LOADERS:
        raise InputError(f"unknown data set {dataset!r}; there are {', '.join(LOADERS)}")
    known = facts(dataset)
    if split not in ("train", known.evaluation_split):
        raise InputError(f"{dataset} has no split {split!r}; there are train, {known.evaluation_split}")
    return LOADERS[dataset](known, split, Path(folder))


def check_classes(train: Any, evaluation: Any) -> None:
    """Raise InputError unless two splits, sets or sources of images, have the same classes in the same order.

    Who trains asks this first: what does not fit would be found out when training is over.
    """
    names, others = train.class_names, evaluation.class_names
    if names == others:
        return
    where = f"{train.root} and {evaluation.root}"
    if sorted(names) == sorted(others):
        raise InputError(f"{where} have their classes in different orders; pack both again")
    only = [
        f"only {split.root.name} has {some(odd)}"
        for split, odd in ((train, sorted(set(names) - set(others))), (evaluation, sorted(set(others) - set(names))))
        if odd
    ]
    raise InputError(
        f"{where} have different classes ({len(names)} and {len(others)}; {'; '.join(only)}); training and evaluation "
        "need the same ones: add, remove or rename class folders"
    )


def _in_memory(known: DataSet, pixels: torch.Tensor, labels: Any) -> TensorImages:
    return TensorImages(pixels, labels, known.classes, known.mean, known.std)


def _digits(known, split, folder):
    """scikit-learn's hand-written digits, which come with it: every third image is for evaluation."""
    from sklearn.datasets import load_digits  # takes seconds, and no other data set needs it

    digits = load_digits()
    chosen = (np.arange(len(digits.target)) % 3 == 0) == (split == "test")
    pixels = torch.from_numpy(digits.images[chosen].astype(np.uint8))[:, None]
    return _in_memory(known, pixels, digits.target[chosen])


def _fashion(known, split, folder):
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
    square = (known.size, known.size)
    if (
        pixels.shape[1:] != square
        or labels.shape != pixels.shape[:1]
        or not labels.size
        or labels.max() >= known.classes
    ):
        raise InputError(
            f"{place}: {names[0]} and {names[1]} are not Fashion-MNIST (shapes {pixels.shape} and {labels.shape})"
        )
    return _in_memory(known, torch.from_numpy(pixels)[:, None], labels)


def _fetch_fashion(staging, place):
    """Download into `staging`, and move each file into `place` once all are complete: others look for it there."""
    import torchvision  # takes seconds, and is not needed where the files are there

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
        state = path.stat()
        return _read_idx(path, state.st_size, state.st_mtime_ns)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise InputError(f"{path} is not a complete IDX file ({error}); delete it and get it again") from None


@functools.lru_cache(maxsize=4)
def _read_idx(path, size, modified):
    """Return the array in a file of this size and time, read once: who takes run after run needs it for each."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\0\0\x08":
        raise ValueError("it does not begin as one of bytes does")
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy()


def _cifar(known, split, folder):
    """CIFAR-10 or CIFAR-100: from folder, or downloaded into it."""
    import torchvision  # takes seconds, and digits do without

    kind = getattr(torchvision.datasets, known.name.upper())
    files = sorted((folder / kind.base_folder).glob("*"))
    return kept((known.name, split, folder), files, lambda: _read_cifar(kind, known, split, folder))


def _read_cifar(kind, known, split, folder):
    """Return the images of a data set of torchvision, which compares checksums of all of it."""
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
    return _in_memory(known, pixels, images.targets)


def _download(name: str, folder: Path, advice: str, fetch: Callable[[], Any]) -> Any:
    """Return fetch(), which downloads (torchvision verifies checksums), in one process after the other."""
    try:
        with lock(folder / ".download.lock", f"{name} in {folder}", wait=True):
            return fetch()
    except (OSError, RuntimeError, HTTPException) as error:
        raise InputError(
            f"{name} is not in {folder} and cannot be downloaded ({first_line(error)}); {advice}"
        ) from None


def _imagenet(known, split, folder):
    """ImageNet, or some of its classes: image folders or packed images, in folder or in its folder `imagenet`."""
    root = (folder / "imagenet" if (folder / "imagenet").is_dir() else folder) / split
    if not root.is_dir():
        raise InputError(f"{absent(root)}, or packed images (say where with --data)")
    source = packed.Packed(root) if packed.is_packed(root) else Folder(root)
    return encoded.EncodedImages(source, known)


def _tinyimagenet(known, split, folder):
    """TinyImageNet, or some of its classes, as it is distributed or with val sorted: in folder or its folder TINY."""
    root = next((place for name in TINY if (place := folder / name).is_dir()), folder) / split
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder, and TinyImageNet is not downloaded; unpack tiny-imagenet-200.zip into {folder}, "
            "or say with --data where it is"
        )
    source = Folder(root)
    files = [source.name(i) for i in range(len(source.labels))]
    return kept((known.name, split, folder), files, lambda: small.in_memory(source, known))


def _gaussian(known, split, folder):
    """Gaussian inputs, which are generated (0.03 s), one pixel of as many channels as there are inputs."""
    evaluation = split == known.evaluation_split
    widths = (known.channels, gaussian.HIDDEN, known.classes)
    inputs, labels = gaussian.generate(known.decay, known.images[evaluation], widths, evaluation=evaluation)
    return _in_memory(known, torch.from_numpy(inputs)[:, :, None, None], labels)


LOADERS = {
    "digits": _digits,
    "fashion": _fashion,
    "cifar10": _cifar,
    "cifar100": _cifar,
    "tinyimagenet": _tinyimagenet,
    "imagenet": _imagenet,
    "sloppy": _gaussian,
    "flat": _gaussian,
    "isotropic": _gaussian,
}
