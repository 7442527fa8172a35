"""The all-convolutional network with batch norm: as large as published, and a forward pass written out."""

import pytest
import torch
import torch.nn.functional as F

from learning import networks


def test_it_has_as_many_parameters_as_published():
    """Mao et al. 2024: 96, 96, 144, 144 channels and 1 x 1 to 10; but for the batch norm of the scores, 20 weights."""
    expected = 0
    for before, after, side in ((3, 96, 3), (96, 96, 3), (96, 144, 3), (144, 144, 3), (144, 10, 1)):
        expected += before * after * side**2 + after + (2 * after if side == 3 else 0)
    found = networks.build("all_cnn_norm", 3, 32, 10, 0)
    assert sum(p.numel() for p in found.parameters()) == expected


@pytest.mark.parametrize("channels, size, width", [(1, 28, 8), (3, 32, 6)])
def test_a_forward_pass_written_out(channels, size, width):
    network = networks.build("all_cnn_norm", channels, size, 7, 0, width=width).eval()
    x = torch.randn(2, channels, size, size)
    found, weights = network(x), list(network.body.parameters())
    for k, stride in enumerate((1, 2, 1, 2)):
        kernel, bias, scale, shift = weights[4 * k : 4 * k + 4]
        x = F.relu(F.conv2d(x, kernel, bias, stride, 1)) / (1 + 1e-5) ** 0.5
        x = x * scale[:, None, None] + shift[:, None, None]
    assert x.shape[1] == 3 * width // 2
    x = x.mean(dim=(2, 3)) @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)
