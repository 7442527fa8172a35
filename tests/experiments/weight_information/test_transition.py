"""The beta at which networks stop to memorise."""

import math

import pytest

from experiments.weight_information.transition import beta_50
from info_geometry.files import InputError


def test_between_two_runs_the_accuracy_is_linear_in_log_beta():
    assert beta_50([0.01, 1], [1.0, 0.1], 0.1) == pytest.approx(0.1)
    assert beta_50([10, 1, 0.1], [0.1, 0.8, 1.0], 0.1) == pytest.approx(math.exp(math.log(10) * (0.8 - 0.55) / 0.7))
    assert beta_50([1, 2], [0.55, 0.5], 0.1) == pytest.approx(1)


def test_it_is_where_a_known_curve_crosses():
    """Of logistic curves around several betas, of two numbers of classes."""
    for chance in (0.1, 0.5):
        for centre in (0.05, 2.0):
            betas = [10 ** (k / 8) for k in range(-24, 17)]
            accuracies = [chance + (1 - chance) / (1 + (beta / centre) ** 2) for beta in betas]
            assert beta_50(betas, accuracies, chance) == pytest.approx(centre, rel=0.01)


def test_of_several_crossings_the_first_counts():
    assert beta_50([0.1, 1, 10, 100], [1, 0.1, 0.9, 0.1], 0.1) == pytest.approx(math.sqrt(0.1))


@pytest.mark.parametrize(
    "betas, accuracies, message",
    [
        ([0.1, 1], [1, 0.9], "is not below 0.55 and does not cross it between beta 0.1 and 1; train with a larger"),
        ([0.1, 1], [0.2, 0.1], "is not above 0.55 and does not cross it between beta 0.1 and 1; train with a smaller"),
        ([1], [0.8], "does not cross"),
        ([], [], "does not cross"),
        ([0, 1], [1, 0], "expected different positive numbers"),
        ([1, 1], [1, 0], "expected different positive numbers"),
        ([1, 2], [1, 1.5], "expected numbers from 0 to 1"),
        ([1, 2], [1, math.nan], "expected numbers from 0 to 1"),
        ([1, 2], [1], "expected two lists of one length"),
    ],
)
def test_what_is_refused(betas, accuracies, message):
    with pytest.raises(InputError, match=message):
        beta_50(betas, accuracies, 0.1)
