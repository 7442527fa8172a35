"""How much networks still tell of a nuisance n that was planted in images x, whose class does not depend on it.

    distance      mean over images and pairs n, n' of d_B = -log sum_c sqrt(p_c(x, n) p_c(x, n'))
    decoded       the share of nuisances that a linear probe reads off the last hidden layer; 1/4 by chance
    information   E_x sum_c p_c |d log p_c / dx|^2, the Fisher information of predictions about pixels

A network that is unsure of everything has small distances, whatever it has learned: so they are also measured at powers
1 / T of probabilities at which the mean entropy is the same for all networks.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.func import jacrev, vmap

from experiments.weight_information.config import VariationalConfig
from experiments.weight_information.knowledge import mixture
from experiments.weight_information.nuisances import KINDS, planted
from info_geometry.distance import pairwise
from info_geometry.files import InputError
from learning import data, networks
from learning.fisher.subject import at_least, evaluation
from learning.fisher.temperature import temperature_of
from learning.imprinting import evenly
from learning.variational import Variational

IMAGES = 1000  # of evaluation, at most
ENTROPY = 0.5  # nats, at which distances are compared
SMALLEST = 1e-300  # affinity
BLOCK = 50  # images whose derivatives are held at once
NOISE = 2606  # of the keys of noise


def entropy(P: torch.Tensor) -> float:
    """Return the mean entropy -sum_c p_c log p_c, in nats, of probabilities (..., C)."""
    return float(torch.special.entr(P).sum(dim=-1).mean())


def distance(P: torch.Tensor) -> float:
    """Return the mean of -log sum_c sqrt(p_c q_c) over images and pairs of nuisances: P (nuisances, N, C), float64."""
    found = pairwise(list(P.cpu().numpy()), device="cpu", floor=SMALLEST, precision="float64", fast=False)
    return float(found[np.triu_indices(len(P), 1)].mean())


def at_entropy(P: torch.Tensor, target: float = ENTROPY) -> torch.Tensor:
    """Return p^(1/T) / sum_c p_c^(1/T) of P (..., C), with the T at which their mean entropy is `target` nats.

    Raises InputError where there is none, as where all probabilities are the same.
    """
    logs = P.log()
    return torch.softmax(logs / temperature_of(logs.flatten(end_dim=-2), target), dim=-1)


def decoded(
    features: torch.Tensor, n: np.ndarray, others: torch.Tensor, n_of_others: np.ndarray, ridge: float = 1.0
) -> float:
    """Return the accuracy on others (M, F) of a linear probe that was fitted to features (N, F) and nuisances n (N,).

    It minimises -sum_i log p(n_i | f_i) + ridge / 2 |w|^2, p a softmax of features that are standardised by the mean
    and deviation of those that it is fitted to; features that never vary are 0.
    """
    from sklearn.linear_model import LogisticRegression  # takes seconds

    mean, std = features.double().mean(dim=0), features.double().std(dim=0, correction=0)
    scale = torch.where(std > 0, 1 / std, 0.0)
    fitted, asked = (((x.double() - mean) * scale).cpu().numpy() for x in (features, others))
    probe = LogisticRegression(C=1 / ridge, max_iter=2000, tol=1e-6).fit(fitted, n)
    return float(probe.score(asked, n_of_others))


@torch.no_grad()
def features(model: Variational, batches: Iterable[torch.Tensor], keys: Iterable[int | None] = ()) -> torch.Tensor:
    """Return the last hidden layer (N, F) of batches of images: of mean weights, or with noise as in training.

    keys: of the noise of each batch; none: there is no noise.
    """
    return torch.cat([model.features(images, key) for images, key in zip(batches, keys or itertools.repeat(None))])


def input_information(network: torch.nn.Module, inputs: torch.Tensor, block: int = BLOCK) -> float:
    """Return the mean over inputs (N, ...), as the network takes them, of sum_c p_c |d log p_c / dx|^2.

    network: inputs -> logits (N, C); of a variational one, it is that of mean weights.  It is in nats for each square
    of a unit of inputs.  block: inputs whose derivatives are held at once.  Raises InputError where there are none.
    """
    at_least(1, block, "block")
    if not len(inputs):
        raise InputError(f"there are no inputs: their shape is {tuple(inputs.shape)}, expected (N, ...)")

    def logs(x):
        found = torch.log_softmax(network(x[None])[0], dim=0)
        return found, found

    total = 0.0
    with evaluation(network), torch.no_grad():
        for x in inputs.to(next(network.parameters())).split(block):
            slopes, found = vmap(jacrev(logs, has_aux=True))(x)
            squares = slopes.double().flatten(start_dim=2).square().sum(dim=2)
            total += float((found.double().exp() * squares).sum())
    return total / len(inputs)


@torch.no_grad()
def told(
    model: Variational,
    network: networks.Network,
    images: Any,
    config: VariationalConfig,
    seed: int,
    draws: int = 0,
    device: str | torch.device = "cpu",
) -> dict[str, float]:
    """Return what a variational network tells of the nuisance of its configuration, on images without one.

    network: an ordinary one of the architecture.  images: of evaluation, of which at most 1,000 are taken, of each
    class as many, with all 4 nuisances each.  seed: of the run.  draws: of weights (0: as the configuration says).
    `nuisance_distance` and `nuisance_entropy` are of the mean predictions of draws, `nuisance_distance_at_entropy` is
    that at a mean entropy of 0.5 nats (nan where no power of probabilities reaches it).  `nuisance_decoded` is of mean
    weights, `nuisance_decoded_with_noise` of a last hidden layer whose noise is drawn for each image, as in training:
    probes are fitted to every second image, and tested on the others.
    """
    chosen = images.part(evenly(images.labels, IMAGES))
    mean = mixture(model, network, draws or config.draws, seed)
    batches = [list(_seen(planted(chosen, config.nuisance, n), config, device)) for n in range(KINDS)]
    P = torch.stack([torch.cat([torch.softmax(mean(x).double(), dim=1) for x in each]) for each in batches])
    try:
        matched = distance(at_entropy(P))
    except InputError:
        matched = float("nan")
    return {
        "nuisance_distance": distance(P),
        "nuisance_distance_at_entropy": matched,
        "nuisance_decoded": _probed([features(model, each) for each in batches]),
        "nuisance_decoded_with_noise": _probed([features(model, x, _keys(seed, n)) for n, x in enumerate(batches)]),
        "nuisance_entropy": entropy(P),
    }


def _keys(seed: int, n: int) -> Iterator[int]:
    """Yield the keys of noise of batches with nuisance n."""
    return (int(np.random.SeedSequence([seed, NOISE, n, i]).generate_state(1)[0]) for i in itertools.count())


def _probed(F: list[torch.Tensor]) -> float:
    """Return what a probe fitted to every second image decodes on the others; F: (N, F) of each nuisance."""
    parts = [torch.cat([each[first::2] for each in F]) for first in (0, 1)]
    n = [np.repeat(np.arange(len(F)), len(part) // len(F)) for part in parts]
    return decoded(parts[0], n[0], parts[1], n[1])


def _seen(images, config, device):
    """Return batches of images as evaluation sees them."""
    plan = data.evaluation_plan(len(images.labels), config.evaluation_batch_size, config.evaluation_resolution)
    return images.batches(plan, device=device)
