"""The compact convolutional transformer: against a forward pass written out, and as large as the paper says."""

import pytest
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning import networks


def test_it_has_as_many_parameters_as_published():
    """Hassani et al. 2021, table 2: CCT-2/3x2 has 0.28 million; counted here by hand."""
    network = networks.build("small_cct", 3, 32, 10, 0)
    tokenizer = 3 * 64 * 9 + 64 + 64 * 128 * 9 + 128 + 64 * 128  # and 64 positions
    block = 4 * (128 * 128 + 128) + 2 * (128 * 128 + 128) + 4 * 128  # attention, MLP, norm layers
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == tokenizer + 2 * block + 2 * 128 + 129 + 1290 and abs(count - 0.28e6) < 0.01e6


@pytest.mark.parametrize("size, tokens", [(8, 16), (14, 49), (16, 16), (28, 49), (32, 64)])
def test_number_of_tokens(size, tokens):
    network, found = networks.build("small_cct", 1, size, 10, 0, 8), []
    network.body.norm.register_forward_hook(lambda module, given, out: found.append(tuple(out.shape)))
    network(torch.randn(3, 1, size, size))
    assert found == [(3, tokens, 8)]


def normalised(x, norm):
    mean, var = x.mean(dim=-1, keepdim=True), x.var(dim=-1, unbiased=False, keepdim=True)
    return (x - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias


def attended(x, attention, heads=2):
    """softmax(q k^T / sqrt d) v of each head, side by side, through the last linear map."""
    found = []
    for part in range(heads):
        d = x.shape[-1] // heads
        rows = [slice(k * x.shape[-1] + part * d, k * x.shape[-1] + (part + 1) * d) for k in range(3)]
        q, k, v = (x @ attention.in_proj_weight[each].T + attention.in_proj_bias[each] for each in rows)
        found.append((q @ k.transpose(1, 2) / d**0.5).softmax(dim=-1) @ v)
    return torch.cat(found, dim=-1) @ attention.out_proj.weight.T + attention.out_proj.bias


@pytest.mark.parametrize("size", [8, 16])
def test_forward_pass_written_out(size):
    torch.manual_seed(0)
    network = networks.build("small_cct", 2, size, 5, 0, 8).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    body, images = network.body, torch.randn(3, 2, size, size, dtype=torch.float64)
    x = F.conv2d(images, body.conv1.weight, body.conv1.bias, padding=1).clamp(min=0)
    if size >= 16:
        x = F.max_pool2d(x, 3, 2, padding=1)
    x = F.conv2d(x, body.conv2.weight, body.conv2.bias, padding=1).clamp(min=0)
    x = F.max_pool2d(x, 3, 2, padding=1).flatten(2).transpose(1, 2) + body.positions
    for block in body.blocks:
        x = x + attended(normalised(x, block.norm1), block.attention)
        hidden = normalised(x, block.norm2) @ block.mlp[0].weight.T + block.mlp[0].bias
        hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        x = x + hidden @ block.mlp[2].weight.T + block.mlp[2].bias
    x = normalised(x, body.norm)
    share = (x @ body.importance.weight.T + body.importance.bias).softmax(dim=1)
    logits = (share * x).sum(dim=1) @ network.head.weight.T + network.head.bias
    with torch.inference_mode():
        assert torch.allclose(network(images), logits, atol=1e-10)


def test_what_it_refuses():
    with pytest.raises(InputError, match="width is 7; small_cct wants a multiple of 2, its heads"):
        networks.build("small_cct", 1, 8, 10, 0, 7)
    network = networks.build("small_cct", 1, 8, 10, 0, 8)
    with pytest.raises(InputError, match=r"built for images of 8 pixels, not of 16: .*; leave out resolutions"):
        network(torch.randn(1, 1, 16, 16))
