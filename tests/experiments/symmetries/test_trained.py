"""Networks and images of runs, in one line each."""

import numpy as np
import pytest
import torch

from experiments.symmetries import trained
from info_geometry.files import InputError
from learning import data
from learning.runs.run import Folders
from tests.support.stages import STORE, TRAIN, done


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("symmetries")
    done(TRAIN, folder, "digits", "--task", "odd", epochs=3, warmup_epochs=1, batch_size=16, checkpoints=4, width=8)
    return Folders(checkpoints=folder / "checkpoints", predictions=folder / "predictions")


def test_a_network_predicts_what_was_stored_of_it(folders):
    from info_geometry import predictions

    done(STORE, folders.checkpoints.parent, "digits_odd", "--head")
    stored = predictions.open_trajectory(folders.file("digits_odd_head", 0))
    pixels = (data.load("digits", "test", "").pixels.float() - 4.88) / 6.02
    for number in (0, 1, -1):
        network = trained.network("digits_odd", 0, number, folders)
        with torch.no_grad():
            found = network(pixels).softmax(dim=1).numpy()
        assert np.allclose(stored.roots()[number][:, [1, 3, 5, 7, 9]] ** 2, found, atol=2e-3)
    assert network.body[0].out_channels == 8 and not network.training


def test_images_are_of_the_task_as_many_of_each_class_and_always_the_same(folders):
    images, outputs = trained.images("digits_odd", 50, folders=folders)
    assert images.shape == (50, 1, 8, 8) and torch.bincount(outputs).tolist() == [10] * 5
    again, _ = trained.images("digits_odd", 50, folders=folders)
    assert torch.equal(images, again) and (outputs[1:] < outputs[:-1]).any()
    digits = data.load("digits", "train", "")
    place = ((digits.pixels.float() - 4.88) / 6.02 - images[0]).abs().flatten(1).sum(dim=1).argmin()
    assert digits.labels[place] == [1, 3, 5, 7, 9][outputs[0]]


def test_what_is_not_there(folders):
    with pytest.raises(InputError, match="digits_odd/seed_0 has the checkpoints 0 to 3"):
        trained.network("digits_odd", 0, 4, folders)
    with pytest.raises(InputError, match="holds no run; train it with python -m supervised_imagenet"):
        trained.network("digits_even", 0, folders=folders)
