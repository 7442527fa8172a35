"""Configurations of stitches: what is refused, what is read back, and the names of runs."""

import dataclasses
import math
import re

import numpy as np
import pytest
import torch

from experiments.symmetries import config as stitch_config
from experiments.symmetries import kinds
from experiments.symmetries.config import FITTED, RANDOM, SENDERS, TRAINED, WITH_SOFT, StitchConfig
from experiments.symmetries.training import Stitching
from info_geometry.files import ROOT, InputError
from learning import tasks
from learning.config import read
from tests.experiments.symmetries.stitch_runs import config

CONFIGS = sorted((ROOT / "experiments" / "symmetries" / "01_training" / "configs").glob("*.yaml"))


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"kind": "fulll"},
            "kind is 'fulll', expected one of full, low_rank, lasso, g_relu, gumbel_sinkhorn, identity",
        ),
        ({"sender": "other"}, "sender is 'other', expected one of trained, untrained, random_labels, noise, planted"),
        ({"learns": "all"}, "learns is 'all', expected one of stitch, rest"),
        ({"kind": "low_rank", "rank": 0}, "rank is 0, expected a positive number"),
        ({"rank": 2}, "rank is 2, but the kind is full, and the sender trained; leave it out"),
        ({"alpha": 0.5}, "alpha is 0.5, but the kind is full, and the sender trained; leave it out"),
        ({"kind": "lasso", "strength": -0.1}, "strength is -0.1, expected a finite number that is not negative"),
        ({"strength": 0.1}, "strength is 0.1, but the kind is full"),
        (
            {"kind": "lasso", "optimiser": "adam"},
            "optimiser is adam, but the proximal steps of lasso follow steps along the gradient; take the "
            "configurations that end in _lasso, or sgd",
        ),
        ({"penalty": "published"}, "penalty is 'published', but the kind is full"),
        ({"kind": "gumbel_sinkhorn", "start": "matched"}, "start is 'matched', but the kind is gumbel_sinkhorn"),
        ({"kind": "gumbel_sinkhorn", "tau": 0.01}, "final_tau is 0.05, expected at most tau (0.01)"),
        ({"kind": "gumbel_sinkhorn", "final_tau": 0.0}, "final_tau is 0.0, expected a positive number"),
        ({"tau": 2.0}, "tau is 2.0, but the kind is full"),
        ({"spread": 1.0}, "spread is 1.0, but the kind is full"),
        ({"kind": "random_g_relu", "spread": -1.0}, "spread is -1.0, expected a finite number that is not negative"),
        ({"sender": "planted", "spread": math.inf}, "spread is inf, expected a finite number"),
        ({"sender": "planted", "spread": math.nan}, "spread is nan, expected a finite number"),
        ({"epochs": 0}, "epochs is 0, expected a positive number"),
        ({"validation_images": 0}, "validation_images is 0, expected a positive number"),
        ({"recalibration_images": 0}, "recalibration_images is 0, expected a positive number"),
        ({"network": "small_cnn"}, "network is 'small_cnn', but these are those of the networks that are stitched"),
        ({"width": 8}, "width is 8, but these are those of the networks that are stitched; leave it out"),
        ({"resolution": 16}, "resolution is 16, but these are those of the networks that are stitched"),
        ({"evaluation_resolution": 16}, "evaluation_resolution is 16, but these are those of the networks"),
        ({"final_resolution": 32}, "final_resolution is 32, but images are those of the networks that are stitched"),
        ({"augmentation": "crop_flip"}, "augmentation is 'crop_flip', but features are computed once"),
        ({"evaluate_every": 1}, "evaluate_every is 1, but stitched networks are evaluated on images held out"),
        ({"precision": "bfloat16"}, "precision is 'bfloat16', but what learns is small, in float32"),
        ({"learns": "rest"}, "kind is full, but what the rest learns behind is one of identity, random_permutation"),
        (
            {"learns": "rest", "kind": "identity", "sender": "untrained"},
            "sender is untrained, but the rest of a network learns behind itself; leave it out",
        ),
    ],
)
def test_settings_that_mean_nothing(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        config(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "low_rank", "rank": 4, "layers": "2,5"},
        {"kind": "g_relu", "alpha": 0.1, "start": "matched", "penalty": "published"},
        {"kind": "gumbel_sinkhorn", "tau": 2.0, "final_tau": 0.5},
        {"sender": "planted", "kind": "matched", "spread": 1.0},
        {"learns": "rest", "kind": "random_g_relu", "spread": 0.0},
    ],
)
def test_a_configuration_is_read_back_from_its_run(changes):
    one = config(**changes)
    assert StitchConfig(**dataclasses.asdict(one)) == one
    there = {**dataclasses.asdict(one), "network": "small_cnn", "width": 8, "evaluation_resolution": 16, "later": 1}
    assert stitch_config.of_run(there) == one


def test_kinds_whose_matrix_that_is_trained_is_not_the_one_that_is_used():
    differ = []
    for kind in StitchConfig.CHOICES["kind"]:
        features = np.random.default_rng(0).random((2, 20, 5, 2, 2))
        made = kinds.build(config(kind=kind), 5, 5, 0, lambda features=features: features)
        differ += [kind] if not torch.equal(made.hard(), made.soft()) else []
    assert tuple(differ) == WITH_SOFT


def test_what_trains_and_whose_networks():
    assert {kind for kind in StitchConfig.CHOICES["kind"] if config(kind=kind).trains} == set(TRAINED)
    assert all(config(kind=kind, learns="rest").trains for kind in RANDOM)
    assert {sender for sender in SENDERS if config(sender=sender).alone} == {"planted", "self"}
    assert config(kind="identity", learns="rest").sender == "self"


def test_stitches_that_are_fitted_to_nothing():
    assert all(config(kind=kind).unfitted.kind == "identity" for kind in FITTED)
    assert all(config(kind=kind).unfitted == config(kind=kind) for kind in (*TRAINED, *RANDOM))
    assert config(kind="g_relu", start="matched", alpha=1.0).unfitted == config(kind="g_relu", alpha=1.0)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations(path):
    found = read(path, StitchConfig)
    dataset, _, what = path.stem.partition("_")
    assert found.dataset == dataset
    assert {"stitch": "full", "transformed": "random_g_relu"}.get(what, what) == found.kind
    assert (found.learns == "rest") == (what == "transformed")
    assert (found.optimiser == "sgd") == (what in ("lasso", "g_relu"))
    for kind in StitchConfig.CHOICES["kind"]:  # another kind can be said beside it, but for lasso
        if (what == "stitch" and kind != "lasso") or (what == "transformed" and kind in RANDOM):
            assert read(path, StitchConfig, [("kind", kind)]).kind == kind
    if what == "stitch":
        with pytest.raises(InputError, match="take the configurations that end in _lasso, or sgd"):
            read(path, StitchConfig, [("kind", "lasso")])
        assert read(path, StitchConfig, [("kind", "lasso"), ("optimiser", "sgd")]).kind == "lasso"


# Names of runs


def test_names_of_runs():
    low, every = tasks.load("digits", "low"), tasks.load("digits", "all")
    names = {
        "digits_low_plus1_full": (low, {}, {}),
        "digits_low_minus2_g_relu": (low, {"receiver": -2}, {"kind": "g_relu"}),
        "digits_low_small_plus10_lasso": (low, {"networks": "small", "receiver": 10}, {"kind": "lasso"}),
        "digits_all_untrained_plus1_low_rank": (every, {}, {"sender": "untrained", "kind": "low_rank"}),
        "digits_all_random_labels_plus1_full": (every, {}, {"sender": "random_labels"}),
        "digits_all_noise_minus1_procrustes": (every, {"receiver": -1}, {"sender": "noise", "kind": "procrustes"}),
        "digits_all_planted_matched": (every, {}, {"sender": "planted", "kind": "matched"}),
        "digits_all_self_identity": (every, {"receiver": 0}, {"sender": "self", "kind": "identity"}),
        "digits_all_retrained_random_rotation": (every, {}, {"learns": "rest", "kind": "random_rotation"}),
    }
    found = [Stitching(**how).name(task, config(**changes)) for task, how, changes in names.values()]
    assert found == list(names)


def test_all_senders_and_kinds_have_names_of_their_own():
    task, names = tasks.load("digits", "all"), []
    for kind in StitchConfig.CHOICES["kind"]:
        names += [Stitching().name(task, config(kind=kind, sender=sender)) for sender in SENDERS]
        names += [Stitching().name(task, config(kind=kind, learns="rest"))] if kind in RANDOM else []
    assert len(set(names)) == len(names) == 11 * 6 + 4


def test_receivers_that_mean_nothing():
    task = tasks.load("digits", "all")
    with pytest.raises(InputError, match="--receiver 0: a network is stitched into itself with --sender self"):
        Stitching(receiver=0).name(task, config())
    with pytest.raises(InputError, match="--receiver 2: the sender is planted, of the same network; leave it out"):
        Stitching(receiver=2).name(task, config(sender="planted"))
