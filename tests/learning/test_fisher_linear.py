"""The part of each layer in tr F, quickly: against gradients sample by sample."""

import pytest
import torch
from torch import nn

from info_geometry.files import InputError
from learning import fisher, networks
from learning.fisher import linear


class Tied(nn.Module):
    """A map that is met once, and whose weights come in again another way."""

    def __init__(self):
        super().__init__()
        self.map, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.map(x) + x @ self.map.weight)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.map, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.map(torch.tanh(self.map(x))))


def shared():
    network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    network[2].weight = network[0].weight
    return network


def frozen():
    network = networks.build("mlp", 1, 2, 3, 0, width=6)
    for w in list(network.parameters())[:3]:
        w.requires_grad_(False)
    return network


QUICK = {
    "mlp": lambda: networks.build("mlp", 1, 2, 3, 0, width=6),
    "without biases": lambda: nn.Sequential(nn.Linear(4, 5, bias=False), nn.Tanh(), nn.Linear(5, 3)),
    "at a temperature": lambda: fisher.at_temperature(networks.build("mlp_small", 1, 2, 3, 0, width=6), 3.0),
    "frozen": frozen,
    "a residual": lambda: Residual(),
}
SLOW = {"tied": Tied, "twice": Twice, "shared": shared, "cnn": lambda: networks.build("plain_cnn", 1, 2, 3, 0, width=2)}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.map, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        x = x.flatten(1)
        return self.head(x + torch.relu(self.map(x)))


def inputs_of(name, count=7):
    shape = (1, 2, 2) if name in ("mlp", "at a temperature", "frozen", "cnn") else (4,)
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_they_are_those_of_gradients_sample_by_sample(name, monkeypatch):
    monkeypatch.setattr(linear, "AT_ONCE", 3)
    torch.manual_seed(0)
    network, inputs = {**QUICK, **SLOW}[name]().double(), inputs_of(name)
    modes = [module.training for module in network.modules()]
    expected = fisher.trace(network, inputs, layers=list(fisher.layers(network)))
    calls = []
    monkeypatch.setattr(linear, "trace", lambda *a, **more: calls.append(1) or fisher.trace(*a, **more))
    found = fisher.traces(network, inputs)
    assert list(found) == list(fisher.layers(network)) and bool(calls) == (name in SLOW)
    for layer, x in expected.items():
        assert found[layer] == pytest.approx(x.value, rel=1e-9) and x.value > 0
    assert sum(found.values()) == pytest.approx(fisher.trace(network, inputs).value, rel=1e-9)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules()) or name == "at a temperature"


def test_it_is_an_average_over_inputs():
    network, inputs = QUICK["mlp"]().double(), inputs_of("mlp", 6)
    halves = [fisher.traces(network, x) for x in (inputs[:3], inputs[3:])]
    for layer, x in fisher.traces(network, inputs).items():
        assert x == pytest.approx((halves[0][layer] + halves[1][layer]) / 2, rel=1e-12)


@pytest.mark.parametrize(
    "network, inputs, message",
    [
        (QUICK["mlp"](), torch.zeros(0, 1, 2, 2), "there are no inputs"),
        (QUICK["mlp"](), torch.full((2, 1, 2, 2), torch.nan), "are not finite"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1)), torch.ones(2, 4), "expected logits, before the softmax"),
        (nn.ReLU(), torch.ones(2, 4), "no weights"),
    ],
)
def test_what_is_refused(network, inputs, message):
    with pytest.raises(InputError, match=message):
        fisher.traces(network, inputs)


def test_a_network_that_gradients_do_not_reach():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(4, 3)

        def forward(self, x):
            return self.map(x).detach()

    with pytest.raises(InputError, match="no gradient reaches the weights"):
        fisher.traces(Detached(), torch.ones(2, 4))
