"""Distances in nats against models of which the evidence is known, and against minima that are searched for."""

import copy
import math

import pytest
import scipy.optimize
import torch
from torch import nn

from experiments.task_distances.asymmetric import Known, body_information, conditional, increment
from info_geometry.files import InputError
from learning import fisher, networks


def network(seed, inputs=4, outputs=3, classes=2):
    """Return a body of one linear map and a head, in float64."""
    generator = torch.Generator().manual_seed(seed)
    found = networks.Network(nn.Linear(inputs, outputs), outputs, classes).double()
    with torch.no_grad():
        for w in found.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=torch.float64))
    return found


def known(of, samples, seed):
    """Return a diagonal that is made up."""
    generator = torch.Generator().manual_seed(seed)
    weights = of.named_parameters()
    return Known({n: torch.rand(w.shape, generator=generator, dtype=torch.float64) for n, w in weights}, samples)


def flat(of, values=None):
    """Return the parameters of a body, or what a diagonal says of them."""
    values = dict(of.named_parameters()) if values is None else values
    return torch.cat([x.detach().flatten() for name, x in values.items() if name.startswith("body")])


def test_both_are_their_formulas_without_the_heads():
    w1, w12, variance, beta = network(0), network(1, classes=4), 0.3, 0.5
    alone, together = known(w1, 20, 2), (known(w12, 20, 3), known(w12, 50, 4))
    NF = 20 * flat(w12, together[0].fisher) + 50 * flat(w12, together[1].fisher)
    determinants = [
        0.5 * torch.log1p(variance / beta * x).sum().item() for x in (NF, 20 * flat(w1, alone.fisher))
    ]  # of both tasks, and of the first
    norms = [0.5 * flat(w).square().sum().item() / variance for w in (w12, w1)]
    found = increment(w1, alone, w12, together, variance, beta)
    assert found.norm == pytest.approx(norms[0] - norms[1]) and list(found.norms) == ["body"]
    assert found.determinant == pytest.approx(determinants[0] - determinants[1])
    assert found.total == pytest.approx(found.norm + found.determinant)
    found = conditional(w1, w12, together, {"body": variance}, beta)
    assert found.norm == pytest.approx(0.5 * (flat(w12) - flat(w1)).square().sum().item() / variance)
    assert found.determinant == pytest.approx(determinants[0])


def test_of_linear_gaussian_models_they_are_differences_of_evidence():
    """y = w x + noise, orthogonal inputs, w ~ N(m, lambda^2): -log p(D) = loss at the mode + information in it."""
    generator, variance, samples = torch.Generator().manual_seed(0), 0.7, (6, 9)
    X, Y, F = [], [], []
    for n in samples:
        x = torch.linalg.qr(torch.randn(n, 4, generator=generator, dtype=torch.float64))[0]
        X.append(x * torch.rand(4, generator=generator, dtype=torch.float64).mul(3))
        Y.append(torch.randn(n, generator=generator, dtype=torch.float64))
        F.append(X[-1].square().mean(dim=0))

    def evidence(X, Y, centre):
        covariance = torch.eye(len(X)).double() + variance * X @ X.T
        normal = torch.distributions.MultivariateNormal(X @ centre, covariance)
        return normal.log_prob(Y).item()

    def mode(X, Y, centre):
        A = X.T @ X + torch.eye(4).double() / variance
        w = torch.linalg.solve(A, X.T @ Y + centre / variance)
        loss = 0.5 * (Y - X @ w).square().sum().item() + len(Y) / 2 * math.log(2 * math.pi)
        model = networks.Network(nn.Linear(4, 1, bias=False), 1, 2).double()
        with torch.no_grad():
            model.body.weight.copy_(w)
        return model, w, loss

    zero, both = torch.zeros(4).double(), (torch.cat(X), torch.cat(Y))
    (w1, centre, loss1), (w12, _, loss12) = mode(X[0], Y[0], zero), mode(*both, zero)
    parts = [Known({"body.weight": f[None]}, n) for f, n in zip(F, samples)]
    found = increment(w1, parts[0], w12, parts, variance).total
    assert found == pytest.approx(-evidence(*both, zero) + evidence(X[0], Y[0], zero) - loss12 + loss1)
    after, _, loss = mode(X[1], Y[1], centre)
    assert conditional(w1, after, parts[1:], variance).total == pytest.approx(-evidence(X[1], Y[1], centre) - loss)


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_conditional_is_the_cheapest_gaussian_of_a_logistic_model(beta):
    """The minimum over sigma of beta KL(N(w, sigma^2) || N(w1, lambda^2)) + N F sigma^2 / 2, of each weight, / beta."""
    w1, w, x, variance, N = network(0), network(1), torch.randn(30, 4).double(), 0.4, 30
    F = fisher.diagonal(w, x)
    found, total = conditional(w1, w, [Known(F, N)], variance, beta), 0.0
    for a, b, f in zip(flat(w).tolist(), flat(w1).tolist(), flat(w, F).tolist()):

        def cost(v, a=a, b=b, f=f):
            kl = 0.5 * ((a - b) ** 2 / variance + math.exp(v) / variance - 1 - v + math.log(variance))
            return kl + N * f * math.exp(v) / 2 / beta

        total += scipy.optimize.minimize_scalar(cost, bounds=(-20, 5), method="bounded", options={"xatol": 1e-9}).fun
    assert found.total == pytest.approx(total, rel=1e-8)


def test_a_task_is_near_to_itself_and_one_without_information_costs_nothing():
    w1 = network(0)
    task = known(w1, 40, 1)
    again = increment(w1, task, w1, [task, task], 0.3)
    assert again.norm == 0 and 0 <= again.determinant <= len(flat(w1)) / 2 * math.log(2)
    nothing = Known({name: 0 * x for name, x in task.fisher.items()}, 10)
    assert increment(w1, task, w1, [task, nothing], 0.3).total == pytest.approx(0, abs=1e-12)
    assert conditional(w1, w1, [nothing], 0.3).total == 0
    assert 0 < conditional(w1, w1, [task], 0.3).total < conditional(w1, w1, [task, task], 0.3).total


def test_heads_and_the_order_of_tasks_do_not_matter():
    w1, w12 = network(0), network(1)
    alone, together = known(w1, 20, 2), [known(w12, 20, 3), known(w12, 50, 4)]
    expected = increment(w1, alone, w12, together, {"body": 0.3}).total
    other = copy.deepcopy(w12)
    with torch.no_grad():
        other.head.weight.add_(9)
    bare = [Known({n: x for n, x in each.fisher.items() if n.startswith("body")}, each.samples) for each in together]
    assert increment(w1, alone, other, together[::-1], {"body": 0.3, "head": 5.0}).total == pytest.approx(expected)
    assert increment(w1, alone, other, bare, 0.3).total == pytest.approx(expected)
    assert sum(body_information(w12, together, 0.3).norms.values()) == pytest.approx(
        body_information(other, bare, 0.3).norm
    )


def test_networks_without_a_head_have_nothing_to_leave_out():
    w1, w = (networks.Network(nn.Linear(4, 3), 3, 0).double() for _ in range(2))
    assert conditional(w1, w, [known(w, 5, 0)], 0.3).total > 0


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"head": "fc"}, "the network has no head 'fc'; its last modules are , body, head"),
        ({"head": ""}, "the network has no head ''"),
        ({"known": []}, "there are no tasks"),
        ({"known": [Known({}, 5)]}, "not of this network: body.* is missing or of other shape"),
        ({"known": [Known(known(network(0), 5, 0).fisher, 0)]}, "number of samples is 0"),
        ({"known": [Known({n: -x for n, x in known(network(0), 5, 0).fisher.items()}, 5)]}, "negative"),
        ({"variance": 0}, "prior variance is 0"),
        ({"variance": {}}, "there is none for body"),
        ({"beta": -1}, "beta is -1"),
        ({"after": network(0, inputs=5)}, "the networks differ in body.weight; expected the same but for heads"),
        ({"first": nn.Sequential(nn.Linear(4, 3))}, "no head 'head'"),
    ],
)
def test_what_is_refused(changes, message):
    task = known(network(1), 5, 0)
    given = {"first": network(0), "after": network(1), "known": [task], "variance": 1.0, "beta": 1.0, "head": "head"}
    with pytest.raises(InputError, match=message):
        conditional(**{**given, **changes})


def test_a_network_that_is_nothing_but_a_head_is_refused():
    alone = networks.Network(nn.Flatten(), 4, 2).double()
    with pytest.raises(InputError, match="no weights beside its head 'head'"):
        body_information(alone, [known(alone, 5, 0)], 1.0)
