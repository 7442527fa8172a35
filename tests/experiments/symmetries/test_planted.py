"""Planted symmetries change nothing, are found, and are not seen by metrics; rotations are none."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.symmetries import groups, planted, stitching
from experiments.symmetries.anatomy import anatomy
from info_geometry.files import InputError
from learning import networks
from tests.experiments.symmetries.made_up import SMALL, ids, made

SEQUENCES = [kind for kind in SMALL if kind[0] != "small_cct"]
RIGHT = torch.arange(8) % 5


def error(network, changed, images):
    with torch.no_grad():
        own, other = network(images), changed(images)
    return float((own - other).abs().max() / own.abs().max())


def activated(network):
    return [space for space in anatomy(network) if space.activation in planted.ACTIVATIONS]


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_a_symmetry_changes_nothing_and_rotations_do(kind):
    network, images = made(*kind)
    found = planted.unchanged(network, images, seed=3)
    assert found["symmetry"]["change"] < 1e-12 and found["symmetry"]["d_B"] < 1e-12
    assert found["rotation"]["change"] > 0.05 and found["rotation"]["d_B"] > 1e-4
    assert list(found["layers"]) == [space.name for space in activated(network)]
    assert all(moved["change"] > 0.01 and moved["d_B"] > 1e-6 for moved in found["layers"].values())


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_what_is_put_before_an_activation_is_taken_back_behind_it(kind):
    """So that elements of its group leave the function as it is, by weights or, as here, by matrices in the way."""
    network, images = made(*kind)
    rng = np.random.default_rng(0)
    elements = {x.name: groups.random_element(x.activation, x.channels, rng) for x in activated(network)}
    changed = planted.moved(network, elements)
    assert error(network, changed, images) < 1e-12
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    wrong = {name: -A for name, A in elements.items()}  # not in the group
    assert error(network, planted.moved(network, wrong), images) > 1e-3


def test_a_matrix_meets_the_features_before_an_activation():
    network, images = made("small_cnn", 1, 8, 4)
    Q = groups.random_rotation(8, np.random.default_rng(0))
    front, back = stitching.cut(network, "4")
    with torch.no_grad():
        turned = torch.einsum("ij,bjhw->bihw", torch.from_numpy(Q), front(images)).relu()
        expected = back[1:](torch.einsum("ij,bihw->bjhw", torch.from_numpy(Q), turned))
        found = planted.moved(network, {"body.5": Q})(images)
    assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", SEQUENCES, ids=ids)
def test_a_planted_symmetry_is_found(kind):
    network, images = made(*kind)
    found = planted.recovered(network, images, RIGHT, seed=2)
    assert list(found) == stitching.rectified(network, images)
    for layer in found.values():
        assert 0 < layer["live"] <= layer["channels"] and layer["found"] == 1.0
        assert layer["scale_error"] < 1e-9 and layer["change"] < 1e-9 and layer["accuracy_change"] == 0.0
        assert layer["wreath_procrustes"] > 1 - 1e-6 and layer["orthogonal_procrustes"] > 1 - 1e-6
        assert layer["wreath_cka"] == pytest.approx(1, abs=1e-9)
        assert layer["orthogonal_procrustes"] > layer["wreath_procrustes"] - 1e-7 and layer["linear_cka"] <= 1 + 1e-9


def test_what_is_planted_is_what_is_compared(monkeypatch):
    """A match of other channels, and one of other scales, are told."""
    network, images = made("small_cnn", 1, 8, 4)
    matched = planted.stitches.matched
    monkeypatch.setattr(planted.stitches, "matched", lambda a, b: 1.5 * matched(a, b))
    assert planted.recovered(network, images, RIGHT, 2)["2"]["scale_error"] == pytest.approx(0.5)
    monkeypatch.setattr(planted.stitches, "matched", lambda a, b: matched(a, b).roll(1, 0))
    wrong = planted.recovered(network, images, RIGHT, 2)["2"]
    assert wrong["found"] == 0.0 and wrong["scale_error"] == 1.0 and wrong["change"] > 0.01


def test_dead_channels_are_left_out():
    network, images = made("plain_cnn", 1, 8, 4)
    with torch.no_grad():
        network.body[0].bias[1] = -1e6
    found = planted.recovered(network, images, RIGHT, seed=2)["1"]
    assert (found["channels"], found["live"], found["found"]) == (4, 3, 1.0) and found["scale_error"] < 1e-9


def test_metrics_see_what_they_should():
    network, images = made("small_cnn", 1, 8, 16)
    H = stitching.features(stitching.cut(network, "5")[0], images).numpy()
    found = planted.invariance(H, seed=1)
    assert list(found) == list(planted.SCALED) and len(found) == 7
    channel = ("wreath_procrustes", "orthogonal_procrustes", "wreath_cka", "linear_cka_channel")
    whole = ("orthogonal_procrustes_whole", "linear_cka")
    for name, value in found.items():
        assert (value["symmetry"] > 1 - 1e-6) == (name in channel), name
        assert (value["rotation"] > 1 - 1e-6) == (name in whole), name
    assert found["wreath_cka"]["rotation"] < 0.97


def test_a_seed_gives_the_same_and_the_network_stays():
    network, images = made("cifar_resnet20", 1, 8, 2)
    network, images = network.float(), images.float()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    H = images.repeat(1, 3, 1, 1).numpy() * np.array([1, 2, 3])[:, None, None] + 1
    H[:, 1] **= 2
    for measure in (
        lambda seed: planted.unchanged(network, images, seed),
        lambda seed: planted.recovered(network, images, RIGHT, seed),
        lambda seed: planted.invariance(H, seed),
    ):
        assert measure(0) == measure(0) != measure(1)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32


def test_what_is_refused():
    network, images = made("plain_cnn", 1, 8, 4)
    with pytest.raises(InputError, match=r"8 images have as many right outputs, not \(7,\)"):
        planted.recovered(network, images, RIGHT[:7], 0)
    with pytest.raises(InputError, match=r"no space 'body.0' with an activation; there are body.1, body.3, body.5"):
        planted.moved(network, {"body.0": np.eye(4)})
    with torch.no_grad():
        network.body[2].bias.fill_(-1e6)
    with pytest.raises(InputError, match="layer 3: all of its 8 channels are dead on these images; train longer"):
        planted.recovered(network, images, RIGHT, 0)
    nn.init.zeros_(network.head.weight), nn.init.zeros_(network.head.bias)
    with pytest.raises(InputError, match="the outputs of this network are all 0"):
        planted.unchanged(network, images, 0)
    with pytest.raises(InputError, match="the body of small_cct is no sequence"):
        planted.recovered(*made("small_cct", 1, 8, 8), RIGHT, 0)
    with pytest.raises(InputError, match="small_cnn has no head"):
        planted.unchanged(networks.build("small_cnn", 1, 8, 0, 0), images, 0)
    with pytest.raises(InputError, match="none of its 3 channels is live"):
        planted.invariance(np.zeros((8, 3, 2, 2)), 0)
