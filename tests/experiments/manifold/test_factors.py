"""Which factor matters: what is planted is found, what is not is chance, and the nearest against a slow loop."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import kstest

from experiments.manifold import factors
from info_geometry.embedding import linkage
from info_geometry.files import InputError
from tests.support.geometry import squared

CELLS = list(itertools.product(["mlp", "cnn", "linear"], ["sgd", "adam"], [50, 200]))
TABLE = dict(zip(("network", "optimiser", "batch"), zip(*CELLS)))


def planted(seed, network=5.0, optimiser=0.0, noise=1.0):
    """Return distances of 12 configurations: points whose place depends on network and optimiser."""
    rng = np.random.default_rng(seed)
    codes = [np.unique(TABLE[name], return_inverse=True)[1] for name in ("network", "optimiser")]
    places = [rng.standard_normal((3, 6)), np.array([[-1.0], [1]]) * np.eye(6)[0]]
    x = network * places[0][codes[0]] + optimiser * places[1][codes[1]] + noise * rng.standard_normal((12, 6))
    return squared(x, x)


def test_the_factor_that_matters_is_first_and_others_are_chance():
    found = factors.importance(planted(0), TABLE)
    assert found[0].name == "network" and len(found) == 3
    network, *others = found
    assert network.test.share > 0.8 and network.test.p < 0.01 and network.ratio > 3 and network.others
    assert network.nearest.share == pytest.approx(1) and network.nearest.p < 0.01
    for factor in others:
        assert factor.test.p > 0.01 and factor.test.share < 0.2 and 0.8 < factor.ratio < 1.2


def test_a_small_factor_is_seen_beside_a_large_one():
    """Because it is permuted among configurations that agree in all others."""
    D = planted(1, network=100, optimiser=3, noise=0.3)
    found = {factor.name: factor for factor in factors.importance(D, TABLE)}
    assert found["optimiser"].test.share < 0.01 and found["optimiser"].test.p < 0.05 < found["batch"].test.p
    # the nearest is of the other batch size: alike in all three networks for 1 of 2^3 ways to permute pairs
    assert found["optimiser"].nearest.share == pytest.approx(1)
    assert found["optimiser"].nearest.p == pytest.approx(1 / 8, abs=0.03)


def test_p_values_are_uniform_where_nothing_matters():
    p = [
        {factor.name: factor for factor in factors.importance(planted(seed, 0), TABLE, 99, seed)} for seed in range(200)
    ]
    for name in ("network", "optimiser"):
        for values in ([x[name].test.p for x in p], [x[name].nearest.p for x in p]):
            assert np.mean(np.array(values) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
        assert kstest([x[name].test.p for x in p], "uniform").statistic < 1.63 / math.sqrt(200) + 1 / 64


def test_factors_with_one_level_are_left_out_and_designs_without_pairs_are_said():
    D = planted(2)
    found = factors.importance(D, {**TABLE, "decay": [0] * 12})
    assert {factor.name for factor in found} == set(TABLE)
    single = {"each": np.arange(12), **TABLE}
    assert {factor.name for factor in factors.importance(D, single)} == set(TABLE)
    confounded = {"network": TABLE["network"], "twin": TABLE["network"]}
    assert not any(factor.others for factor in factors.importance(D, confounded))
    with pytest.raises(InputError, match="batch: 11 levels of 12 configurations"):
        factors.importance(D, {**TABLE, "batch": TABLE["batch"][1:]})


def test_ratio_is_that_of_mean_distances():
    x = np.array([0.0, 1, 10, 11])[:, None]
    D = np.abs(x - x.T)
    assert factors.ratio(D, list("aabb")) == pytest.approx(10)
    assert np.isnan(factors.ratio(D, list("aaaa"))) and np.isnan(factors.ratio(D, list("abcd")))


def slow_nearest(D, levels, groups):
    hits, chance = [], []
    for i in range(len(D)):
        others = [j for j in range(len(D)) if groups[j] != groups[i]]
        best = min(D[i, j] for j in others)
        hits.append(np.mean([levels[j] == levels[i] for j in others if D[i, j] == best]))
        chance.append(np.mean([levels[j] == levels[i] for j in others]))
    return np.mean(hits), np.mean(chance)


def test_nearest_is_a_slow_loop_over_objects_of_other_groups():
    rng = np.random.default_rng(3)
    for _ in range(10):
        x = rng.integers(0, 4, (15, 2)).astype(float)  # many are as near
        D, groups = squared(x, x), rng.integers(0, 6, 15)
        levels = np.array(["a", "b", "c"])[groups % 3]
        found = factors.nearest(D, levels, groups, permutations=9)
        assert (found.share, found.chance) == pytest.approx(slow_nearest(D, levels, groups))


def test_seeds_of_one_configuration_do_not_find_each_other():
    """Two seeds side by side, networks that alternate: the nearest of another configuration is of another network."""
    x = np.array([0, 0.1, 10, 10.1, 20, 20.1, 30, 30.1])[:, None]
    D, groups = squared(x, x), np.repeat(np.arange(4), 2)
    levels = np.repeat(["a", "b", "a", "b"], 2)
    assert factors.nearest(D, levels).share == pytest.approx(1)
    assert factors.nearest(D, levels, groups).share == 0


def test_p_of_nearest_is_the_share_of_all_labellings_of_groups():
    """Four groups on a line, two levels side by side: 2 of 6 labellings have all neighbours alike."""
    x = np.array([0, 1, 10, 11.0])[:, None]
    D = squared(x, x)
    assert factors.nearest(D, list("aabb"), permutations=20_000).p == pytest.approx(1 / 3, abs=0.02)
    assert factors.nearest(D, list("abab"), permutations=2000).p == 1


@pytest.mark.parametrize(
    "levels, groups, message",
    [
        ("aab", None, "3 levels, 4 groups"),
        ("aabb", "xyyy", "objects of one group have different levels"),
        ("aaaa", "xxxx", "all objects are of one group"),
    ],
)
def test_what_is_refused(levels, groups, message):
    x = np.arange(4.0)[:, None]
    with pytest.raises(InputError, match=message):
        factors.nearest(squared(x, x), list(levels), list(groups) if groups else None)


def test_the_dendrogram_is_that_of_complete_linkage():
    D = planted(0)
    assert linkage.cophenetic(factors.dendrogram(D)).max() == pytest.approx(D.max())  # of single or average it is less
    purity, correlation = factors.separated(D, TABLE["network"])
    assert purity == 1 and correlation > 0.9
    assert factors.separated(D, TABLE["batch"])[0] < 0.8


def test_permuted_shares_are_those_of_the_permutations():
    """By a loop over all exchanges of two levels within pairs, which is what strata leave."""
    D, levels = planted(3, network=2, optimiser=1)[:8, :8], np.array(list("abababab"))
    strata = np.repeat(range(4), 2)
    shares, squares = [], []
    for swaps in itertools.product([False, True], repeat=4):
        drawn = levels.copy()
        for k, swap in enumerate(swaps):
            if swap:
                drawn[2 * k : 2 * k + 2] = drawn[2 * k : 2 * k + 2][::-1]
        shares.append(factors.nearest(D, drawn, permutations=1).share)
        squares.append(factors.permanova(D, drawn, permutations=1).share)
    found = factors.nearest(D, levels, None, strata, permutations=4000)
    assert found.permuted == pytest.approx(np.mean(shares), abs=0.02)
    test = factors.permanova(D, levels, strata, permutations=4000)
    assert test.permuted == pytest.approx(np.mean(squares), abs=0.01)


def test_purity_of_chance_is_that_of_permuted_levels():
    D, levels = planted(0, network=50), np.array(TABLE["network"])
    assert factors.separated(D, levels)[0] == 1
    clusters = np.unique(levels, return_inverse=True)[1]
    rng = np.random.default_rng(5)
    expected = np.mean([linkage.purity(clusters, rng.permutation(levels)) for _ in range(2000)])
    assert factors.purity_of_chance(D, levels, 2000) == pytest.approx(expected, abs=0.01)
