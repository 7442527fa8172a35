"""Landmarks by group: everyone has its share, progress is covered, and pictures are as good as from random ones."""

import numpy as np
import pytest

from info_geometry import distance, inpca
from info_geometry.embedding import landmarks, spread
from info_geometry.files import InputError
from info_geometry.uncertainty.procrustes import procrustes
from tests.support.synthetic import labels_of, training


def shares(sizes, m):
    """Return min(n, c) of each group, with the c found by bisection, in floats."""
    low, high = 0.0, float(max(sizes))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() < m else (low, middle)
    return np.minimum(sizes, high)


@pytest.mark.parametrize(
    ("sizes", "m"),
    [([66] * 23, 300), ([66] * 23, 7), ([1, 5, 40, 40, 3], 30), ([2, 3], 5), ([9] * 4, 1), (list(range(1, 40)), 111)],
)
def test_each_group_has_its_share_rounded_down_or_up(sizes, m):
    groups = np.random.default_rng(0).permutation(np.repeat([f"g{i}" for i in range(len(sizes))], sizes))
    which = spread.by_group(m, groups)
    assert len(which) == m == len(np.unique(which)) and (np.diff(which) > 0).all()
    for i, share in enumerate(shares(np.array(sizes), m)):
        count = (groups[which] == f"g{i}").sum()
        assert np.floor(share - 1e-9) <= count <= np.ceil(share + 1e-9)


@pytest.mark.parametrize("m", [30, 150])
def test_no_level_of_a_crossed_factor_is_passed_over(m):
    """A table of 4 x 5 x 6 configurations, n of which have one landmark more: random ones, so that each level has as
    many of these as a hypergeometric distribution says."""
    groups, seeds, n = np.repeat(np.arange(120), 10), 100, 30
    chosen = [groups[spread.by_group(m, groups, seed=seed)] for seed in range(seeds)]
    for factor, count in zip(np.unravel_index(np.arange(120), (6, 5, 4)), (6, 5, 4)):
        found = np.mean([np.bincount(factor[which], minlength=count) for which in chosen], axis=0)
        se = np.sqrt(n / count * (1 - 1 / count) * (120 - n) / 119 / seeds)
        np.testing.assert_allclose(found, m / count, rtol=0, atol=4 * se)


def test_models_are_together_that_are_alike_in_all_columns():
    run, seed = np.array(["a", "b", "a", "a", "b"]), np.array([0, 1, 1, 0, 1])
    codes = spread.together(run, seed)
    pairs = [*zip(run, seed)]
    np.testing.assert_array_equal(codes[:, None] == codes, [[p == q for q in pairs] for p in pairs])


@pytest.mark.parametrize("m", [40, 120, 11])
def test_progress_is_covered_where_each_trajectory_has_few(m):
    """One in each of m equal stretches, so that gaps are below 2 / m; of m random ones the largest is log(m) / m."""
    progress = np.tile(np.linspace(0, 1, 401), (40, 1))
    which = spread.by_group(m, np.repeat(np.arange(40), 401), progress.ravel())
    taken = np.sort(progress.ravel()[which])
    assert np.diff(taken, prepend=0, append=1).max() < 2 / m + 1 / 400
    for own in np.split(progress.ravel()[which], np.flatnonzero(np.diff(which // 401)) + 1):
        assert len(own) == max(m // 40, 1) and (np.abs(np.diff(own) - 40 / m) <= 1 / 400 + 1e-9).all()


def test_the_order_of_models_does_not_matter():
    """Models are chosen by group and place; how groups are numbered follows from the first model of each."""
    groups, along = np.repeat(["b", "a", "c"], 30), np.tile(np.linspace(0, 1, 30), 3)
    order = np.concatenate([np.random.default_rng(0).permutation(30) + 30 * g for g in range(3)])
    one, other = spread.by_group(10, groups, along), spread.by_group(10, groups[order], along[order])
    np.testing.assert_array_equal(one, np.sort(order[other]))


def test_all_models_are_taken_where_there_are_no_more():
    np.testing.assert_array_equal(spread.by_group(50, np.arange(50) % 7), np.arange(50))
    assert spread.counts([4, 1, 9], 14) == [4, 1, 9]


def test_bad_input_gets_a_sentence():
    for arguments in ((3, [1, 2]), (0, [1, 2]), (1, [[1, 2]])):
        with pytest.raises(InputError, match="expected a group for each model"):
            spread.by_group(*arguments)
    for along in ([0, np.nan], [0, 1, 2]):
        with pytest.raises(InputError, match="along: expected 2 finite numbers"):
            spread.by_group(1, [1, 2], along)
    with pytest.raises(InputError, match="give groups as well"):
        landmarks.choose(2, 5, along=np.arange(5))
    with pytest.raises(InputError, match="groups: expected one for each of 5 models, not 4"):
        landmarks.choose(2, 5, groups=np.arange(4))


def test_pictures_are_as_good_as_from_random_landmarks():
    """Of configurations whose trajectories are of different length: m^2 of Procrustes to the full picture."""
    labels, found = labels_of(60, 5), []
    models = []
    for i in range(24):
        direction = 2 * np.random.default_rng(i % 8).standard_normal((60, 5))
        models.append(training(np.random.default_rng(100 + i), labels, 5, T=10 + 20 * (i % 3), direction=direction))
    groups = np.repeat(np.arange(24), [len(x) for x in models])
    D = distance.pairwise(models, precision="float64")
    full = inpca.fit(D, 3).coordinates
    for m in (24, 48, 96):
        picture = inpca.fit_landmarks(models, m, groups=groups, probes=10, precision="float64")
        np.testing.assert_array_equal(picture.landmarks, spread.by_group(m, groups))
        random = []
        for seed in range(5):
            which = np.random.default_rng(seed).choice(len(D), m, replace=False)
            random.append(inpca.fit_landmarks(models, which, probes=10, precision="float64").coordinates)
        found.append(
            [
                procrustes(full, picture.coordinates, 1).m2,
                np.mean([procrustes(full, x, 1).m2 for x in random]),
            ]
        )
    ours, chance = np.array(found).T
    assert (ours < chance).all() and ours[-1] < 1e-3
