"""Every parameter has its places: none may be forgotten, and none is named twice."""

import dataclasses

import pytest
import torch

from experiments.symmetries.anatomy import SPECIFICATIONS, anatomy
from experiments.symmetries.elements import act, element
from info_geometry.files import InputError
from learning import networks
from tests.experiments.symmetries.made_up import ALL, SMALL, ids, made


@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_every_axis_of_channels_is_in_one_space(kind):
    """All axes 0, but for those of outputs, and all axes 1 of matrices, but for those of pixels and of images."""
    network, _ = made(*kind)
    spaces = anatomy(network)
    places = [(place.name, place.axis) for space in spaces for place in space.places]
    assert len(set(places)) == len(places) and len({space.name for space in spaces}) == len(spaces)
    first = next(name for name, value in network.named_parameters() if value.ndim == 4)
    expected = {("body.positions", 2)} if kind[0] == "small_cct" else set()
    for name, value in network.state_dict().items():
        if value.ndim and name not in ("head.weight", "head.bias", "body.positions") and "importance" not in name:
            expected.add((name, 0))
        if value.ndim in (2, 4) and name != first:
            expected.add((name, 1))
    assert set(places) == expected
    for space in spaces:
        for place in space.places:
            assert network.state_dict()[place.name].shape[place.axis] % (space.channels * place.groups) == 0
        assert space.readers and all(network.get_submodule(name) for name in (*space.before, *space.readers))
        for place in space.places:
            value = network.state_dict()[place.name]
            assert space.activation == "softmax" or value.shape[place.axis] == space.channels


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_no_place_can_be_left_out(kind):
    """Not the running statistics of one norm layer, nor one branch of a skip connection: the function changes."""
    network, images = made(*kind)
    spaces, whole = anatomy(network), element(network, 1, 0.0)
    with torch.no_grad():
        expected = network(images)
        for space in spaces:
            away = {**whole.permutations, space.name: torch.arange(space.channels).roll(1)}
            only = dataclasses.replace(whole, permutations=away)
            for left_out in space.places:
                fewer = tuple(place for place in space.places if place != left_out)
                others = [dataclasses.replace(x, places=fewer) if x is space else x for x in spaces]
                found = act(network, only, others)(images)
                assert (found - expected).abs().max() > 1e-6 * expected.abs().max(), left_out


def test_which_spaces_there_are():
    found = {name: anatomy(networks.build(name, 3, 32, 10, 0)) for name in SPECIFICATIONS}
    assert {name: len(spaces) for name, spaces in found.items()} == {
        "small_cnn": 3,
        "plain_cnn": 3,
        "cifar_resnet20": 9 + 3,  # one in each block, and one for each width
        "wrn_16_4": 6 + 4,  # the first convolution is alone
        "resnet18_small": 8 + 4,
        "small_cct": 2 + 2 * 2,  # a convolution, tokens, and heads and an MLP in each block
    }
    assert [space.channels for space in found["small_cnn"]] == [16, 32, 64]
    assert [(space.activation, space.channels) for space in found["small_cct"]] == [
        ("relu", 64), ("softmax", 2), ("gelu", 128), ("softmax", 2), ("gelu", 128), ("none", 128)
    ]  # fmt: skip
    for name in ("cifar_resnet20", "wrn_16_4", "resnet18_small"):
        assert all(space.scales for space in found[name])


def test_a_network_without_a_specification_is_refused():
    message = "resnet50_blurpool has no specification of its symmetries; there are small_cnn, plain_cnn, cifar_resnet20"
    with pytest.raises(InputError, match=message):
        anatomy(networks.build("resnet50_blurpool", 3, 64, 10, 0))
    with pytest.raises(InputError, match="this network has no specification"):
        anatomy(torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match="small_cnn has no head: its features are what it gives"):
        anatomy(networks.build("small_cnn", 1, 8, 0, 0))
