"""Prototypical networks: features in which few images of a class tell where its other images are.

Each step of training is a little task of its own, an episode: a few classes, of which some images, the support, show
where the classes are, and others, the queries, are to be told apart (Snell, Swersky, Zemel, Prototypical networks for
few-shot learning, NeurIPS 2017).  There is no head: the model of an episode is the imprinted one of its support.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from experiments.meta_learning.config import MetaConfig
from info_geometry.files import InputError
from learning import data, networks
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.tasks import Task, targets


def name(task: Task, config: MetaConfig) -> str:
    """Return the name of the run that learns a Task by episodes."""
    return f"{task.dataset}_{task.name}_{config.ways}way"


def describe(run: Run, images, config: MetaConfig, folders: Folders) -> Run:
    """Return the Run with what is different here: its time counts episodes and its network has no head.

    Raises InputError where the task cannot fill an episode.
    """
    members(run.task, images, config)
    return dataclasses.replace(run, outputs=0, t_name="episode", steps_per_epoch=1, schedule=schedule(config, 1))


def members(task: Task, images, config: MetaConfig) -> list[np.ndarray]:
    """Return for each class of a task the indices of its training images.

    Random labels count as classes.  Raises InputError where there are fewer classes, or fewer images of one, than an
    episode takes.
    """
    classes, labels = task.classes, targets(task.random_labels, images)
    if config.ways > len(classes):
        raise InputError(f"ways is {config.ways}, but task {task.name} has {len(classes)} classes; lower --ways")
    found, needed = [np.flatnonzero(labels == each) for each in classes], config.shots + config.queries
    for each, indices in zip(classes, found):
        if len(indices) < needed:
            raise InputError(
                f"task {task.name}: class {each} has {len(indices)} training images, but an episode "
                f"takes {config.shots} shots + {config.queries} queries of a class; lower them"
            )
    return found


def episode(members: Sequence[np.ndarray], config: MetaConfig, seed: int, number: int) -> data.Batch:
    """Return the Batch of an episode: images of one class after the other, of each first the support, then queries.

    Classes are drawn from all, and images from those of a class, without repetition; they and the augmentation follow
    from (seed, number).
    """
    rng = np.random.default_rng([seed, number])
    chosen = [
        rng.choice(members[k], config.shots + config.queries, replace=False)
        for k in rng.choice(len(members), config.ways, replace=False)
    ]
    indices = torch.from_numpy(np.concatenate(chosen))
    return data.Batch(indices, torch.arange(len(indices)), int(rng.integers(2**63)), config.resolution_at(number))


def loss(features: torch.Tensor, ways: int, shots: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of an episode, a scalar, and the number of queries whose prototype is the nearest one.

        mean over queries q of -log softmax_k(-||f_q - c_k||^2) at the class of q,  c_k = mean of f over support of k

    (Snell et al. 2017, equations 1 and 2).  features (ways * (shots + queries), F): of the images of an `episode`.
    """
    features = features.unflatten(0, (ways, -1))
    prototypes, queries = features[:, :shots].mean(dim=1), features[:, shots:]
    # (ways, queries, ways), from differences: large features would cancel in a matrix product
    squares = (queries[:, :, None] - prototypes).square().sum(dim=3)
    right = (-squares).log_softmax(dim=2).diagonal(dim1=0, dim2=2)
    nearest = squares.argmin(dim=2) == torch.arange(ways, device=squares.device)[:, None]
    return -right.mean(), nearest.sum()


def train(job: Job) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    config, seed = job.config, job.run.seed
    record = job.begin(job.network())
    there = members(job.run.task, job.images, config)
    plan = (episode(there, config, seed, number) for number in range(record.step, config.epochs))
    batches = job.batches(plan, config.augmentation)
    job.take_steps(record, lambda: update(record.model, record.optimiser, next(batches)[1], config))


def update(
    network: torch.nn.Module, optimiser: torch.optim.Optimizer, pixels: torch.Tensor, config: MetaConfig
) -> torch.Tensor:
    """Take one step; return a tensor of the sum of losses, the number of right answers and of queries."""
    network.train()
    optimiser.zero_grad(set_to_none=True)
    with networks.autocast(pixels.device, config.precision):
        features = network(pixels)  # all together: norm layers average over support and queries
    value, right = loss(features.float(), config.ways, config.shots)
    value.backward()
    optimiser.step()
    return torch.stack([value.detach() * config.batch_size, right, torch.full_like(right, config.batch_size)]).double()
