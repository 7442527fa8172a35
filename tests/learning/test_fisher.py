"""Fisher information: every estimator against the matrix itself, computed slowly, and against curvlinops."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from info_geometry.distance import bhattacharyya
from learning import fisher, networks
from learning.fisher import noise


def mlp():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def cnn():
    """Return a CNN with batch norms whose statistics, weights and biases are none of the usual ones, in training."""
    network = networks.build("small_cnn", 1, 8, 3, 0, width=2).double()
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) / 5)
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
            nn.init.normal_(module.weight, 1, 0.2, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)
    return network.train()


NETWORKS = {"mlp": (mlp, (5,)), "cnn": (cnn, (1, 8, 8))}


@pytest.fixture(params=NETWORKS)
def case(request):
    """Return a network, inputs, and its Fisher matrix by the book: one gradient of one log-probability at a time."""
    make, shape = NETWORKS[request.param]
    network, inputs = make(), normal(9, *shape)
    return network, inputs, dense(network, inputs)


def normal(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(network, inputs):
    network = copy.deepcopy(network).eval()
    weights = list(network.parameters())
    F = torch.zeros(sum(w.numel() for w in weights), sum(w.numel() for w in weights), dtype=torch.float64)
    for x in inputs:
        for c in range(network(x[None]).shape[1]):
            log_p = torch.log_softmax(network(x[None]), dim=1)[0, c]
            g = torch.cat([g.flatten() for g in torch.autograd.grad(log_p, weights)])
            F += log_p.exp().detach() * torch.outer(g, g) / len(inputs)
    return F


def flat(diagonal):
    return torch.cat([x.flatten() for x in diagonal.values()])


def positions(network, names):
    """Return which rows of the Fisher matrix belong to some parameters."""
    return torch.cat([torch.full((w.numel(),), name in names) for name, w in network.named_parameters()])


def probabilities(network, inputs):
    return torch.softmax(network.eval()(inputs), dim=1).detach()


def same(found, expected, tolerance=1e-12):
    assert abs(found - expected) <= tolerance * abs(expected)


def test_diagonal_and_trace_are_those_of_the_matrix(case):
    network, inputs, F = case
    modes = [module.training for module in network.modules()]
    diagonal, trace = fisher.diagonal(network, inputs), fisher.trace(network, inputs)
    assert {name: x.shape for name, x in diagonal.items()} == {n: w.shape for n, w in network.named_parameters()}
    torch.testing.assert_close(flat(diagonal), F.diagonal(), rtol=1e-10, atol=1e-14)
    same(trace.value, F.trace().item())
    each = torch.stack([dense(network, x[None]).trace() for x in inputs])
    same(trace.error, (each.std() / 3).item(), 1e-9)
    assert [module.training for module in network.modules()] == modes
    assert all(w.grad is None for w in network.parameters())


def test_blocks_and_order_of_inputs_do_not_matter(case):
    network, inputs, F = case
    order = torch.tensor([3, 1, 8, 0, 2, 7, 6, 4, 5])
    for x, block in ((inputs, 1), (inputs, 4), (inputs[order], 9), (inputs[order], None)):
        torch.testing.assert_close(flat(fisher.diagonal(network, x, block=block)), F.diagonal(), rtol=1e-10, atol=1e-14)
        same(fisher.trace(network, x, block=block).value, F.trace().item())
        same(fisher.log_determinant(network, x, 3.0, block=block), torch.logdet(torch.eye(len(F)) + 3 * F).item(), 1e-9)
    for how in ("sampled", "batch"):
        found = [fisher.trace(network, inputs, how, draws=2, block=b, batch=4) for b in (2, None)]
        same(found[0].value, found[1].value)


def test_layers_and_filters_are_sums_of_the_diagonal(case):
    network, inputs, F = case
    diagonal, layers = fisher.diagonal(network, inputs), fisher.layers(network)
    assert [name for names in layers.values() for name in names] == list(diagonal)
    traces = fisher.trace(network, inputs, layers=list(layers))
    for layer, value in fisher.per_layer(diagonal).items():
        rows = positions(network, layers[layer])
        same(value, F.diagonal()[rows].sum().item())
        same(traces[layer].value, value)
    same(sum(x.value for x in traces.values()), F.trace().item())
    for name, sums in fisher.per_filter(diagonal).items():
        names = [f"{name}[{i}]" for i in range(len(sums))]
        assert sums.shape == (diagonal[name].shape[0],) and diagonal[name].ndim > 1
        for how in ("exact", "sampled", "batch"):
            found = fisher.trace(network, inputs, how, layers=[*names, name])
            same(sum(found[x].value for x in names), found[name].value)
        found = fisher.trace(network, inputs, layers=names)
        torch.testing.assert_close(sums, torch.tensor([x.value for x in found.values()], dtype=torch.float64))
    first = next(iter(layers))
    some = fisher.diagonal(network, inputs, layers=[first])
    assert list(some) == layers[first]
    torch.testing.assert_close(flat(some), flat({name: diagonal[name] for name in some}))


def test_sampled_estimates_are_unbiased(case):
    network, inputs, F = case
    for how, draws in (("sampled", 50), ("batch", 100)):
        found = [fisher.trace(network, inputs, how, draws=draws, batch=4, seed=seed).value for seed in range(4)]
        error = torch.tensor(found).std().item() / 2
        assert abs(sum(found) / 4 - F.trace().item()) < 4 * error and error < 0.2 * F.trace().item()
    means, errors = fisher.sampled_diagonal(network, inputs, draws=200)
    far = (flat(means) - F.diagonal()).abs() / flat(errors).clamp(min=1e-12)
    assert far.max() < 4 and {n: x.shape for n, x in errors.items()} == {n: x.shape for n, x in means.items()}
    same(flat(means).sum().item(), fisher.trace(network, inputs, "sampled", draws=200).value)


def test_errors_are_those_of_repetition():
    """With inputs drawn anew each time, estimates scatter by the errors they state."""
    network = mlp()
    for how in ("exact", "sampled", "batch"):
        found = [fisher.trace(network, normal(60, 5, seed=seed), how, batch=5, seed=seed) for seed in range(60)]
        scatter = torch.tensor([x.value for x in found]).std().item()
        stated = torch.tensor([x.error for x in found]).square().mean().sqrt().item()
        assert 0.75 < stated / scatter < 1.33  # 4 standard errors of a standard deviation of 60 are 37 %
    found = [fisher.sampled_diagonal(network, normal(60, 5, seed=seed), seed=seed) for seed in range(60)]
    scatter = torch.stack([flat(x) for x, _ in found]).std(dim=0)
    stated = torch.stack([flat(x) for _, x in found]).square().mean(dim=0).sqrt()
    assert 0.8 < (stated / scatter).mean() < 1.2
    assert math.isnan(fisher.trace(network, normal(1, 5)).error)


def test_labels_are_drawn_from_the_model_and_the_seed():
    network, inputs = mlp(), normal(9, 5)
    for how in ("sampled", "batch"):
        one, same_seed, other = (fisher.trace(network, inputs, how, seed=seed).value for seed in (1, 1, 2))
        assert one == same_seed != other
    state = torch.random.get_rng_state()
    fisher.from_predictions(network, inputs, 0.01)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_distance_is_the_metric_to_second_order(case):
    """d_B(P_w, P_{w + dw}) = dw' F dw / 8 + O(|dw|^3), and with the mean of dw and -dw, + O(|dw|^4).

    Where no unit of a ReLU goes on or off, that is for small dw.
    """
    network, inputs, F = case
    P, direction = probabilities(network, inputs), normal(len(F), seed=2)
    metric = (direction @ F @ direction / 8).item()

    def gap(size):
        other, start = copy.deepcopy(network), 0
        with torch.no_grad():
            for w in other.parameters():
                w += size * direction[start : start + w.numel()].reshape(w.shape)
                start += w.numel()
        return bhattacharyya(P.numpy(), probabilities(other, inputs).numpy()) / size**2 / metric - 1

    sizes = (2.4e-4, 1.2e-4, 6e-5)
    gaps, both = [gap(size) for size in sizes], [(gap(size) + gap(-size)) / 2 for size in sizes]
    assert abs(gaps[-1]) < 2e-4 and all(1.99 < a / b < 2.01 for a, b in itertools.pairwise(gaps))
    assert all(abs(x) < 1e-6 for x in both)


def test_predictions_alone_give_the_trace(case):
    network, inputs, F = case
    found = fisher.from_predictions(network, inputs, 1e-4, draws=300)
    assert abs(found.value - F.trace().item()) < 4 * found.error < 0.5 * F.trace().item()
    layers = list(fisher.layers(network))
    last = f"{layers[-1]}.weight[1]"
    expected = fisher.trace(network, inputs, layers=[*layers, last])
    for name, x in fisher.from_predictions(network, inputs, 1e-4, draws=100, layers=[*layers, last]).items():
        assert abs(x.value - expected[name].value) < 4 * x.error


def test_predictions_may_come_about_in_other_ways():
    network, inputs = mlp(), normal(9, 5)
    usual = fisher.from_predictions(network, inputs, 1e-3)
    by_hand = fisher.from_predictions(network, inputs, 1e-3, predict=lambda n, x: torch.softmax(n(x), dim=1))
    same(by_hand.value, usual.value, 1e-9)
    torch.manual_seed(0)
    body = networks.build("small_cnn", 1, 8, 0, 0, width=2)  # features; softmax of minus distances to two of them
    found = fisher.from_predictions(
        body,
        torch.randn(6, 1, 8, 8),
        1e-3,
        predict=lambda n, x: torch.softmax(-torch.cdist(n(x), torch.eye(8)[:3]), dim=1),
        layers=["body.0"],
    )
    assert found["body.0"].value > 0


@pytest.mark.parametrize("distance", ["near", "far"])
def test_distances_within_are_those_of_info_geometry(distance):
    P, Q = (torch.softmax((1e-2 if distance == "near" else 5) * normal(8, 4, seed=s), dim=1) for s in (1, 2))
    assert noise._bhattacharyya(P, Q).item() == pytest.approx(bhattacharyya(P.numpy(), Q.numpy()), rel=1e-8)


def test_determinant_by_rows_is_that_of_the_matrix(case, monkeypatch):
    network, inputs, F = case
    layers = fisher.layers(network)
    scales = {layer: 10.0**i for i, layer in enumerate(layers)}
    sizes = [w.numel() for w in network.parameters()]
    by_name = [scales[layer] for layer, names in layers.items() for _ in names]
    A = torch.cat([torch.full((n,), a, dtype=torch.float64) for n, a in zip(sizes, by_name)])
    expected = torch.linalg.slogdet(torch.eye(len(F)) + A[:, None] * F).logabsdet.item()
    same(fisher.log_determinant(network, inputs, scales), expected, 1e-10)
    sampled = fisher.log_determinant(network, inputs, scales, "sampled", draws=100)
    assert abs(sampled / expected - 1) < 0.05
    same(fisher.log_determinant(network, inputs, 1e-9), 1e-9 * F.trace().item(), 1e-5)  # tr F to first order
    monkeypatch.setattr("learning.fisher.gradients.HELD", 27 * 7)  # pieces of 7 weights, which cut through parameters
    monkeypatch.setattr("learning.fisher.gradients.COLUMNS", 3)
    same(fisher.log_determinant(network, inputs, scales), expected, 1e-10)


def test_information_is_the_least_price_of_a_posterior():
    """The formula is min over Sigma of beta KL(N(w, Sigma) || N(0, lambda^2)) + 1/2 tr(N F Sigma), as descent finds."""
    network, inputs, N, beta = mlp(), normal(9, 5), 50, 0.7
    F, w = dense(network, inputs), torch.cat([w.detach().flatten() for w in network.parameters()])
    diagonal, variances = fisher.diagonal(network, inputs), {"0": 0.3, "2": 0.1}
    lambda2 = torch.cat([torch.full((24,), 0.3), torch.full((15,), 0.1)]).double()
    found = fisher.information(network, diagonal, N, variances, beta)

    def least(parameters, covariance):
        optimiser = torch.optim.LBFGS([parameters], 1, 500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def price():
            optimiser.zero_grad()
            L = covariance()
            S = L @ L.T
            KL = ((w**2 + S.diagonal()) / lambda2 - 1 + lambda2.log()).sum() / 2 - L.diagonal().log().sum()
            value = beta * KL + N * (F * S).sum() / 2
            value.backward()
            return value

        optimiser.step(price)
        return price().item()

    logs = torch.zeros(len(w), dtype=torch.float64, requires_grad=True)
    same(least(logs, lambda: torch.diag(logs.exp())), beta * found.total, 1e-8)
    scale = {layer: x * N / beta for layer, x in variances.items()}
    full = beta * (found.norm + fisher.log_determinant(network, inputs, scale) / 2)
    triangle = torch.diag(logs.detach()).requires_grad_()
    same(least(triangle, lambda: triangle.tril(-1) + torch.diag(triangle.diagonal().exp())), full, 1e-4)
    assert full < beta * found.total  # Hadamard: a posterior that is not diagonal costs no more


def test_terms_of_information():
    network, inputs = cnn(), normal(9, 1, 8, 8)
    diagonal, variances = fisher.diagonal(network, inputs), fisher.prior_variances(network)
    found = fisher.information(network, diagonal, 1000, variances)
    assert list(variances) == list(fisher.layers(network)) == list(found.norms) == list(found.determinants)
    same(found.total, sum(found.norms.values()) + sum(found.determinants.values()))
    for layer, names in fisher.layers(network).items():  # w^2 / lambda^2 is 1 on average, where w are the initial ones
        same(found.norms[layer], sum(diagonal[name].numel() for name in names) / 2)
    more = fisher.information(network, diagonal, 2000, variances, beta=2.0)
    same(more.determinant, found.determinant)
    assert more.norm == found.norm and found.determinant < fisher.information(network, diagonal, 2000, 1.0).determinant
    by_parameter = {name: variances[name.rpartition(".")[0]] for name in diagonal}
    assert fisher.information(network, diagonal, 1000, by_parameter).norms == found.norms


class Quadratic(nn.Module):
    """Logits (a . w x, 0), whose cross entropy with even labels is symmetric in w, and w^2 x^2 / 8 + log 2 near 0."""

    def __init__(self, stretch=1.0):
        super().__init__()
        self.w, self.idle, self.stretch = nn.Parameter(torch.zeros(4)), nn.Linear(2, 3), stretch

    def forward(self, x):
        z = self.stretch * x @ self.w
        return torch.stack([z, torch.zeros_like(z)], dim=1) + 0 * self.idle.weight.sum()


def test_error_of_information_is_that_of_other_inputs():
    network = mlp()
    arguments = {"samples": 500, "variance": 0.3, "beta": 2}
    inputs = normal(60, 5)
    found = fisher.estimated_information(network, inputs, **arguments)
    every = fisher.information(network, fisher.diagonal(network, inputs), 500, 0.3, 2)
    assert found.value == pytest.approx(every.total, rel=1e-12)
    others = [fisher.estimated_information(network, normal(60, 5, seed=seed), **arguments) for seed in range(100, 160)]
    spread = torch.tensor([each.value for each in others]).std().item()
    assert 0.75 < sum(each.error for each in others) / len(others) / spread < 1.35
    uneven = fisher.estimated_information(network, normal(13, 5), groups=4, **arguments)
    assert math.isfinite(uneven.error) and uneven.error > found.error


def test_noise_that_is_borne_by_a_quadratic_loss():
    network, inputs = Quadratic().double(), torch.eye(4, dtype=torch.float64).repeat(2, 1)
    labels = torch.arange(8) // 4  # each input with both labels: the mean loss is sum_j log(2 cosh(w_j / 2)) / 4
    rise, draws = 1e-4, 64
    found = fisher.noise_curve(network, inputs, labels, rise=rise, draws=draws, variance=0.25)
    # the mean over draws is sigma^2 / 8 times the mean of 256 squares of N(0, 1), which scatters by sqrt(2 / 256)
    assert found.sigma == pytest.approx(math.sqrt(8 * rise), rel=4 * math.sqrt(2 / 256) / 2)
    assert found.rise.value == pytest.approx(rise, rel=2e-3) and 0 < found.rise.error < rise
    assert found.bits == pytest.approx(math.log2(0.5 / found.sigma))
    steeper = fisher.noise_curve(Quadratic(3.0).double(), inputs, labels, rise=rise, draws=draws)
    assert steeper.sigma == pytest.approx(found.sigma / 3, rel=2e-3) and steeper.bits is None
    layers = fisher.noise_curve(network, inputs, labels, rise=rise, layers=["w", "idle", "w[2]"], variance=1.0)
    assert layers["idle"].sigma == math.inf and layers["idle"].bits == -math.inf
    assert layers["w"].sigma < layers["w[2]"].sigma < math.inf
    assert fisher.noise_curve(network, inputs, labels, rise=10 * rise, draws=draws).sigma > found.sigma


def test_temperature_keeps_entropy_and_slows_saturation():
    network, inputs = mlp(), normal(20, 5)
    for target in (1e-3, 0.3, 1.0):
        T = fisher.temperature_for(network, inputs, target)
        other = fisher.at_temperature(network, T)
        assert fisher.entropy(other, inputs) == pytest.approx(target, rel=1e-9)
        F = dense(other, inputs)
        diagonal = fisher.diagonal(other, inputs)
        torch.testing.assert_close(flat(diagonal), F.diagonal())
        assert list(diagonal) == list(fisher.diagonal(network, inputs))
        assert fisher.temperature_for(other, inputs, fisher.entropy(network, inputs)) == pytest.approx(1 / T)
    P = probabilities(network, inputs)
    assert fisher.entropy(network, inputs) == pytest.approx(-(P * P.log()).sum(dim=1).mean().item())
    traces = [fisher.trace(fisher.at_temperature(network, T), inputs).value for T in (1.0, 0.1, 0.01)]
    sure = fisher.trace(fisher.at_temperature(network, 1e-3), inputs).value
    assert max(traces) > 10 * sure


@pytest.mark.parametrize("name", ["plain_cnn", "small_cct", "cifar_resnet20", "wrn_16_4"])
def test_networks_of_the_project(name):
    """In float32, and with layers of all kinds."""
    network = networks.build(name, 3, 32, 4, 0, **({} if name != "wrn_16_4" else {"width": 4}))
    inputs = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = fisher.trace(network, inputs)
    assert found.value == pytest.approx(flat(fisher.diagonal(network, inputs)).sum().item(), rel=1e-9)
    x, network, total = inputs[:1], copy.deepcopy(network).eval(), 0.0
    for c in range(4):
        log_p = torch.log_softmax(network(x), dim=1)[0, c]
        total += log_p.exp().item() * sum(g.square().sum() for g in torch.autograd.grad(log_p, network.parameters()))
    assert fisher.trace(network, x).value == pytest.approx(total.item(), rel=1e-4)


def test_frozen_and_shared_weights():
    network, inputs = mlp(), normal(9, 5)
    expected = fisher.diagonal(network, inputs)
    network[0].weight.requires_grad_(False)
    torch.testing.assert_close(flat(fisher.diagonal(network, inputs)), flat(expected))
    shared = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    shared[2].weight = shared[0].weight
    torch.testing.assert_close(flat(fisher.diagonal(shared, normal(4, 3))), dense(shared, normal(4, 3)).diagonal())


def test_curvlinops_agrees(case):
    """For cross entropy, the Fisher matrix with the model's labels is the generalised Gauss-Newton matrix."""
    curvlinops = pytest.importorskip("curvlinops", reason="an oracle: pip install -e '.[dev]'")
    network, inputs, F = case
    network = network.eval()
    data = [(inputs[:4], torch.arange(4) % 3), (inputs[4:], torch.arange(5) % 3)]
    parameters = list(network.parameters())
    operator = curvlinops.GGNLinearOperator(network, nn.CrossEntropyLoss(), parameters, data)
    G = operator @ torch.eye(len(F), dtype=torch.float64)
    torch.testing.assert_close(flat(fisher.diagonal(network, inputs)), G.diagonal().detach(), rtol=1e-9, atol=1e-13)
    same(fisher.log_determinant(network, inputs, 5.0), torch.logdet(torch.eye(len(F)) + 5 * G).item(), 1e-9)
