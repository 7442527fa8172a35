"""Symmetries of a network: drawn at random, applied to its weights, and checked.

    W_i' = A_i W_i A_{i-1}^{-1}, b_i' = A_i b_i, A_i = D_i P_i                         (Godfrey et al. 2022, section 3)

where P is a permutation of the channels of a space and D, where its activation is ReLU, are positive scales.  Within a
head of an attention, queries and keys appear as q^T k, and values and outputs as W_o v, so that any invertible A and C

    q' = A q, k' = A^{-T} k, v' = C v, W_o' = W_o C^{-1}

leave the function as it is.
"""

import copy
import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from experiments.symmetries.anatomy import Place, Space, anatomy
from info_geometry.files import InputError


@dataclasses.dataclass(frozen=True)
class Element:
    """A symmetry of a network, in float64.  What a space is not named in is left as it is.

    permutations: {space: (channels,)}; channel i of the new network is channel permutation[i] of the old one.
    scales: {space: (channels,)}, positive, of the channels of the new network.
    maps: {space of heads: (2, heads, d, d)}, A and C of each head of the old network, of d channels.
    """

    permutations: Mapping[str, torch.Tensor]
    scales: Mapping[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    maps: Mapping[str, torch.Tensor] = dataclasses.field(default_factory=dict)


def element(network: nn.Module, seed: int, spread: float = 0.5) -> Element:
    """Return a random symmetry of a network: permutations of all spaces, scales and maps of heads where there are any.

    spread: standard deviation of the logarithms of scales, and of singular values of maps; 0: permutations alone.
    Raises InputError for a network without a specification, or a spread below 0.
    """
    if not spread >= 0:
        raise InputError(f"spread is {spread}, expected 0 (permutations alone) or more")
    generator = torch.Generator().manual_seed(seed)
    permutations, scales, maps = {}, {}, {}
    for space in anatomy(network):
        permutations[space.name] = torch.randperm(space.channels, generator=generator)
        if spread and space.scales:
            scales[space.name] = (spread * _normal(space.channels, generator=generator)).exp()
        if spread and space.activation == "softmax":
            d = network.get_submodule(space.name).head_dim
            drawn = [_invertible(d, spread, generator) for _ in range(2 * space.channels)]
            maps[space.name] = torch.stack(drawn).view(2, space.channels, d, d)
    return Element(permutations, scales, maps)


def _normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _invertible(d, spread, generator):
    """Return a random matrix (d, d): a rotation, log-normal scales, and a rotation."""
    left, right = (torch.linalg.qr(_normal(d, d, generator=generator))[0] for _ in range(2))
    return left * (spread * _normal(d, generator=generator)).exp() @ right


@torch.no_grad()
def act(network: nn.Module, element: Element, spaces: Sequence[Space] | None = None) -> nn.Module:
    """Return a copy of a network that an Element was applied to; spaces: other than those of its anatomy."""
    changed = copy.deepcopy(network)
    state = changed.state_dict()
    for space in anatomy(network) if spaces is None else spaces:
        if space.name in element.maps:
            state.update(_mapped(state, space, element.maps[space.name]))
        for place in space.places:
            value = state[place.name]
            if space.name in element.permutations:
                value = permuted(value, place, element.permutations[space.name])
            if space.name in element.scales and place.role != "kept":
                scales = element.scales[space.name].to(value)
                shape = [-1 if axis == place.axis else 1 for axis in range(value.ndim)]
                value = value * (scales if place.role == "made" else 1 / scales).view(shape)
            state[place.name] = value
    changed.load_state_dict(state)
    return changed


def permuted(value: torch.Tensor, place: Place, permutation: torch.Tensor) -> torch.Tensor:
    """Return a parameter with the channels of a place in the order of a permutation (channels,)."""
    axis, channels = place.axis, len(permutation)
    parts = value.unflatten(axis, (place.groups, channels, value.shape[axis] // (place.groups * channels)))
    return parts.index_select(axis + 1, permutation.to(value.device)).flatten(axis, axis + 2)


def _mapped(state, space, maps):
    """Return the projections of an attention, with A put on queries and keys and C on values and outputs."""
    names = [f"{space.name}.{name}" for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight")]
    weight, bias, out = (state[name].double() for name in names)
    a, c = maps.to(weight.device)
    heads, d = a.shape[:2]
    onto = torch.stack([a, torch.linalg.inv(a).mT, c])
    rows = (onto @ weight.unflatten(0, (3, heads, d))).flatten(0, 2)
    added = (onto @ bias.view(3, heads, d, 1)).flatten()
    columns = torch.einsum("whd,hde->whe", out.unflatten(1, (heads, d)), torch.linalg.inv(c)).flatten(1)
    return {name: value.to(state[name]) for name, value in zip(names, (rows, added, columns))}


def transform(network: nn.Module, seed: int, spread: float = 0.5) -> nn.Module:
    """Return a copy of a network with other weights and the same function: a random Element of `spread` applied."""
    return act(network, element(network, seed, spread))


@torch.no_grad()
def check(network: nn.Module, changed: nn.Module, images: torch.Tensor) -> None:
    """Raise InputError unless two networks have the same outputs for images (B, channels, size, size), in float64.

    What rounding may do: 1e-9 of the largest output, and 1e-5 where weights are not stored in float64.
    """
    pair = [copy.deepcopy(each).double().eval()(images.double()) for each in (network, changed)]
    allowed = 1e-9 if all(p.dtype == torch.float64 for p in network.parameters()) else 1e-5
    error = float((pair[0] - pair[1]).abs().max() / pair[0].abs().max())
    if not error <= allowed:
        raise InputError(
            f"outputs differ by {error:.1e} of the largest, expected at most {allowed:.0e}: what was done to "
            f"{getattr(network, 'name', '') or 'the network'} is no symmetry of it; change nothing but by its anatomy"
        )
