"""Models with weights: equal ones change nothing, whole numbers are models that are there so many times."""

import numpy as np
import pytest

from info_geometry import inpca
from info_geometry.embedding import spectrum, weighted
from info_geometry.files import InputError
from tests.support.geometry import curved, squared

PARTS = ("coordinates", "eigenvalues", "imaginary", "column_means")


def masses(M, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 5, M)


def test_s_is_the_formula():
    """S = -1/2 diag(sqrt w) J D J' diag(sqrt w), J = I - 1 m', and what it makes of a vector, of some models too."""
    D, which = curved(30), np.arange(3, 28, 2)
    for part, W in ((np.arange(30), inpca.Centred(D)), (which, inpca.Centred(D, which))):
        w = masses(len(part))
        J = np.eye(len(part)) - w / w.sum()
        S = -0.5 * np.sqrt(w)[:, None] * (J @ D[np.ix_(part, part)] @ J.T) * np.sqrt(w)
        found, v = weighted.Weighted(W, w), np.random.default_rng(1).standard_normal(len(part))
        np.testing.assert_allclose(found.rows(), S, atol=1e-12)
        np.testing.assert_allclose(found.rows(2, 5), S[2:5], atol=1e-12)
        np.testing.assert_allclose(found.times(v), S @ v, atol=1e-12)
        assert found.squares() == pytest.approx((S**2).sum()) and len(found) == len(part)


@pytest.mark.parametrize("weight", [1.0, 1 / 40])
def test_equal_weights_are_inpca(weight):
    """Of weights 1 the eigenvalues, too; of masses, that sum to 1, these are divided by the number of models."""
    D = curved(40)
    plain, found = inpca.fit(D), inpca.fit(D, weights=np.full(40, weight))
    np.testing.assert_allclose(found.coordinates, plain.coordinates, atol=1e-9)
    np.testing.assert_allclose(found.eigenvalues, weight * plain.eigenvalues, atol=1e-12)
    np.testing.assert_allclose(found.explained_stress()[:10], plain.explained_stress()[:10])
    np.testing.assert_allclose(found.transform(D[:5]), plain.transform(D[:5]), atol=1e-9)
    assert found.placed_stress(D[:7], 3) == pytest.approx(plain.placed_stress(D[:7], 3))


@pytest.mark.parametrize("lanczos", [False, True])
def test_a_model_that_is_there_twice_with_half_the_weight_changes_nothing(lanczos, monkeypatch):
    if lanczos:
        monkeypatch.setattr(spectrum, "WHOLE", 0)
        monkeypatch.setattr(spectrum, "KEPT", 3)
    D, w = curved(40), masses(40)
    twice = np.append(np.arange(40), [3, 4, 5, 39])
    halved = w.copy()
    halved[[3, 4, 5, 39]] /= 2
    once, found = inpca.fit(D, weights=w), inpca.fit(D[np.ix_(twice, twice)], weights=halved[twice])
    assert (once.total_squares is not None) == lanczos
    np.testing.assert_allclose(found.coordinates, once.coordinates[twice], atol=1e-8)
    np.testing.assert_allclose(found.eigenvalues[:3], once.eigenvalues[:3], rtol=1e-9)
    assert found.explained_stress(3) == pytest.approx(once.explained_stress(3), abs=1e-9)
    new = curved(46)[40:, :40]
    np.testing.assert_allclose(found.transform(new[:, twice]), once.transform(new), atol=1e-8)
    np.testing.assert_allclose(found.placed_stress(new[:, twice], 3), once.placed_stress(new, 3), atol=1e-8)
    np.testing.assert_allclose(
        inpca.fit(D, weights=np.bincount(twice)).coordinates[twice],
        inpca.fit(D[np.ix_(twice, twice)]).coordinates,
        atol=1e-8,
    )


def test_points_are_recovered_about_their_weighted_mean():
    points, w = np.random.default_rng(0).standard_normal((20, 3)) * [3, 2, 1], masses(20)
    found = inpca.fit(squared(points, points), weights=w)
    np.testing.assert_allclose(squared(found.coordinates, found.coordinates), squared(points, points), atol=1e-10)
    np.testing.assert_allclose(w @ found.coordinates, 0, atol=1e-10)
    moments = found.coordinates.T * w @ found.coordinates
    np.testing.assert_allclose(moments, np.diag(found.eigenvalues[:3]), atol=1e-9)
    np.testing.assert_allclose(found.transform(squared(points, points)), found.coordinates, atol=1e-9)


def test_all_axes_give_the_distances_and_the_stress_is_that_of_s():
    D, w = curved(24), masses(24)
    found = inpca.fit(D, k=24, weights=w)
    signs = np.where(found.eigenvalues < 0, -1.0, 1.0)
    np.testing.assert_allclose(squared(found.coordinates, found.coordinates, signs), D, atol=1e-9)
    S, X = weighted.Weighted(inpca.Centred(D), w).rows(), found.coordinates[:, :3] * np.sqrt(w)[:, None]
    left = np.linalg.norm(S - X * signs[:3] @ X.T) / np.linalg.norm(S)
    assert found.explained_stress(3) == pytest.approx(1 - left, abs=1e-10)
    for column in found.coordinates[:, :5].T:
        assert column[np.abs(column).argmax()] > 0


def test_long_trajectories_count_no_more_than_short_ones():
    weights = weighted.per_trajectory([2, 5, 1])
    assert weights.mean() == pytest.approx(1)
    assert [weights[:2].sum(), weights[2:7].sum(), weights[7]] == pytest.approx([8 / 3] * 3)
    D = curved(30)
    finer = np.sort(np.append(np.arange(30), np.repeat(np.arange(10), 2)))  # the first of three is stored thrice
    even, uneven = (
        inpca.fit(A, weights=weighted.per_trajectory(n))
        for A, n in (
            (D, [10, 10, 10]),
            (D[np.ix_(finer, finer)], [30, 10, 10]),
        )
    )
    np.testing.assert_allclose(uneven.coordinates, even.coordinates[finer], atol=1e-8)


def test_weights_are_kept_with_the_picture(tmp_path):
    D, w = curved(20), masses(20)
    found = inpca.fit(D, weights=w)
    inpca.save(tmp_path / "a.npz", found)
    again = inpca.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.weights, w)
    np.testing.assert_array_equal(again.transform(D), found.transform(D))
    assert inpca.fit(D).weights is None


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.ones(19), r"expected 20 positive numbers, one a model, not an array \(19,\)$"),
        (np.append(np.ones(19), 0), "with 0 as its smallest; leave such models out"),
        (np.append(np.ones(19), np.nan), "with nan as its smallest"),
    ],
)
def test_other_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        inpca.fit(curved(20), weights=weights)
    with pytest.raises(InputError, match="expected whole numbers from 1 on"):
        weighted.per_trajectory([3, 0])
