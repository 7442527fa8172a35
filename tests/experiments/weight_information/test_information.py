"""What the weights of a network hold, against formulas computed slowly, image by image."""

import copy
import math

import pytest
import torch
from torch import nn

from experiments.weight_information import information, knowledge
from info_geometry.files import InputError

LAYERS = {"0": 0.3, "2": 1.7}  # lambda^2
N, BETA = 40, 0.25
KEYS = [
    *("entropy", "trace", "trace_error", "trace_held_out", "trace_at_entropy", "norm", "determinant"),
    *("determinant_wider", "determinant_narrower", "log_determinant", "noise", "bits"),
]


def small(scale=1.0):
    """Return a network of 5 inputs, 4 hidden units and 3 classes, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    with torch.no_grad():
        network[2].weight.mul_(scale)
    return network


def normal(count, seed):
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, OTHERS = normal(7, 1), normal(5, 2)
Y = torch.tensor([0, 1, 2, 0, 1, 2, 1])


def told(network, **changes):
    usual = {"samples": N, "variances": LAYERS, "beta": BETA, "determinant_of": 4}
    return information.told(network, X, Y, OTHERS, **{**usual, **changes})


def slopes(network, images, T=1.0):
    """Yield (p_c, gradient of log p_c by all weights), of each class of each image, at a temperature."""
    for x in images:
        logs = torch.log_softmax(network(x[None])[0] / T, dim=0)
        for log in logs:
            found = torch.autograd.grad(log, list(network.parameters()), retain_graph=True)
            yield log.exp().detach(), torch.cat([g.flatten() for g in found])


def fisher_of(network, images, T=1.0):
    """Return the whole matrix F."""
    return sum(p * torch.outer(g, g) for p, g in slopes(network, images, T)) / len(images)


def lambdas(factor=1.0):
    """Return lambda^2 of each weight: 5 * 4 + 4, and 4 * 3 + 3 of them."""
    return factor * torch.tensor([LAYERS["0"]] * 24 + [LAYERS["2"]] * 15, dtype=torch.float64)


def entropy_of(network, images, T=1.0):
    with torch.no_grad():
        P = torch.softmax(network(images) / T, dim=1)
    return float(-(P * P.log()).sum(dim=1).mean())


@pytest.fixture(scope="module")
def found():
    return told(small(3.0))


def test_what_is_said(found):
    assert list(found) == KEYS and all(type(x) is float and math.isfinite(x) for x in found.values())


def test_traces(found):
    network = small(3.0)
    each = torch.stack([sum(p * g.square().sum() for p, g in slopes(network, x[None])) for x in X])
    assert found["trace"] == pytest.approx(float(each.mean()), rel=1e-10)
    assert found["trace_error"] == pytest.approx(float(each.std() / math.sqrt(len(X))), rel=1e-10)
    held_out = sum(p * g.square().sum() for p, g in slopes(network, OTHERS)) / len(OTHERS)
    assert found["trace_held_out"] == pytest.approx(float(held_out), rel=1e-10)
    assert found["entropy"] == pytest.approx(entropy_of(network, X), rel=1e-10)


def test_norm_and_determinants(found):
    network = small(3.0)
    w = torch.cat([p.detach().flatten() for p in network.parameters()])
    assert found["norm"] == pytest.approx(float((w.square() / lambdas()).sum() / 2), rel=1e-10)
    diagonal = fisher_of(network, X).diagonal()
    for name, factor in (("", 1), ("_wider", 10), ("_narrower", 0.1)):
        expected = (1 + lambdas(factor) * N * diagonal / BETA).log().sum() / 2
        assert found[f"determinant{name}"] == pytest.approx(float(expected), rel=1e-10)
    scale = (lambdas() * N / BETA).sqrt()
    F = fisher_of(network, X[:4])  # `determinant_of`
    expected = torch.logdet(torch.eye(len(F), dtype=torch.float64) + scale[:, None] * F * scale) / 2
    assert found["log_determinant"] == pytest.approx(float(expected), rel=1e-9)
    assert told(network, determinant_of=99)["log_determinant"] == told(network, determinant_of=7)["log_determinant"]


@pytest.mark.parametrize("scale", [0.5, 3.0, 8.0])  # warmer, colder
def test_the_trace_at_one_temperature(scale):
    network = small(scale)
    low, high = 1e-3, 1e3
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if entropy_of(network, X, middle) > 0.5 else (middle, high)
    assert entropy_of(network, X, low) == pytest.approx(0.5)
    expected = float(fisher_of(network, X, low).trace())
    assert told(network)["trace_at_entropy"] == pytest.approx(expected, rel=1e-8)


def test_noise(found):
    """With the same draws, it raises the cross entropy by 0.1 nats, and a little less does not."""
    network, generator = small(3.0), torch.Generator().manual_seed(0)
    draws = [[torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in network.parameters()] for _ in range(5)]

    def rise(sigma):
        losses = []
        for noise in draws:
            other = copy.deepcopy(network)
            with torch.no_grad():
                for w, eps in zip(other.parameters(), noise):
                    w += sigma * eps
            losses.append(knowledge.of_network(other, X, Y)["cross_entropy"])
        return sum(losses) / len(losses) - knowledge.of_network(network, X, Y)["cross_entropy"]

    assert rise(0.999 * found["noise"]) < 0.1 < rise(1.001 * found["noise"])
    assert max(rise(part * found["noise"]) for part in (0.1, 0.3, 0.5, 0.7)) < 0.1
    mean = float(lambdas().mean())  # over weights, of lambda^2
    assert found["bits"] == pytest.approx(math.log2(math.sqrt(mean) / found["noise"]))


def test_the_cross_entropy_and_accuracy_of_a_network():
    network = small(3.0).float()
    found = knowledge.of_network(network, X.float(), Y)
    logits = network(X.float()).tolist()
    direct = [math.log(sum(math.exp(z) for z in row)) - row[y] for row, y in zip(logits, Y.tolist())]
    assert found["cross_entropy"] == pytest.approx(sum(direct) / len(direct), rel=1e-6)
    assert found["training_accuracy"] == sum(row.index(max(row)) == y for row, y in zip(logits, Y.tolist())) / len(Y)
    sure = nn.Linear(5, 3)
    with torch.no_grad():
        sure.weight.mul_(1e4)
    assert 10 < knowledge.of_network(sure, X.float(), Y)["cross_entropy"] < math.inf  # where a probability is 0


def collapsed(what):
    """Return a network that predicts the same of all images."""
    network = small()
    with torch.no_grad():
        if what == "head":
            network[2].weight.zero_()
            network[2].bias.zero_()
        if what == "hidden":
            network[0].weight.zero_()
            network[0].bias.zero_()
        if what == "all":
            for w in network.parameters():
                w.zero_()
    return network


@pytest.mark.parametrize("what", ["head", "all"])
def test_a_network_that_has_collapsed(what):
    found = told(collapsed(what))
    assert math.isnan(found.pop("trace_at_entropy"))
    assert all(map(math.isfinite, found.values()))
    assert found["entropy"] == pytest.approx(math.log(3)) and found["trace"] > 0 and found["norm"] >= 0
    # of the biases of the head, sum_c p_c |e_c - p|^2
    assert what != "all" or found["trace"] == pytest.approx(2 / 3)


def test_a_network_with_the_same_logits_for_all_images():
    found = told(collapsed("hidden"))  # other logits for each class: there is a temperature
    assert all(map(math.isfinite, found.values()))
    assert found["entropy"] < math.log(3) and found["trace_at_entropy"] > 0


def test_almost_collapsed_networks():
    network = collapsed("head")
    with torch.no_grad():
        network[2].weight.add_(1e-5 * torch.arange(12.0).view(3, 4))
    found = told(network)
    assert all(map(math.isfinite, found.values())) and found["trace_at_entropy"] > 1e6 * found["trace"]


def test_a_sure_network():
    network = small()
    with torch.no_grad():
        network[2].weight.mul_(1e3)
    found = told(network)
    assert all(map(math.isfinite, found.values()))
    assert found["trace"] < 1e-2 * found["trace_at_entropy"]


def test_the_network_is_as_it_was():
    network = small().train()
    before = copy.deepcopy(network.state_dict())
    told(network)
    assert all(torch.equal(w, before[name]) for name, w in network.state_dict().items())
    assert all(module.training for module in network.modules()) and all(w.grad is None for w in network.parameters())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"samples": 0}, "number of samples is 0; expected a positive number"),
        ({"beta": 0.0}, "beta is 0.0; expected a positive number"),
        ({"variances": {"0": 0.3}}, "there is none for 2.weight, 2.bias"),
        ({"variances": {"0": 0.3, "2": 0.0}}, "prior variance is 0.0; expected a positive number"),
        ({"determinant_of": 0}, "there are no inputs"),
    ],
)
def test_numbers_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        told(small(), **changes)
