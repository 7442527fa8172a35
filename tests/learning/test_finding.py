"""Verdicts, means with their errors, rank correlations, and steps that rise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning import finding
from learning.finding import rank, ranks, rises

NAN, INF = math.nan, math.inf


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
    assert finding.said([1.5], 1) == "+1.5"


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([1, 2, 3], [4, 5, 9], 1),
        ([1, 2, 3], [-4, -5, -9], -1),
        ([1, 2, 3, 4], [1, 3, 2, 4], 0.8),
        ([1, 2, 3, 4], [1, 2, 2, 3], 4.5 / math.sqrt(5 * 4.5)),  # ranks 1, 2.5, 2.5, 4
        ([1, 1, 2, 2], [1, 2, 1, 2], 0),
        ([1, 1, 2, 2], [3, 3, 7, 7], 1),
        ([1, 2, NAN, 4, 5], [1, 3, -9, NAN, 7], 1),  # of pairs that are both finite
        ([1, 2, INF, 4, 5], [1, 3, -9, -INF, 7], 1),
        ([1, 2, NAN], [1, 2, 3], NAN),
        ([1, 2], [1, 2], NAN),
        ([], [], NAN),
        ([1, 1, 1], [1, 2, 3], NAN),
        ([1, 2, 3], [5, 5, 5], NAN),
        ([1, 1, 1, 2], [1, 2, 3, NAN], NAN),  # what is left is constant
        ([NAN] * 4, [NAN] * 4, NAN),
    ],
)
def test_rank(x, y, expected):
    x, y = np.array(x, float), np.array(y, float)
    for a, b in ((x, y), (y, x), (np.exp(x / 9), y), (x[::-1], y[::-1])):
        found = rank(a, b)
        assert type(found) is float and found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_rank_of_one_order_is_exactly_1():
    assert rank(np.arange(4), np.array([61.0, 85, 116, 158])) == 1


def test_ranks_are_of_each_seed():
    y = np.array([[1.0, 2, 3, 4], [4, 3, 2, 1], [1, 3, 2, 4], [1, 2, NAN, NAN]])
    expected = [1, -1, 0.8, NAN]
    assert ranks(np.arange(4.0), y) == pytest.approx(expected, nan_ok=True)
    assert ranks(np.tile(np.arange(4.0), (4, 1)), y) == pytest.approx(expected, nan_ok=True)
    assert ranks(y[::-1], y[::-1]) == pytest.approx([NAN, 1, 1, 1], nan_ok=True)
    assert ranks(np.zeros((2, 0)), np.zeros((2, 0))) == pytest.approx([NAN, NAN], nan_ok=True)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([[1, 1], [2, 2]], (True, False)),
        ([[1, 1], [0, 0]], (False, False)),
        ([[1, 1], [-1, -1]], (False, True)),
        ([[-1, -1], [-2, -2]], (False, True)),
        ([[1, 1], [0.99, 3.01]], (False, False)),  # 2 +- 1.01
        ([[1, 1], [1.01, 2.99]], (True, False)),
        ([[1, 1], [-1.4, -2.6]], (False, True)),
        ([[1], [0.1]], (True, False)),  # of one seed
        ([[1], [-0.1]], (False, True)),
        ([[1, 1], [NAN, 2]], (False, False)),
        ([[-1, -1], [NAN, 2]], (False, True)),
        ([[NAN, NAN]], (False, False)),
    ],
)
def test_steps_that_rise(steps, expected):
    assert rises(np.array(steps, float)) == expected


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6), st.randoms())
def test_orders_of_steps_and_seeds_do_not_matter(steps, random):
    steps = np.outer(steps, [1.0, 1.5, 1.1])
    rows, columns = list(range(len(steps))), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(columns)
    assert rises(steps[rows][:, columns]) == rises(steps)
