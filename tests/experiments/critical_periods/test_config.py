"""Configurations of critical periods: epochs, learning rates by hand, names of runs, and what is refused."""

import math

import pytest

from experiments.critical_periods.config import DEFICITS, PeriodsConfig, of_run
from info_geometry.files import ROOT, InputError
from learning.config import read
from learning.deficits import KINDS
from learning.runs import find

CONFIGS = sorted((ROOT / "experiments/critical_periods/01_training/configs").glob("*.yaml"))


def config(**changes):
    usual = {"dataset": "digits", "network": "mlp_small", "batch_size": 20, "learning_rate": 0.1}
    return PeriodsConfig(**{**usual, **changes})


def window(**changes):
    return config(**{"protocol": "window", "rate": "annealed", "epochs": 110, **changes})


BLUR = {"deficit": "blur", "end": 40}


def test_deficits_are_those_there_are():
    assert tuple(KINDS) == DEFICITS == tuple(find.DEFICITS.split("|"))


# Epochs and learning rates


def test_clean_epochs_are_counted_from_the_removal():
    assert config().epochs == 60 and config(**BLUR).epochs == 100
    assert config(**BLUR, clean_epochs=7).epochs == 47 and config(**BLUR, epochs=100).epochs == 100
    assert config(end=40.0).epochs == 100  # a control of as many epochs
    assert window(deficit="blur", onset=5, end=35.5).epochs == 110


def test_rates_restart_where_the_deficit_ends():
    found, control = config(**BLUR), config()
    assert [found.learning_rate_at(epoch) for epoch in (0.01, 12.5, 39.99)] == [0.1] * 3
    rates = [found.learning_rate_at(40 + epoch) for epoch in (0.1, 0.9, 1.1, 2.5, 59.5)]
    assert rates == pytest.approx([0.1, 0.1, 0.097, 0.1 * 0.97**2, 0.1 * 0.97**59])
    assert rates == [control.learning_rate_at(epoch) for epoch in (0.1, 0.9, 1.1, 2.5, 59.5)]
    assert config(deficit="flip", onset=3, end=9).learning_rate_at(2.5) == 0.1


@pytest.mark.parametrize("made", [config, window])
def test_annealed_and_constant_rates_do_not_look_at_the_deficit(made):
    found = made(**BLUR, rate="annealed", decay_rate=0.9)
    assert [found.learning_rate_at(epoch) for epoch in (0.5, 1.5, 50.5)] == pytest.approx([0.1, 0.09, 0.1 * 0.9**50])
    constant = made(**BLUR, rate="constant")
    assert {constant.learning_rate_at(epoch) for epoch in (0.5, 41, 99)} == {0.1}
    assert made(rate="constant", base_batch_size=40).learning_rate_at(9) == pytest.approx(0.05)


# Names


@pytest.mark.parametrize(
    "changes, label",
    [
        ({}, "clean"),
        ({"end": 40}, "none_0to40"),
        (BLUR, "blur4_0to40"),
        ({**BLUR, "end": 40.0, "onset": 0.0, "factor": 4}, "blur4_0to40"),
        ({**BLUR, "factor": 7}, "blur7_0to40"),
        ({"deficit": "random_labels", "onset": 0.5, "end": 3}, "random_labels_0.5to3"),
        ({"deficit": "flip", "onset": 1 / 3, "end": 10}, "flip_0.3333333333333333to10"),
    ],
)
def test_one_name_for_one_window(changes, label):
    assert config(**changes).label == label


# Refusals


@pytest.mark.parametrize(
    "made, changes, message",
    [
        (config, {"deficit": "blurr", "end": 3}, "deficit is 'blurr', expected one of none, blur, flip"),
        (config, {"deficit": "noise"}, "deficit is noise, but it has no window; say end, and onset unless it is 0"),
        (config, {"deficit": "noise", "onset": 3}, "deficit is noise, but it has no window"),
        (config, {"deficit": "noise", "onset": 3, "end": 3}, r"end is 3, expected more than onset \(3\)"),
        (
            config,
            {"deficit": "noise", "onset": -1, "end": 3},
            "onset is -1, expected a finite number that is",
        ),
        (config, {"deficit": "noise", "end": -3}, "end is -3, expected a finite number that is"),
        (
            config,
            {"deficit": "noise", "end": 2.5},
            "end is 2.5, expected whole epochs, since those after it are",
        ),
        (config, {"deficit": "noise", "end": math.inf}, "end is inf, expected whole epochs"),
        (config, {"onset": 2}, "onset is 2, but there is no deficit; leave it out"),
        (window, {"end": 2}, "end is 2, but there is no deficit; leave it out"),
        (window, {"deficit": "noise", "end": 111}, "end is 111, but training ends after 110 epochs; lower it"),
        (window, {"deficit": "noise", "onset": -math.inf, "end": 111}, "onset is -inf, expected a finite number"),
        (config, {"deficit": "flip", "end": 3, "factor": 7}, "factor is 7, but the deficit is flip; leave it out"),
        (config, {"factor": 7}, "factor is 7, but the deficit is none; leave it out"),
        (config, {"deficit": "blur", "end": 3, "factor": 1}, "factor is 1, which does not blur; expected at least 2"),
        (
            config,
            {"epochs": 70},
            "epochs is 70, but the protocol removal has those until end and clean_epochs, 60",
        ),
        (config, {"clean_epochs": 0}, "clean_epochs is 0, expected a positive number"),
        (window, {"epochs": 0}, "epochs is missing: the protocol window has as many in all; add `epochs: ...`"),
        (window, {"clean_epochs": 50}, "clean_epochs is 50, but the protocol window has `epochs` in all"),
        (
            window,
            {"rate": "restart"},
            "rate is restart, which is of the protocol removal; expected annealed",
        ),
        (config, {"rate": "cosine"}, "rate is 'cosine', expected one of restart, annealed, constant"),
        (config, {"protocol": "removed"}, "protocol is 'removed', expected one of removal, window"),
        (config, {"rate": "constant", "decay_rate": 0.9}, "decay_rate is 0.9, but the rate is constant; leave it out"),
        (config, {"decay_rate": 1.1}, "decay_rate is 1.1, expected at most 1"),
        (config, {"decay_rate": 0.0}, "decay_rate is 0.0, expected a positive number"),
        (config, {"label_noise": 1.5}, "label_noise is 1.5, expected a share from 0 to 1"),
        (
            config,
            {"warmup_epochs": 2.0},
            "warmup_epochs is 2.0, but the learning rate begins at its peak",
        ),
    ],
)
def test_what_is_refused(made, changes, message):
    with pytest.raises(InputError, match=message):
        made(**changes)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations(path):
    found = read(path, PeriodsConfig)
    dataset, kind = path.stem.split("_")[:2]
    assert found.dataset == dataset and found.protocol == {"periods": "removal", "window": "window"}[kind]
    assert found.optimiser == "sgd" and found.momentum == 0.9 and not found.nesterov and found.weight_decay == 5e-4
    assert found.deficit == "none" and found.label == "clean"
    assert of_run({**vars(found), "a key of another version": 1}) == found
