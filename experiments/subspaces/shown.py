"""The images that networks are shown: those that they predict, and those that norm layers are recalibrated on."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from experiments.subspaces import corruptions
from experiments.subspaces.choices import SETS, Choices
from experiments.subspaces.training import calibration_plan
from info_geometry.files import InputError
from learning import data
from learning.data import encoded
from learning.data.folders import Folder
from learning.distributed import Processes
from learning.imprinting import evenly
from learning.noise import noisy
from learning.runs import store
from learning.runs.run import Run
from learning.split import Split
from learning.tasks import facts

TRAINING = 2000  # images of training that are predicted, at most, where no number is said


class Shown:
    """Images of data sets, each read once, and the Imprinter of those that were shown last.

    data_folder: where data sets lie.  corrupted: where ImageNet-C does.  workers: processes that decode image files.
    """

    def __init__(self, data_folder: Path, corrupted: Path, here: Processes, workers: int):
        self._corrupted, self._here, self._workers = corrupted, here, workers
        self.load = functools.cache(lambda dataset, split: data.load(dataset, split, data_folder))
        self._key, self._imprinter = None, None

    def imprinter(self, run: Run, own: Split, choices: Choices) -> store.Imprinter:
        """Return the Imprinter of the images that are chosen; raise InputError where none were held out."""
        dataset = run.config["dataset"]
        evaluation = choices.images == SETS[0]
        source = self.load(dataset, facts(dataset).evaluation_split if evaluation else "train")
        parts = {"evaluation": np.arange(len(source.labels)), "training": own.training, "validation": own.validation}
        indices = parts[choices.images]
        few = 0 if choices.imprint else run.config.get("evaluation_images", 0)  # pictures of tasks are of all
        usual = {"evaluation": few, "training": TRAINING, "validation": 0}
        count = choices.samples or usual[choices.images] or len(indices)
        indices = np.sort(indices[evenly(source.labels[indices], count)])
        if not len(indices):
            raise InputError(f"{run.name}: no images were held out; train it with --validation_images")
        labels = source.labels[indices] if evaluation else self._learned_labels(run, own)[indices]
        key = (
            dataset,
            choices.images,
            choices.corruption,
            choices.severity,
            choices.imprint,
            indices.tobytes(),
            labels.tobytes(),
        )
        if key != self._key:
            if choices.corruption:
                source = self._corrupted_images(source, dataset, choices)
            whole = evaluation and len(indices) == len(source.labels)
            images = source if whole else _part(source, indices, labels)
            head = not choices.imprint
            self._key, self._imprinter = key, store.Imprinter(images, self._here, workers=self._workers, head=head)
        return self._imprinter

    def learned(self, run: Run, own: Split, indices: np.ndarray):
        """Return training images with the labels that a run learns, of which some may be wrong."""
        source = self.load(run.config["dataset"], "train")
        return _part(source, indices, self._learned_labels(run, own)[indices])

    def _learned_labels(self, run, own):
        """Return the labels (N,) of training images, of which some may be wrong; of other classes -1."""
        labels, classes = self.load(run.config["dataset"], "train").labels, np.array(run.task.classes)
        seen = np.isin(labels, classes)
        outputs = noisy(np.searchsorted(classes, labels) * seen, own, len(classes), run.config["label_noise"])
        return np.where(seen, classes[outputs], -1)

    def batches(self, images, config) -> Iterator[torch.Tensor]:
        """Yield images of a set in memory, as evaluation sees them, in batches as large as each other."""
        plan = calibration_plan(len(images.labels), config.evaluation_batch_size, config.evaluation_resolution)
        return images.batches(plan, device=self._here.device)

    def in_memory(self, images, config) -> data.TensorImages:
        """Return images decoded as evaluation sees them."""
        return images.in_memory(config.evaluation_resolution, self._here, workers=self._workers)

    def _corrupted_images(self, images, dataset, choices):
        """Return evaluation images with a corruption; raise InputError where ImageNet-C holds other ones."""
        if hasattr(images, "pixels"):
            return images.with_pixels(corruptions.corrupted(images.pixels, choices.corruption, choices.severity))
        folder = corruptions.imagenet_c(self._corrupted, choices.corruption, choices.severity)
        found = encoded.EncodedImages(Folder(folder), facts(dataset), centre=1.0)  # these were cut before
        data.check_classes(images, found)
        if not np.array_equal(images.labels, found.labels):
            raise InputError(
                f"{folder}: {len(found.labels)} images, but {len(images.labels)} of evaluation, or of other classes; "
                "complete them, so that predictions are of the same samples"
            )
        return found


def _part(images, indices, labels):
    """Return some images, with these labels."""
    found = images.part(indices)
    found.labels = labels
    return found
