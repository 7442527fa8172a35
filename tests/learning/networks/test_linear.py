"""The linear model: a linear map of pixels."""

import torch

from learning import networks


def test_it_is_a_linear_map_of_pixels():
    network, images = networks.build("linear", 3, 32, 10, 0), torch.randn(4, 3, 32, 32)
    assert sum(parameter.numel() for parameter in network.parameters()) == 3072 * 10 + 10
    assert not list(network.body.parameters())
    with torch.inference_mode():
        one, other, zero = (network(x) for x in (images, 2 * images, 0 * images))
        torch.testing.assert_close(other - zero, 2 * (one - zero))
        weight = network.head.weight.reshape(10, 3, 32, 32)
        torch.testing.assert_close(one, torch.einsum("bchw,kchw->bk", images, weight) + network.head.bias)
