"""A job builds the network that its configuration says, and so does the second stage."""

import dataclasses
import json

import pytest
import torch

from info_geometry import predictions
from learning import networks
from learning.config import SHAPE, Config
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


@pytest.mark.parametrize(
    "network, shape",
    [
        ("fc", {"widths": "24-12"}),
        ("linear", {}),
        ("conv_mixer", {"width": 8, "depth": 2, "patch": 4}),
        ("vit", {"width": 16, "depth": 1, "patch": 2, "heads": 2}),
        ("wide_resnet", {"width": 2, "depth": 16}),
    ],
)
def test_both_stages_take_a_network_of_a_shape(tmp_path, network, shape):
    """Its head learns, and its features are imprinted."""
    settings = {**TINY, "batch_size": 100, "learning_rate": 0.05, "initialisation": "kaiming"}
    done(TRAIN, tmp_path, "digits", **settings, network=network, **shape)
    trained = runs.read(folder_of(tmp_path))
    paths = [trained.path(folder_of(tmp_path), step) for step in (0, trained.schedule[-1])]
    found = [weights.load(path) for path in paths]
    expected = networks.build(network, 1, 8, 10, 0, **shape, initialisation="kaiming").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in found[0].items()) and len(found[0]) == len(expected)
    assert all(not torch.equal(value, found[1][key]) for key, value in expected.items())
    done(STORE, tmp_path, "digits_all")
    done(STORE, tmp_path, "digits_all", "--head")
    accuracy = {}
    for name in ("digits_all", "digits_all_head"):
        stored = predictions.open_trajectory(tmp_path / "predictions" / name / "preds_0.h5")
        accuracy[name] = (stored.roots().argmax(axis=2) == stored.labels).mean(axis=1)
    assert accuracy["digits_all"][-1] > 0.3 and accuracy["digits_all_head"][-1] > accuracy["digits_all_head"][0]


def test_a_run_from_before_there_were_widths_goes_on(tmp_path):
    done(TRAIN, tmp_path, "digits", **TINY)
    path = folder_of(tmp_path) / "run.json"
    old = json.loads(path.read_text())
    usual = {field.name: field.default for field in dataclasses.fields(Config)}
    for key in (*SHAPE, "initialisation", "annealing"):
        assert old["config"].pop(key) == usual[key]
    path.write_text(json.dumps(old))
    assert runs.read(path.parent).config["width"] == 0
    assert run(TRAIN, tmp_path, "digits", **TINY)[0] == 0
    done(STORE, tmp_path, "digits_all")
    code, said = run(TRAIN, tmp_path, "digits", **TINY, width=8)
    assert code and "width 0 -> 8" in said


@pytest.mark.parametrize(("key", "others"), [("width", "small_cnn, "), ("depth", "conv_mixer, vit, wide_resnet")])
def test_a_shape_that_a_network_does_not_take_leaves_no_run(tmp_path, key, others):
    code, said = run(TRAIN, tmp_path, "digits", **TINY, network="resnet18_small", **{key: 8})
    assert code and f"{key} is 8, but resnet18_small has only its own; leave it out, or take one of {others}" in said
    assert not (folder_of(tmp_path) / "run.json").exists()
