"""Averages of weights: each is what its paper says, and running statistics play no part."""

import copy
import math

import pytest
import torch
from torch import nn

from experiments.subspaces import averages
from learning import networks


def states(K=5, seed=0, spread=1.0):
    """Return a tiny network and the states of K others of its architecture."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    found = []
    for k in range(K):
        state = copy.deepcopy(network.state_dict())
        for name, _ in network.named_parameters():
            state[name] += spread * torch.randn(state[name].shape, generator=generator)
        state["1.running_mean"] += 10 * k
        found.append(state)
    return network, found


def vector(network, state):
    return torch.cat([state[name].double().flatten() for name, _ in network.named_parameters()])


def cnn_states(K):
    return [networks.build("small_cnn", 1, 8, 10, seed).state_dict() for seed in range(K)]


@pytest.mark.parametrize("K", [1, 2, 5])
def test_mean_is_that_of_all_weights(K):
    every, network = cnn_states(K), networks.build("small_cnn", 1, 8, 10, 99)
    before = copy.deepcopy(network.state_dict())
    found = averages.mean(network, iter(every)).state_dict()
    for name, _ in network.named_parameters():
        torch.testing.assert_close(found[name], torch.stack([state[name] for state in every]).mean(dim=0))
    assert found.keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_mean_does_not_depend_on_the_order():
    network, every = states()
    one, other = (averages.mean(network, x).state_dict() for x in (every, every[::-1]))
    for name, _ in network.named_parameters():
        torch.testing.assert_close(one[name], other[name])


@pytest.mark.parametrize("K", [2, 5])
def test_draws_of_swag_have_the_moments_of_the_paper(K):
    """Mean of the weights; half of it diagonal, sigma^2, and half of low rank, around the mean."""
    network, every = states(K)
    w = torch.stack([vector(network, state) for state in every])
    apart = w - w.mean(dim=0)
    expected = torch.diag(apart.square().mean(dim=0)) / 2 + apart.T @ apart / (2 * (K - 1))
    count = 20_000
    drawn = torch.stack([vector(network, state) for state in averages.swag(network, every, count, seed=0)])
    scale = expected.diagonal().sqrt()
    assert (abs(drawn.mean(dim=0) - w.mean(dim=0)) < 4.5 * scale / math.sqrt(count)).all()
    correlations = torch.cov(drawn.T, correction=0) / scale / scale[:, None]
    torch.testing.assert_close(correlations, expected / scale / scale[:, None], rtol=0, atol=0.05)


def test_a_draw_of_swag_by_hand(monkeypatch):
    network, every = states(3)
    numbers = iter([torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), *([torch.ones(())] * 4)])
    monkeypatch.setattr(torch, "randn", lambda *shape, **more: next(numbers))
    (found,) = averages.swag(network, every, 1, seed=0)
    for name, _ in network.named_parameters():
        w = torch.stack([state[name].double() for state in every])
        mean = w.sum(dim=0) / 3
        sigma = ((w**2).sum(dim=0) / 3 - mean**2).sqrt()
        low = ((w[0] - mean) - 2 * (w[1] - mean) + 0.5 * (w[2] - mean)) / math.sqrt(2 * 2)
        torch.testing.assert_close(found[name].double(), mean + sigma / math.sqrt(2) + low, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("apart", [0.0, 1e-8])
def test_variances_that_rounding_makes_negative_are_zero(apart):
    network, state = nn.Linear(30, 30), cnn_states(1)[0]["body.6.weight"].flatten()
    state = {"weight": state[:900].view(30, 30), "bias": state[900:930]}
    every = [{key: value + (k % 2) * apart for key, value in state.items()} for k in range(41)]
    w = torch.stack([vector(network, each) for each in every])
    assert apart or (w.square().mean(dim=0) < w.mean(dim=0).square()).any()
    for found in averages.swag(network, every, 20, seed=0):
        torch.testing.assert_close(vector(network, found), vector(network, state), rtol=1e-6, atol=1e-7)


def test_draws_follow_from_the_seed():
    network, every = states()
    torch.manual_seed(1)
    one = list(averages.swag(network, every, 3, seed=4))
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    other, more = (list(averages.swag(network, every, draws, seed=4)) for draws in (3, 5))
    third = next(averages.swag(network, every, 1, seed=5))
    assert torch.equal(torch.random.get_rng_state(), before)
    for a, b, c in zip(one, other, more):
        assert all(torch.equal(a[key], b[key]) and torch.equal(a[key], c[key]) for key in a)
    assert not any(torch.isclose(third[name], one[0][name]).any() for name, _ in network.named_parameters())
    assert not torch.isclose(vector(network, one[0]), vector(network, one[1])).any()


def test_running_statistics_are_not_drawn():
    network, every = states()
    for found in averages.swag(network, every, 3, seed=0):
        assert found.keys() == every[0].keys()
        for name, _ in network.named_buffers():
            assert torch.equal(found[name], every[0][name]) and found[name].dtype == every[0][name].dtype
    assert all(state["1.running_mean"][0] == 10 * k for k, state in enumerate(every))


# Greedy soups: states are numbers, and a score is a function of which are in the soup


def soup(score, count=4):
    asked = []

    def told(chosen):
        asked.append([state["number"] for state in chosen])
        return score(asked[-1])

    return averages.greedy([{"number": k} for k in range(count)], told), asked


def test_a_soup_begins_with_the_best_and_takes_others_in_their_order():
    alone = [0.5, 0.9, 0.7, 0.8]
    found, asked = soup(lambda chosen: alone[chosen[0]] if len(chosen) == 1 else 1.0)
    assert found == [1, 3, 2, 0]
    assert asked[4:] == [[1, 3], [1, 3, 2], [1, 3, 2, 0]]


def test_a_soup_takes_only_what_does_not_lower_its_score():
    alone = [0.5, 0.9, 0.7, 0.8]
    scores = {(1, 3): 0.89, (1, 2): 0.9, (1, 2, 0): 0.899}  # 2 changes nothing, which is no harm
    found, asked = soup(lambda chosen: alone[chosen[0]] if len(chosen) == 1 else scores[tuple(chosen)])
    assert found == [1, 2] and len(asked) == 7
    scores = {(1, 3): 0.95, (1, 3, 2): 0.94, (1, 3, 0): 0.95}  # each is compared with the soup, not with the best alone
    assert soup(lambda chosen: alone[chosen[0]] if len(chosen) == 1 else scores[tuple(chosen)])[0] == [1, 3, 0]


def test_a_soup_is_never_worse_than_the_best_alone():
    score = torch.rand(16, generator=torch.Generator().manual_seed(0))

    def of(chosen):
        return float(score[sum(2**k for k in chosen)])

    found, _ = soup(of)
    assert of(found) >= max(of([k]) for k in range(4)) and len(set(found)) == len(found)
    assert soup(lambda chosen: 0.5)[0] == [0, 1, 2, 3]  # of equal ones the first comes first
    assert soup(of, count=1)[0] == [0]
