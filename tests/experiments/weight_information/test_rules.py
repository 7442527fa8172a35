"""What rules of claims share: the bound on other images."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.weight_information import bounds, claims
from experiments.weight_information.rules import IGNORANT, strict
from info_geometry.files import InputError
from tests.experiments.weight_information.made_up_measured import BETAS, measured, sweep

NAN, INF = math.nan, math.inf


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


def test_rules_change_nothing_of_what_is_measured():
    found, same = measured(), measured()
    for claim in claims.CLAIMS:
        claim.measure(found)
    for name, x in found.conditions.items():
        assert all((x[key] == same.conditions[name][key]).all() for key in x.known)
    for key, value in found.course.known.items():
        assert np.array_equal(value, same.course[key], equal_nan=True)
