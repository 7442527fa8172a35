"""What is known beforehand, measured on a trained network: symmetries planted in it, and rotations, which are none.

A random element of G_ReLU at every hidden layer leaves the outputs as they are; matching of features finds it; and
metrics of alignment do not see it, if they are made to.  Random rotations in its place are the control: they go before
the activation, and are taken back where the channels are read (Godfrey et al. 2022, sections 3 to 5).

Networks are copied to float64 and stay as they are; a seed gives the same numbers again.
"""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from experiments.symmetries import elements, features, groups, metrics, stitches, stitching
from experiments.symmetries.anatomy import anatomy
from info_geometry import distance
from info_geometry.files import InputError

METRICS = {  # under its default scale
    "wreath_procrustes": lambda H1, H2: metrics.wreath_procrustes(H1, H2).similarity,
    "orthogonal_procrustes": lambda H1, H2: metrics.orthogonal_procrustes(H1, H2).similarity,
    "wreath_cka": metrics.wreath_cka,
    "linear_cka": metrics.linear_cka,
}
SCALED = METRICS | {  # and under the other one
    "orthogonal_procrustes_whole": lambda H1, H2: metrics.orthogonal_procrustes(H1, H2, "whole").similarity,
    "wreath_cka_whole": lambda H1, H2: metrics.wreath_cka(H1, H2, scale="whole"),
    "linear_cka_channel": lambda H1, H2: metrics.linear_cka(H1, H2, scale="channel"),
}
ACTIVATIONS = "relu", "gelu"  # of spaces that are rotated
FEW = 8  # images that tell which space a layer gives


def unchanged(network: nn.Module, images: torch.Tensor, seed: int, spread: float = 1.0) -> dict:
    """Return how outputs f and predictions move under a symmetry of all layers, and under rotations, in float64.

        change = max |f' - f| / max |f|,    d_B = mean over images of -log sum_c sqrt(p'_c p_c),    p = softmax(f)

    images (B, channels, size, size).  spread: of the logarithms of scales; rotations are uniform (Haar), one for each
    space with ReLU or GELU (see `moved`).  {"symmetry": {"change", "d_B"}, "rotation": {"change", "d_B"}, all spaces
    rotated, "layers": {space: {"change", "d_B"}}, that one alone}; all are floats.  Raises InputError for a network
    without a specification or a head, a spread below 0, and outputs that are all 0.
    """
    network, images = _double(network), images.double()
    rng, spaces = np.random.default_rng(seed), anatomy(network)
    rotations = {x.name: groups.random_rotation(x.channels, rng) for x in spaces if x.activation in ACTIVATIONS}
    own = _outputs(network, images)
    if not own.any():
        raise InputError("the outputs of this network are all 0, of which there is no relative change; train it first")
    alone = {name: moved(network, {name: Q}) for name, Q in rotations.items()}
    return {
        "symmetry": _apart(own, _outputs(elements.transform(network, seed, spread), images)),
        "rotation": _apart(own, _outputs(moved(network, rotations), images)),
        "layers": {name: _apart(own, _outputs(changed, images)) for name, changed in alone.items()},
    }


def moved(network: nn.Module, matrices: Mapping[str, np.ndarray]) -> nn.Module:
    """Return a copy in float64 of a network with A before the activations of spaces, and A^-1 before what reads them.

        ... A^-1 . sigma . A ...

    matrices: {space: A (channels, channels)}.  A stands behind the batch norm, whose running variances would be none if
    they were rotated; where A is in G_sigma, the function is that of before.  Raises InputError for a network without a
    specification, and for a space that is not there or has no activation.
    """
    changed, spaces = _double(network), {x.name: x for x in anatomy(network) if x.activation in ACTIVATIONS}
    for name, A in matrices.items():
        if name not in spaces:
            raise InputError(f"there is no space {name!r} with an activation; there are {', '.join(spaces)}")
        A, space = torch.as_tensor(A, dtype=torch.float64), spaces[name]
        back = torch.linalg.inv(A)
        for module in space.before:
            changed.get_submodule(module).register_forward_hook(lambda _, given, x, A=A: _onto(A, x))
        for module in {place.name.removesuffix(".weight") for place in space.places if place.role == "read"}:
            changed.get_submodule(module).register_forward_pre_hook(lambda _, given, A=back: _onto(A, given[0]))
    return changed


def recovered(
    network: nn.Module, images: torch.Tensor, outputs: torch.Tensor, seed: int, spread: float = 0.5
) -> dict[str, dict]:
    """Return what matching of features finds of a symmetry planted in all layers, {layer: {...}}, in float64.

    For each layer of `stitching.rectified`, `stitches.matched` takes features of the transformed copy, the sender, to
    those of the network, the receiver.  Batch norms are not recalibrated: they meet the features they are used to.

        channels, live              int: of the layer, and of them not dead
        found                       share of the live ones that are matched with their own
        scale_error                 largest |s m - 1| of the live ones, for scales s planted and entries m of the match
        change                      max |f' - f| / max |f| of outputs f' of the stitched network
        accuracy_change             its accuracy less that of the network
        wreath_procrustes, orthogonal_procrustes, wreath_cka, linear_cka    of the two features, see METRICS

    images (N, channels, size, size), of at least 4; outputs (N,): the right ones.  A channel is dead if its sum of
    squares over images and pixels is at most stitches.SMALLEST in one of the two: there is no match of nothing.  Raises
    InputError for a network without a specification or whose body is no sequence, for other numbers of outputs, where
    all channels of a layer are dead, and where the metrics do.
    """
    network, images = _double(network), images.double()
    if outputs.shape != images.shape[:1]:
        raise InputError(f"{len(images)} images have as many right outputs, not {tuple(outputs.shape)}")
    drawn = elements.element(network, seed, spread)
    planted = elements.act(network, drawn)
    own = _outputs(network, images)
    found = {}
    for layer in stitching.rectified(network, images):
        (front, back), (changed, _) = stitching.cut(network, layer), stitching.cut(planted, layer)
        space = _space(network, front, images[:FEW])
        permutation = drawn.permutations[space]
        scales = drawn.scales.get(space, torch.ones(len(permutation), dtype=torch.float64))
        received, sent = (stitching.features(x, images) for x in (front, changed))
        squares = [x.square().transpose(0, 1).flatten(1).sum(dim=1) for x in (received, sent)]
        live = (squares[0][permutation] > stitches.SMALLEST) & (squares[1] > stitches.SMALLEST)
        if not live.any():
            raise InputError(f"layer {layer}: all of its {len(live)} channels are dead on these images; train longer")
        match = stitches.matched(sent.numpy(), received.numpy())
        entries = match[permutation, torch.arange(len(permutation))]  # of what went from p(i) to i and comes back
        with torch.no_grad():
            stitched = torch.cat([back(stitches.apply(match, part)) for part in sent.split(500)])
        right = [(x.argmax(dim=1) == outputs).double().mean() for x in (stitched, own)]
        found[layer] = {
            "channels": len(live),
            "live": int(live.sum()),
            "found": float((entries > 0)[live].double().mean()),
            "scale_error": float((entries * scales - 1).abs()[live].max()),
            "change": float((stitched - own).abs().max() / own.abs().max()),
            "accuracy_change": float(right[0] - right[1]),
        } | {name: float(metric(received.numpy(), sent.numpy())) for name, metric in METRICS.items()}
    return found


def invariance(features: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Return how alike features H (N, C, ...) are to H A, for A of G_ReLU and for a rotation, by every metric.

    {metric: {"symmetry", "rotation"}}: those of METRICS under their default scales, and three under the other one, see
    SCALED.  By theory 1 are all of scale "channel" for a symmetry; orthogonal_procrustes_whole and linear_cka for a
    rotation; and no other.  Random matrices are `groups.random_element` and `groups.random_rotation`.  Errors are those
    of `metrics.normalised`.
    """
    metrics.normalised(features)  # refuses what is none
    H, rng = np.asarray(features, np.float64), np.random.default_rng(seed)
    matrices = {
        "symmetry": groups.random_element("relu", H.shape[1], rng),
        "rotation": groups.random_rotation(H.shape[1], rng),
    }
    changed = {name: np.moveaxis(np.tensordot(A, H, axes=(1, 1)), 0, 1) for name, A in matrices.items()}
    return {name: {kind: float(metric(H, x)) for kind, x in changed.items()} for name, metric in SCALED.items()}


def _double(network):
    return copy.deepcopy(network).double().eval()


@torch.no_grad()
def _outputs(network, images):
    return torch.cat([network(part) for part in images.split(500)])


def _apart(own, other):
    predicted = [x.softmax(dim=1).numpy() for x in (own, other)]
    return {
        "change": float((other - own).abs().max() / own.abs().max()),
        "d_B": distance.bhattacharyya(*predicted),
    }


def _onto(A, x):
    """Return maps (B, C, height, width), or features (..., C), with a matrix applied to their channels."""
    axis = 1 if x.ndim == 4 else -1
    return torch.tensordot(x, A, dims=([axis], [1])).movedim(-1, axis)


def _space(network, front, images):
    """Return the name of the space whose channels the first half of a network gives: that whose readers get the same.

    Where blocks are added up, several layers give one space.
    """
    given = features.by_channel(stitching.features(front, images))
    for name, seen in features.features(network, anatomy(network), images).items():
        if any(x.shape == given.shape and torch.equal(x, given) for x in seen):
            return name
    raise InputError(f"no hidden space of {network.name} has the features of this layer; anatomy.py has all of them")
