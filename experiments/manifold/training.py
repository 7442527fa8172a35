"""Training a network of the manifold, and predicting with it: on training and evaluation images, always the same."""

import dataclasses

import numpy as np

from experiments.manifold.config import ManifoldConfig
from info_geometry.files import InputError
from learning import data, supervise
from learning.distributed import Processes
from learning.imprinting import evenly
from learning.noise import noisy
from learning.runs import last
from learning.runs import run as runs
from learning.runs.job import Job
from learning.runs.run import Folders, Run
from learning.runs.store import Imprinter
from learning.split import split
from learning.tasks import Task
from learning.tasks.datasets import DataSet

STORED_BY = "experiments.manifold.02_predicting.store_both"


def name(task: Task, config: ManifoldConfig) -> str:
    """Return the name of the run that learns a Task; the variant says the rest."""
    return supervise.name(task, config)


def describe(run: Run, images, config: ManifoldConfig, folders: Folders) -> Run:
    """Return the Run with the images that it learns from, and the weights that it starts from.

    Raises InputError where labels are random, classes not all that there are, images too few, or these weights are not
    there.
    """
    if run.task.random_labels:
        raise InputError(f"task {run.task.name}: all labels are random; say --label_noise 1 of a task that has labels")
    if len(run.task.classes) < images.classes:
        raise InputError(
            f"task {run.task.name}: it has {len(run.task.classes)} of {images.classes} classes, but networks of the "
            "manifold are predicted on images of all of them; leave --task out"
        )
    samples = len(split(images.labels, run.task.classes, config).training)
    steps = data.steps_per_epoch(samples, config.batch_size)
    start = None
    if config.start:
        try:
            start = last.said(config.start, run, folders)
        except InputError:
            there = runs.read(folders.run(run.name, run.seed))
            if there is None or there.start is None:
                raise
            start = there.start
    return dataclasses.replace(
        run, samples=samples, steps_per_epoch=steps, schedule=runs.schedule(config, steps), start=start
    )


def train(job: Job) -> None:
    """Train a run from its last saved state, or its first weights, to the end of its schedule."""
    config, run = job.config, job.run
    own = split(job.images.labels, run.task.classes, config)
    outputs = np.searchsorted(run.task.classes, job.images.labels)
    outputs = noisy(outputs, own, len(run.task.classes), config.label_noise, config.label_seed)
    network = job.network()
    if run.start and not (job.folder / "last.pth").exists():
        last.put(run, network, job.folders)
    supervise.train(job, network, own.training, outputs)


def predicted(config: ManifoldConfig, known: DataSet) -> int:
    """Return how many images are predicted, by what is known of the data set."""
    wanted = config.predicted_images, config.evaluation_images
    return sum(min(count, there) if count else there for count, there in zip(wanted, known.images))


def imprinter(images, evaluation, config: ManifoldConfig, here: Processes) -> Imprinter:
    """Return the Imprinter of a configuration, with the predictions of networks' own heads.

    images, evaluation: all that there are of the two; of image files: InputError, since both are held in memory.
    """
    if not hasattr(images, "beside"):
        raise InputError(f"{config.dataset} has image files; networks of the manifold are of images in memory")
    parts = [
        each.part(evenly(each.labels, count)) if count else each
        for each, count in ((images, config.predicted_images), (evaluation, config.evaluation_images))
    ]
    return Both(*parts, here)


class Both(Imprinter):
    """Predicts training images, then evaluation images; files say how many of each, as `parts`."""

    suffix = ".h5"  # there is one way alone

    def __init__(self, training, evaluation, here: Processes):
        super().__init__(training.beside(evaluation), here, head=True)
        self._parts = {"training": len(training.labels), "evaluation": len(evaluation.labels)}

    @property
    def attributes(self) -> dict:
        """What prediction files say of how they were made."""
        return {**super().attributes, "parts": self._parts}
