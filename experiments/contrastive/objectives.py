"""Contrastive learning: a network learns to tell which views are of the same image, without ever seeing a label.

Two random views (learning.views.strong) of each image of a batch go through the network, whose features a projector, a
small network of its own, turns into the vectors that are compared.  The projector is trained and dropped: checkpoints
hold the network alone, whose features are imprinted.
"""

import dataclasses
import itertools
from typing import ClassVar

from info_geometry.files import InputError
from learning.config import Config


@dataclasses.dataclass(frozen=True)
class ContrastiveConfig(Config):
    """How networks learn from the images of a data set: as for `Config`, and

    `objective`: what is minimised, `nt_xent` with a `temperature` or `barlow_twins` with a weight `off_diagonal`.
    `hidden`, `projected`: sizes of the hidden layer and of the vectors of the projector.
    """

    objective: str = "simclr"
    temperature: float = 0.2
    off_diagonal: float = 0.005
    hidden: int = 128
    projected: int = 64

    CHOICES: ClassVar = {**Config.CHOICES, "objective": ("simclr", "barlow")}
    POSITIVE: ClassVar = (*Config.POSITIVE, "temperature", "hidden", "projected")
    UNUSED: ClassVar = {
        "evaluate_every": "there is no head that could answer",
        "label_smoothing": "labels are never seen",
        "micro_batch_size": "every image of a batch is compared with all others, so a batch cannot go in parts",
        "augmentation": "views are random already",
    }
    IDLE: ClassVar = {"simclr": "off_diagonal", "barlow": "temperature"}  # what an objective does not use

    def __post_init__(self):
        super().__post_init__()
        self.refuse({self.IDLE[self.objective]: f"the objective is {self.objective}"})
        if self.batch_size < 2:
            raise InputError(f"batch_size is {self.batch_size}, expected at least 2: an image is compared with others")


def run_name(task, config):
    """Return the name of the run that learns from the images of a Task."""
    return f"{task.run}_{config.objective}"


def describe(task, seed, images, config):
    """Return what determines a run; its network has no head.

    Raises InputError where labels are random, since labels are never seen, or there is one image.
    """
    from learning.runs import checkpoints

    if task.random_labels:
        raise InputError(f"task {task.name}: labels are never seen, so this is the task all; choose another one")
    run = {**checkpoints.describe(task, seed, images, config), "name": run_name(task, config), "outputs": 0}
    if run["samples"] < 2:
        raise InputError(f"{run['name']}: {run['samples']} training images; an image is compared with others")
    return run


def train(folder, run, images, options, here, bar, stop):
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    import numpy as np
    import torch

    from learning import data, networks, stage

    config = options.config
    indices = np.flatnonzero(np.isin(images.labels, run["task"]["classes"]))  # all that is seen of labels
    network = networks.build(config.network, images.channels, images.size, 0, run["seed"])
    model = torch.nn.Sequential(network, projector(network, images, config, run["seed"]))
    model = networks.on(here.device, model)
    record = stage.begin(folder, run, network, options, here, model)
    if config.compile and here.device.type == "cuda":
        model.compile(dynamic=False)
    plan, same = itertools.tee(data.whole_plan(indices, config, run["seed"], record.step))
    loaded = images.batches(plan, device=here.device, workers=options.workers)
    batches = ((pixels, batch.key) for batch, pixels in zip(same, loaded))
    stage.take_steps(record, config, lambda: update(model, record.optimiser, *next(batches), config), here, bar, stop)


def projector(network, images, config, seed):
    """Return a network, features (B, F) -> vectors (B, projected), with initial weights drawn from `seed`."""
    import torch
    from torch import nn

    with torch.inference_mode():
        features = network.eval()(torch.zeros(1, images.channels, images.size, images.size)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(~seed)  # other numbers than the network's
        return nn.Sequential(
            nn.Linear(features, config.hidden, bias=False),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.projected),
        )


def update(model, optimiser, pixels, key, config):
    """Take one step of SGD; return a tensor of the sum of losses, the number of right answers and of images.

    An answer is right if a view's nearest view among all others of the batch is of the same image; it counts half.
    """
    import torch

    from learning import networks
    from learning.data import views

    model.train()
    optimiser.zero_grad(set_to_none=True)
    pair = [views.strong(pixels, k, config.dataset) for k in (key, key ^ 1)]
    with networks.autocast(pixels.device, config.precision):
        a, b = model(torch.cat(pair)).float().chunk(2)
    loss = (
        nt_xent(a, b, config.temperature) if config.objective == "simclr" else barlow_twins(a, b, config.off_diagonal)
    )
    loss.backward()
    optimiser.step()
    B = len(pixels)
    return torch.stack([loss.detach() * B, partner_accuracy(a.detach(), b.detach()) * B, loss.new_tensor(B)]).double()


def similarities(a, b):
    """Return the cosines (2B, 2B) of all pairs of vectors a, b (B, D), -inf of a vector with itself; and whose partner
    is where: (2B,)."""
    import torch
    import torch.nn.functional as F

    vectors = F.normalize(torch.cat([a, b]), dim=1)
    cosines = (vectors @ vectors.T).fill_diagonal_(-torch.inf)
    return cosines, torch.arange(2 * len(a), device=a.device).roll(len(a))


def partner_accuracy(a, b):
    """Return the share of the vectors a, b (B, D) whose nearest other one, by cosine, is their partner: a scalar."""
    cosines, partners = similarities(a, b)
    return (cosines.argmax(dim=1) == partners).float().mean()


def nt_xent(a, b, temperature):
    """Return the loss of SimCLR for vectors a, b (B, D) of two views: a scalar.

    The normalised temperature-scaled cross entropy (Chen et al. 2020, eq. 1), averaged over the 2B views i, p(i) being
    the other view of the same image:

        -1/(2B) sum_i log [exp(cos(z_i, z_p(i)) / temperature) / sum_{k != i} exp(cos(z_i, z_k) / temperature)]
    """
    import torch.nn.functional as F

    cosines, partners = similarities(a, b)
    return F.cross_entropy(cosines / temperature, partners)


def barlow_twins(a, b, off_diagonal):
    """Return the loss of Barlow Twins for vectors a, b (B, D) of two views: a scalar.

    sum_i (1 - C_ii)^2 + off_diagonal sum_{i != j} C_ij^2, where C (D, D) is the correlation over the batch of component
    i of a with component j of b (Zbontar et al. 2021, eqs. 1 and 2), of which variances are those of the batch + 1e-5.
    """
    import torch.nn.functional as F

    a, b = (F.batch_norm(x, None, None, training=True) for x in (a, b))  # mean 0 and deviation 1 over the batch
    squares = (a.T @ b / len(a)).square()
    diagonal = (a * b).mean(dim=0)
    return (1 - diagonal).square().sum() + off_diagonal * (squares.sum() - diagonal.square().sum())
