"""The network of CIFAR-10 takes a step of every method."""

import math

import pytest
import torch

from experiments.contrastive import objectives
from experiments.meta_learning import prototypical
from experiments.semi_supervised import fixmatch
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
