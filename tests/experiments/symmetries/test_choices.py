"""What stage 2 is asked for, and the names of its files."""

import pytest

from experiments.symmetries.choices import LineChoices, StitchChoices
from info_geometry.files import InputError


def test_names_of_files_of_stitches():
    names = {
        "r_head": {},
        "r_soft_head": {"soft": True},
        "r_soft_statistics_head": {"statistics": "soft"},
        "r_receiver_statistics_head": {"statistics": "receiver"},
        "r_soft_receiver_statistics_head": {"soft": True, "statistics": "receiver"},
        "r_last_head": {"epoch": "last"},
        "r_soft_last_head": {"soft": True, "epoch": "last"},
    }
    assert [StitchChoices(**choices).name("r") for choices in names.values()] == list(names)
    assert StitchChoices(path=True).name("r", "layer1.0") == "r_path_at_layer1.0_head"
    assert StitchChoices(path=True, soft=True).name("r", "5") == "r_soft_path_at_5_head"


def test_choices_of_stitches_that_mean_nothing():
    with pytest.raises(InputError, match="--soft is recalibrated under the soft matrix; leave out --statistics soft"):
        StitchChoices(soft=True, statistics="soft")
    with pytest.raises(InputError, match="--path is of all epochs; leave out --epoch last"):
        StitchChoices(path=True, epoch="last")


def test_names_of_files_of_lines():
    names = {
        "r_line_plus1_by_activations_head": {},
        "r_line_minus2_by_weights_head": {"receiver": -2, "matching": "weights"},
        "r_line_plus1_head": {"matching": "none"},
        "r_line_plus3_uncorrected_head": {"receiver": 3, "matching": "none", "correction": "none"},
        "r_line_plus1_by_activations_repair_head": {"correction": "repair"},
    }
    assert [LineChoices(**choices).name("r") for choices in names.values()] == list(names)


@pytest.mark.parametrize(
    "choices, message",
    [
        ({"receiver": 0}, "--receiver is 0: a line from a network to itself"),
        ({"positions": (0.0, 1.5)}, "--positions 1.5: expected numbers from 0 to 1"),
        ({"positions": (0.5, 0.0)}, "--positions: expected increasing numbers"),
        ({"positions": (0.5, 0.5)}, "--positions: expected increasing numbers"),
        ({"training_images": 1}, "--training-images is 1, expected at least 2"),
    ],
)
def test_choices_of_lines_that_mean_nothing(choices, message):
    with pytest.raises(InputError, match=message):
        LineChoices(**choices)


def test_the_other_end_of_a_line():
    assert LineChoices(receiver=-2).other(3) == 1
    with pytest.raises(InputError, match="--seed 1 with --receiver -2: there is no seed -1"):
        LineChoices(receiver=-2).other(1)
    stored = LineChoices(positions=(0.0, 1.0)).as_stored()
    assert stored["positions"] == [0.0, 1.0] and stored["matching"] == "activations"
