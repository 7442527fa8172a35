"""The straight line between two networks, and two ways to set right what channels do on it.

    theta(t) = (1 - t) theta_A + t theta_B

Averages of weights shrink what channels vary.  Recalibration sets running statistics of batch norms anew, so that a
channel has the mean and spread that the averaged weight and bias of its norm layer say.  REPAIR (Jordan et al. 2023)
gives each channel, before its activation, the average of the means and of the spreads that it has at the two ends; it
also works without batch norms, and with them differs where weights of norm layers have opposite signs.
"""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from experiments.symmetries.choices import CORRECTIONS
from experiments.symmetries.features import by_channel
from experiments.symmetries.matching import alike
from info_geometry.files import InputError
from learning.networks.recalibration import recalibrate


def line(
    network: nn.Module, other: nn.Module, positions: Sequence[float], images: torch.Tensor, correction: str = "none"
) -> Iterator[nn.Module]:
    """Yield the network at each position t from 0 (a network) to 1 (another one), in evaluation mode.

    images: (B, channels, size, size) of training, in one batch, from which "recalibration" and "repair" take
    statistics.  Raises InputError for another correction, and for networks that differ in architecture or width.
    """
    if correction not in CORRECTIONS:
        raise InputError(f"correction is {correction!r}, expected one of {', '.join(CORRECTIONS)}")
    before = [name for space in alike(network, other) for name in space.before]
    if correction == "repair":
        ends = [statistics(each, before, images) for each in (network, other)]
    for t in positions:
        found = between(network, other, t)
        if correction == "recalibration":
            recalibrate(found, [images])
        if correction == "repair":
            wanted = {name: tuple((1 - t) * a + t * b for a, b in zip(*(end[name] for end in ends))) for name in before}
            repair(found, wanted, images)
        yield found


@torch.no_grad()
def between(network: nn.Module, other: nn.Module, t: float) -> nn.Module:
    """Return (1 - t) of a network and t of another one, running statistics included, in evaluation mode."""
    found, states = copy.deepcopy(network), [each.state_dict() for each in (network, other)]
    for name, value in found.state_dict().items():
        if value.is_floating_point():
            value.copy_((1 - t) * states[0][name] + t * states[1][name])
    return found.eval()


@torch.no_grad()
def statistics(
    network: nn.Module, modules: Sequence[str], images: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return {module: mean and standard deviation (channels,) of its outputs} over images and positions.

    The network is left in evaluation mode.
    """
    found = {}

    def keep(name):
        return lambda module, given, output: found.update({name: _moments(output)})

    _hooked(network, {name: keep(name) for name in modules}, images)
    return found


def _moments(output):
    each = by_channel(output)
    return each.mean(dim=1), each.std(dim=1, unbiased=False)


def _hooked(network, hooks, images):
    handles = [network.get_submodule(name).register_forward_hook(hook) for name, hook in hooks.items()]
    try:
        network.eval()(images)
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def repair(network: nn.Module, wanted: dict[str, tuple[torch.Tensor, torch.Tensor]], images: torch.Tensor) -> nn.Module:
    """Give the outputs of modules the means and standard deviations that are wanted, layer after layer, and return it.

    wanted: as `statistics` returns it, of convolutions, linear maps and norm layers with a bias.  The change is put
    into their weights and biases; a channel that does not vary is only moved.
    """

    def correct(name):
        def corrected(module, given, output):
            mean, spread = _moments(output)
            factor = torch.where(spread > 1e-6 * mean.abs(), wanted[name][1] / spread.clamp(min=1e-30), 1.0)
            added = wanted[name][0] - factor * mean
            module.weight.mul_(factor.view(-1, *[1] * (module.weight.ndim - 1)))
            module.bias.mul_(factor).add_(added)
            shape = [1, -1, 1, 1] if output.ndim == 4 else [-1]
            return output * factor.view(shape) + added.view(shape)

        return corrected

    _hooked(network, {name: correct(name) for name in wanted}, images)
    return network


def barrier(positions: Sequence[float], losses: Sequence[float]) -> float:
    """Return the largest height of losses along a line above the straight line between those of its ends.

        max_t  L(t) - (1 - t) L(0) - t L(1)                  (Frankle et al. 2020; this form: Entezari et al. 2022)

    positions: from 0 to 1.  Raises InputError unless they begin and end there.
    """
    t, found = np.asarray(positions, float), np.asarray(losses, float)
    if len(t) != len(found) or len(t) < 2 or t[0] != 0 or t[-1] != 1:
        raise InputError("a barrier takes losses at positions from 0 to 1, both included")
    return float((found - (1 - t) * found[0] - t * found[-1]).max())
