"""Accuracy on evaluation images: that of counting one image after the other, and nothing else is changed."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from info_geometry.files import ROOT
from learning import config, data, networks
from learning.distributed import Processes
from learning.runs import evaluate

DIGITS = config.read(ROOT / "supervised_imagenet" / "01_training" / "configs" / "digits.yaml")
MIRRORED = dataclasses.replace(DIGITS, augmentation="crop_flip", evaluation_batch_size=50)
PLAIN = dataclasses.replace(DIGITS, augmentation="none", evaluation_batch_size=50)


@pytest.fixture(scope="module")
def images():
    return data.load("digits", "test", "")


@pytest.fixture
def network(images):
    """A network that is right about half of the time: only its last layer is fitted to images."""
    network = networks.build("small_cnn", 1, 8, 10, 0)
    with torch.no_grad():
        for _ in range(20):  # norm layers get to know the images
            features = network.body(pixels_of(images, range(300)))
        targets = torch.nn.functional.one_hot(torch.from_numpy(images.labels[:300]), 10).float()
        ridge = features.T @ features + 10 * torch.eye(features.shape[1])
        network.head.weight.copy_(torch.linalg.solve(ridge, features.T @ targets).T)
        network.head.bias.zero_()
    return network


def pixels_of(images, indices):
    indices = torch.tensor(list(indices))
    return next(images.batches([data.Batch(indices, indices)]))


def answers(network, images, indices, mirrored, resolution=8):
    """Return what a network answers to images, one after the other."""
    found, network = [], copied(network)
    for i in indices:
        pixels = pixels_of(images, [i])
        if resolution != 8:
            pixels = torch.nn.functional.interpolate(pixels, size=[resolution] * 2, mode="bilinear", antialias=True)
        logits = network(pixels) + network(pixels.flip(3)) if mirrored else network(pixels)
        found.append(int(logits.argmax()))
    return np.array(found)


def copied(network):
    copy = networks.build("small_cnn", 1, 8, 10, 0)
    copy.load_state_dict(network.state_dict())
    return copy.eval()


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": "none"},
        {"augmentation": "crop_flip"},
        {"augmentation": "random_resized_crop"},
        {"evaluation_resolution": 16},
    ],
    ids=str,
)
def test_accuracy_is_that_of_one_image_after_the_other(network, images, changes):
    settings = dataclasses.replace(MIRRORED, **changes)
    chosen = np.random.default_rng(0).permutation(599)[:230]
    right = images.labels[chosen]
    mirrored = settings.augmentation != "none"
    expected = answers(network, images, chosen, mirrored, settings.evaluation_resolution or 8) == right
    found = evaluate.accuracy(network, images, chosen, torch.from_numpy(images.labels), settings, Processes())
    assert found == pytest.approx(expected.mean(), abs=1e-6) and 0.05 < found < 0.95


def test_images_and_their_mirror_images_are_answered_together(network, images):
    every = range(599)
    plain, mirrored = (answers(network, images, every, flip) for flip in (False, True))
    assert (plain != mirrored).mean() > 0.05
    for settings, right in ((PLAIN, plain), (MIRRORED, mirrored)):
        assert evaluate.accuracy(network, images, every, torch.from_numpy(right), settings, Processes()) == 1
        assert evaluate.accuracy(network, images, every, torch.from_numpy(right + 1), settings, Processes()) == 0


def test_size_of_batches_does_not_matter(network, images):
    known = answers(network, images, range(110), True)
    for size, number in itertools.product((1, 50, 500), (1, 49, 50, 51, 101)):
        settings = dataclasses.replace(MIRRORED, evaluation_batch_size=size)
        chosen, outputs = np.arange(5, 5 + number), known.copy()
        outputs[chosen[: number // 2]] += 1
        found = evaluate.accuracy(network, images, chosen, torch.from_numpy(outputs), settings, Processes())
        assert found == pytest.approx((number - number // 2) / number)


@pytest.mark.parametrize("training", [True, False])
def test_network_is_left_as_it_is(network, images, training):
    network.train(training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    outputs = torch.from_numpy(images.labels)
    evaluate.accuracy(network, images, np.arange(120), outputs, MIRRORED, Processes())
    assert {module.training for module in network.modules()} == {training}
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    network.train()
    network(pixels_of(images, range(8))).sum().backward()  # no tensor of inference is left in it
    assert all(parameter.grad is not None for parameter in network.parameters())


class Together(Processes):
    """One process after the other: the sum is that of those which were there."""

    def __init__(self, rank, world, parts):
        super().__init__(rank, world)
        self._parts = parts

    def sum(self, tensor):
        self._parts.append(tensor)
        return sum(self._parts)


@pytest.mark.parametrize("number, world", [(120, 2), (121, 2), (101, 4), (1, 2), (3, 4)])
def test_processes_share_the_images(network, images, number, world):
    parts, chosen = [], np.random.default_rng(1).permutation(599)[:number]
    outputs = torch.from_numpy(images.labels)
    for rank in range(world - 1):
        if rank < number:
            evaluate.accuracy(network, images, chosen, outputs, MIRRORED, Together(rank, world, parts))
    found = evaluate.accuracy(network, images, chosen, outputs, MIRRORED, Together(world - 1, world, parts))
    assert found == evaluate.accuracy(network, images, chosen, outputs, MIRRORED, Processes())
    assert sorted(int(part[1]) for part in parts) == sorted(len(chosen[rank::world]) for rank in range(world))
