"""Controls for saturation: how sure a network is, and the same network, less sure.

The Fisher information of a network that is sure of all its predictions tends to 0, whatever its weights.  That it
falls late in training therefore means little, unless it does so relative to their entropy, or at the temperature that
keeps their entropy.
"""

import copy
import math
import numbers

import torch
from torch import nn

from info_geometry.files import InputError
from learning.fisher.subject import logits, opened, positive

COLDEST, HOTTEST = 1e-9, 1e9
STEPS = 200


def entropy(network: nn.Module, inputs: torch.Tensor) -> float:
    """Return the mean entropy of a network's predictions on inputs (N, ...), -sum_c p_c log p_c, in nats.

    Raises InputError for what `trace` does.
    """
    with opened(network, inputs) as subject:
        return torch.special.entr(subject.probabilities).sum(dim=1).mean().item()


def temperature_for(network: nn.Module, inputs: torch.Tensor, target: float) -> float:
    """Return the temperature T at which the mean entropy of softmax(logits / T) on inputs (N, ...) is `target` nats.

    By bisection of log T: entropy grows with T, by Var(logits) / T^3.  Raises InputError for what `trace` does, and if
    the target is not between 0 and log C, or not reached between 1e-9 and 1e9, as where logits are all the same.
    """
    with opened(network, inputs) as subject:
        return temperature_of(logits(network, subject.inputs), target)


def temperature_of(z: torch.Tensor, target: float) -> float:
    """Return the temperature T at which the mean entropy of softmax(z / T), of logits (N, C), is `target` nats.

    Of logarithms of probabilities, it is the power 1 / T of these.  Raises InputError as `temperature_for` does for the
    target.
    """
    most = math.log(z.shape[1])
    if not isinstance(target, numbers.Real) or not 0 < target < most:
        raise InputError(f"entropy is {target}; expected between 0 and log {z.shape[1]} = {most:.4g} nats")

    def reached(T):
        return torch.special.entr(torch.softmax(z / T, dim=1)).sum(dim=1).mean().item()

    if not reached(COLDEST) <= target <= reached(HOTTEST):
        raise InputError(f"no temperature gives an entropy of {target}; the lowest is {reached(COLDEST):.4g} nats")
    low, high = math.log(COLDEST), math.log(HOTTEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(math.exp(middle)) > target else (middle, high)
        if high - low < 1e-14:
            break
    return math.exp((low + high) / 2)


def at_temperature(network: nn.Module, temperature: float) -> nn.Module:
    """Return a copy of a network with logits / T for logits; its parameters have the same names.

    Everything here can be computed of it: so F is by w, not by w and T.  Raises InputError if T is not positive.
    """
    positive(temperature, "temperature")
    other = copy.deepcopy(network)
    other.register_forward_hook(lambda module, inputs, outputs: outputs / temperature)
    return other
