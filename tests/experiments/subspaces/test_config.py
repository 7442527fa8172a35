"""Configurations of subspaces: what is refused, the learning rate, and which networks are averaged."""

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest

from experiments.subspaces.config import SubspaceConfig
from info_geometry.files import ROOT, InputError
from learning.config import Config, read
from learning.split import split

CONFIGS = sorted((ROOT / "experiments" / "subspaces" / "01_training" / "configs").glob("*.yaml"))
EPOCHS = {"schedule": "epochs", "epochs": 20}


def config(**changes):
    usual = {"dataset": "digits", "network": "small_cnn", "epochs": 10, "batch_size": 32, "learning_rate": 0.2}
    return SubspaceConfig(**{**usual, **changes})


def jumps(settings, step=1e-4):
    """Return {epoch: by how much the rate jumps there} where it does by more than what it may move in a step."""
    found, last = {}, settings.learning_rate_at(0)
    for k in range(1, round(settings.epochs / step)):
        rate = settings.learning_rate_at(k * step)
        if abs(rate - last) > 0.01 * settings.learning_rate:
            found[round(k * step, 3)] = rate - last
        last = rate
    return found


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kind": "plane"}, "kind is 'plane', expected one of point, line, curve, simplex"),
        (
            {"rate": "step"},
            "rate is 'step', expected one of cosine, linear, constant, swa_constant, swa_cyclic, snapshot",
        ),
        ({"kind": "simplex", "vertices": 1}, "vertices is 1, but a simplex has at least 2"),
        ({"kind": "line", "vertices": 3}, "vertices is 3, but a line has 2; leave it out"),
        ({"kind": "line", "vertices": 1}, "vertices is 1, but a line has 2; leave it out"),
        ({"kind": "curve", "vertices": 2}, "vertices is 2, but a curve has 3; leave it out"),
        ({"kind": "point", "vertices": 2}, "vertices is 2, but a point has 1; leave it out"),
        ({"beta": -1.0}, "beta is -1.0, expected a finite number that is not negative"),
        ({"beta": math.inf}, "beta is inf, expected a finite number"),
        ({"kind": "point", "beta": 3.0}, "beta is 3.0, but a point has one vertex, and so no pair; leave it out"),
        ({"cycles": 3}, "cycles is 3, but the rate is cosine; leave it out"),
        ({**EPOCHS, "rate": "snapshot", "averaged_from": 0.5}, "averaged_from is 0.5, but the rate is snapshot"),
        (
            {**EPOCHS, "rate": "swa_cyclic", "averaged_from": 0.05, "warmup_epochs": 3, "cycles": 19},
            "warmup_epochs is 3, but with the rate swa_cyclic weights are averaged from epoch 1 on",
        ),
        ({"kind": "point", "layerwise": True}, "layerwise is True, but a point has one vertex; leave it out"),
        ({"draws": 3}, "draws is 3, which does not divide a batch of 32; change either"),
        ({"draws": 0}, "draws is 0, expected a positive number"),
        ({"micro_batch_size": 8}, "micro_batch_size is 8, but parts of a batch are those of draws; leave it out"),
        ({"draws": 2, "micro_batch_size": 8}, "micro_batch_size is 8, but parts of a batch are those of draws"),
        ({"dropout": 1.0}, "dropout is 1.0, expected a share from 0, below 1"),
        ({"dropout": -0.5}, "dropout is -0.5, expected a finite number that is not negative"),
        ({"label_noise": 1.5}, "label_noise is 1.5, expected a share from 0 to 1"),
        (
            {**EPOCHS, "rate": "swa_constant", "averaged_from": 1.0},
            "averaged_from is 1.0, expected a share",
        ),
        ({**EPOCHS, "rate": "swa_constant", "averaged_from": 0.0}, "averaged_from is 0.0, expected a positive number"),
        ({"recalibration_images": 0}, "recalibration_images is 0, expected a positive number"),
        ({"evaluate_every": 1}, "evaluate_every is 1, but networks are evaluated by stage 2"),
        (
            {"rate": "swa_constant"},
            "rate is swa_constant, which needs a checkpoint each epoch; add `schedule: epochs`",
        ),
        (
            {**EPOCHS, "rate": "snapshot", "cycles": 3},
            "rate is snapshot with 3 cycles of 20 epochs after 0, expected whole epochs; change cycles, averaged_from",
        ),
        ({**EPOCHS, "rate": "swa_cyclic", "cycles": 3}, "rate is swa_cyclic with 3 cycles of 8 epochs after 12"),
        (
            {**EPOCHS, "rate": "swa_cyclic", "averaged_from": 0.63, "cycles": 1},
            "rate is swa_cyclic with 1 cycles of 7.4 epochs after 12.6, expected whole epochs",
        ),
    ],
)
def test_settings_that_mean_nothing(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        config(**changes)


@pytest.mark.parametrize("changes", [{"rate": "snapshot", "cycles": 5}, {"rate": "swa_cyclic", "cycles": 4}])
def test_cycles_need_checkpoints_at_their_ends(changes):
    assert config(**EPOCHS, **changes).rate == changes["rate"]
    with pytest.raises(InputError, match="needs a checkpoint each epoch"):
        config(epochs=20, **changes)


def test_a_number_of_vertices_that_is_said_or_left_out_is_the_same_run():
    for kind, vertices in (("point", 1), ("line", 2), ("curve", 3), ("simplex", 2)):
        assert config(kind=kind) == config(kind=kind, vertices=vertices) and config(kind=kind).vertices == vertices
    assert config(kind="simplex", vertices=7).vertices == 7
    assert config(kind="point", beta=0.0) == config(kind="point") and config(kind="point").beta == 0


def test_parts_of_a_batch_are_those_of_draws():
    assert [config(draws=draws).micro_batch_size for draws in (1, 2, 32)] == [0, 16, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "point", "dropout": 0.5, "label_noise": 0.4},
        {"kind": "simplex", "vertices": 4, "draws": 4, "layerwise": True},
        {"kind": "curve", "draws": 2, "beta": 0.5},
        {**EPOCHS, "kind": "point", "rate": "swa_cyclic", "averaged_from": 0.75},
        {**EPOCHS, "kind": "point", "rate": "snapshot"},
    ],
)
def test_a_configuration_is_read_back_from_its_own_values(changes):
    one = config(**changes)
    assert SubspaceConfig(**dataclasses.asdict(one)) == one


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_named_by_what_they_are(path):
    found = read(path, SubspaceConfig)
    assert path.stem.split("_")[:2] == [found.dataset, found.kind]
    assert found.learning_rate_at(found.epochs) == pytest.approx(0, abs=1e-12)


# The learning rate


@pytest.mark.parametrize("rate", ["cosine", "linear", "swa_constant", "swa_cyclic"])
def test_it_rises_to_the_peak_and_then_never_does_until_weights_are_averaged(rate):
    more = {"cycles": 4} if rate == "swa_cyclic" else {}
    found = config(**EPOCHS, rate=rate, warmup_epochs=2, **more)
    assert found.learning_rate_at(0) == 0 and found.learning_rate_at(1) == pytest.approx(0.1)
    assert found.learning_rate_at(2) == pytest.approx(0.2)
    later = [found.learning_rate_at(2 + k / 10) for k in range(100)]  # to epoch 12
    assert all(a >= b for a, b in itertools.pairwise(later)) and later[-1] < 0.15


@pytest.mark.parametrize("rate", ["cosine", "linear", "swa_constant", "snapshot"])
def test_the_peak_is_in_proportion_to_the_batch(rate):
    one = config(**EPOCHS, rate=rate, averaged_rate=0.05)
    other = config(**EPOCHS, rate=rate, averaged_rate=0.05, base_batch_size=16)
    assert one.learning_rate_at(1) * 2 == pytest.approx(other.learning_rate_at(1)) != 0


def test_cosine():
    found = config(epochs=10, warmup_epochs=2)
    assert found.learning_rate_at(6) == pytest.approx(0.1) and found.learning_rate_at(10) == pytest.approx(0, abs=1e-15)
    for epoch in (3, 4.5, 7):  # which is symmetric around its middle
        assert found.learning_rate_at(epoch) + found.learning_rate_at(12 - epoch) == pytest.approx(0.2)
    slopes = [found.learning_rate_at(epoch) - found.learning_rate_at(epoch + 1e-3) for epoch in (2, 9.999)]
    assert max(slopes) < 1e-6 and not jumps(found)
    assert config(epochs=10, warmup_epochs=0).learning_rate_at(0) == pytest.approx(0.2)


def test_linear_is_that_of_all_runs():
    changes = {"dataset": "digits", "network": "small_cnn", "epochs": 10, "batch_size": 32, "learning_rate": 0.2}
    found, usual = config(rate="linear", warmup_epochs=2), Config(**changes, warmup_epochs=2)
    for epoch in (0, 0.5, 2, 3.7, 10):
        assert found.learning_rate_at(epoch) == usual.learning_rate_at(epoch)


def test_constant():
    found = config(rate="constant", epochs=10, warmup_epochs=2)
    assert found.learning_rate_at(1) == pytest.approx(0.1)
    assert {found.learning_rate_at(epoch) for epoch in (2, 5.5, 10)} == {0.2}


def test_constant_rate_while_weights_are_averaged():
    """The peak to half of the time before, then a line to 0.9 of it, as in the code of Izmailov et al."""
    found = config(**EPOCHS, rate="swa_constant", averaged_from=0.5, averaged_rate=0.05)
    for epoch in (1, 3, 5):
        assert found.learning_rate_at(epoch) == pytest.approx(0.2)
    assert found.learning_rate_at(7) == pytest.approx(0.125)  # halfway
    for epoch in (9, 9.5, 10, 15, 20):
        assert found.learning_rate_at(epoch) == pytest.approx(0.05)
    assert found.learning_rate_at(8.9) > 0.05 and not jumps(found)
    assert found.averaged_epochs == list(range(10, 21))


def test_cyclic_rate_while_weights_are_averaged():
    found = config(**EPOCHS, rate="swa_cyclic", averaged_from=0.6, cycles=4, averaged_rate=0.05)
    assert found.averaged_epochs == [12, 14, 16, 18, 20]
    for epoch in found.averaged_epochs:
        assert found.learning_rate_at(epoch - 1e-9) == pytest.approx(0, abs=1e-9)
    assert found.learning_rate_at(6.5) == pytest.approx(0.1)  # between epochs 1 and 12
    for epoch in (12, 14, 16, 18):
        assert found.learning_rate_at(epoch) == pytest.approx(0.05)
        assert found.learning_rate_at(epoch + 1) == pytest.approx(0.025)
    assert jumps(found) == pytest.approx(dict.fromkeys((12, 14, 16, 18), 0.05), rel=1e-3)


def test_snapshots():
    found = config(**EPOCHS, rate="snapshot", cycles=5, warmup_epochs=0)
    assert found.averaged_epochs == [4, 8, 12, 16, 20]
    for epoch in (0, 4, 8, 12, 16):
        assert found.learning_rate_at(epoch) == pytest.approx(0.2)
        assert found.learning_rate_at(epoch + 2) == pytest.approx(0.1)
        assert found.learning_rate_at(epoch + 4 - 1e-9) == pytest.approx(0, abs=1e-9)
    assert jumps(found) == pytest.approx(dict.fromkeys((4, 8, 12, 16), 0.2), rel=1e-3)
    risen = config(**EPOCHS, rate="snapshot", cycles=5, warmup_epochs=1)
    assert risen.learning_rate_at(0.5) == pytest.approx(0.1)
    assert all(risen.learning_rate_at(epoch) == found.learning_rate_at(epoch) for epoch in (1, 3, 4, 19.5))


@pytest.mark.parametrize(
    "epochs, averaged_from, first", [(10, 0.6, 6), (20, 0.55, 11), (10, 0.65, 7), (100, 0.29, 29), (40, 0.75, 30)]
)
def test_averages_begin_with_the_first_whole_epoch(epochs, averaged_from, first):
    found = config(epochs=epochs, schedule="epochs", rate="swa_constant", averaged_from=averaged_from)
    assert found.averaged_epochs == list(range(first, epochs + 1))


def test_a_split_does_not_depend_on_the_kind_of_subspace():
    labels = np.random.default_rng(0).permutation(np.arange(1200) % 10)
    usual = split(labels, range(10), config(training_images=600, validation_images=100))
    for changes in ({"kind": "simplex", "vertices": 4}, {"label_noise": 0.4}, {"epochs": 3, "kind": "point"}):
        other = split(labels, range(10), config(training_images=600, validation_images=100, **changes))
        assert all(np.array_equal(a, b) for a, b in zip(dataclasses.astuple(usual), dataclasses.astuple(other)))
