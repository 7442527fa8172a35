"""What rules of claims share: rank correlations, steps that rise, and the bound on other images."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.weight_information import bounds, claims
from experiments.weight_information.rules import IGNORANT, rank, ranks, rises, strict
from info_geometry.files import InputError
from tests.experiments.weight_information.made_up_measured import BATCHES, BETAS, measured, sweep

NAN, INF = math.nan, math.inf


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


def test_rank_of_one_order_of_batch_sizes_is_exactly_1():
    assert rank(np.arange(len(BATCHES)), np.array([61.0, 85, 116, 158])) == 1


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


def test_strict_bound():
    """(H + 2 L (KL + log 40) / N) / (1 - 1/4), L = log 10, of the clipped loss and priors on a grid.

    H is at most L sqrt(log 40 / 600) above its mean over 300 draws.
    """
    x = sweep(BETAS)
    found = strict(x)
    kl = x["kl_of_fixed_priors"]
    most = np.minimum(math.log(10), x["clipped"] + math.log(10) * math.sqrt(math.log(40) / 600))
    expected = (most + 2 * math.log(10) * (kl + math.log(40)) / 500) / 0.75
    assert math.log(10) == IGNORANT and found.shape == (3, len(BETAS)) and found == pytest.approx(expected, rel=1e-12)
    one = bounds.catoni(float(most[1, 2]), float(kl[1, 2]), 500, beta=2, largest=math.log(10), delta=0.025)
    assert found[1, 2] == pytest.approx(one, rel=1e-12)


def with_known(x, **known):
    return dataclasses.replace(x, known={**x.known, **known})


@pytest.mark.parametrize("key", ["clipped", "kl_of_fixed_priors"])
@pytest.mark.parametrize("value", [NAN, INF])
def test_no_bound_of_what_is_not_known(key, value):
    x = sweep(BETAS)
    values = np.array(x[key])
    values[2, 1] = value
    found = strict(with_known(x, **{key: values}))
    other = np.ones(found.shape, bool)
    other[2, 1] = False
    assert np.isnan(found[2, 1]) and (found[other] == strict(x)[other]).all()


def test_a_loss_that_is_not_clipped_is_refused():
    x = sweep(BETAS)
    with pytest.raises(InputError, match="clip the loss"):
        strict(with_known(x, clipped=x["clipped"] + 3))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6), st.randoms())
def test_orders_of_steps_and_seeds_do_not_matter(steps, random):
    steps = np.outer(steps, [1.0, 1.5, 1.1])
    rows, columns = list(range(len(steps))), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(columns)
    assert rises(steps[rows][:, columns]) == rises(steps)


def test_rules_change_nothing_of_what_is_measured():
    found, same = measured(), measured()
    for claim in claims.CLAIMS:
        claim.measure(found)
    for name, x in found.conditions.items():
        assert all((x[key] == same.conditions[name][key]).all() for key in x.known)
    for key, value in found.course.known.items():
        assert np.array_equal(value, same.course[key], equal_nan=True)
