"""Contrastive learning: a network learns to tell which views are of the same image, without ever seeing a label.

Two random views (learning.data.views.strong) of each image of a batch go through the network, whose features a
projector, a small network of its own, turns into the vectors that are compared.  The projector is trained and dropped:
checkpoints hold the network alone, whose features are imprinted.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from experiments.contrastive.config import ContrastiveConfig
from info_geometry.files import InputError
from learning import data, networks
from learning.data import views
from learning.runs.job import Job
from learning.runs.run import Folders, Run
from learning.tasks import Task


def name(task: Task, config: ContrastiveConfig) -> str:
    """Return the name of the run that learns from the images of a Task."""
    return f"{task.dataset}_{task.name}_{config.objective}"


def describe(run: Run, images, config: ContrastiveConfig, folders: Folders) -> Run:
    """Return the Run with what is different here: its network has no head.

    Raises InputError where labels are random, since labels are never seen, or there is one image.
    """
    if run.task.random_labels:
        raise InputError(f"task {run.task.name}: labels are never seen, so this is the task all; choose another one")
    if run.samples < 2:
        raise InputError(f"{run.name}: {run.samples} training images; an image is compared with others")
    return dataclasses.replace(run, outputs=0)


def train(job: Job) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    config, seed = job.config, job.run.seed
    network = job.network()
    model = nn.Sequential(network, projector(network, job.images, config, seed))
    record = job.begin(network, model)
    batches = job.batches(data.whole_plan(job.indices, config, seed, record.step))

    def step():
        batch, pixels = next(batches)
        return update(record.model, record.optimiser, pixels, batch.key, config)

    job.take_steps(record, step)


def projector(network: nn.Module, images, config: ContrastiveConfig, seed: int) -> nn.Module:
    """Return a network, features (B, F) -> vectors (B, projected), with initial weights drawn from `seed`."""
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


def update(
    model: nn.Module, optimiser: torch.optim.Optimizer, pixels: torch.Tensor, key: int, config: ContrastiveConfig
) -> torch.Tensor:
    """Take one step; return a tensor of the sum of losses, the number of right answers and of images.

    An answer is right if a view's nearest view among all others of the batch is of the same image; it counts half.
    """
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


def similarities(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosines (2B, 2B) of all pairs of vectors a, b (B, D), -inf of a vector with itself; and whose partner
    is where: (2B,)."""
    vectors = F.normalize(torch.cat([a, b]), dim=1)
    cosines = (vectors @ vectors.T).fill_diagonal_(-torch.inf)
    return cosines, torch.arange(2 * len(a), device=a.device).roll(len(a))


def partner_accuracy(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the share of the vectors a, b (B, D) whose nearest other one, by cosine, is their partner: a scalar."""
    cosines, partners = similarities(a, b)
    return (cosines.argmax(dim=1) == partners).float().mean()


def nt_xent(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the loss of SimCLR for vectors a, b (B, D) of two views: a scalar.

    The normalised temperature-scaled cross entropy (Chen et al. 2020, eq. 1), averaged over the 2B views i, p(i) being
    the other view of the same image:

        -1/(2B) sum_i log [exp(cos(z_i, z_p(i)) / temperature) / sum_{k != i} exp(cos(z_i, z_k) / temperature)]
    """
    cosines, partners = similarities(a, b)
    return F.cross_entropy(cosines / temperature, partners)


def barlow_twins(a: torch.Tensor, b: torch.Tensor, off_diagonal: float) -> torch.Tensor:
    """Return the loss of Barlow Twins for vectors a, b (B, D) of two views: a scalar.

    sum_i (1 - C_ii)^2 + off_diagonal sum_{i != j} C_ij^2, where C (D, D) is the correlation over the batch of component
    i of a with component j of b (Zbontar et al. 2021, eqs. 1 and 2), of which variances are those of the batch + 1e-5.
    """
    a, b = (F.batch_norm(x, None, None, training=True) for x in (a, b))  # mean 0 and deviation 1 over the batch
    squares = (a.T @ b / len(a)).square()
    diagonal = (a * b).mean(dim=0)
    return (1 - diagonal).square().sum() + off_diagonal * (squares.sum() - diagonal.square().sum())
