"""The line between two networks: its ends, its barrier before and after alignment, and what statistics are on it."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.symmetries import matching
from experiments.symmetries.anatomy import anatomy
from experiments.symmetries.elements import transform
from experiments.symmetries.lines import CORRECTIONS, barrier, between, line, statistics
from info_geometry.files import InputError
from learning.networks.recalibration import BATCH_NORMS, recalibrate
from tests.experiments.symmetries.made_up import SMALL, ids, made

POSITIONS = np.linspace(0, 1, 5)
NORMED = [kind for kind in SMALL if kind[0] not in ("plain_cnn", "small_cct")]


def drawn(kind):
    """Return two networks that have nothing in common, and images."""
    (network, images), (other, _) = made(*kind), made(*kind, seed=1)
    return network, other, images


@torch.no_grad()
def losses(networks, images, labels):
    return [float(F.cross_entropy(network(images), labels)) for network in networks]


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_the_barrier_to_a_planted_copy_is_gone_after_alignment(kind):
    """The labels are those that the network itself finds likeliest."""
    network, images = made(*kind)
    other, labels = transform(network, 3, 0.0), network(images).argmax(dim=1)
    before = barrier(POSITIONS, losses(line(network, other, POSITIONS, images), images, labels))
    assert before > 0.01
    for found in (matching.weight_matching(network, other), matching.activation_matching(network, other, [images])):
        aligned = matching.apply(other, found, images)
        assert abs(barrier(POSITIONS, losses(line(network, aligned, POSITIONS, images), images, labels))) < 1e-9


@pytest.mark.parametrize("correction", ["none", "repair"])
@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_ends_stay_as_they_are(kind, correction):
    network, other, images = drawn(kind)
    ends = list(line(network, other, (0, 1), images, correction))
    fresh = torch.randn(5, *images.shape[1:], dtype=torch.float64)
    with torch.no_grad():
        for end, each in zip(ends, (network, other)):
            assert torch.allclose(end(fresh), each(fresh), atol=1e-9)


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_repair_gives_the_average_of_means_and_spreads(kind):
    """Of every channel before its activation; averages of weights alone do not."""
    network, other, images = drawn(kind)
    before = [name for space in anatomy(network) for name in space.before]
    one, two = (statistics(each, before, images) for each in (network, other))
    (plain,), (repaired,) = (line(network, other, [0.3], images, how) for how in ("none", "repair"))
    found, without = statistics(repaired, before, images), statistics(plain, before, images)
    for name in before:
        for a, b, now in zip(one[name], two[name], found[name]):
            assert torch.allclose(now, 0.7 * a + 0.3 * b, atol=1e-9)
    assert any(not torch.allclose(found[name][1], without[name][1], rtol=0.1) for name in before)


@pytest.mark.parametrize("kind", NORMED, ids=ids)
def test_with_batch_norms_of_one_sign_repair_is_recalibration(kind):
    """The spread that recalibration gives a channel is |(1 - t) gamma_A + t gamma_B|, its mean that of beta."""
    network, other, images = drawn(kind)
    images = torch.randn(200, *images.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for each in (network, other):
        with torch.no_grad():
            for norm in (module for module in each.modules() if isinstance(module, BATCH_NORMS)):
                norm.weight.abs_()
        recalibrate(each, [images])
    with torch.no_grad():
        outputs = {how: next(line(network, other, [0.4], images, how))(images) for how in CORRECTIONS}
    scale = float(outputs["repair"].std())
    assert float((outputs["repair"] - outputs["recalibration"]).abs().max()) < 0.02 * scale  # eps, and n - 1 for n
    assert float((outputs["none"] - outputs["recalibration"]).abs().max()) > 0.2 * scale


def test_where_signs_differ_recalibration_shrinks_what_repair_keeps():
    """gamma and -gamma / 2 have the average gamma / 4, and spreads the average 3 gamma / 4."""
    network, images = made("small_cnn", 1, 8, 4)
    recalibrate(network, [images])
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.body[1].weight.mul_(-0.5)
    spread = statistics(network, ["body.1"], images)["body.1"][1]
    for how, share in (("recalibration", 0.25), ("repair", 0.75)):
        middle = next(line(network, other, [0.5], images, how))
        assert torch.allclose(statistics(middle, ["body.1"], images)["body.1"][1], share * spread, rtol=1e-6)


def test_between_is_an_average_of_all_that_is_stored():
    network, other, _ = drawn(SMALL[0])
    states = [each.state_dict() for each in (network, other)]
    for t in (0.0, 0.25, 1.0):
        for name, value in between(network, other, t).state_dict().items():
            if value.is_floating_point():
                assert torch.allclose(value, (1 - t) * states[0][name] + t * states[1][name])
    assert all(torch.equal(a, b) for a, b in zip(between(network, other, 1.0).parameters(), other.parameters()))


def test_barriers():
    assert barrier([0, 0.5, 1], [1.0, 5.0, 3.0]) == 3.0
    assert barrier([0, 0.5, 1], [1.0, 1.5, 3.0]) == 0.0
    with pytest.raises(InputError, match="losses at positions from 0 to 1"):
        barrier([0.1, 1], [1.0, 1.0])
    network, other, images = drawn(SMALL[0])
    with pytest.raises(InputError, match="correction is 'reset', expected one of none, recalibration, repair"):
        next(line(network, other, [0.5], images, "reset"))
