"""Averages of weights: SWA, SWAG, and greedy soups.  Each has to be recalibrated afterwards.

    SWA    mean_k w_k                                                              (Izmailov et al. 2018)
    SWAG   mean + diag(sigma) z_1 / sqrt 2 + sum_k z_2k (w_k - mean) / sqrt(2 (K - 1))      (Maddox et al. 2019)

z are standard normal numbers, sigma^2 the mean of squares minus the square of the mean, at least 0.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Weights = dict[str, torch.Tensor]


def mean(network: nn.Module, states: Iterable[Weights]) -> nn.Module:
    """Return a copy of a network with the mean of some weights; its running statistics mean nothing."""
    average, own = None, copy.deepcopy(network)
    for state in states:
        own.load_state_dict(state)
        average = AveragedModel(own) if average is None else average
        average.update_parameters(own)
    return average.module


def swag(network: nn.Module, states: Sequence[Weights], draws: int, seed: int) -> Iterator[Weights]:
    """Yield weights drawn from the Gaussian of SWAG that states (K) of a run span; running statistics have no part.

    The draws follow from the seed.  Variances that rounding makes negative are 0.
    """
    names = [name for name, _ in network.named_parameters()]
    stacked = {name: torch.stack([state[name].double() for state in states]) for name in names}
    middle = {name: x.mean(dim=0) for name, x in stacked.items()}
    sigma = {name: (x.square().mean(dim=0) - middle[name].square()).clamp(min=0).sqrt() for name, x in stacked.items()}
    generator, K = torch.Generator().manual_seed(seed), len(states)
    for _ in range(draws):
        z = torch.randn(K, generator=generator, dtype=torch.float64)
        found = dict(states[0])
        for name in names:
            diagonal = sigma[name] * torch.randn(sigma[name].shape, generator=generator, dtype=torch.float64)
            spread = torch.tensordot(z, stacked[name] - middle[name], dims=1) / math.sqrt(2 * (K - 1))
            found[name] = (middle[name] + diagonal / math.sqrt(2) + spread).to(states[0][name].dtype)
        yield found


def greedy(states: Sequence[Weights], score: Callable[[Sequence[Weights]], float]) -> list[int]:
    """Return which weights a greedy soup holds (Wortsman et al. 2022): from the best on, each that lowers no score.

    score(states): of the mean of some weights, on validation images.
    """
    alone = [score([state]) for state in states]
    order = sorted(range(len(states)), key=lambda i: -alone[i])
    found, best = order[:1], alone[order[0]]
    for i in order[1:]:
        value = score([states[k] for k in [*found, i]])
        if value >= best:
            found, best = [*found, i], value
    return found
