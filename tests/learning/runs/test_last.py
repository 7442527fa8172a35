"""The last weights of a run, from which another one starts: where they are not there, or do not fit, both are named."""

import dataclasses

import pytest
import torch

from info_geometry.files import InputError
from learning import networks
from learning.runs import diverged, last, weights
from learning.runs import run as runs
from learning.runs.diverged import DivergedError
from learning.runs.run import Folders
from tests.support.runs import TINY, folder_of
from tests.support.stages import TRAIN, done


@pytest.fixture
def study(tmp_path):
    """Return a run that starts from a finished one, digits_all, and folders."""
    done(TRAIN, tmp_path, "digits", **TINY)
    folders = Folders(tmp_path, tmp_path / "checkpoints", tmp_path / "predictions")
    run = dataclasses.replace(runs.read(folders.run("digits_all", 0)), name="digits_all_from")
    return dataclasses.replace(run, start=last.said("digits_all", run, folders)), folders


def test_weights_are_those_of_the_last_state(study, tmp_path):
    run, folders = study
    network = networks.build("small_cnn", 1, 8, 10, 0)
    last.put(run, network, folders)
    expected = weights.load(folder_of(tmp_path) / "last.pth")["network"]
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


def test_weights_of_another_shape_name_both_runs(study):
    run, folders = study
    with pytest.raises(InputError) as raised:
        last.put(run, networks.build("small_cnn", 1, 8, 10, 0, width=8), folders)
    text = str(raised.value)
    assert text.startswith("digits_all_from seed 0 does not start: digits_all does not fit the network: ")
    assert text.endswith("give it network and shape of digits_all, or another --start")


def test_a_run_that_diverged_is_said_to_have(study, tmp_path):
    run, folders = study
    (folder_of(tmp_path) / "last.pth").unlink()
    with pytest.raises(InputError, match=r"digits_all_from seed 0 starts from .*training did not finish; go on with"):
        last.state("digits_all", run, folders)
    diverged.note(folder_of(tmp_path), DivergedError("the loss is not finite at step 3", 3))
    message = "digits_all_from seed 0 starts from digits_all, which diverged: the loss is not finite at step 3"
    with pytest.raises(DivergedError, match=message):
        last.said("digits_all", run, folders)
    with pytest.raises(InputError, match=message) as raised:
        last.put(run, networks.build("small_cnn", 1, 8, 10, 0), folders)
    assert not isinstance(raised.value, DivergedError)  # the run that starts is not noted to have diverged
    with pytest.raises(InputError, match=r"digits_all_from seed 0: .* holds no run to start from; train digits_even"):
        last.state("digits_even", run, folders)
