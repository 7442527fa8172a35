"""Fixed transformations before an activation: what the rest of a network can undo, and how it learns."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.symmetries import groups, transformations
from experiments.symmetries.stitching import Training, layers
from info_geometry.files import InputError
from learning import networks


def plain():
    """Return a network without batch norm in float64, and the names of its convolutions."""
    network = networks.build("plain_cnn", 1, 8, 10, 0).double().eval()
    return network, [name for name, module in layers(network).items() if isinstance(module, nn.Conv2d)]


def images(count=20):
    return torch.randn(count, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_identity_changes_nothing():
    network, convolutions = plain()
    for layer in convolutions:
        channels = layers(network)[layer].out_channels
        found = transformations.transformed(network, layer, torch.eye(channels)).double()
        assert torch.allclose(found(images()), network(images()), atol=1e-12)


@pytest.mark.parametrize("number", [0, 1])
def test_an_element_of_the_group_can_be_undone_behind_the_activation_and_a_rotation_cannot(number):
    network, convolutions = plain()
    layer = convolutions[number]
    channels = layers(network)[layer].out_channels
    rng = np.random.default_rng(0)

    def undone(A, phi):
        found = transformations.transformed(network, layer, torch.eye(channels)).double()
        found.stitch.matrix = torch.from_numpy(A)
        second = next(module for module in found.back if isinstance(module, nn.Conv2d))
        with torch.no_grad():
            second.weight.copy_(torch.einsum("oihw,ij->ojhw", second.weight, torch.from_numpy(np.linalg.inv(phi))))
        return found(images())

    A = groups.random_element("relu", channels, rng)
    assert torch.allclose(undone(A, groups.phi("relu", A)), network(images()), atol=1e-10)
    Q = groups.random_rotation(channels, rng)
    assert not torch.allclose(undone(Q, Q), network(images()), atol=1e-2)


@torch.no_grad()
def loss(network, x, outputs):
    return float(nn.functional.cross_entropy(network(x), outputs))


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


def test_only_what_comes_behind_learns():
    network = networks.build("small_cnn", 1, 8, 10, 0).eval()
    x = torch.randn(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = (x.mean(dim=(1, 2, 3)) * 40).long().clamp(0, 9)
    found = transformations.transformed(network, "3", torch.eye(32).flip(0))
    again = [transformations.retrain(found, x, outputs, Training(3, 50, 0.01), seed) for seed in (0, 0, 1)]
    losses = [loss(each, x, outputs) for each in (found, *again)]
    assert losses[1] == losses[2] != losses[3] and losses[1] < losses[0] - 0.2
    assert same(found.front, again[0].front) and same(found.stitch, again[0].stitch) and not again[0].back.training
    assert same(network, networks.build("small_cnn", 1, 8, 10, 0)) and not same(found.back, again[0].back)


def test_a_layer_that_is_not_there():
    with pytest.raises(InputError, match="there is no layer 'conv9' to cut after; there are 0, 1"):
        transformations.transformed(networks.build("small_cnn", 1, 8, 10, 0), "conv9", torch.eye(32))
