"""Distances that look at classes, neighbours, dendrograms and pictures, against slow versions."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.task_distances.vectors import agreement, of_tasks
from info_geometry.embedding import linkage
from info_geometry.files import InputError
from learning.tasks import load


def distances(seed, n=7):
    points = np.random.default_rng(seed).standard_normal((n, 3))
    return np.sqrt(np.square(points[:, None] - points).sum(axis=2))


def tasks(*words, dataset="fashion"):
    return [load(dataset, word) for word in words]


def test_neighbours_are_those_of_a_slow_loop():
    D, of = distances(0), distances(1)
    found = agreement.neighbours(D, of)
    for k in range(1, 7):
        means = []
        for i in range(7):
            others = sorted((j for j in range(7) if j != i), key=lambda j: D[i, j])
            means.append(np.mean([of[i, j] for j in others[:k]]))
        assert found[k - 1] == pytest.approx(np.mean(means))
    assert found[-1] == pytest.approx(agreement.by_chance(of)), "with all others the order does not matter"


def test_no_order_of_neighbours_is_better_than_that_of_the_distances_themselves():
    of = distances(1)
    best = agreement.neighbours(of, of)
    assert all((agreement.neighbours(distances(seed), of) >= best - 1e-12).all() for seed in range(2, 20))
    random = np.mean([agreement.neighbours(distances(seed), of) for seed in range(2, 400)], axis=0)
    assert random == pytest.approx(np.full(6, agreement.by_chance(of)), abs=0.05)
    with pytest.raises(InputError, match="two matrices"):
        agreement.neighbours(of, of[:3, :3])


def test_rank_correlation_is_of_pairs_that_both_know():
    A, B = distances(0), distances(1)
    A[0, 1] = A[1, 0] = math.nan
    upper = [(i, j) for i, j in itertools.combinations(range(7), 2) if (i, j) != (0, 1)]
    expected = spearmanr([A[p] for p in upper], [B[p] for p in upper]).statistic
    assert agreement.rank_correlation(A, B) == pytest.approx(expected)
    assert math.isnan(agreement.rank_correlation(A, np.ones((7, 7))))
    assert math.isnan(agreement.rank_correlation(np.full((7, 7), np.nan), B))


def test_cophenetic_distances_are_those_at_which_two_leaves_are_joined():
    """Of an ultrametric they are the distances; and averages over the pairs of two clusters of points on a line."""
    D = np.array([[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]], float)
    assert linkage.cophenetic(agreement.tree(D)) == pytest.approx(D)
    x = np.array([0.0, 1, 10, 13])
    joined = linkage.cophenetic(agreement.tree(np.abs(x[:, None] - x)))
    assert joined[0, 1] == 1 and joined[2, 3] == 3 and joined[0, 3] == pytest.approx((10 + 13 + 9 + 12) / 4)


def test_a_picture_has_the_distances_of_points_in_a_plane():
    points = np.random.default_rng(0).standard_normal((6, 2))
    D = np.square(points[:, None] - points).sum(axis=2)
    made = agreement.picture(D).coordinates
    assert np.square(made[:, None] - made).sum(axis=2) == pytest.approx(D, abs=1e-9)


def test_jaccard_and_numbers_of_classes():
    own = tasks("0,1", "1,2,3", "all", "4,5")
    J = of_tasks.jaccard(own)
    assert J[0, 1] == pytest.approx(3 / 4) and J[0, 2] == pytest.approx(8 / 10) and J[0, 3] == 1
    assert (J == J.T).all() and not J.diagonal().any()
    assert of_tasks.numbers(own)[0].tolist() == [0, 1, 8, 0]


def test_taxonomy_by_hand():
    own = tasks("0,2", "4,6", "5,7", "1,3", "0,5")
    T = of_tasks.taxonomy(own)
    assert T[0, 1] == 0 and T[0, 2] == 2 and T[0, 3] == 1
    assert T[0, 4] == pytest.approx((0 + 2) / 2) and T[2, 4] == pytest.approx((2 + 0) / 2)
    assert of_tasks.taxonomy(tasks("all", "even", dataset="digits")) is None


def test_paths_in_wordnet():
    own = tasks("footwear", "shoe", "3rd", "clothing")
    S = of_tasks.places(own)
    assert S[0, 1] == 1 and np.isnan(S[2]).sum() == 3 and S[0, 3] == S[3, 0] > 0
    assert of_tasks.places(tasks("3rd", "even", "0,1")) is None
    W = of_tasks.paths(own)
    assert W[0, 1] < W[0, 3] and of_tasks.paths(tasks("all", "even", dataset="digits")) is None
