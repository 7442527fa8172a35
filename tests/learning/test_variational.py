"""Variational networks: KL, noise and draws, each against what is computed in another way."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning import networks
from learning.variational import LAYERS, Layer, Mixture, Variational, mixed

NAMES = pytest.mark.parametrize("name", ["mlp_small", "plain_cnn"])


def made(name="plain_cnn", width=4, seed=0):
    """Return a variational network whose variances, prior and biases are not as they begin, in float64, and images."""
    network = networks.build(name, 1, 8, 3, seed, width)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, LAYERS):
                torch.nn.init.normal_(module.bias, 0, 0.1)
        found = Variational(network, -4.0).double()
        with torch.no_grad():
            for layer in found.layers.values():
                layer.log_prior += 0.7
                for value in layer.log_variance.values():
                    value += torch.randn_like(value) * 0.5
        return found, torch.randn(3, 1, 8, 8, dtype=torch.float64)


# KL


def test_kl_is_that_of_a_million_draws():
    torch.manual_seed(0)
    layer = Layer(torch.nn.Linear(2, 1).double(), -1.0)
    with torch.no_grad():
        layer.log_prior += 0.8
    q = [
        torch.distributions.Normal(w, (layer.log_variance[name] / 2).exp()) for name, w in layer.mean.named_parameters()
    ]
    prior = torch.distributions.Normal(0, (layer.log_prior / 2).exp())
    drawn = [x.sample((10**6,)) for x in q]
    found = sum((x.log_prob(w) - prior.log_prob(w)).flatten(1).sum(dim=1) for x, w in zip(q, drawn))
    assert float(layer.kl()) == pytest.approx(float(found.mean()), abs=5 * float(found.std()) / 1000)


def test_kl_is_that_of_torch_and_0_of_the_prior_itself():
    model, _ = made()
    for name, layer in model.layers.items():
        expected = 0
        for own, w in layer.mean.named_parameters():
            q = torch.distributions.Normal(w, (layer.log_variance[own] / 2).exp())
            prior = torch.distributions.Normal(torch.zeros_like(w), (layer.log_prior / 2).exp())
            expected += torch.distributions.kl_divergence(q, prior).sum()
        torch.testing.assert_close(model.kl()[name], expected)
    layer = next(iter(model.layers.values()))
    with torch.no_grad():
        for own, w in layer.mean.named_parameters():
            w.zero_()
            layer.log_variance[own].copy_(layer.log_prior)
    assert float(layer.kl()) == pytest.approx(0, abs=1e-12)


@NAMES
def test_gradient_of_kl(name):
    model, _ = made(name)
    values = [p.detach().clone().requires_grad_() for p in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def kl(*values):
        return sum(torch.func.functional_call(Kl(model), {f"model.{n}": v for n, v in zip(names, values)}, ()).values())

    assert torch.autograd.gradcheck(kl, values, fast_mode=True)


class Kl(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self):
        return self.model.kl()


def test_the_best_prior_is_where_the_slope_is_0():
    model, _ = made()
    for layer in model.layers.values():
        with torch.no_grad():
            layer.log_prior.copy_(layer.best_log_prior())
        layer.kl().backward()
        assert float(layer.log_prior.grad) == pytest.approx(0, abs=1e-10)
        assert all(float(layer.kl(layer.log_prior + x)) > float(layer.kl()) for x in (-0.01, 0.01))
        squares = sum(float((w**2 + layer.log_variance[n].exp()).sum()) for n, w in layer.mean.named_parameters())
        count = sum(w.numel() for w in layer.mean.parameters())
        assert math.exp(float(layer.log_prior)) == pytest.approx(squares / count)


# Noise and draws


@pytest.mark.parametrize(
    "mean, shape",
    [
        (torch.nn.Linear(5, 3), (2, 5)),
        (torch.nn.Conv2d(2, 3, 3, 2, padding=1), (2, 2, 6, 6)),
        (torch.nn.Conv2d(4, 4, 3, groups=2, bias=False), (1, 4, 4, 4)),
    ],
)
def test_noise_of_a_layer_has_the_mean_and_variance_of_explicit_draws_of_weights(mean, shape):
    torch.manual_seed(0)
    layer = Layer(mean.double(), -1.0)
    with torch.no_grad():
        for value in layer.log_variance.values():
            value += torch.randn_like(value)
    x, count = torch.randn(shape, dtype=torch.float64), 20_000
    explicit = []
    with torch.no_grad():
        for _ in range(count):
            named = layer.mean.named_parameters()
            state = {n: w + (layer.log_variance[n] / 2).exp() * torch.randn_like(w) for n, w in named}
            explicit.append(torch.func.functional_call(layer.mean, state, (x,)))
        layer.generator = torch.Generator().manual_seed(0)
        local = layer(x.repeat(count, *[1] * (len(shape) - 1))).unflatten(0, (count, shape[0]))
        layer.generator = None
        expected = torch.stack(explicit)
        deviation = expected.std(dim=0)
        for found in (expected, local):
            assert ((found.mean(dim=0) - layer(x)).abs() < 5 * deviation / math.sqrt(count)).all()
        torch.testing.assert_close(local.std(dim=0), deviation, rtol=5 * math.sqrt(1 / count), atol=0)


@NAMES
def test_noise_follows_from_the_key_alone_and_each_image_has_its_own(name):
    model, images = made(name)
    with torch.no_grad():
        one, again, other = (model(images, key) for key in (5, 5, 6))
        assert torch.equal(one, again) and not torch.equal(one, other)
        same = model(images[:1].expand(3, -1, -1, -1), 5)
        assert not torch.equal(same[0], same[1])
        before = torch.get_rng_state()
        model(images, 7), model.draw(3)
        assert torch.equal(torch.get_rng_state(), before)


@NAMES
def test_mean_network(name):
    model, images = made(name)
    network = networks.build(name, 1, 8, 3, 1, 4).double()
    network.load_state_dict(model.mean_network())
    with torch.no_grad():
        assert torch.equal(network(images), model(images))


def test_draws_have_the_mean_and_variance_of_q_and_follow_from_the_seed():
    model, _ = made("mlp_small")
    network, count = networks.build("mlp_small", 1, 8, 3, 1, 4).double(), 4000
    assert all(torch.equal(w, model.draw(3)[name]) for name, w in model.draw(3).items())
    network.load_state_dict(model.draw(3))
    drawn = [model.draw(seed) for seed in range(count)]
    for name, layer in model.layers.items():
        for own, w in layer.mean.named_parameters():
            found, deviation = torch.stack([x[f"{name}.{own}"] for x in drawn]), (layer.log_variance[own] / 2).exp()
            assert ((found.mean(dim=0) - w).abs() < 5 * deviation / math.sqrt(count)).all()
            torch.testing.assert_close(found.std(dim=0), deviation.detach(), rtol=5 / math.sqrt(2 * count), atol=0)


def test_mixtures_average_probabilities():
    model, images = made()
    network = networks.build("plain_cnn", 1, 8, 3, 1, 4).double()
    states = [model.draw(seed) for seed in range(3)]
    expected = 0
    with torch.no_grad():
        for state in states:
            single = copy.deepcopy(network)
            single.load_state_dict(state)
            expected = expected + single(images).softmax(dim=1) / 3
        found = Mixture(network, states)
        torch.testing.assert_close(found(images).exp().double(), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found(images).softmax(dim=1).double(), expected, rtol=1e-5, atol=1e-6)
        assert torch.equal(mixed(found.each(images)), found(images))


@NAMES
def test_every_weight_has_a_gradient(name):
    model, images = made(name)
    loss = F.cross_entropy(model(images, 0), torch.tensor([0, 1, 2])) + sum(model.kl().values())
    loss.backward()
    means, others = model.groups(10.0)
    assert others["factor"] == 10 and "factor" not in means
    assert len(means["params"]) + len(others["params"]) == len(list(model.parameters()))
    assert sum(p.numel() for p in means["params"]) == sum(
        p.numel() for p in networks.build(name, 1, 8, 3, 0, 4).parameters()
    )
    assert len(others["params"]) == len(means["params"]) + len(model.layers)
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_an_image_of_zeros_through_a_layer_without_bias_has_a_gradient():
    layer = Layer(torch.nn.Linear(3, 2, bias=False), -9.0)
    layer.generator = torch.Generator().manual_seed(0)
    layer(torch.zeros(1, 3)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize(
    "name, size, what",
    [("small_cnn", 8, "BatchNorm2d"), ("small_cct", 8, "small_cct has "), ("cifar_resnet20", 8, "BatchNorm2d")],
)
def test_networks_with_other_layers_are_refused(name, size, what):
    with pytest.raises(InputError, match=rf"{what}.*linear maps and convolutions alone; take plain_cnn, mlp_small or"):
        Variational(networks.build(name, 1, size, 3, 0))
    bare = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2, affine=False, track_running_stats=False))
    with pytest.raises(InputError, match=r"the network has BatchNorm1d \(1\)"):
        Variational(bare)
