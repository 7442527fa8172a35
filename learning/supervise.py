"""Supervised learning: a network and its head learn the labels of a task."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning import data, networks
from learning.config import Config
from learning.runs.job import Job
from learning.tasks import Task


def name(task: Task, config: Config) -> str:
    """Return the name of the run that learns a Task."""
    return f"{task.dataset}_{task.name}"


def train(
    job: Job,
    network: networks.Network | None = None,
    indices: np.ndarray | None = None,
    outputs: np.ndarray | None = None,
) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule.

    network: with other initial weights than those of the seed.  indices: of the images learned from, by default all of
    the task's classes.  outputs (all images,): other right answers than their labels.
    """
    config, classes, here = job.config, job.run.task.classes, job.here
    labels, indices = job.labels, job.indices if indices is None else indices
    outputs = np.searchsorted(classes, labels) if outputs is None else outputs
    outputs = torch.from_numpy(outputs)  # output k stands for the k-th class of the task
    absent = len(classes) - len(np.unique(labels[indices]))
    if absent:
        raise InputError(f"{job.run.name}: {absent} of {len(classes)} classes have no training images")
    batch = min(config.batch_size, len(indices))
    if batch % here.world:
        raise InputError(
            f"{job.run.name}: batches of {batch} images cannot be divided evenly among {here.world} "
            "processes; change --batch_size or --nproc-per-node"
        )
    record = job.begin(job.network() if network is None else network)
    plan = data.whole_plan(indices, config, job.run.seed, record.step, here.rank, here.world)
    parts = (
        (pixels, data.move(outputs[part.indices], here.device))
        for part, pixels in job.batches(plan, config.augmentation)
    )
    share = batch // here.world
    job.take_steps(record, lambda: update(record.model, record.optimiser, parts, share, config))


def update(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    parts: Iterator[tuple[Any, ...]],
    share: int,
    config: Config,
    penalty: Callable[[], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Take one step; return a tensor of the sum of losses, the number of correct answers and of images.

    parts: iterator of (pixels, what else the model takes, ..., outputs), of which the next ones are this process's
    share, a number of images.  penalty(): is added to what is minimised, but not to the losses returned.
    Running statistics of norm layers are updated once, from the first part, as one GPU of the published runs sees it;
    of several processes those of the main one count.
    """
    model.train()
    optimiser.zero_grad(set_to_none=True)
    outcome, seen = 0, 0
    while seen < share:
        pixels, *more, outputs = next(parts)
        extra = penalty() if penalty and not seen else 0.0
        statistics = networks.without_statistics(model) if seen else contextlib.nullcontext()
        seen += len(outputs)
        # processes average their gradients once a step
        with model.no_sync() if seen < share and hasattr(model, "no_sync") else contextlib.nullcontext():
            with networks.autocast(pixels.device, config.precision), statistics:
                logits = model(pixels, *more)
            loss = F.cross_entropy(logits.float(), outputs, label_smoothing=config.label_smoothing)
            (loss * (len(outputs) / share) + extra).backward()
        correct = (logits.argmax(dim=1) == outputs).sum()
        outcome += torch.stack([loss.detach() * len(outputs), correct, torch.full_like(correct, len(outputs))]).double()
    optimiser.step()
    return outcome
