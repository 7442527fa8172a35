"""Stitching: halves of networks, planted symmetries, and training of stitches on digits."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from experiments.symmetries import elements, groups, stitches, stitching
from experiments.symmetries.stitching import Training
from info_geometry.files import InputError
from learning import data, networks

NAMES = {
    "small_cnn": (1, 8),
    "plain_cnn": (1, 8),
    "cifar_resnet20": (3, 16),
    "wrn_16_4": (3, 16),
    "resnet18_small": (3, 16),
}


def digits(split="train"):
    images = data.load("digits", split, "")
    return (images.pixels.float() - 4.88) / 6.02, torch.from_numpy(images.labels)


@pytest.fixture(scope="module")
def trained():
    """Two small networks that learned the digits for a few seconds."""
    torch.set_num_threads(1)
    images, outputs = digits()
    found = []
    for seed in (0, 1):
        network = networks.build("small_cnn", 1, 8, 10, seed)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        for step in range(200):
            chosen = torch.from_numpy(np.random.default_rng([seed, step]).integers(0, len(images), 64))
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images[chosen]), outputs[chosen]).backward()
            optimiser.step()
        found.append(network.eval())
    return found


def accuracy(network):
    images, outputs = digits("test")
    with torch.no_grad():
        return float((network(images).argmax(dim=1) == outputs).double().mean())


@pytest.mark.parametrize("name", NAMES)
def test_halves_put_together_are_the_network(name):
    channels, size = NAMES[name]
    network = networks.build(name, channels, size, 4, 0).eval()
    images = torch.randn(3, channels, size, size)
    for layer in list(stitching.layers(network))[:-1]:
        front, back = stitching.cut(network, layer)
        with torch.no_grad():
            assert torch.allclose(back(front(images)), network(images), atol=1e-5)
    with pytest.raises(
        InputError, match=f"there is no layer 'relu7' to cut after; there are {next(iter(stitching.layers(network)))}, "
    ):
        stitching.cut(network, "relu7")


def test_a_body_that_is_no_sequence_is_refused():
    network = networks.build("small_cct", 1, 8, 4, 0)
    network.body = nn.ModuleDict({"a": network.body})
    with pytest.raises(InputError, match="small_cct is no sequence that could be cut"):
        stitching.cut(network, "a")


def test_where_features_are_rectified():
    images = torch.randn(4, 1, 8, 8)
    network = networks.build("small_cnn", 1, 8, 10, 0)
    kinds = [name for name, module in stitching.layers(network).items() if isinstance(module, nn.ReLU)]
    assert stitching.rectified(network, images) == kinds == ["2", "5", "8"]
    residual = networks.build("cifar_resnet20", 3, 16, 4, 0)
    assert stitching.rectified(residual, torch.randn(2, 3, 16, 16))[:3] == ["2", "3", "4"]


def test_a_network_stitched_to_itself_by_the_identity_is_itself(trained):
    images, outputs = digits()
    one = trained[0]
    found = stitching.stitched(one, one, "5", stitches.Fixed(torch.eye(32)), images, outputs)
    front, back = stitching.cut(one, "5")
    with torch.no_grad():
        given = stitching.features(front, images)
        expected = stitching.recalibrate(back, given.split(500))(given)
        assert torch.equal(found(images), expected)
    assert abs(accuracy(found) - accuracy(one)) < 0.01  # running statistics are of all images now


@pytest.mark.parametrize("layer", ["2", "5", "8"])
def test_a_planted_symmetry_is_found_and_costs_nothing(trained, layer):
    images, outputs = digits()
    one, planted = trained[0], elements.transform(trained[0], seed=3, spread=0.5)
    sent, received = (stitching.features(stitching.cut(x, layer)[0], images).numpy() for x in (one, planted))
    phi = stitches.Fixed(stitches.matched(sent, received))
    found = stitching.stitched(one, planted, layer, phi, images, outputs)
    same = stitching.stitched(planted, planted, layer, stitches.Fixed(torch.eye(len(phi.matrix))), images, outputs)
    with torch.no_grad():
        assert torch.allclose(found(images), same(images), atol=1e-3)
    wrong = stitches.Fixed(phi.matrix[:, torch.randperm(len(phi.matrix), generator=torch.Generator().manual_seed(0))])
    assert accuracy(stitching.stitched(one, planted, layer, wrong, images, outputs)) < accuracy(found) - 0.2


def test_a_full_stitch_is_better_than_rank_1_and_than_none(trained):
    images, outputs = digits()
    found = {
        name: accuracy(stitching.stitched(*trained, "5", stitch, images, outputs, Training(epochs=6)))
        for name, stitch in {
            "full": stitches.Full(32, 32, 0),
            "rank 1": stitches.LowRank(32, 32, 1, 0),
            "identity": stitches.Fixed(torch.eye(32)),
        }.items()
    }
    assert found["full"] > 0.85 and found["full"] > max(found["rank 1"], found["identity"]) + 0.1


def test_only_the_stitch_learns_and_the_order_follows_from_the_seed(trained):
    images, outputs = digits()
    front, back = stitching.cut(trained[0], "5")[0], stitching.cut(trained[1], "5")[1]
    given, before = stitching.features(front, images), {k: v.clone() for k, v in back.state_dict().items()}
    runs = [stitches.Monomial(32, 0) for _ in range(3)]
    losses = [
        stitching.fit(x, back, given, outputs, Training(2, rate=0.1, adam=False), s) for x, s in zip(runs, (0, 0, 1))
    ]
    assert all(torch.equal(value, before[key]) for key, value in back.state_dict().items())
    assert losses[0] == losses[1] != losses[2] and torch.equal(runs[0].M, runs[1].M)
    assert losses[0][1] < losses[0][0]
    assert torch.allclose(runs[0].M.sum(dim=0), torch.ones(32), atol=1e-4) and not back.training


def test_networks_of_other_widths_need_a_stitch_that_is_not_square(trained):
    images, outputs = digits()
    wide = networks.build("small_cnn", 1, 8, 10, 0, width=24).eval()
    with pytest.raises(InputError, match=r"a stitch of 32 channels was given features \(125, 48, 4, 4\)"):
        stitching.stitched(wide, trained[0], "5", stitches.Monomial(32, 0), images, outputs)
    found = stitching.stitched(wide, trained[0], "5", stitches.Full(48, 32, 0), images, outputs, Training(epochs=1))
    assert found(images[:2]).shape == (2, 10)


@torch.no_grad()
@pytest.mark.parametrize("layer, convolution", [("0", 1), ("2", 1)])
def test_an_element_of_the_group_can_be_undone_behind_the_activation_and_a_rotation_cannot(layer, convolution):
    network = networks.build("plain_cnn", 1, 8, 10, 0).double().eval()
    images = torch.randn(20, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    front, back = stitching.cut(network, layer)
    channels, rng = stitching.layers(network)[layer].out_channels, np.random.default_rng(0)

    def undone(A, phi):
        behind = copy.deepcopy(back)
        weight = behind[convolution].weight
        weight.copy_(torch.einsum("oihw,ij->ojhw", weight, torch.from_numpy(np.linalg.inv(phi))))
        return behind(stitches.apply(torch.from_numpy(A), front(images)))

    A, Q = groups.random_element("relu", channels, rng), groups.random_rotation(channels, rng)
    assert torch.allclose(undone(A, groups.phi("relu", A)), network(images), atol=1e-10)
    assert not torch.allclose(undone(Q, Q), network(images), atol=1e-2)


def test_what_is_no_network_and_stitches_that_do_not_fit(trained):
    images, outputs = (x[:50] for x in digits())
    with pytest.raises(InputError, match="expected a network with a `body`, a sequence of layers, and a `head`"):
        stitching.cut(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), "0")
    narrow = networks.build("small_cnn", 1, 8, 10, 0, width=8)
    with pytest.raises(InputError, match="layer 2: a stitch to 8 channels, where the receiver has 16"):
        stitching.stitched(narrow, trained[0], "2", stitches.Monomial(8, 0), images, outputs)
    with pytest.raises(InputError, match="take Training"):
        stitching.stitched(*trained, "2", stitches.Lasso(16, 16, 0.01, 0), images, outputs)
