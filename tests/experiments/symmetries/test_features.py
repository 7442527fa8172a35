"""What channels do, read off networks: against layers called one by one, and correlations against numpy's."""

import numpy as np
import pytest
import torch

from experiments.symmetries.anatomy import anatomy
from experiments.symmetries.elements import Element, act, element
from experiments.symmetries.features import correlations, features
from tests.experiments.symmetries.made_up import SMALL, ids, made


def test_layers_called_one_by_one():
    network, images = made("small_cnn", 1, 8, 4)
    found = features(network, anatomy(network), images)
    for name, stop in (("body.2", 3), ("body.5", 6), ("body.8", 9)):
        expected = network.body[:stop](images).movedim(1, 0).flatten(1)
        assert len(found[name]) == 1 and torch.equal(found[name][0], expected) and (expected >= 0).all()
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_stream_is_read_by_every_block():
    network, images = made("cifar_resnet20", 1, 8, 2)
    found = features(network, anatomy(network), images)
    stream = found["body.1"]
    assert len(stream) == 4  # three blocks of its stage, and the first of the next one
    for reader, stop in zip(stream, (3, 4, 5, 6)):
        assert torch.equal(reader, network.body[:stop](images).movedim(1, 0).flatten(1))


def test_heads_look_where_torch_says():
    network, images = made("small_cct", 1, 8, 8)
    attention, given = network.body.blocks[1].attention, []
    attention.register_forward_pre_hook(lambda module, tokens: given.append(tokens[0]))
    found = features(network, anatomy(network), images)["body.blocks.1.attention"][0]
    with torch.no_grad():
        _, expected = attention(given[0], given[0], given[0], need_weights=True, average_attn_weights=False)
    assert torch.allclose(found, expected.movedim(1, 0).flatten(1), atol=1e-12)
    assert torch.allclose(found.view(2, 8, 16, 16).sum(-1), torch.ones(2, 8, 16, dtype=torch.float64))


@pytest.mark.parametrize("kind", SMALL, ids=ids)
def test_features_move_as_an_element_says(kind):
    """f'_i = s_i f_p(i), and maps within heads move nothing that is read."""
    network, images = made(*kind)
    drawn = element(network, 3)
    before, after = (features(each, anatomy(network), images) for each in (network, act(network, drawn)))
    for space in anatomy(network):
        scales = drawn.scales.get(space.name, torch.ones(space.channels, dtype=torch.float64))
        for x, y in zip(before[space.name], after[space.name]):
            assert torch.allclose(scales[:, None] * x[drawn.permutations[space.name]], y, atol=1e-9)


def test_correlations_are_those_of_numpy_and_of_all_batches_together():
    network, images = made("plain_cnn", 1, 8, 4)
    other, _ = made("plain_cnn", 1, 8, 4, seed=1)
    spaces = anatomy(network)
    pair = [features(each, spaces, images) for each in (network, other)]
    whole, parts = (correlations(network, other, spaces, each) for each in ([images], images.split(3)))
    for space in spaces:
        x, y = (each[space.name][0].numpy() for each in pair)
        alive = np.ix_(x.std(axis=1) > 0, y.std(axis=1) > 0)
        expected = np.zeros((len(x), len(y)))
        expected[alive] = np.corrcoef(x[x.std(axis=1) > 0], y[y.std(axis=1) > 0])[: len(alive[0]), len(alive[0]) :]
        np.testing.assert_allclose(whole[space.name], expected, atol=1e-10)
        np.testing.assert_allclose(parts[space.name], whole[space.name], atol=1e-10)


def test_dead_channels_correlate_with_none():
    """They would count as perfect matches otherwise."""
    network, images = made("plain_cnn", 1, 8, 4)
    dead = act(network, Element({}))
    with torch.no_grad():
        dead.body[0].bias[1] = -1e6
    found = correlations(dead, dead, anatomy(network), [images])["body.1"]
    assert (found[1] == 0).all() and (found[:, 1] == 0).all()
    assert torch.allclose(found.diag()[[0, 2, 3]], torch.ones(3, dtype=torch.float64))
