"""Ratios over pairs of seeds, against closed forms and a slow jackknife."""

import itertools

import numpy as np
import pytest

from experiments.manifold.measured import of_seeds
from info_geometry.uncertainty.resampling import jackknife_error
from learning.finding import mean_and_error


@pytest.mark.parametrize("seeds", [3, 4, 7])
def test_of_distances_that_are_sums_of_values_of_seeds_the_error_is_that_of_these(seeds):
    """d_st = v_s + v_t: pseudo-values are 2 v_s, SE 2 sigma / sqrt(S); means over pairs of each seed spread less."""
    v = np.random.default_rng(seeds).random(seeds)
    near, far = v[:, None] + v, np.ones((seeds, seeds))
    found = of_seeds(near, far)
    np.testing.assert_allclose(found, 2 * v)
    assert mean_and_error(found)[1] == pytest.approx(2 * v.std(ddof=1) / np.sqrt(seeds))
    rows = (near.sum(axis=1) - 2 * v) / (seeds - 1)
    assert mean_and_error(found)[1] / mean_and_error(rows)[1] == pytest.approx(2 * (seeds - 1) / (seeds - 2))


def test_the_error_is_that_of_the_jackknife_and_pairs_that_are_not_there_do_not_count():
    near, far = np.random.default_rng(0).random((2, 6, 6)) + 0.5
    near, far = near + near.T, far + far.T
    near[1, 4] = near[4, 1] = far[2, 3] = far[3, 2] = np.nan
    pairs = [p for p in itertools.combinations(range(6), 2) if p not in ((1, 4), (2, 3))]

    def theta(left_out):
        own = [p for p in pairs if left_out not in p]
        return sum(near[p] for p in own) / sum(far[p] for p in own)

    found, rest = of_seeds(near, far), np.array([theta(s) for s in range(6)])
    assert mean_and_error(found)[1] == pytest.approx(jackknife_error(rest))
    assert found.mean() == pytest.approx(6 * theta(None) - 5 * rest.mean())


def test_two_seeds_have_one_pair_and_one_has_none():
    np.testing.assert_array_equal(of_seeds(np.full((2, 2), 3.0), np.full((2, 2), 4.0)), [0.75, 0.75])
    assert np.isnan(of_seeds(np.ones((1, 1)), np.ones((1, 1)))).all()
    near = np.ones((3, 3))
    near[0, 1] = near[1, 0] = np.nan
    assert np.isnan(of_seeds(near, np.ones((3, 3)))[2])  # without it nothing is known
