"""Permutations that bring the channels of one network into the order of those of another.

Weight matching maximises the sum over all parameters of

    <theta_A, pi(theta_B)> = (|theta_A|^2 + |theta_B|^2 - |theta_A - pi(theta_B)|^2) / 2

over one space after the other, while the others stay (Ainsworth et al. 2023, algorithm 1).  Activation matching
maximises the sum of correlations of matched channels over images, of each space by itself (Li et al. 2016).  What is
invertible, but no permutation, such as maps within a head or rotations of tokens, neither of them aligns.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from experiments.symmetries.anatomy import Space, anatomy
from experiments.symmetries.elements import Element, act, check, permuted
from experiments.symmetries.features import correlations
from info_geometry.files import InputError

Permutations = Mapping[str, torch.Tensor]  # {space: (channels,)}: channel i of the first is p[i] of the second network


def apply(network: nn.Module, permutations: Permutations, images: torch.Tensor) -> nn.Module:
    """Return a copy of a network with the channels of its spaces in another order.

    Raises InputError unless its outputs for images (B, channels, size, size) are those of the network.
    """
    changed = act(network, Element(permutations))
    check(network, changed, images)
    return changed


def alike(network: nn.Module, other: nn.Module) -> tuple[Space, ...]:
    """Return the spaces of two networks of one architecture; raise InputError where they differ."""
    spaces = anatomy(network)
    shapes = [{name: tuple(value.shape) for name, value in each.state_dict().items()} for each in (network, other)]
    if getattr(other, "name", "") != network.name or shapes[0].keys() != shapes[1].keys():
        raise InputError(f"networks of one architecture are wanted, not {network.name} and {other.name or 'another'}")
    for name, shape in shapes[0].items():
        if shapes[1][name] != shape:
            raise InputError(
                f"{name} is {shape} in one network and {shapes[1][name]} in the other; networks of one width, for "
                "images of one kind, with as many outputs are wanted"
            )
    return spaces


def unchanged(spaces: Sequence[Space]) -> dict[str, torch.Tensor]:
    """Return the permutations that leave all channels where they are."""
    return {space.name: torch.arange(space.channels) for space in spaces}


@torch.no_grad()
def objective(network: nn.Module, other: nn.Module, permutations: Permutations) -> float:
    """Return <theta_A, pi(theta_B)>, the sum over all parameters, in float64."""
    changed = act(other, Element(permutations))
    pairs = zip(network.parameters(), changed.parameters())
    return sum(float((a.double() * b.double()).sum()) for a, b in pairs)


def weight_matching(network: nn.Module, other: nn.Module, seed: int = 0, starts: int = 1) -> dict[str, torch.Tensor]:
    """Return the permutations of another network that match its weights to those of a network.

    Coordinate ascent from where all channels are, over spaces in an order that is drawn from `seed` again and again,
    until no space gains.  starts: how many orders are tried, of which that with the largest objective is returned.
    Raises InputError for networks that differ in architecture or width.
    """
    spaces, best = alike(network, other), None
    weights = [{name: p.detach().double().cpu() for name, p in each.named_parameters()} for each in (network, other)]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(starts):
        permutations, total, gained = unchanged(spaces), 0.0, True
        while gained:
            gained = False
            for i in torch.randperm(len(spaces), generator=generator).tolist():
                permutations, gain = improved(*weights, spaces, permutations, spaces[i])
                total, gained = total + gain, gained or gain > 0
        if best is None or total > best[0]:
            best = total, permutations
    return best[1]


def improved(
    weights: Mapping[str, torch.Tensor],
    others: Mapping[str, torch.Tensor],
    spaces: Sequence[Space],
    permutations: Permutations,
    space: Space,
) -> tuple[dict[str, torch.Tensor], float]:
    """Return permutations in which that of one space is best, while the others stay, and what the objective gains.

    weights, others: the parameters of both networks, in float64.  What rounding gains does not count.
    """
    products = torch.zeros(space.channels, space.channels, dtype=torch.float64)
    for place in space.places:
        if place.name in weights:  # running statistics are no parameters
            b = others[place.name]
            for each in spaces:
                for there in each.places:
                    if there.name == place.name and each is not space:
                        b = permuted(b, there, permutations[each.name])
            products += _rows(weights[place.name], place, space) @ _rows(b, place, space).T
    found = torch.from_numpy(linear_sum_assignment(products.numpy(), maximize=True)[1])
    rows = torch.arange(space.channels)
    gain = float(products[rows, found].sum() - products[rows, permutations[space.name]].sum())
    if gain <= 1e-10 * float(products.abs().sum()):
        return dict(permutations), 0.0
    return {**permutations, space.name: found}, gain


def _rows(value, place, space):
    """Return a parameter as (channels, all else)."""
    parts = value.unflatten(place.axis, (place.groups, space.channels, -1))
    return parts.movedim(place.axis + 1, 0).flatten(1)


def activation_matching(
    network: nn.Module, other: nn.Module, batches: Iterable[torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the permutations of another network whose channels correlate best with those of a network.

    batches: of images (B, channels, size, size), the same for both.  Raises InputError for networks that differ in
    architecture or width.
    """
    spaces = alike(network, other)
    found = correlations(network, other, spaces, batches)
    return {
        name: torch.from_numpy(linear_sum_assignment(each.cpu().numpy(), maximize=True)[1])
        for name, each in found.items()
    }
