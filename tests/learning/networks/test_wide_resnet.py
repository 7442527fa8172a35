"""Wide residual networks: that of CIFAR-10 takes a step of every method; others are as large as published."""

import math

import pytest
import torch
import torch.nn.functional as F

from experiments.contrastive import objectives
from experiments.meta_learning import prototypical
from experiments.semi_supervised import fixmatch
from info_geometry.files import InputError
from learning import networks, supervise
from learning.config import Config

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def steps(precision):
    """Return for each method the outputs of its head and a function that takes a step with 8 images."""
    common = {"dataset": "cifar10", "network": "wrn_16_4", "epochs": 2, "learning_rate": 0.1, "precision": precision}
    plain = Config(**common, batch_size=8)
    meta = prototypical.MetaConfig(**common, ways=2, shots=1, queries=3)
    fixed = fixmatch.FixMatchConfig(**common, batch_size=2, unlabelled_ratio=1, threshold=0.1)
    found = {
        "supervised": (10, lambda model, sgd, x, y: supervise.update(model, sgd, iter([(x, y)]), 8, plain)),
        "prototypical": (0, lambda model, sgd, x, y: prototypical.update(model, sgd, x, meta)),
        "fixmatch": (10, lambda model, sgd, x, y: fixmatch.update(model, sgd, x, y[:2], fixed)),
    }
    for objective in ("simclr", "barlow"):
        config = objectives.ContrastiveConfig(**common, batch_size=8, objective=objective)
        found[objective] = (0, lambda model, sgd, x, y, config=config: objectives.update(model, sgd, x, 3, config))
    return found


@pytest.mark.parametrize("device, precision", [("cpu", "float32"), pytest.param("cuda", "bfloat16", marks=GPU)])
@pytest.mark.parametrize("method", ["supervised", "prototypical", "fixmatch", "simclr", "barlow"])
def test_every_method_takes_a_step(method, device, precision):
    outputs, step = steps(precision)[method]
    network = networks.on(torch.device(device), networks.build("wrn_16_4", 3, 32, outputs, seed=0))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    pixels = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    loss, right, images = step(network, optimiser, pixels, torch.arange(8, device=device)).tolist()
    assert math.isfinite(loss) and loss > 0 and 0 <= right <= images and images > 0
    moved = [not torch.equal(*pair) and pair[1].isfinite().all() for pair in zip(before, network.parameters())]
    assert all(moved)


@pytest.mark.parametrize("depth, width, count", [(10, 8, 300_226), (16, 64, 43_890_122)])
def test_it_has_as_many_parameters_as_published(depth, width, count):
    """Mao et al. 2024: depth 10 and width 8, depth 16 and width 64, four times as wide; counted here by hand."""
    network = networks.build("wide_resnet", 3, 32, 10, 0, width, depth=depth)
    by_hand, before = 3 * width * 9, width
    for after in (4 * width, 8 * width, 16 * width):
        blocks = (depth - 4) // 6
        by_hand += 9 * before * after + (2 * blocks - 1) * 9 * after**2 + before * after + after  # norms have none
        before = after
    assert sum(p.numel() for p in network.parameters()) == by_hand + 10 * before + 10 == count


def test_forward_pass_written_out():
    network = networks.build("wide_resnet", 2, 12, 5, 0, 1, depth=16).double().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 1, 2)

    def active(x, norm):
        assert norm.weight is None and norm.bias is None
        return ((x - norm.running_mean[:, None, None]) / (norm.running_var + norm.eps).sqrt()[:, None, None]).clamp(
            min=0
        )

    images = torch.randn(3, 2, 12, 12, dtype=torch.float64)
    first, *blocks = network.body[:7]
    x = F.conv2d(images, first.weight, padding=1)
    for number, block in enumerate(blocks):
        stride = 2 if number in (2, 4) else 1
        inner = active(F.conv2d(active(x, block.norm1), block.conv1.weight, padding=1), block.norm2)
        if number in (0, 2, 4):
            x = F.conv2d(x, block.projection.weight, block.projection.bias, stride)
        x = x + F.conv2d(inner, block.conv2.weight, stride=stride, padding=1)
    with torch.inference_mode():
        torch.testing.assert_close(network.body(images), active(x, network.body[7]).mean(dim=(2, 3)))


@pytest.mark.parametrize("depth", [4, 9, 12, 17])
def test_depths_that_there_are_not(depth):
    with pytest.raises(InputError, match=f"depth is {depth}; wide_resnet wants 10, 16, 22, ...: 6 n"):
        networks.build("wide_resnet", 1, 8, 10, 0, depth=depth)
