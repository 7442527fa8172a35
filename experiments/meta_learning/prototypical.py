"""Prototypical networks: features in which few images of a class tell where its other images are.

Each step of training is a little task of its own, an episode: a few classes, of which some images, the support, show
where the classes are, and others, the queries, are to be told apart (Snell, Swersky, Zemel, Prototypical networks for
few-shot learning, NeurIPS 2017).  There is no head: the model of an episode is the imprinted one of its support.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from info_geometry.files import InputError
from learning.config import Config
from learning.tasks import targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetaConfig(Config):
    """How networks are trained with episodes: of `ways` classes, with `shots` images of support and `queries` of each.

    Epochs are episodes, those of warming up too, and a step is one of them.  `batch_size` follows: all queries of an
    episode, ways * queries.
    """

    batch_size: int = 0
    ways: int = 5
    shots: int = 5
    queries: int = 15

    UNUSED: ClassVar = {
        "label_smoothing": "the loss of an episode has none",
        "micro_batch_size": "queries are compared with all of the support, so an episode cannot go in parts",
        "schedule": "an episode is a step, with nothing between that could be kept",
        "evaluate_every": "there is no head that could answer",
    }

    def __post_init__(self):
        for key, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            if getattr(self, key) < least:
                raise InputError(f"{key} is {getattr(self, key)}, expected at least {least}")
        size = self.ways * self.queries
        if self.batch_size not in (0, size):
            raise InputError(
                f"batch_size is {self.batch_size}, but an episode has {self.ways} ways * {self.queries} "
                f"queries = {size}; leave batch_size out"
            )
        object.__setattr__(self, "batch_size", size)  # for the table of --status, which counts in batches
        super().__post_init__()


def run_name(task, config):
    """Return the name of the run that learns a Task by episodes."""
    return f"{task.run}_{config.ways}way"


def describe(task, seed, images, config):
    """Return what determines a run, whose time counts episodes and whose network has no head.

    Raises InputError where the task cannot fill an episode.
    """
    from learning.runs import checkpoints

    members(vars(task), images, config)
    return {
        **checkpoints.describe(task, seed, images, config),
        "name": run_name(task, config),
        "outputs": 0,
        "t_name": "episode",
        "steps_per_epoch": 1,
        "schedule": checkpoints.schedule(config, 1),
    }


def members(task, images, config):
    """Return for each class of a task the indices of its training images.

    task: as run.json holds it.  Random labels count as classes.  Raises InputError where there are fewer classes, or
    fewer images of one, than an episode takes.
    """
    classes, wanted = task["classes"], targets(task["random_labels"], images)
    if config.ways > len(classes):
        raise InputError(f"ways is {config.ways}, but task {task['name']} has {len(classes)} classes; lower --ways")
    found, needed = [np.flatnonzero(wanted == each) for each in classes], config.shots + config.queries
    for each, indices in zip(classes, found):
        if len(indices) < needed:
            raise InputError(
                f"task {task['name']}: class {each} has {len(indices)} training images, but an episode "
                f"takes {config.shots} shots + {config.queries} queries of a class; lower them"
            )
    return found


def episode(members, config, seed, number):
    """Return the Batch of an episode: images of one class after the other, of each first the support, then queries.

    Classes are drawn from all, and images from those of a class, without repetition; they and the augmentation follow
    from (seed, number).
    """
    import torch

    from learning import data

    rng = np.random.default_rng([seed, number])
    chosen = [
        rng.choice(members[k], config.shots + config.queries, replace=False)
        for k in rng.choice(len(members), config.ways, replace=False)
    ]
    indices = torch.from_numpy(np.concatenate(chosen))
    return data.Batch(indices, torch.arange(len(indices)), int(rng.integers(2**63)), config.resolution_at(number))


def loss(features, ways, shots):
    """Return the loss of an episode, a scalar, and the number of queries whose prototype is the nearest one.

        mean over queries q of -log softmax_k(-||f_q - c_k||^2) at the class of q,  c_k = mean of f over support of k

    (Snell et al. 2017, equations 1 and 2).  features (ways * (shots + queries), F): of the images of an `episode`.
    """
    import torch

    features = features.unflatten(0, (ways, -1))
    prototypes, queries = features[:, :shots].mean(dim=1), features[:, shots:]
    # (ways, queries, ways), from differences: large features would cancel in a matrix product
    squares = (queries[:, :, None] - prototypes).square().sum(dim=3)
    right = (-squares).log_softmax(dim=2).diagonal(dim1=0, dim2=2)
    nearest = squares.argmin(dim=2) == torch.arange(ways, device=squares.device)[:, None]
    return -right.mean(), nearest.sum()


def train(folder, run, images, options, here, bar, stop):
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    from learning import networks, stage

    config, seed = options.config, run["seed"]
    network = networks.build(config.network, images.channels, images.size, run["outputs"], seed)
    network = networks.on(here.device, network)
    record = stage.begin(folder, run, network, options, here)
    if config.compile and here.device.type == "cuda":
        network.compile(dynamic=False)
    there = members(run["task"], images, config)
    plan = (episode(there, config, seed, number) for number in range(record.step, config.epochs))
    loaded = images.batches(plan, device=here.device, augmentation=config.augmentation, workers=options.workers)
    stage.take_steps(record, config, lambda: update(network, record.optimiser, next(loaded), config), here, bar, stop)


def update(network, optimiser, pixels, config):
    """Take one step of SGD; return a tensor of the sum of losses, the number of right answers and of queries."""
    import torch

    from learning import networks

    network.train()
    optimiser.zero_grad(set_to_none=True)
    with networks.autocast(pixels.device, config.precision):
        features = network(pixels)  # all together: norm layers average over support and queries
    value, right = loss(features.float(), config.ways, config.shots)
    value.backward()
    optimiser.step()
    return torch.stack([value.detach() * config.batch_size, right, torch.full_like(right, config.batch_size)]).double()
