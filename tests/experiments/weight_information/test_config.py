"""Configurations of variational networks, and names of files."""

import math

import pytest

from experiments.weight_information.choices import Choices, Inspection, without_beta
from experiments.weight_information.config import VariationalConfig, of_run
from info_geometry.files import ROOT, InputError
from learning import grids
from learning.config import Config, read

FOLDER = ROOT / "experiments" / "weight_information"
CONFIGS = sorted((FOLDER / "01_training" / "configs").glob("*.yaml"))


def config(**changes):
    usual = {"dataset": "digits", "network": "mlp_small", "epochs": 60, "batch_size": 50, "learning_rate": 2e-3}
    return VariationalConfig(**{**usual, "beta": 0.5, **changes})


def test_beta_rises_and_rates_are_constant():
    found = config()
    assert [found.beta_at(epoch) for epoch in (0, 10, 40, 60)] == pytest.approx([0, 0.125, 0.5, 0.5])
    assert config(kl_warmup=0).beta_at(0.1) == 0.5
    assert [found.learning_rate_at(epoch) for epoch in (0, 0.1, 60)] == [2e-3] * 3
    warm = config(warmup_epochs=4, base_batch_size=100)
    assert [warm.learning_rate_at(epoch) for epoch in (1, 4, 60)] == pytest.approx([2.5e-4, 1e-3, 1e-3])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"beta": 0.0}, "beta is 0.0, expected a positive number"),
        ({"beta": -1.0}, "beta is -1.0, expected a finite number that is not negative"),
        ({"beta": math.inf}, "beta is inf"),
        ({"variance_rate": 0.0}, "variance_rate is 0.0, expected a positive number"),
        ({"draws": 0}, "draws is 0, expected a positive number"),
        ({"initial_log_variance": -math.inf}, "initial_log_variance is -inf"),
        ({"kl_warmup": 61}, r"kl_warmup is 61, expected at most epochs \(60\)"),
        ({"label_noise": 1.5}, "label_noise is 1.5, expected a share from 0 to 1"),
        ({"optimiser": "sgd"}, "optimiser is 'sgd', expected one of adam"),
        ({"augmentation": "crop_flip"}, "augmentation is 'crop_flip', expected one of none"),
        ({"weight_decay": 1e-4}, "weight_decay is 0.0001, but weights are kept small by the prior; leave it out"),
        ({"label_smoothing": 0.1}, "label_smoothing is 0.1, but the bounds are of the plain cross entropy"),
        ({"micro_batch_size": 10}, "micro_batch_size is 10, but noise is drawn for a whole batch"),
        ({"compile": True}, "compile is True, but noise is drawn inside the network"),
        ({"momentum": 0.5}, "momentum is 0.5, but the optimiser is adam"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        config(**changes)


def test_log_variances_may_be_negative_and_nothing_else():
    assert config(initial_log_variance=-9.0).initial_log_variance == -9
    with pytest.raises(InputError, match="epochs is -1"):
        config(epochs=-1)
    with pytest.raises(InputError, match=r"learning_rate is -0\.1"):
        Config("digits", "mlp_small", 3, 8, -0.1)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations(path):
    found = read(path, VariationalConfig)
    assert path.stem == f"{found.dataset}_variational" and found.training_images == 500
    values = {**vars(found), "a key of another version": 1}
    assert of_run(values) == found


def test_runs_are_those_of_a_sweep():
    first, *_ = grids.read(FOLDER / "runs.yaml")
    names = [words[words.index("--variant") + 1] for words in first.combinations()]
    assert len(names) == 20 and {without_beta(f"x_{name}", name)[0] for name in names} == {
        "x_ln0_by_beta",
        "x_ln1_by_beta",
    }


@pytest.mark.parametrize(
    "variant, expected",
    [
        ("beta0.01", ("run_by_beta", "")),
        ("beta1e-05", ("run_by_beta", "")),
        ("beta10-ln1", ("run_ln1_by_beta", "ln1")),
        ("ln0.5-beta0.3", ("run_ln0.5_by_beta", "ln0.5")),
        ("short-beta0.3-ln1", ("run_short-ln1_by_beta", "short-ln1")),
    ],
)
def test_names_of_sweeps(variant, expected):
    assert without_beta(f"run_{variant}", variant) == expected


@pytest.mark.parametrize("variant", ["", "ln1", "beta", "mybeta3", "beta3x"])
def test_variants_that_do_not_say_beta(variant):
    with pytest.raises(InputError, match=f"run: its variant '{variant}' does not say beta; name those of a sweep such"):
        without_beta("run", variant)


def test_names_of_files():
    assert Choices().name("run") == "run_head" and Choices(sweep=True).name("run_by_beta") == "run_by_beta_head"
    assert Choices(images="training").name("run") == "run_training_head"
    with pytest.raises(InputError, match="--draws is -1, expected at least 1"):
        Choices(draws=-1)


def test_what_is_asked_of_the_weights():
    assert Inspection() == Inspection(200, 30) and Inspection().name("run") == "run_information"
    for key in ("images", "determinant"):
        assert getattr(Inspection(**{key: 1}), key) == 1
        for value in (0, -2):
            with pytest.raises(InputError, match=f"^--{key} is {value}, expected at least 1$"):
                Inspection(**{key: value})
