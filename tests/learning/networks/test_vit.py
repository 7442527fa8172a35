"""The vision transformer: as large as published, a forward pass written out, and what does not fit."""

import dataclasses

import pytest
import torch

from info_geometry.files import InputError
from learning import data, networks
from learning.config import Config


def test_it_has_as_many_parameters_as_published():
    """Mao et al. 2024: patch 4, width 512, depth 6, 8 heads, hidden layers of 512; counted here by hand."""
    network = networks.build("vit", 3, 32, 10, 0, 512, depth=6, patch=4, heads=8)
    block = 512 * 3 * 512 + (512 * 512 + 512) + 2 * (512 * 512 + 512) + 2 * 1024  # attention, MLP, norm layers
    by_hand = (48 * 512 + 512) + 65 * 512 + 512 + 6 * block + 1024 + 5130
    assert sum(parameter.numel() for parameter in network.parameters()) == by_hand == 9_523_722


def normalised(x, norm):
    mean, var = x.mean(dim=-1, keepdim=True), x.var(dim=-1, unbiased=False, keepdim=True)
    return (x - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias


def attended(x, block, heads):
    """softmax(q k^T / sqrt d) v of each head, side by side, through the last linear map."""
    width = x.shape[-1]
    d, found = width // heads, []
    for part in range(heads):
        rows = [slice(k * width + part * d, k * width + (part + 1) * d) for k in range(3)]
        q, k, v = (x @ block.queries_keys_values.weight[each].T for each in rows)
        found.append((q @ k.transpose(1, 2) / d**0.5).softmax(dim=-1) @ v)
    return torch.cat(found, dim=-1) @ block.out.weight.T + block.out.bias


@pytest.mark.parametrize("heads, patch", [(1, 4), (2, 4), (3, 2)])
def test_forward_pass_written_out(heads, patch):
    torch.manual_seed(0)
    network = networks.build("vit", 2, 8, 5, 0, 6, depth=2, patch=patch, heads=heads).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    body, images, side = network.body, torch.randn(3, 2, 8, 8, dtype=torch.float64), 8 // patch
    patches = images.reshape(3, 2, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5).reshape(3, side**2, -1)
    x = patches @ body.embed.weight.reshape(6, -1).T + body.embed.bias
    x = torch.cat([body.token.repeat(3, 1, 1), x], dim=1) + body.positions
    for block in body.blocks:
        x = x + attended(normalised(x, block.norm1), block, heads)
        hidden = normalised(x, block.norm2) @ block.mlp[0].weight.T + block.mlp[0].bias
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        x = x + hidden @ block.mlp[2].weight.T + block.mlp[2].bias
    features = normalised(x[:, 0], body.norm)
    with torch.inference_mode():
        torch.testing.assert_close(network.body(images), features)
        torch.testing.assert_close(network(images), features @ network.head.weight.T + network.head.bias)


def test_what_it_refuses():
    with pytest.raises(InputError, match="width is 6; vit wants a multiple of 4, its heads"):
        networks.build("vit", 1, 8, 10, 0, 6)
    with pytest.raises(InputError, match="patch is 5; vit wants a divisor of 8, the side of images"):
        networks.build("vit", 1, 8, 10, 0, patch=5)
    usual, images = Config("digits", "vit", 2, 8, 0.1), data.load("digits", "train", "")
    with pytest.raises(InputError, match="vit has weights for each patch, but images are of 16 pixels in training"):
        networks.of_config(dataclasses.replace(usual, resolution=16), images, 10, 0)
    sixteen = dataclasses.replace(usual, resolution=16, evaluation_resolution=16)
    assert networks.of_config(sixteen, images, 10, 0).body.positions.shape == (1, 17, 64)
