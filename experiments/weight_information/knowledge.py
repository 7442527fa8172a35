"""What a variational network knows of the images that it learns from."""

from collections.abc import Iterable

import numpy as np
import torch

from learning import networks
from learning.variational import Mixture, Variational, mixed

DRAW = 1905  # of the seeds of draws
AT_ONCE = 500  # images that are predicted at once


def mixture(model: Variational, network: networks.Network, draws: int, seed: int) -> Mixture:
    """Return the mean prediction of `draws` draws of weights; those of fewer are the first ones of more.

    network: an ordinary one of the architecture.  seed: of the run.
    """
    seeds = [int(np.random.SeedSequence([seed, DRAW, i]).generate_state(1)[0]) for i in range(draws)]
    return Mixture(network, [model.draw(each) for each in seeds])


def losses(log_probabilities: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Return the cross entropies (draws, N), float64, of log probabilities (draws, N, C) at the right outputs (N,)."""
    right = outputs[None, :, None].expand(len(log_probabilities), -1, 1)
    return -log_probabilities.gather(2, right).squeeze(2).double()


@torch.no_grad()
def of_network(network: networks.Network, images: torch.Tensor, outputs: torch.Tensor) -> dict[str, float]:
    """Return the mean cross entropy, in nats, and the accuracy of a network on images with outputs (N,)."""
    logs = torch.cat([torch.log_softmax(network(part).double(), dim=1) for part in images.split(AT_ONCE)])
    return {
        "cross_entropy": float(losses(logs[None], outputs).mean()),
        "training_accuracy": float((logs.argmax(dim=1) == outputs).double().mean()),
    }


@torch.no_grad()
def told(
    model: Variational,
    network: networks.Network,
    batches: Iterable[torch.Tensor],
    outputs: torch.Tensor,
    draws: int,
    seed: int,
) -> dict:
    """Return what is known of the images that are learned from, N of them.

    batches: of these images; outputs (N,).  Cross entropies and `kl` are in nats, summed and divided by N:
    `cross_entropy` of mean weights; `cross_entropy_of_draws`, the mean over draws of weights, which estimates
    E_q H / N; `training_accuracy` of the mean of their probabilities; `kl_of_layers` in nats, not divided by N;
    `lambdas`, the standard deviations of the priors.
    """
    drawn, mean = mixture(model, network, draws, seed), Mixture(network, [model.mean_network()])
    outputs = outputs.to(next(model.parameters()).device)
    pairs = [(mean.each(images), drawn.each(images)) for images in batches]
    of_mean, of_draws = (torch.cat(each, dim=1) for each in zip(*pairs))
    kl = {name: float(value) for name, value in model.kl().items()}
    return {
        "cross_entropy": float(losses(of_mean, outputs).mean()),
        "cross_entropy_of_draws": float(losses(of_draws, outputs).mean()),
        "training_accuracy": float((mixed(of_draws).argmax(dim=1) == outputs).double().mean()),
        "kl": sum(kl.values()) / len(outputs),
        "kl_of_layers": kl,
        "lambdas": {name: float((layer.log_prior / 2).exp()) for name, layer in model.layers.items()},
    }
