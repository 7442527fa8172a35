"""Perceptrons of given widths: as large as published, a forward pass written out, and widths that are none."""

import itertools

import pytest
import torch

from info_geometry.files import InputError
from learning import networks

PUBLISHED = "1024-512-256-128"


def test_it_has_as_many_parameters_as_published():
    """Mao et al. 2024: 3072-1024-512-256-128-10, whose norm layers have no weights."""
    network = networks.build("fc", 3, 32, 10, 0, widths=PUBLISHED)
    widths = [3072, 1024, 512, 256, 128, 10]
    expected = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    assert sum(parameter.numel() for parameter in network.parameters()) == expected == 3_837_066


@pytest.mark.parametrize("widths", ["5", "7-3", "4-4-4"])
def test_forward_pass_written_out(widths):
    network = networks.build("fc", 3, 4, 6, 0, widths=widths).double().eval()
    linears = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert [x.out_features for x in linears] == [*map(int, widths.split("-")), 6] and len(norms) == len(linears) - 1
    for norm in norms:
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 1, 2)
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    x = images.reshape(5, 48)
    for linear, norm in zip(linears, norms):
        x = x @ linear.weight.T + linear.bias
        x = ((x - norm.running_mean) / (norm.running_var + norm.eps).sqrt()).clamp(min=0)
    with torch.inference_mode():
        torch.testing.assert_close(network.body(images), x)
        torch.testing.assert_close(network(images), x @ linears[-1].weight.T + linears[-1].bias)


@pytest.mark.parametrize("widths", ["0", "256-", "256,128", "a", "256--128", "-3", "1.5"])
def test_widths_that_are_none(widths):
    with pytest.raises(InputError, match=r"widths is '.*'; fc wants those of its hidden layers, such as 256-128"):
        networks.build("fc", 1, 8, 10, 0, widths=widths)
