"""Initial weights drawn anew: from the seed alone, with the variance that keeps that of activations."""

import pytest
import torch
from torch import nn

from learning import networks

NAMES = ["small_cnn", "small_cct", "mlp", "fc", "linear", "conv_mixer", "vit", "wide_resnet"]


def build(name, outputs=10, seed=3, initialisation="kaiming", **shape):
    return networks.build(name, 1, 8, outputs, seed, initialisation=initialisation, **shape)


@pytest.mark.parametrize("name", NAMES)
def test_linear_maps_and_convolutions_are_drawn_anew_and_nothing_else(name):
    drawn, usual = build(name), build(name, initialisation="default").state_dict()
    anew = set()
    for place, module in drawn.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            anew |= {f"{place}.weight", *([f"{place}.bias"] * (module.bias is not None))}
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.MultiheadAttention):
            anew |= {f"{place}.in_proj_weight", f"{place}.in_proj_bias"}
    for key, value in drawn.state_dict().items():
        same = torch.equal(value, usual[key])
        assert same == (key not in anew) or (not value.any() and not usual[key].any()), key
    assert anew


@pytest.mark.parametrize("name", NAMES)
def test_they_follow_from_the_seed_and_not_from_the_number_of_outputs(name):
    before = torch.get_rng_state()
    first = build(name).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = build(name).state_dict(), build(name, seed=4).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert all(not torch.equal(first[key], other[key]) for key in first if first[key].ndim in (2, 4))
    body = build(name, outputs=3).body.state_dict()
    assert all(torch.equal(first[f"body.{key}"], body[key]) for key in body)


def test_variances_are_two_over_the_inputs():
    network = networks.build("conv_mixer", 3, 32, 10, 0, 128, depth=2, initialisation="kaiming")
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            inputs, count = module.weight[0].numel(), module.weight.numel()
            assert abs(float(module.weight.detach().square().mean()) * inputs / 2 - 1) < 5 * (2 / count) ** 0.5
