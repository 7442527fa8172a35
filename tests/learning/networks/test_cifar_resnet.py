"""The ResNet of CIFAR-10: its layers are those that the paper counts, against a forward pass written out."""

import torch
import torch.nn.functional as F
from torch import nn

from learning import networks
from learning.networks import cifar_resnet


def test_twenty_layers():
    network = networks.build("cifar_resnet20", 3, 32, 10, 0)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    layers = [conv for conv in convolutions if conv.kernel_size == (3, 3)]
    assert len(layers) + 1 == 20  # and the head; shortcuts do not count
    assert [conv.out_channels for conv in layers] == [16] * 7 + [32] * 6 + [64] * 6
    assert [conv.stride[0] for conv in layers] == [1] * 7 + [2] + [1] * 5 + [2] + [1] * 5
    assert [conv.stride[0] for conv in convolutions if conv.kernel_size == (1, 1)] == [2, 2]
    assert all(conv.bias is None for conv in convolutions)


def test_sides_are_those_of_the_paper():
    """Table of section 4.2: 32, 16 and 8 pixels."""
    body, found = networks.build("cifar_resnet20", 3, 32, 10, 0).body.eval(), []
    for module in body:
        if isinstance(module, cifar_resnet._Block):
            module.register_forward_hook(lambda module, images, out: found.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        body(torch.randn(1, 3, 32, 32))
    assert found == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def test_a_block_against_its_formula():
    """relu(BN(conv(relu(BN(conv(x))))) + x), with BN(conv(x)) in place of x where the width changes."""
    torch.manual_seed(0)
    for before, after, stride in ((4, 4, 1), (4, 8, 2)):
        block = cifar_resnet._Block(before, after, stride).double().eval()
        for norm in (module for module in block.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

        def normalised(x, norm):
            mean, var, weight, bias = (
                each.view(-1, 1, 1) for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            )
            return (x - mean) / (var + norm.eps).sqrt() * weight + bias

        x = torch.randn(2, before, 6, 6, dtype=torch.float64)
        inner = normalised(F.conv2d(x, block.conv1.weight, stride=stride, padding=1), block.norm1).clamp(min=0)
        outer = normalised(F.conv2d(inner, block.conv2.weight, padding=1), block.norm2)
        beside = x
        if before != after:
            conv, norm = block.shortcut
            beside = normalised(F.conv2d(x, conv.weight, stride=stride), norm)
        assert torch.allclose(block(x), (outer + beside).clamp(min=0), atol=1e-12)


def test_initial_weights_keep_the_variance_of_gradients():
    """He et al. 2015, equation 14, as those of the other network of CIFAR-10."""
    convolutions = [m for m in networks.build("cifar_resnet20", 3, 32, 10, 0).modules() if isinstance(m, nn.Conv2d)]
    for conv in convolutions:
        expected = (2 / (conv.out_channels * conv.kernel_size[0] ** 2)) ** 0.5
        assert abs(conv.weight.std() / expected - 1) < 0.15
