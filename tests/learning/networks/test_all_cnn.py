"""All-CNN-C: its convolutions, its size as published, and what replaces its last convolution."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from learning import networks


def test_convolutions_and_parameters_are_those_of_the_paper():
    """Springenberg et al. 2015, tables 1 and 2; table 3 says about 1.4 million parameters."""
    network = networks.build("all_cnn", 3, 32, 10, 0)
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    found = [(conv.out_channels, conv.kernel_size[0], conv.stride[0]) for conv in convs]
    assert found == [
        (96, 3, 1), (96, 3, 1), (96, 3, 2), (192, 3, 1), (192, 3, 1), (192, 3, 2), (192, 3, 1), (192, 1, 1)
    ]  # fmt: skip
    widths = [3, *(width for width, *_ in found)]
    by_hand = sum(a * b * side**2 + b for (a, b), (_, side, _) in zip(itertools.pairwise(widths), found))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == by_hand + 192 * 10 + 10 == 1_369_738
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_the_head_is_a_last_convolution_before_the_mean():
    network = networks.build("all_cnn", 1, 16, 10, 0, 4).double()
    images = torch.randn(3, 1, 16, 16, dtype=torch.float64)
    with torch.inference_mode():
        maps = network.body[:-2](images)
        assert maps.shape == (3, 8, 4, 4)
        ninth = F.conv2d(maps, network.head.weight[:, :, None, None], network.head.bias)
        assert torch.allclose(ninth.mean(dim=(2, 3)), network(images), atol=1e-12)


def test_activations_neither_vanish_nor_grow():
    """He et al. 2015: the mean square of what enters an activation is that of the layer before, borders aside."""
    network, found = networks.build("all_cnn", 3, 32, 10, 0), []
    for module in network.body:
        if isinstance(module, nn.Conv2d):
            assert not module.bias.any()
            module.register_forward_hook(lambda module, given, out: found.append(float(out.square().mean())))
    with torch.inference_mode():
        network(torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert len(found) == 8 and all(0.5 < later / sooner < 1.5 for sooner, later in itertools.pairwise(found))
