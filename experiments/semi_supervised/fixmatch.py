"""FixMatch: few labels, and all images of a task, of which a network tells itself the labels that it is sure of.

What it predicts with confidence for a weak view of an image, it learns to predict for a strong view of it (Sohn et al.,
FixMatch: Simplifying semi-supervised learning with consistency and confidence, NeurIPS 2020).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from experiments.semi_supervised.config import FixMatchConfig
from info_geometry.files import InputError
from learning import data, networks
from learning.data import views
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.tasks import Task

SUBSET, ORDER = range(2)  # what random numbers are for: a stream of its own each


def name(task: Task, config: FixMatchConfig) -> str:
    """Return the name of the run that learns a Task from few labels."""
    return f"{task.dataset}_{task.name}_fixmatch"


def describe(run: Run, images, config: FixMatchConfig, folders: Folders) -> Run:
    """Return the Run with what is different here: an epoch is one pass over the images without labels.

    Raises InputError where labels are random, or there are not enough of them.
    """
    task = run.task
    if task.random_labels:
        raise InputError(f"task {task.name}: random labels say nothing of images without labels; choose another task")
    labelled(images.labels, task.classes, config.labelled, run.seed)
    steps = data.steps_per_epoch(run.samples, unlabelled_part(config).batch_size)
    return dataclasses.replace(run, steps_per_epoch=steps, schedule=schedule(config, steps))


def unlabelled_part(config: FixMatchConfig) -> FixMatchConfig:
    """Return the configuration with the batches of images without labels, whose passes are the epochs."""
    return dataclasses.replace(config, batch_size=config.batch_size * config.unlabelled_ratio)


def labelled(labels: np.ndarray, classes: Sequence[int], count: int, seed: int) -> np.ndarray:
    """Return the indices, increasing, of `count` images of some classes, whose numbers differ by at most one.

    labels (N,): of all images.  Which images they are, and which classes have one more, follows from the seed.
    Raises InputError if there are fewer images in all, or of a class, or fewer than classes.
    """
    there = int(np.isin(labels, classes).sum())
    if not len(classes) <= count <= there:
        raise InputError(f"labelled is {count}, expected {len(classes)} (the number of classes) to {there} (of images)")
    rng = _generator(seed, SUBSET)
    wanted = count // len(classes) + (rng.permutation(len(classes)) < count % len(classes))
    chosen = [rng.permutation(np.flatnonzero(labels == each))[:number] for each, number in zip(classes, wanted)]
    for each, number, found in zip(classes, wanted, chosen):
        if len(found) < number:
            raise InputError(f"labelled is {count}: class {each} has only {len(found)} images of {number}; lower it")
    return np.sort(np.concatenate(chosen))


def loss(
    logits_labelled: torch.Tensor,
    labels: torch.Tensor,
    logits_weak: torch.Tensor,
    logits_strong: torch.Tensor,
    threshold: float,
    weight: float,
) -> torch.Tensor:
    """Return the loss, a scalar, of B labelled and U unlabelled images from logits (B, K), (U, K), (U, K).

        1/B sum_b H(y_b, p(x_b)) + weight 1/U sum_u 1[max q_u >= threshold] H(argmax q_u, p(strong view of u)),
        q_u = p(weak view of u)

    where p is the softmax of logits and H the cross-entropy (Sohn et al. 2020, equations 3 and 4).  No gradient flows
    through q.  Images that are not sure enough count as zeros in the mean.
    """
    confidence, guessed = logits_weak.detach().softmax(dim=1).max(dim=1)
    unlabelled = F.cross_entropy(logits_strong, guessed, reduction="none") * (confidence >= threshold)
    return F.cross_entropy(logits_labelled, labels) + weight * unlabelled.mean()


def train(job: Job) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    record = job.begin(job.network())
    batches = views_of(job, record.step)
    job.take_steps(record, lambda: update(record.model, record.optimiser, *next(batches), job.config))


def update(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    pixels: torch.Tensor,
    outputs: torch.Tensor,
    config: FixMatchConfig,
) -> torch.Tensor:
    """Take one step; return a tensor of the sum of losses and, of labelled images, right answers and number.

    pixels: weak views of labelled images, of unlabelled ones, and strong views of these; outputs (B,): of the first.
    """
    network.train()
    optimiser.zero_grad(set_to_none=True)
    with networks.autocast(pixels.device, config.precision):
        logits = network(pixels)  # all together: norm layers average over labelled and unlabelled images
    few = len(outputs)
    many = (len(pixels) - few) // 2
    first, weak, strong = logits.float().split([few, many, many])
    value = loss(first, outputs, weak, strong, config.threshold, config.unlabelled_weight)
    value.backward()
    optimiser.step()
    correct = (first.argmax(dim=1) == outputs).sum()
    return torch.stack([value.detach() * few, correct, torch.full_like(correct, few)]).double()


def views_of(job: Job, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield what `update` takes for each step from `first`: pixels of all views, outputs of labelled images."""
    few, config = job.config.batch_size, job.config
    outputs = torch.from_numpy(np.searchsorted(job.run.task.classes, job.images.labels))
    for batch, pixels in job.batches(plan(job.run, job.images.labels, config, first)):
        weak = views.weak(pixels, batch.key, config.dataset)
        strong = views.strong(pixels[few:], batch.key ^ 1, config.dataset)  # other random numbers than those of weak
        yield torch.cat([weak, strong]), data.move(outputs[batch.indices[:few]], job.here.device)


def plan(run: Run, labels: np.ndarray, config: FixMatchConfig, first: int) -> Iterator[data.Batch]:
    """Yield a Batch for each step from `first`: `batch_size` labelled images, then those without labels."""
    classes, seed = run.task.classes, run.seed
    few = repeated(labelled(labels, classes, config.labelled, seed), config.batch_size, seed, first)
    many = data.whole_plan(np.flatnonzero(np.isin(labels, classes)), unlabelled_part(config), seed, first)
    for chosen, batch in zip(few, many):
        indices = torch.cat([torch.from_numpy(chosen), batch.indices])
        yield batch._replace(indices=indices, positions=torch.arange(len(indices)))


def repeated(indices: np.ndarray, size: int, seed: int, first: int) -> Iterator[np.ndarray]:
    """Yield batches (size,) without end from number `first`: random orders of all indices, one after the other."""
    for number in itertools.count(first):
        rounds, places = np.divmod(np.arange(number * size, (number + 1) * size), len(indices))
        orders = {each: _generator(seed, ORDER, each).permutation(indices) for each in set(rounds.tolist())}
        yield np.array([orders[each][place] for each, place in zip(rounds.tolist(), places.tolist())])


def _generator(seed, *purpose):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))
