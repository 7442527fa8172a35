"""Halves of networks with stitches between them: whose they are, at which layers, and what learns in them."""

import copy

import pytest
import torch

from experiments.symmetries import halves, stitches, stitching, trained
from experiments.symmetries.halves import ClusteredNoise, Halves, Parents
from info_geometry.files import InputError
from learning import data, networks
from learning.networks.recalibration import batch_norms, recalibrate
from tests.experiments.symmetries.stitch_runs import config, evaluated, folders_of


@pytest.fixture(scope="module")
def two(parents):
    """The two networks of digits that learned."""
    return Parents(*(trained.network("digits_all", seed, folders=folders_of(parents)) for seed in (0, 1)))


@pytest.fixture(scope="module")
def images():
    return evaluated()[:100]


def built(own, at, images, seed=0, **changes):
    return halves.build(config(**changes), own, at, seed, images)


# Whose networks


@torch.no_grad()
@pytest.mark.parametrize("sender", ["trained", "untrained", "random_labels", "noise", "planted", "self"])
def test_networks_of_each_sender(parents, images, sender):
    folders = folders_of(parents)
    name, checkpoint, file = {
        "random_labels": ("digits_randomlab", -1, "1_0.pth"),
        "untrained": ("digits_all", 0, "0_0.pth"),
    }.get(sender, ("digits_all", -1, "4_0.pth"))
    start = {
        "receiver": {"run": "digits_all", "seed": 1, "checkpoint": "4_0.pth"},
        "sender": {"run": name, "seed": 0, "checkpoint": file},
    }
    own = halves.parents(start, 0, config(sender=sender), folders)
    into = trained.network("digits_all", 1, folders=folders)
    assert torch.equal(own.receiver(images), into(images))
    assert not own.receiver.training and not own.sender.training
    sent = own.sender(images)
    if sender in ("planted", "self"):
        assert torch.allclose(sent, into(images), atol=1e-4)
        assert torch.equal(own.sender.body[0].weight, into.body[0].weight) == (sender == "self")
        return
    assert torch.equal(sent, trained.network(name, 0, checkpoint, folders)(images))
    if sender == "untrained":
        initial = networks.build("small_cnn", 1, 8, 10, 0).state_dict()
        assert all(torch.equal(value, initial[key]) for key, value in own.sender.state_dict().items())


# At which layers


def test_layers_are_those_after_an_activation_or_right_before_one(two, images):
    assert halves.layers(two, config(), images) == ["2", "5", "8"]
    assert halves.layers(two, config(learns="rest", kind="identity"), images) == ["1", "4", "7"]
    assert halves.layers(two, config(layers="8, 0,2"), images) == ["0", "2", "8"]
    assert halves.layers(two, config(layers="2,2"), images) == ["2"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"layers": "relu"}, "there is no layer 'relu' to stitch at; there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"),
        ({"layers": "10"}, "there is no layer '10' to stitch at; there are 0, "),
        ({"layers": "2,"}, "there is no layer '' to stitch at"),
        ({"layers": "2,4", "kind": "g_relu"}, "G_ReLU, .* which does not act at layer 4; it does at 2, 5, 8$"),
        ({"layers": "2", "learns": "rest", "kind": "random_g_relu"}, "not act at layer 2; it does at 1, 4, 7$"),
    ],
)
def test_layers_that_are_none(two, images, changes, message):
    with pytest.raises(InputError, match=message):
        halves.layers(two, config(**changes), images)


def test_networks_without_layers_to_cut_at_or_without_relu(images):
    cct = networks.build("small_cct", 1, 8, 10, 0)
    with pytest.raises(InputError, match="the body of small_cct is no sequence that could be cut"):
        halves.layers(Parents(cct, cct), config(), images)
    smooth = networks.build("small_cnn", 1, 8, 10, 0)
    for name in ("2", "5", "8"):
        setattr(smooth.body, name, torch.nn.GELU())
    with pytest.raises(InputError, match="small_cnn has no layer with a ReLU to stitch at; say --layers, of 0, 1, "):
        halves.layers(Parents(smooth, smooth), config(), images)
    with pytest.raises(InputError, match="does not act at layer 2; small_cnn has no ReLU to cut at"):
        halves.layers(Parents(smooth, smooth), config(kind="g_relu", layers="2"), images)
    assert halves.layers(Parents(smooth, smooth), config(layers="5"), images) == ["5"]


# Clustered noise


def test_noise_is_that_of_an_image_whatever_comes_with_it(two, images):
    noise = ClusteredNoise(two.sender, (4, 3, 3), seed=0)
    found = noise(images)
    assert found.shape == (100, 4, 3, 3) and float(found.min()) == 0 and torch.equal(found, noise(images))
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noise(images[order]), found[order])
    assert torch.equal(torch.cat([noise(images[:1]), noise(images[1:30]), noise(images[30:])]), found)
    assert len(found.flatten(1).unique(dim=0)) == len(images.flatten(1).unique(dim=0))
    assert not torch.equal(ClusteredNoise(two.sender, (4, 3, 3), seed=1)(images), found)


def test_noise_clusters_by_the_class_that_the_network_sees(two):
    images = evaluated()
    with torch.no_grad():
        seen = two.sender(images).argmax(dim=1)
    found = ClusteredNoise(two.sender, (8, 4, 4), seed=0)(images).flatten(1).double()
    means = torch.stack([found[seen == k].mean(dim=0) for k in range(10)])
    assert (torch.cdist(found, means).argmin(dim=1) == seen).double().mean() > 0.99
    for k in range(10):  # within a class they know nothing of each other
        inside = found[seen == k] - means[k]
        covariance = torch.corrcoef(inside)
        assert covariance[~torch.eye(len(inside), dtype=torch.bool)].abs().mean() < 0.15


def test_noise_is_worth_no_more_than_what_its_network_sees(parents, two):
    """Of images that a network calls alike, at most those of the most frequent class can be right."""
    poor = trained.network("digits_randomlab", 0, folders=folders_of(parents))
    images, outputs = trained.images("digits_all", 1000, folders=folders_of(parents))
    front, back = ClusteredNoise(poor, (64, 2, 2), seed=0), stitching.cut(two.receiver, "8")[1]
    stitch, given = stitches.Full(64, 64, 0), front(images)
    stitching.fit(stitch, back, given, outputs, stitching.Training(epochs=6))
    stitching.recalibrated(back, stitch.hard(), given.split(500))
    labels = torch.from_numpy(data.load("digits", "test", "").labels)
    with torch.no_grad():
        seen = poor(evaluated()).argmax(dim=1)
        right = float((back(stitch(front(evaluated()))).argmax(dim=1) == labels).double().mean())
    bound = sum(int(torch.bincount(labels[seen == k]).max()) for k in seen.unique()) / len(labels)
    assert right <= bound + 0.02 and bound < 0.6


def test_noise_has_the_shape_of_the_receiver(two, images):
    fronts, joined = built(two, ["2", "8"], images, sender="noise")
    for front, layer in zip(fronts, ("2", "8")):
        assert front(images[:3]).shape == stitching.features(stitching.cut(two.receiver, layer)[0], images[:3]).shape
    assert [x.shape for x in joined([front(images[:3]) for front in fronts])] == [(3, 10)] * 2


# What they compute, and what learns


@torch.no_grad()
def test_stitched_networks_are_their_parts(two, images):
    fronts, joined = built(two, ["2", "5"], images)
    found = joined.eval()([front(images) for front in fronts])
    for layer, stitch, each in zip(("2", "5"), joined.stitches, found):
        x = torch.einsum("oc,bchw->bohw", stitch.weight, stitching.cut(two.sender, layer)[0](images))
        assert torch.allclose(each, stitching.cut(two.receiver, layer)[1](x), atol=1e-5)
    fronts, joined = built(two, ["2", "5"], images, kind="identity", sender="self")
    fronts = [stitching.cut(two.receiver, layer)[0] for layer in ("2", "5")]
    for each in joined.eval()([front(images) for front in fronts]):
        assert torch.allclose(each, two.receiver(images), atol=1e-5)


def test_the_stitch_of_a_layer_does_not_depend_on_other_layers(two, images):
    _, every = built(two, ["2", "5", "8"], images)
    for number, layer in enumerate(("2", "5", "8")):
        _, alone = built(two, [layer], images)
        assert torch.equal(alone.stitches[0].weight, every.stitches[number].weight)
    _, other = built(two, ["2", "5", "8"], images, seed=1)
    first = [stitch.weight.flatten()[:9] for joined in (every, other) for stitch in joined.stitches]
    assert len({tuple(x.tolist()) for x in first}) == 6  # no two begin with the same numbers


def test_only_the_stitch_learns(two, images):
    fronts, joined = built(two, ["2", "5"], images)
    before = copy.deepcopy(joined.backs.state_dict())
    learning = {name for name, p in joined.named_parameters() if p.requires_grad}
    assert learning == {"stitches.0.weight", "stitches.1.weight"} and joined.held is joined.stitches
    with joined.learning():
        assert all(norm.training and not norm.track_running_stats for norm in _norms(joined.backs))
        assert all(stitch.training for stitch in joined.stitches)
        sum(x.logsumexp(dim=1).sum() for x in joined([front(images) for front in fronts])).backward()
    assert all(torch.equal(value, before[key]) for key, value in joined.backs.state_dict().items())
    assert all(p.grad is None for p in joined.backs.parameters())
    assert not any(front.training for front in fronts) and batch_norms(joined.backs)


def _norms(module):
    return [x for x in module.modules() if isinstance(x, torch.nn.BatchNorm2d)]


def test_the_rest_learns_behind_its_matrix(two, images):
    own = Parents(two.receiver, two.receiver)
    _, joined = built(own, ["1", "4"], images, kind="random_rotation", learns="rest")
    assert all(p.requires_grad for p in joined.backs.parameters()) and not list(joined.stitches.parameters())
    assert set(joined.held.state_dict()) == set(joined.state_dict()) and "stitches.0.matrix" in joined.state_dict()
    with joined.learning():
        assert all(norm.training and norm.track_running_stats for norm in _norms(joined.backs))
    own_norms = {key: value.clone() for key, value in joined.state_dict().items()}
    joined.ready([None, None])
    assert all(torch.equal(value, own_norms[key]) for key, value in joined.state_dict().items()) and not joined.training


def test_norm_layers_are_recalibrated_under_the_matrix_that_is_used(two, images):
    fronts, joined = built(two, ["2"], images, kind="g_relu")
    given = [stitching.features(front, images) for front in fronts]
    for soft in (False, True):
        joined.ready(given, soft)
        stitch = joined.stitches[0]
        x = torch.einsum("oc,bchw->bohw", stitch.soft() if soft else stitch.hard(), given[0])
        with torch.no_grad():
            expected = recalibrate(stitching.cut(two.receiver, "2")[1], [x])
        for one, other in zip(_norms(joined.backs), _norms(expected)):
            assert torch.allclose(one.running_mean, other.running_mean, atol=1e-5)
            assert torch.allclose(one.running_var, other.running_var, rtol=1e-4)


def test_networks_stay_as_they_are(two, images):
    before = [copy.deepcopy(network.state_dict()) for network in (two.sender, two.receiver)]
    fronts, joined = built(two, ["2"], images)
    with torch.no_grad():
        for p in [*joined.parameters(), *fronts[0].parameters()]:
            p.add_(1)
    joined.ready([fronts[0](images)])
    for network, state in zip((two.sender, two.receiver), before):
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert isinstance(joined, Halves)
