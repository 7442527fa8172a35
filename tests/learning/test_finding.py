"""Verdicts, and means with their errors."""

import numpy as np
import pytest

from learning import finding


@pytest.mark.parametrize(
    ("holds", "fails", "expected"),
    [(True, False, "holds"), (False, True, "does not hold"), (False, False, "undecided")],
)
def test_verdicts(holds, fails, expected):
    assert finding.decide(holds, fails) == expected


def test_mean_and_its_error():
    assert finding.mean_and_error([3.0]) == (3.0, 0.0)
    assert finding.mean_and_error([1, 2, 3]) == (2.0, pytest.approx(1 / np.sqrt(3)))


def test_two_standard_errors():
    values = np.array([1.0, 2.0, 3.0])  # 2 +- 0.577
    assert finding.above(values, 0.84) and not finding.above(values, 0.85)
    assert finding.below(values, 3.16) and not finding.below(values, 3.15)
    assert finding.said(values) == "+2.00 +- 0.58" and finding.said(-values, 1, False) == "-2.0 +- 0.6"
