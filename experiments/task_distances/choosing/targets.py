"""The target: few images with labels, of a task of a data set under a condition, or of a folder."""

import dataclasses
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from experiments.task_distances import conditions
from experiments.task_distances.conditions import Condition
from experiments.task_distances.training import deficit_of
from info_geometry.files import InputError
from learning import data
from learning.data.encoded import EncodedImages
from learning.data.folders import Folder, some
from learning.distributed import Processes
from learning.imprinting import evenly
from learning.tasks import DataSet, facts
from learning.tasks import load as load_task

GREY = 0.299, 0.587, 0.114  # of red, green and blue, as televisions have it (ITU-R BT.601)
AS_IT_IS = Condition()


@dataclasses.dataclass(frozen=True)
class Images:
    """Images with labels: pixels (N, C, H, W), bytes; labels (N,) from 0, of `classes`, without the condition.

    indices (N,): of the images in their data set, which random labels follow from.
    """

    pixels: torch.Tensor
    labels: np.ndarray
    classes: int
    indices: np.ndarray
    condition: Condition = AS_IT_IS

    @classmethod
    def of(
        cls, images: Any, indices: np.ndarray, labels: np.ndarray, classes: int, condition: Condition = AS_IT_IS
    ) -> "Images":
        """Return images `indices` (n,) of a set of images, with labels (n,)."""
        decoded = images.part(indices).in_memory(0, Processes())
        return cls(decoded.pixels, np.asarray(labels), classes, indices, condition)

    @property
    def digest(self) -> str:
        """What tells these images, labels and condition from others."""
        parts = self.pixels.contiguous().numpy(), self.labels, self.indices, np.array(self.condition.label.encode())
        found = hashlib.sha256()
        for part in parts:
            found.update(f"{part.dtype} {part.shape}".encode() + part.tobytes())
        return found.hexdigest()[:16]

    def normalised(
        self, mean: Sequence[float], std: Sequence[float], resolution: int = 0
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Return images (N, C, H, W), floats, normalised and under their condition, and labels (N,) under it.

        resolution: their side in pixels; 0: as it is.
        """
        x = data.normalise(self.pixels, mean, std)
        if resolution and resolution != x.shape[2]:
            x = F.interpolate(x, size=(resolution, resolution), mode="bilinear", antialias=True)
        y, indices = torch.from_numpy(self.labels), torch.from_numpy(self.indices)
        x, y = deficit_of(self.condition).applied(x, y, indices, 0.0, self.classes, 0)
        return x.contiguous(), y.numpy()


def of_data_set(word: str, dataset: str, shape: tuple[int, int], count: int, load: Callable[[str, str], Any]) -> Images:
    """Return few images, `count` of each class, of a task TASK:CONDITION of a data set: evaluation images.

    No source has learned from those.  shape: channels and side of what sources see.  Raises InputError where the task
    or the condition is none, the shape is another, or a class has fewer than two images.
    """
    known = facts(dataset)
    if (known.channels, known.size) != shape:
        raise InputError(
            f"--dataset {dataset} has images of {known.size} x {known.size} pixels and {known.channels} channels, but "
            f"sources see {shape[1]} x {shape[1]} and {shape[0]}; choose sources that learned such images"
        )
    name, condition = conditions.apart(word)
    images = load(dataset, known.evaluation_split)
    task = load_task(dataset, name, images.class_names)
    deficit_of(condition).check([known.size], len(task.classes))
    if task.random_labels:
        raise InputError(f"task {name}: say the condition random_labels of a task that has labels, such as all")
    there = np.flatnonzero(np.isin(images.labels, task.classes))
    chosen = there[_few(images.labels[there], count, [str(k) for k in range(images.classes)], f"task {name}")]
    labels = np.searchsorted(task.classes, images.labels[chosen])
    return Images.of(images, chosen, labels, len(task.classes), condition)


def of_folder(root: Path, known: DataSet, count: int) -> Images:
    """Return few images, `count` of each class, of a folder that holds one folder a class (learning/data/folders.py).

    They are brought to the size and the channels of a data set that sources see, `known`: the middle square, resized;
    grey where there is one channel; on white where they are transparent.  Raises InputError where the folder is none,
    or holds one class, or a class of one image, and for images that cannot be read.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; say --dataset too if a task of a data set is meant")
    if not any(path.is_dir() and not path.name.startswith(".") for path in root.iterdir()):
        raise InputError(f"{root} holds no folders; expected one folder of images for each class")
    folder = _OnWhite(root)
    if len(folder.class_names) < 2:
        raise InputError(f"{root} holds one class, {folder.class_names[0]}; expected a folder for each of two or more")
    chosen = _few(folder.labels, count, folder.class_names, str(root))
    images = EncodedImages(folder, dataclasses.replace(known, channels=3, mean=(0, 0, 0), std=(1, 1, 1)), centre=1.0)
    found = Images.of(images, chosen, folder.labels[chosen], len(folder.class_names))
    if known.channels == 1:
        grey = (found.pixels.float() * torch.tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)
        found = dataclasses.replace(found, pixels=grey.round().to(torch.uint8))
    return found


class _OnWhite(Folder):
    """A Folder whose transparent images lie on white: the colours that they hide are seen by nobody."""

    def read(self, i: int) -> bytes:
        """Return the bytes of the file of an image, or of the same image without transparency."""
        raw = super().read(i)
        try:
            with Image.open(io.BytesIO(raw)) as image:
                if not image.has_transparency_data:
                    return raw
                colours, exif = image.convert("RGBA"), image.getexif()
        except Exception:  # damaged files make Pillow raise almost anything; decoding says which they are
            return raw
        opaque, found = Image.new("RGBA", colours.size, "white"), io.BytesIO()
        opaque.alpha_composite(colours)
        opaque.convert("RGB").save(found, "PNG", exif=exif)  # which is turned when it is decoded
        return found.getvalue()


def _few(labels, count, names, where):
    """Return the indices of up to `count` images of each class; raise InputError where a class has fewer than two."""
    if count < 2:
        raise InputError(f"--labels is {count}; expected 2 or more images of each class")
    every = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    lonely = [names[labels[own[0]]] for own in every if len(own) < 2]
    if lonely:
        raise InputError(
            f"{where}: {len(lonely)} of {len(every)} classes have one image ({some(lonely)}); expected 2 or more"
        )
    return np.sort(np.concatenate([own[evenly(np.zeros(len(own), int), count)] for own in every]))
