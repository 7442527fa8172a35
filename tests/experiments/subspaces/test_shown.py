"""Which images networks are shown, and with which labels."""

import dataclasses

import numpy as np
import pytest
import torch

from experiments.subspaces.choices import Choices
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.shown import Shown
from info_geometry.files import InputError
from learning import data
from learning.distributed import Processes
from learning.noise import noisy
from learning.runs.job import describe
from learning.split import split
from learning.tasks import load

SETTINGS = {"dataset": "digits", "network": "small_cnn", "epochs": 2, "batch_size": 32, "learning_rate": 0.1}


def shown_to(choices=None, task="all", **settings):
    """Return the Imprinter, the Split and the training labels of a run of digits."""
    config = SubspaceConfig(**SETTINGS, **settings)
    images = data.load("digits", "train", "")
    run = describe(load("digits", task), 0, images, config, "digits_x")
    own = split(images.labels, run.task.classes, config)
    return Shown("", "", Processes(), 0).imprinter(run, own, choices or Choices()), own, images.labels


def test_all_of_evaluation_or_as_many_as_the_run_or_the_command_says():
    assert len(shown_to()[0].labels) == 599
    few = shown_to(evaluation_images=100)[0]
    assert np.bincount(few.labels).tolist() == [10] * 10
    assert len(shown_to(Choices(samples=50), evaluation_images=100)[0].labels) == 50
    evaluation = data.load("digits", "test", "")
    places = [int((evaluation.pixels == image).flatten(1).all(dim=1).nonzero()[0]) for image in few.images.pixels]
    assert places == sorted(places)  # in their order


def test_training_images_are_those_learned_from_with_the_labels_that_are_learned():
    settings = {"validation_images": 100, "label_noise": 0.5, "training_images": 400}
    found, own, labels = shown_to(Choices(images="training"), **settings)
    assert len(found.labels) == 400
    assert np.array_equal(found.labels, noisy(labels, own, 10, 0.5)[np.sort(own.training)])
    held, own, labels = shown_to(Choices(images="validation"), **settings)
    assert np.array_equal(held.labels, noisy(labels, own, 10, 0.5)[own.validation])
    with pytest.raises(InputError, match="digits_x: no images were held out; train it with --validation_images"):
        shown_to(Choices(images="validation"))


def test_a_task_of_few_classes_is_shown_its_own_labels():
    found, own, labels = shown_to(Choices(images="training", samples=60), task="odd", label_noise=0.5)
    assert set(found.labels) == {1, 3, 5, 7, 9} and len(found.labels) == 60
    true = labels[np.sort(own.training)]
    assert set(true) == {1, 3, 5, 7, 9}


def test_corrupted_images_are_the_same_samples():
    clean, dark = (shown_to(choices)[0] for choices in (Choices(), Choices(corruption="contrast", severity=5)))
    assert np.array_equal(clean.labels, dark.labels) and not torch.equal(clean.images.pixels, dark.images.pixels)


def test_what_was_shown_last_is_kept():
    config = SubspaceConfig(**SETTINGS)
    images = data.load("digits", "train", "")
    run = describe(load("digits", "all"), 0, images, config, "digits_x")
    own, shown = split(images.labels, run.task.classes, config), Shown("", "", Processes(), 0)
    first = shown.imprinter(run, own, Choices())
    assert shown.imprinter(run, own, Choices(positions=(0.0,))) is first
    noise = dataclasses.replace(run, config={**run.config, "label_noise": 0.3})
    one, other = (shown.imprinter(x, own, Choices(images="training")) for x in (run, noise))
    assert one is not other and (one.labels != other.labels).any()
