"""What is there already: stored by another command, in part, or by other choices that do not count."""

import numpy as np
import pytest

from experiments.subspaces.choices import Choices
from info_geometry import predictions
from tests.support.stages import STORE, done, run

TRAIN = "experiments/subspaces/01_training/train_subspace.py"
SAMPLE = "experiments/subspaces/02_sampling/sample_subspace.py"
SMALL = {"epochs": 2, "warmup_epochs": 0.5, "checkpoints": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subspaces")
    for config in ("digits_point", "digits_line"):
        done(TRAIN, folder, config, **SMALL)
    done(TRAIN, folder, "digits_simplex", **SMALL, vertices=4)
    return folder


def opened(folder, name):
    return predictions.open_trajectory(folder / "predictions" / name / "preds_0.h5")


def test_what_was_stored_without_recalibration_is_not_taken_for_it(trained):
    done(STORE, trained, "digits_all_point", "--head")
    code, text = run(SAMPLE, trained, "digits_all_point")
    assert code == 1 and "was stored by another command, without recalibration; delete it" in text
    (trained / "predictions" / "digits_all_point_head" / "preds_0.h5").unlink()
    assert "1 done" in done(SAMPLE, trained, "digits_all_point")


def test_more_checkpoints_of_a_surface_are_added(trained):
    assert "1 done" in done(SAMPLE, trained, "digits_all_line", "--checkpoint", "1")
    assert "1 done" in done(SAMPLE, trained, "digits_all_line", "--checkpoint", "1", "2", "last")
    assert "1 skipped" in done(SAMPLE, trained, "digits_all_line")  # the last one
    code, text = run(SAMPLE, trained, "digits_all_line", "--positions", "0", "1")
    assert code == 1 and "was stored with other choices (positions); delete it" in text
    assert "1 skipped" in done(SAMPLE, trained, "digits_all_line", "--steps", "3")  # says nothing of a line


def test_steps_are_those_of_any_simplex(trained):
    done(SAMPLE, trained, "digits_all_simplex4")
    few = np.array(opened(trained, "digits_all_simplex4_head").attributes["coefficients"])
    assert set(few[5:-6].ravel()) == {0, 0.5}
    code, text = run(SAMPLE, trained, "digits_all_simplex4", "--steps", "4")
    assert code == 1 and "other choices (steps)" in text
    (trained / "predictions" / "digits_all_simplex4_head" / "preds_0.h5").unlink()
    done(SAMPLE, trained, "digits_all_simplex4", "--steps", "4")
    many = np.array(opened(trained, "digits_all_simplex4_head").attributes["coefficients"])
    assert set(many[5:-6].ravel()) == {0, 0.25, 0.5, 0.75}


@pytest.mark.parametrize(
    ("kind", "settings", "own"),
    [
        ("line", {}, {"positions"}),
        ("curve", {"middle": True}, set()),
        ("simplex", {}, {"steps"}),
        ("point", {}, {"checkpoints"}),
        ("point", {"average": "swag"}, {"draws"}),
        ("point", {"average": "between"}, {"positions"}),
        ("point", {"average": "soup"}, set()),
    ],
)
def test_which_choices_count(kind, settings, own):
    counted = Choices(**settings).counted(kind)
    assert counted & {"positions", "steps", "checkpoints", "draws"} == own and "as_trained" in counted
