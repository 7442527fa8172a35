"""Dendrograms: joined as their method says, in an order of neighbours, cut into clusters."""

import itertools

import numpy as np
import pytest

from info_geometry.embedding import linkage
from info_geometry.files import InputError
from tests.support.geometry import curved


def joined(D, how):
    """Return the distances at which leaves are joined, slowly: the two nearest clusters, again and again."""
    clusters, found = [[i] for i in range(len(D))], np.zeros_like(D)
    while len(clusters) > 1:
        a, b = min(itertools.combinations(clusters, 2), key=lambda pair: how(D[np.ix_(*pair)]))
        height = how(D[np.ix_(a, b)])
        for i, j in itertools.product(a, b):
            found[i, j] = found[j, i] = height
        clusters = [c for c in clusters if c is not a and c is not b] + [a + b]
    return found


@pytest.mark.parametrize("method, how", [("complete", np.max), ("average", np.mean), ("single", np.min)])
def test_clusters_are_joined_as_the_method_says(method, how):
    D = curved(14)
    found = linkage.cophenetic(linkage.tree(D, method))
    np.testing.assert_allclose(found, joined(D, how), atol=1e-12)


def test_leaves_on_a_line_are_in_order():
    x = np.random.default_rng(0).permutation(9) ** 2.0
    D = np.abs(x[:, None] - x)
    order = x[linkage.leaves(linkage.tree(D, "complete"))]
    assert np.abs(np.diff(order)).sum() == pytest.approx(np.ptp(x))


def test_ultrametric_distances_are_those_at_which_leaves_are_joined():
    D = linkage.cophenetic(linkage.tree(curved(12), "complete"))
    Z = linkage.tree(D, "complete")
    np.testing.assert_allclose(linkage.cophenetic(Z), D, atol=1e-12)
    assert linkage.cophenetic_correlation(Z, D) == pytest.approx(1)
    D = curved(12)
    assert 0 < linkage.cophenetic_correlation(linkage.tree(D, "complete"), D) < 1
    same = 1 - np.eye(5)
    assert np.isnan(linkage.cophenetic_correlation(linkage.tree(same, "complete"), same))


def test_clusters_and_their_purity():
    x = np.array([0, 0.1, 0.2, 5, 5.1, 9.0])
    Z = linkage.tree(np.abs(x[:, None] - x), "complete")
    found = linkage.clusters(Z, 3)
    assert [len(set(found[part])) for part in (slice(0, 3), slice(3, 5))] == [1, 1] and len(set(found)) == 3
    assert linkage.purity(found, ["a", "a", "a", "b", "b", "c"]) == 1
    assert linkage.purity(found, ["a", "a", "b", "b", "a", "c"]) == pytest.approx(4 / 6)
    assert linkage.purity(linkage.clusters(Z, 1), ["a", "a", "a", "b", "b", "c"]) == pytest.approx(1 / 2)
    assert len(set(linkage.clusters(Z, 6))) == 6
    with pytest.raises(InputError, match="7 clusters of 6 objects; expected 1 to 6"):
        linkage.clusters(Z, 7)


def test_unknown_distances_are_refused():
    D = np.array([[0, 1, np.nan], [1, 0, 2], [np.nan, 2, 0]])
    with pytest.raises(InputError, match="there are 3, and 1 of 3 distances are not"):
        linkage.tree(D, "complete")
    with pytest.raises(InputError, match="needs 2 objects or more"):
        linkage.tree(np.zeros((1, 1)), "complete")
