"""ResNet-18 for small images: torchvision's but for how it begins, and sides as they are said to be."""

import torch
import torchvision
from torch import nn

from learning import networks


def sides(network, channels, size):
    """Return the sides of what each stage gives."""
    found = []
    for stage in (network.body.layer1, network.body.layer2, network.body.layer3, network.body.layer4):
        stage.register_forward_hook(lambda module, images, out: found.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        network.eval()(torch.randn(1, channels, size, size))
    return found


def test_stages_halve_the_side_three_times():
    for size in (32, 64):
        network = networks.build("resnet18_small", 3, size, 10, 0)
        expected = [(64, size), (128, size // 2), (256, size // 4), (512, size // 8)]
        assert sides(network, 3, size) == [(width, side, side) for width, side in expected]


def test_it_is_torchvisions_but_for_the_beginning_and_the_head():
    found = networks.build("resnet18_small", 3, 64, 200, 0).body.state_dict()
    published = torchvision.models.resnet18().state_dict()
    assert found.keys() == {key for key in published if not key.startswith("fc.")}
    assert [key for key in found if found[key].shape != published[key].shape] == ["conv1.weight"]
    assert found["conv1.weight"].shape == (64, 3, 3, 3)


def test_all_convolutions_have_the_same_kind_of_initial_weights():
    body = networks.build("resnet18_small", 3, 64, 10, 0).body
    for conv in (module for module in body.modules() if isinstance(module, nn.Conv2d)):
        expected = (2 / (conv.out_channels * conv.kernel_size[0] ** 2)) ** 0.5  # He et al. 2015, eq. 14
        assert abs(conv.weight.std() / expected - 1) < 0.06 and abs(conv.weight.mean()) < 0.06 * expected


def test_other_channels():
    network = networks.build("resnet18_small", 1, 28, 10, 0)
    assert sides(network, 1, 28)[-1] == (512, 4, 4)
