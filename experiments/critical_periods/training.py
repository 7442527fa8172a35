"""Training an ordinary network while images or labels have a deficit for some epochs."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

from experiments.critical_periods.config import PeriodsConfig
from info_geometry.files import InputError
from learning import data, supervise
from learning.deficits import Deficit
from learning.noise import noisy
from learning.runs.job import Job
from learning.runs.run import Folders, Run, geometric, schedule
from learning.split import Split, split
from learning.tasks import Task


def name(task: Task, config: PeriodsConfig) -> str:
    """Return the name of the run that learns a Task."""
    return f"{task.dataset}_{task.name}_{config.label}{'_window' if config.protocol == 'window' else ''}"


def deficit_of(config: PeriodsConfig) -> Deficit:
    """Return the Deficit of a configuration."""
    return Deficit(config.deficit, config.onset, config.end, config.factor)


def describe(run: Run, images, config: PeriodsConfig, folders: Folders) -> Run:
    """Return the Run with the images that it learns from, and more checkpoints: where the deficit begins and ends.

    After its end a geometric schedule begins again, with half as many.
    Raises InputError where labels are random, images too few, or the deficit does not fit images and task.
    """
    if run.task.random_labels:
        raise InputError(f"task {run.task.name}: all labels are random; say --label_noise 1 of a task that has labels")
    deficit = deficit_of(config)
    deficit.check([config.resolution_at(epoch) or images.size for epoch in range(config.epochs)], run.classes)
    samples = len(split(images.labels, run.task.classes, config).training)
    steps = data.steps_per_epoch(samples, config.batch_size)
    window = deficit.steps(steps, config.epochs * steps)
    if config.end and not window:
        told = f"in which the middle of no step is; an epoch has {steps}"
        raise InputError(f"the window is {config.onset:g} to {config.end:g}, {told}")
    moments, last = {window.start, window.stop}, config.epochs * steps
    if config.schedule == "geometric" and window.stop < last:
        moments |= {window.stop + step for step in geometric(last - window.stop, config.checkpoints // 2)}
    return dataclasses.replace(
        run, samples=samples, steps_per_epoch=steps, schedule=sorted({*schedule(config, steps), *moments})
    )


def train(job: Job) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    config, run, here = job.config, job.run, job.here
    own = split(job.images.labels, run.task.classes, config)
    batch = min(config.batch_size, run.samples)
    if batch % here.world:
        raise InputError(
            f"{run.name}: batches of {batch} images cannot be divided evenly among {here.world} processes; change "
            "--batch_size or --nproc-per-node"
        )
    record = job.begin(job.network())
    parts, share = batches(job, own, record.step), batch // here.world
    job.take_steps(record, lambda: supervise.update(record.model, record.optimiser, parts, share, config))


def batches(job: Job, own: Split, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield images and outputs of each part of a batch from step `first` on, with their deficit."""
    config, run, here = job.config, job.run, job.here
    classes, deficit = run.task.classes, deficit_of(config)
    outputs = np.searchsorted(classes, job.labels)
    outputs = torch.from_numpy(noisy(outputs, own, len(classes), config.label_noise))
    plan = data.whole_plan(own.training, config, run.seed, first, here.rank, here.world)
    step, seen = first, 0
    for part, pixels in job.batches(plan, config.augmentation):
        epoch = (step + 0.5) / run.steps_per_epoch
        right = data.move(outputs[part.indices], here.device)
        yield deficit.applied(pixels, right, part.indices, epoch, len(classes), run.seed)
        seen += len(pixels)
        if seen == min(config.batch_size, run.samples) // here.world:
            step, seen = step + 1, 0
