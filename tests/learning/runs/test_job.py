"""A job builds the network that its configuration says, and so does the second stage."""

import json

import pytest

from info_geometry import predictions
from learning import networks
from learning.runs import run as runs
from learning.runs import weights
from tests.support.runs import TINY, folder_of
from tests.support.stages import STORE, TRAIN, done, run


@pytest.mark.parametrize("network", ["small_cnn", "small_cct"])
def test_a_width_is_that_of_checkpoints_and_predictions(tmp_path, network):
    done(TRAIN, tmp_path, "digits", **TINY, network=network, width=4)
    state = weights.load(folder_of(tmp_path) / "ckpt" / "0_0.pth")
    expected = networks.build(network, 1, 8, 10, 0, width=4).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: x.shape for key, x in expected.items()}
    done(STORE, tmp_path, "digits_all")
    assert predictions.open_trajectory(tmp_path / "predictions" / "digits_all" / "preds_0.h5").shape[0] == 3


def test_a_run_from_before_there_were_widths_goes_on(tmp_path):
    done(TRAIN, tmp_path, "digits", **TINY)
    path = folder_of(tmp_path) / "run.json"
    old = json.loads(path.read_text())
    assert old["config"].pop("width") == 0
    path.write_text(json.dumps(old))
    assert runs.read(path.parent).config["width"] == 0
    assert run(TRAIN, tmp_path, "digits", **TINY)[0] == 0
    done(STORE, tmp_path, "digits_all")
    code, said = run(TRAIN, tmp_path, "digits", **TINY, width=8)
    assert code and "width 0 -> 8" in said


def test_a_width_that_a_network_does_not_take_leaves_no_run(tmp_path):
    code, said = run(TRAIN, tmp_path, "digits", **TINY, network="resnet18_small", width=8)
    assert code and "width is 8, but resnet18_small has only its own; leave it out" in said
    assert not (folder_of(tmp_path) / "run.json").exists()
