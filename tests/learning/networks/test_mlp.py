"""Perceptrons: their layers, their weights, and the one resolution that they take."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from info_geometry.files import InputError
from learning import data, networks
from learning.config import Config
from tests.support.runs import TINY, folder_of
from tests.support.stages import STORE, TRAIN, done, log_lines, run


def shapes(name, *more):
    network = networks.build(name, 1, 28, 10, 0, *more)
    return [(x.in_features, x.out_features) for x in network.modules() if isinstance(x, nn.Linear)]


def test_layers():
    assert shapes("mlp_small") == [(784, 64), (64, 10)]
    assert shapes("mlp") == [(784, 256), (256, 256), (256, 128), (128, 10)]
    assert shapes("mlp_small", 6) == [(784, 6), (6, 10)]
    assert shapes("mlp", 6) == [(784, 6), (6, 6), (6, 3), (3, 10)]


def test_activations_neither_vanish_nor_grow():
    network, found = networks.build("mlp", 1, 28, 10, 0), []
    for module in network.body.modules():
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
            module.register_forward_hook(lambda module, given, out: found.append(float(out.square().mean())))
    with torch.inference_mode():
        network(torch.randn(64, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert len(found) == 3 and all(0.6 < later / sooner < 1.6 for sooner, later in itertools.pairwise([2, *found]))


def test_it_takes_images_of_the_resolution_of_the_configuration():
    usual = Config("digits", "mlp_small", 2, 8, 0.1)
    images = data.load("digits", "train", "")
    for changes, side in (
        ({}, 8),
        ({"resolution": 4, "evaluation_resolution": 4}, 4),
        ({"resolution": 8}, 8),
        ({"network": "plain_cnn", "resolution": 4}, None),
    ):
        network = networks.of_config(dataclasses.replace(usual, **changes), images, 10, 0)
        assert side is None or network.body[1].in_features == side**2
    for changes in ({"resolution": 4}, {"evaluation_resolution": 4}, {"final_resolution": 16}):
        with pytest.raises(InputError, match=r"mlp_small has weights for each pixel, but images are of [48] pixels"):
            networks.of_config(dataclasses.replace(usual, **changes), images, 10, 0)


def test_both_stages_take_it(tmp_path):
    side = {"resolution": 4, "evaluation_resolution": 4}
    done(TRAIN, tmp_path, "digits", **TINY, **side, network="mlp", width=32)
    done(STORE, tmp_path, "digits_all")
    assert len(log_lines(folder_of(tmp_path))) == 3
    code, text = run(TRAIN, tmp_path, "digits", "--variant", "x", **TINY, resolution=4, network="mlp")
    assert code == 1 and "mlp has weights for each pixel, but images are of 4 pixels in training" in text
