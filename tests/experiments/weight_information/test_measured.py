"""What claims are about: thresholds, and values at one cross entropy."""

import math

import numpy as np
import pytest

from experiments.weight_information.measured import MATCHED, REACHED, Course, Measured, Sweep, matched

NAN = float("nan")


@pytest.mark.parametrize(
    "cross_entropy, values, target, expected",
    [
        ([0.0, 1.0], [4.0, 16.0], 0.5, 8.0),  # linear in the logarithm
        ([0.0, 1.0], [4.0, 16.0], 0.25, 4 * 4**0.25),
        ([1.0, 0.0], [16.0, 4.0], 0.25, 4 * 4**0.25),  # downwards, as in training
        ([0.0, 0.2, 1.0], [7.0, 4.0, 16.0], 0.6, 8.0),  # between the neighbours
        ([0.0, 1.0], [-1.0, 3.0], 0.5, 1.0),  # not positive: as they are
        ([0.0, 1.0], [0.0, 3.0], 0.5, 1.5),
        ([0.0, 1.0], [2.0, 0.0], 0.25, 1.5),
        ([0.0, 0.5, 1.0], [3.0, 5.0, 9.0], 0.5, 5.0),  # exactly there
        ([1.0, 0.5, 0.0], [3.0, 5.0, 9.0], 0.5, 5.0),
        ([0.0, 1.0, 0.2, 0.9], [1.0, 1.0, 8.0, 9.0], 0.5, 1.0),  # the first of several
        ([0.1, 0.2], [1.0, 2.0], 0.5, NAN),  # never as high
        ([0.6, 0.9], [1.0, 2.0], 0.5, NAN),  # never as low
        ([0.3], [1.0], 0.3, NAN),
        ([NAN, 0.1, 1.0], [1.0, 4.0, 16.0], 0.55, NAN),
        ([0.0, 1.0], [4.0, NAN], 0.5, NAN),
    ],
)
def test_values_at_one_cross_entropy(cross_entropy, values, target, expected):
    found = matched(np.array(cross_entropy), np.array(values), target)
    assert type(found) is float and found == pytest.approx(expected, nan_ok=True)


def test_all_that_is_matched_lies_between_its_neighbours():
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y, target = rng.random(6), rng.random(6), rng.random()
        found = matched(x, y, target)
        if math.isnan(found):
            assert (x < target).all() or (x >= target).all()
            continue
        i = next(k for k in range(5) if (x[k] < target) != (x[k + 1] < target))
        assert min(y[i : i + 2]) <= found <= max(y[i : i + 2])
        assert matched(x, x, target) == pytest.approx(x[i] * (x[i + 1] / x[i]) ** ((target - x[i]) / (x[i + 1] - x[i])))


def sweep(**known):
    return Sweep(np.array([0.01, 0.1, 1.0]), 500, 1.0, {key: np.array(x) for key, x in known.items()})


def test_a_sweep_at_one_cross_entropy():
    x = sweep(cross_entropy_of_draws=[[0.0, 1.0, 2.3], [0.1, 0.3, 2.3], [0.6, 0.7, 2.3]], kl=[[9.0, 4, 1]] * 3)
    assert x["kl"] is x.known["kl"] and MATCHED == 0.5
    assert x.at("kl") == pytest.approx([6.0, 4 * 0.25**0.1, NAN], nan_ok=True)
    assert x.at("kl", 0.2) == pytest.approx([9 * (4 / 9) ** 0.2, 6.0, NAN], nan_ok=True)


def test_thresholds():
    """(1 + 1 / 10) / 2 = 0.55 is crossed on a line in log beta; nan where it is not."""
    rows = [[1.0, 0.1, 0.1], [0.75, 0.55, 0.45], [0.2, 0.1, 0.1], [1.0, 0.9, 0.8], [0.9, 0.6, 0.5], [1.0, NAN, 0.1]]
    found = sweep(training_accuracy=rows).thresholds
    assert found.shape == (6,)
    expected = [0.01 * 10**0.5, 0.1, NAN, NAN, 0.1 * 10**0.5, NAN]
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_course_at_one_cross_entropy():
    known = {"cross_entropy": np.array([[2.3, 0.5, 0.0], [2.3, 1.0, 0.3]]), "trace": np.array([[1.0, 4, 16]] * 2)}
    x = Course(np.array([0.0, 1, 2]), 100, 0.0, known, np.zeros((2, 2)), np.zeros(2))
    assert REACHED == 0.25 and x["trace"] is known["trace"]
    assert x.at("trace") == pytest.approx([8.0, NAN], nan_ok=True)
    assert x.at("trace", 0.65)[1] == pytest.approx(8.0)


def test_conditions_are_each_there_once():
    right, random, few = (Sweep(np.ones(1), n, noise, {}) for noise, n in ((0, 500), (1, 500), (1, 125)))
    others = "posteriors", "again", "bounded", "nuisances", "untrained", "batches", "ordinary"
    found = Measured(
        (0,), {0: right, 1: random}, {(1, 125): few, (1, 500): random}, course=None, **{key: {} for key in others}
    )
    assert found.conditions == {(0, 500): right, (1, 500): random, (1, 125): few}
