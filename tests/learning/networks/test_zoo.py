"""Architectures: shapes, sizes known from the papers, weights that follow from the seed, and widths."""

import hashlib

import pytest
import torch

from info_geometry.files import InputError
from learning import networks
from learning.networks.zoo import WIDTHS


@pytest.mark.parametrize(
    "name, channels, size, features",
    [
        ("small_cnn", 1, 8, 64),
        ("small_cnn", 1, 28, 64),
        ("small_cnn", 3, 32, 64),
        ("plain_cnn", 1, 8, 64),
        ("plain_cnn", 3, 32, 64),
        ("small_cct", 1, 8, 128),
        ("small_cct", 3, 32, 128),
        ("mlp_small", 1, 8, 64),
        ("mlp_small", 3, 32, 64),
        ("mlp", 1, 8, 128),
        ("mlp", 3, 32, 128),
        ("all_cnn", 1, 8, 192),
        ("all_cnn", 3, 32, 192),
        ("wrn_16_4", 3, 32, 256),
        ("wrn_16_4", 3, 64, 256),
        ("cifar_resnet20", 1, 28, 64),
        ("cifar_resnet20", 3, 32, 64),
        ("resnet18_small", 3, 32, 512),
        ("resnet18_small", 3, 64, 512),
        ("resnet50_blurpool", 3, 64, 2048),
        *(
            (name, channels, size, features)
            for name, features in (("conv_mixer", 32), ("vit", 64), ("wide_resnet", 32), ("fc", 128))
            for channels, size in ((1, 8), (1, 28), (3, 28), (3, 32))
        ),
        ("linear", 1, 28, 784),
        ("linear", 3, 32, 3072),
    ],
)
def test_body_gives_features_and_head_gives_outputs(name, channels, size, features):
    network = networks.build(name, channels, size, 7, seed=0).eval()
    images = torch.randn(2, channels, size, size)
    with torch.inference_mode():
        found = network.body(images)
        assert found.shape == (2, features)
        assert torch.equal(network(images), network.head(found)) and network(images).shape == (2, 7)


@pytest.mark.parametrize(
    "name, channels, size",
    [
        ("small_cnn", 1, 8),
        ("plain_cnn", 1, 8),
        ("wrn_16_4", 3, 32),
        ("cifar_resnet20", 3, 32),
        ("resnet18_small", 3, 64),
        ("small_cct", 1, 8),
        ("mlp_small", 1, 8),
        ("mlp", 1, 8),
        ("all_cnn", 1, 8),
        ("fc", 1, 8),
        ("linear", 1, 8),
        ("conv_mixer", 1, 8),
        ("vit", 1, 8),
        ("wide_resnet", 1, 8),
    ],
)
def test_initial_weights_follow_from_the_seed_alone(name, channels, size):
    before = torch.get_rng_state()
    first = networks.build(name, channels, size, 10, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = (networks.build(name, channels, size, 10, seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert all(not torch.equal(first[key], other[key]) for key in first if first[key].ndim in (2, 4))


def test_seeds_beyond_32_bits_would_repeat_initial_weights():
    """Why the command line refuses them."""
    below, beyond = (networks.build("small_cnn", 1, 8, 10, seed).state_dict() for seed in (3, 3 + 2**32))
    assert all(torch.equal(below[key], beyond[key]) for key in below)


SMALL = "small_cnn", "plain_cnn", "small_cct", "mlp_small", "mlp", "all_cnn"
NEW = "fc", "linear", "conv_mixer", "vit", "wide_resnet"


@pytest.mark.parametrize("name", [*SMALL, *NEW])
def test_body_does_not_depend_on_the_number_of_outputs(name):
    one, other = (networks.build(name, 1, 8, outputs, seed=0).body.state_dict() for outputs in (3, 10))
    assert all(torch.equal(one[key], other[key]) for key in one)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_numbers_of_parameters():
    assert abs(count(networks.build("wrn_16_4", 3, 32, 10, 0)) - 2.75e6) < 0.01e6  # Zagoruyko and Komodakis, table 5
    found = count(networks.build("cifar_resnet20", 3, 32, 10, 0))
    assert abs(found - 0.27e6) < 0.005e6  # He et al. 2016, table 6
    stages = [(3, 16, 9), *[(16, 16, 9)] * 6, (16, 32, 9), *[(32, 32, 9)] * 5, (32, 64, 9), *[(64, 64, 9)] * 5]
    shortcuts = [(16, 32, 1), (32, 64, 1)]
    convolutions = sum(before * after * area + 2 * after for before, after, area in stages + shortcuts)  # and norms
    assert found == convolutions + 64 * 10 + 10 == 272_474
    # torchvision's ResNet-18 with 9 in place of 49 pixels in the first convolution, and 10 classes
    small = count(networks.build("resnet18_small", 3, 32, 10, 0))
    assert small == 11_689_512 - 3 * 64 * (49 - 9) - 513 * (1000 - 10) == 11_173_962
    assert count(networks.build("resnet50_blurpool", 3, 224, 1000, 0)) == 25_557_032  # torchvision's ResNet-50


def test_what_cannot_be_built():
    with pytest.raises(InputError, match="unknown network 'resnet'; there are small_cnn, plain_cnn, wrn_16_4, cifar"):
        networks.build("resnet", 3, 32, 10, 0)
    with pytest.raises(InputError, match="takes images of 3 channels, not 1"):
        networks.build("resnet50_blurpool", 1, 28, 10, 0)
    with pytest.raises(
        InputError, match="width is 8, but resnet18_small has only its own; leave it out, or take one of"
    ):
        networks.build("resnet18_small", 3, 32, 10, 0, width=8)


@pytest.mark.parametrize(
    "key, value, why, others",
    [
        ("width", 8, "has only its own", ", ".join(WIDTHS)),
        ("depth", 10, "has only its own", "conv_mixer, vit, wide_resnet"),
        ("widths", "9-3", "has only its own", "fc"),
        ("patch", 4, "has none", "conv_mixer, vit"),
        ("heads", 4, "has none", "vit"),
    ],
)
def test_what_a_network_does_not_take_names_those_that_do(key, value, why, others):
    with pytest.raises(InputError) as raised:
        networks.build("linear", 1, 8, 10, 0, **{key: value})
    assert str(raised.value) == f"{key} is {value}, but linear {why}; leave it out, or take one of {others}"
    for name in others.split(", "):
        assert networks.build(name, 1, 8, 10, 0, **{key: value}).name == name


@pytest.mark.parametrize(
    "name, own, features",
    [
        ("small_cnn", 16, 4),
        ("plain_cnn", 16, 4),
        ("cifar_resnet20", 16, 4),
        ("wrn_16_4", 16, 16),
        ("all_cnn", 96, 2),
        ("all_cnn_norm", 96, 1.5),
        ("wide_resnet", 2, 16),
        ("conv_mixer", 32, 1),
    ],
)
def test_width_is_that_of_the_first_layer_and_all_others_follow(name, own, features):
    network = networks.build(name, 1, 16, 10, 0, width=6)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    usual = [module for module in networks.build(name, 1, 16, 10, 0).modules() if isinstance(module, torch.nn.Conv2d)]
    assert convolutions[0].out_channels == 6 and network.head.in_features == 6 * features
    assert [conv.out_channels * own for conv in convolutions] == [conv.out_channels * 6 for conv in usual]
    assert network(torch.randn(2, 1, 16, 16)).shape == (2, 10)


OWN = {
    "small_cct": 128,
    "mlp_small": 64,
    "mlp": 256,
    "all_cnn": 96,
    "all_cnn_norm": 96,
    "conv_mixer": 32,
    "vit": 64,
    "wide_resnet": 2,
}


@pytest.mark.parametrize("name, own", [(name, OWN.get(name, 16)) for name in WIDTHS])
def test_a_networks_own_width_changes_no_bit(name, own):
    one, other = (networks.build(name, 1, 8, 10, 3, width).state_dict() for width in (0, own))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_initial_weights_are_those_of_before_there_were_widths():
    """SHA-256 of all that a small CNN of seed 0 holds, as version 0.1 drew it."""
    found = hashlib.sha256()
    for value in networks.build("small_cnn", 1, 8, 10, 0).state_dict().values():
        found.update(value.numpy().tobytes())
    assert found.hexdigest() == "71043e874393df8ba97a9efecc9aa7eab5020ff129b9bd6ae00a5fea30e4d892"
