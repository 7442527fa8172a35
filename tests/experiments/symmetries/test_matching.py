"""Planted permutations are found again; what is not the same network is refused."""

import itertools

import numpy as np
import pytest
import torch

from experiments.symmetries import matching
from experiments.symmetries.anatomy import anatomy
from experiments.symmetries.elements import Element, act, element, transform
from experiments.symmetries.features import features
from experiments.symmetries.matching import activation_matching, weight_matching
from info_geometry.files import InputError
from learning import networks
from tests.experiments.symmetries.made_up import ALL, SMALL, ids, made


def more(images):
    torch.manual_seed(5)
    return torch.randn(64, *images.shape[1:], dtype=torch.float64)


@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_weights_find_a_planted_permutation(kind):
    network, images = made(*kind)
    planted = element(network, 7, 0.0)
    other = act(network, planted)
    found = weight_matching(network, other, seed=1)
    assert all(torch.equal(found[name], p.argsort()) for name, p in planted.permutations.items())
    back = matching.apply(other, found, images).state_dict()
    assert all(torch.equal(value, back[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_activations_find_it_even_behind_scales_and_maps_of_heads(kind, spread):
    """Of channels that vary on these images: no image says which of two dead channels is which."""
    network, images = made(*kind)
    planted, images = element(network, 7, spread), more(images)
    other = act(network, planted)
    found = activation_matching(network, other, [images])
    seen = features(network, anatomy(network), images)
    for name, p in planted.permutations.items():
        alive = torch.stack([each.std(dim=1) > 0 for each in seen[name]]).any(dim=0)
        assert torch.equal(found[name][alive], p.argsort()[alive])
        assert alive.float().mean() > (0.99 if kind[0] == "resnet18_small" else 0.999)


@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_a_network_matches_itself_as_it_is(kind):
    network, images = made(*kind)
    for found in (weight_matching(network, network), activation_matching(network, network, [more(images)])):
        for space in anatomy(network):
            assert torch.equal(found[space.name], torch.arange(space.channels))


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_the_objective_rises_by_what_is_said(kind):
    """From one space to the next, between networks that have nothing in common; other orders end at other maxima."""
    network, _ = made(*kind)
    other, _ = made(*kind, seed=1)
    spaces = anatomy(network)
    weights = [{name: p.detach() for name, p in each.named_parameters()} for each in (network, other)]
    permutations = matching.unchanged(spaces)
    value, gains = matching.objective(network, other, permutations), []
    for space in [*spaces, *reversed(spaces)]:
        permutations, gain = matching.improved(*weights, spaces, permutations, space)
        after = matching.objective(network, other, permutations)
        assert gain >= 0 and abs(after - value - gain) < 1e-9 * abs(after)
        value, gains = after, [*gains, gain]
    assert max(gains) > 0
    found = weight_matching(network, other)
    assert matching.objective(network, other, found) > matching.objective(network, other, matching.unchanged(spaces))
    for space in spaces:
        assert matching.improved(*weights, spaces, found, space)[1] == 0


def test_no_permutation_of_one_space_is_better():
    """All 24 of four channels, one by one."""
    network, _ = made("plain_cnn", 1, 8, 4)
    other, _ = made("plain_cnn", 1, 8, 4, seed=1)
    found = weight_matching(network, other)
    best = matching.objective(network, other, found)
    values = []
    for order in itertools.permutations(range(4)):
        values.append(matching.objective(network, other, {**found, "body.1": torch.tensor(order)}))
    assert abs(max(values) - best) < 1e-9 and np.ptp(values) > 0.1


def test_the_objective_is_that_of_distances():
    """|A - pi(B)|^2 = |A|^2 + |B|^2 - 2 <A, pi(B)>."""
    network, _ = made("cifar_resnet20", 1, 8, 2)
    other, _ = made("cifar_resnet20", 1, 8, 2, seed=1)
    found = weight_matching(network, other)
    moved = act(other, Element(found))

    def square(values):
        return sum(float(value.detach().square().sum()) for value in values)

    apart = square(a - b for a, b in zip(network.parameters(), moved.parameters()))
    expected = square(network.parameters()) + square(other.parameters()) - 2 * matching.objective(network, other, found)
    assert abs(apart - expected) < 1e-9 * apart


def test_a_seed_draws_the_order_and_more_starts_are_no_worse():
    network, _ = made("small_cnn", 1, 8, 8)
    other, _ = made("small_cnn", 1, 8, 8, seed=1)
    one, again, many = (weight_matching(network, other, 3, starts) for starts in (1, 1, 8))
    assert all(torch.equal(one[name], again[name]) for name in one)
    values = [matching.objective(network, other, found) for found in (one, many)]
    assert values[1] >= values[0]
    ends = {round(matching.objective(network, other, weight_matching(network, other, seed)), 6) for seed in range(6)}
    assert len(ends) > 1


def test_an_aligned_network_is_checked():
    """A permutation that is none, in which one channel stands twice."""
    network, images = made("small_cnn", 1, 8, 4)
    with pytest.raises(InputError, match="what was done to small_cnn is no symmetry of it"):
        matching.apply(network, {"body.5": torch.tensor([0, 1, 2, 3, 4, 5, 6, 6])}, images)


def test_what_cannot_be_matched():
    network = networks.build("small_cnn", 1, 8, 10, 0, 4)
    with pytest.raises(
        InputError, match=r"body.0.weight is \(4, 1, 3, 3\) in one network and \(8, 1, 3, 3\) in the other"
    ):
        weight_matching(network, networks.build("small_cnn", 1, 8, 10, 0, 8))
    with pytest.raises(InputError, match="networks of one architecture are wanted, not small_cnn and plain_cnn"):
        weight_matching(network, networks.build("plain_cnn", 1, 8, 10, 0, 4))
    with pytest.raises(InputError, match=r"head.weight is \(10, 16\) in one network and \(5, 16\) in the other"):
        activation_matching(network, networks.build("small_cnn", 1, 8, 5, 0, 4), [])


def test_scales_are_beyond_permutations_of_weights():
    """What is aligned is the same function, but not the same network."""
    network, images = made("plain_cnn", 1, 8, 16)
    other = transform(network, 2, 0.5)
    back = matching.apply(other, activation_matching(network, other, [more(images)]), images)
    assert not torch.allclose(back.body[0].weight, network.body[0].weight, rtol=0.01)
    with torch.no_grad():
        assert torch.allclose(back(images), network(images), atol=1e-9)
