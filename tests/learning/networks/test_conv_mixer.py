"""ConvMixer: as large as published, a forward pass written out, and patches that do not fill an image."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError
from learning import networks


def test_it_has_as_many_parameters_as_published():
    """Mao et al. 2024: width 256, depth 8, kernel 5, patch 2; counted here by hand."""
    network = networks.build("conv_mixer", 3, 32, 10, 0, 256, depth=8, patch=2)
    mixer = (25 * 256 + 256) + 2 * 256 + (256 * 256 + 256) + 2 * 256
    by_hand = (3 * 4 * 256 + 256) + 2 * 256 + 8 * mixer + 2570
    assert sum(parameter.numel() for parameter in network.parameters()) == by_hand == 594_186


def normed(x, norm):
    x = x * (1 + torch.erf(x / 2**0.5)) / 2  # GELU
    mean, var, weight, bias = (v[:, None, None] for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    return (x - mean) / (var + norm.eps).sqrt() * weight + bias


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_forward_pass_written_out(patch):
    torch.manual_seed(0)
    network = networks.build("conv_mixer", 2, 8, 5, 0, 6, depth=2, patch=patch).double().eval()
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.2, 1)
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    images = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    side = 8 // patch
    cut = images.reshape(3, 2, side, patch, side, patch)
    x = torch.einsum("bchpwq,kcpq->bkhw", cut, convs[0].weight) + convs[0].bias[:, None, None]
    x = normed(x, norms[0])
    for layer in (0, 1):
        apart, across = convs[1 + 2 * layer : 3 + 2 * layer]
        padded = F.pad(x, [2] * 4).unfold(2, 5, 1).unfold(3, 5, 1)
        mixed = torch.einsum("bkhwpq,kpq->bkhw", padded, apart.weight[:, 0]) + apart.bias[:, None, None]
        x = x + normed(mixed, norms[1 + 2 * layer])
        mixed = torch.einsum("bkhw,lk->blhw", x, across.weight[:, :, 0, 0]) + across.bias[:, None, None]
        x = normed(mixed, norms[2 + 2 * layer])
    with torch.inference_mode():
        torch.testing.assert_close(network.body(images), x.mean(dim=(2, 3)))


def test_what_it_refuses():
    with pytest.raises(InputError, match="patch is 3; conv_mixer wants a divisor of 8, the side of images"):
        networks.build("conv_mixer", 1, 8, 10, 0, patch=3)
