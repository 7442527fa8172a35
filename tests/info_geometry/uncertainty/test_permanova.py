"""PERMANOVA against explicit sums of squares, the analysis of variance of points, and p-values under the null."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import f_oneway, kstest

from info_geometry.files import InputError
from info_geometry.uncertainty.permanova import permanova
from tests.support.geometry import curved, squared


def points(seed, K=12, k=1):
    return np.random.default_rng(seed).standard_normal((K, k))


of = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])


def test_f_is_that_of_the_analysis_of_variance():
    for seed in range(5):
        x = points(seed) + of[:, None] * 0.5
        found = permanova(squared(x, x), of, permutations=9)
        assert found.statistic == pytest.approx(f_oneway(*(x[of == g, 0] for g in range(3))).statistic)
        assert (found.levels, found.objects, found.permutations) == (3, 12, 10)


def test_in_many_dimensions_it_is_the_spread_about_the_means():
    x = points(3, k=4) + of[:, None]
    within = sum(((x[of == g] - x[of == g].mean(axis=0)) ** 2).sum() for g in range(3))
    total = ((x - x.mean(axis=0)) ** 2).sum()
    found = permanova(squared(x, x), of)
    assert found.share == pytest.approx(1 - within / total)
    assert found.statistic == pytest.approx((total - within) / 2 / (within / 9))


def test_sums_of_squares_are_those_of_pairs():
    """Of distances between predictions, that no points need to have."""
    D = curved(12)
    pairs = list(itertools.combinations(range(12), 2))
    total = sum(D[i, j] for i, j in pairs) / 12
    within = sum(sum(D[i, j] for i, j in pairs if of[i] == of[j] == g) / (of == g).sum() for g in range(3))
    found = permanova(D, of)
    assert found.share == pytest.approx((total - within) / total)
    assert found.statistic == pytest.approx((total - within) / 2 / (within / 9))


def test_p_is_the_share_of_all_labellings_where_these_are_few():
    """4 objects, two and two: 3 ways of labelling them, of which one is the best; it comes a third of the time."""
    x = np.array([[0.0], [1.0], [10.0], [12.0]])
    D = squared(x, x)
    assert permanova(D, [0, 0, 1, 1], permutations=20_000).p == pytest.approx(1 / 3, abs=0.02)
    assert permanova(D, [0, 1, 0, 1], permutations=20_000).p == pytest.approx(2 / 3, abs=0.02)
    assert permanova(D, [0, 1, 1, 0], permutations=20_000).p == 1


@pytest.mark.parametrize("strata", [None, np.arange(12) % 2])
def test_p_is_uniform_under_the_null(strata):
    """With strata also where these differ a lot."""
    p = []
    for seed in range(300):
        x = points(seed, k=2) + (0 if strata is None else 20 * strata[:, None])
        p.append(permanova(squared(x, x), of, strata, 99, seed).p)
    assert kstest(p, "uniform").statistic < 1.63 / math.sqrt(300) + 1 / 100
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 300))


def test_strata_let_a_small_factor_be_seen_beside_a_large_one():
    """Ten blocks far from each other, two levels in each: among all objects the factor is lost."""
    blocks, levels = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    x = 100 * points(0, 10)[blocks] + levels[:, None] + 0.1 * points(1, 20)
    everywhere, inside = permanova(squared(x, x), levels), permanova(squared(x, x), levels, blocks)
    assert everywhere.p > 0.2 and inside.p < 0.01
    assert everywhere.statistic == inside.statistic and everywhere.share == inside.share


def test_names_and_order_of_levels_and_objects_do_not_matter():
    x, order = points(7, k=2), np.random.default_rng(0).permutation(12)
    names = np.array(["sgd", "adam", "nesterov"])[of]
    one, other = permanova(squared(x, x), of), permanova(squared(x[order], x[order]), names[order])
    assert one.statistic == pytest.approx(other.statistic) and one.p == pytest.approx(other.p, abs=0.05)
    assert permanova(7 * squared(x, x), of).statistic == pytest.approx(one.statistic)


def test_levels_without_spread_and_objects_that_are_the_same():
    x = of[:, None] * 1.0
    found = permanova(squared(x, x), of)
    assert found.statistic == np.inf and found.share == 1 and found.p == pytest.approx(1 / 2000, abs=1e-3)
    nothing = permanova(np.zeros((12, 12)), of)
    assert np.isnan(nothing.statistic) and "all objects are the same" in str(nothing)
    fixed = permanova(squared(points(0), points(0)), of, of)
    assert np.isnan(fixed.p) and "nothing can be permuted" in fixed.reason


@pytest.mark.parametrize(
    "D, factor, options, message",
    [
        (np.zeros((12, 11)), of, {}, r"found an array \(12, 11\)"),
        (np.ones((12, 12)), of, {}, "0 on its diagonal"),
        (np.triu(np.ones((12, 12)), 1), of, {}, "symmetric"),
        (np.full((12, 12), np.nan), of, {}, "144 distances are not finite"),
        (curved(12), of[:11], {}, r"factor: expected a level for each of 12 objects, not an array \(11,\)"),
        (curved(12), of, {"strata": [1]}, "strata: expected a level"),
        (curved(12), np.zeros(12), {}, "1 levels of 12 objects"),
        (curved(12), np.arange(12), {}, "12 levels of 12 objects"),
        (curved(12), of, {"permutations": 0}, "at least 1 permutation"),
    ],
)
def test_what_is_refused(D, factor, options, message):
    with pytest.raises(InputError, match=message):
        permanova(D, factor, **options)
