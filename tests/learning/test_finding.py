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
