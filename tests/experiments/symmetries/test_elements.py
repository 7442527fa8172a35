"""Copies that differ by a symmetry have the same function, whatever their statistics; others have not."""

import copy

import pytest
import torch

from experiments.symmetries.anatomy import anatomy
from experiments.symmetries.elements import Element, act, check, element, permuted, transform
from info_geometry import distance
from info_geometry.files import InputError
from tests.experiments.symmetries.made_up import ALL, SMALL, ids, made


def same_function(network, changed, images):
    with torch.no_grad():
        outputs = [each(images) for each in (network, changed)]
        inside = [each.body(images) for each in (network, changed)]
    check(network, changed, images)
    scale = float(outputs[0].abs().max())
    assert float((outputs[0] - outputs[1]).abs().max()) < 1e-11 * scale
    assert distance.bhattacharyya(*(torch.softmax(x, dim=1).numpy() for x in outputs)) < 1e-12
    return float((inside[0] - inside[1]).abs().max())  # of features, which do change


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_the_function_stays(kind, spread):
    network, images = made(*kind)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    changed = transform(network, 3, spread)
    assert same_function(network, changed, images) > 1e-3
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    same = [torch.equal(value, before[name]) for name, value in changed.state_dict().items() if value.ndim > 1]
    assert sum(same) <= len(same) * 0.2  # few channels may be permuted to themselves


@pytest.mark.parametrize("kind", ALL, ids=ids)
def test_permutations_leave_training_as_it_is(kind):
    """With statistics of the batch; running statistics afterwards are those of the channels in their new order."""
    network, images = made(*kind)
    changed = transform(network, 3, 0.0)
    outputs = [each.train()(images).detach() for each in (network, changed)]
    assert torch.allclose(*outputs, rtol=1e-9, atol=1e-9 * float(outputs[0].abs().max()))
    moved = act(network, element(network, 3, 0.0)).state_dict()
    assert all(torch.allclose(value, moved[name], atol=1e-9) for name, value in changed.state_dict().items())


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_each_space_alone_and_all_kinds_of_elements(kind):
    network, images = made(*kind)
    whole = element(network, 5)
    for space in anatomy(network):
        for part in ("permutations", "scales", "maps"):
            drawn = getattr(whole, part)
            if space.name in drawn:
                alone = Element(**{"permutations": {}, part: {space.name: drawn[space.name]}})
                same_function(network, act(network, alone), images)


def test_a_group(kind=SMALL[2]):
    """Two permutations one after the other are their product, and the inverse of one leads back, bit for bit."""
    network, _ = made(*kind)
    first, second = (element(network, seed, 0.0).permutations for seed in (1, 2))
    product = {name: first[name][second[name]] for name in first}
    back = {name: value.argsort() for name, value in first.items()}
    twice, once = act(act(network, Element(first)), Element(second)), act(network, Element(product))
    assert all(torch.equal(*pair) for pair in zip(twice.state_dict().values(), once.state_dict().values()))
    there = act(act(network, Element(first)), Element(back))
    assert all(torch.equal(*pair) for pair in zip(there.state_dict().values(), network.state_dict().values()))


def test_spread_is_that_of_scales():
    network, _ = made("small_cnn", 1, 8, 64)
    logs = torch.cat([scales.log() for scales in element(network, 0, 0.7).scales.values()])
    assert abs(float(logs.std()) - 0.7) < 0.07 and abs(float(logs.mean())) < 0.1
    assert not element(network, 0, 0.0).scales and element(network, 0, 0.7).scales.keys() == {
        "body.2",
        "body.5",
        "body.8",
    }
    with pytest.raises(InputError, match="spread is -1, expected 0"):
        transform(network, 0, -1)


@torch.no_grad()
def rotated(network, space, seed=0):
    """Return a copy with a random rotation of a space in place of a permutation."""
    rotation = torch.linalg.qr(torch.randn(space.channels, space.channels).double())[0]
    state = network.state_dict()
    for place in space.places:
        value = state[place.name].unflatten(place.axis, (place.groups, space.channels, -1))
        value = torch.tensordot(value, rotation, dims=([place.axis + 1], [1])).movedim(-1, place.axis + 1)
        state[place.name] = value.flatten(place.axis, place.axis + 2)
    changed = copy.deepcopy(network)
    changed.load_state_dict(state)
    return changed


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_a_rotation_changes_the_function_and_is_refused(kind):
    network, images = made(*kind)
    torch.manual_seed(0)
    for space in anatomy(network):
        changed = rotated(network, space)
        with torch.no_grad():
            error = (changed(images) - network(images)).abs().max() / network(images).abs().max()
        assert not error < 1e-4, space.name  # not a number, where running variances become negative
        with pytest.raises(InputError, match=f"what was done to {kind[0]} is no symmetry of it"):
            check(network, changed, images)


def test_scales_are_refused_where_they_are_no_symmetry():
    """Of GELU and of tokens."""
    network, images = made("small_cct", 1, 8, 8)
    for space in anatomy(network):
        if space.activation in ("gelu", "none"):
            scaled = act(network, Element({}, {space.name: torch.full((space.channels,), 1.5)}))
            with pytest.raises(InputError, match="no symmetry"):
                check(network, scaled, images)


def test_heads_move_as_wholes():
    """Of weights (3 parts of 2 heads of 2 rows), heads change places within each part."""
    network, _ = made("small_cct", 1, 8, 4)
    space = next(space for space in anatomy(network) if space.activation == "softmax")
    place = space.places[0]
    assert place.name.endswith("in_proj_weight") and place.groups == 3
    found = permuted(torch.arange(12.0)[:, None].expand(12, 4), place, torch.tensor([1, 0]))[:, 0]
    assert found.tolist() == [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9]


def test_check_takes_float32_with_what_rounding_does():
    network, images = made("cifar_resnet20", 1, 8, 2)
    network, images = network.float(), images.float()
    check(network, transform(network, 1), images)
    changed = transform(network, 1)
    with torch.no_grad():
        changed.body[0].weight[0] *= 1.001
    with pytest.raises(InputError, match=r"outputs differ by .* expected at most 1e-05"):
        check(network, changed, images)
