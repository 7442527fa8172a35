"""InPCA: points of Euclidean and Minkowski space are recovered, and each formula is what the paper says."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg

from info_geometry import distance, geodesic, inpca, predictions
from info_geometry.embedding import spectrum
from info_geometry.files import InputError
from tests.support.geometry import curved, squared
from tests.support.synthetic import labels_of, random_models, training


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((20, 3)) * [3, 2, 1]


def assert_isometric(A, B):
    """Assert that centred points B are points A moved, turned and mirrored."""
    A = A - A.mean(axis=0)
    turn, _ = scipy.linalg.orthogonal_procrustes(A, B)
    np.testing.assert_allclose(A @ turn, B, atol=1e-10)


def test_euclidean_points_are_recovered(points):
    embedding = inpca.fit(squared(points, points))
    assert_isometric(points, embedding.coordinates)
    assert not embedding.imaginary.any()
    np.testing.assert_allclose(embedding.coordinates.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((embedding.coordinates**2).sum(axis=0), embedding.eigenvalues[:3])
    assert embedding.explained_stress(3) == pytest.approx(1) and embedding.explained_stress(2) < 0.99


def test_minkowski_points_are_recovered():
    """An axis whose squared distances count negative comes out imaginary."""
    rng = np.random.default_rng(1)
    space, time = rng.standard_normal((20, 2)) * [3, 1], 2 * rng.standard_normal((20, 1))
    for part in (space, time):  # uncorrelated, so that the axes of space and time are the eigenvectors
        part -= part.mean(axis=0)
    time -= space @ np.linalg.lstsq(space, time, rcond=None)[0]
    D = squared(space, space) - squared(time, time)
    assert D.min() < 0
    embedding = inpca.fit(D)
    assert embedding.imaginary.sum() == 1
    axes = embedding.imaginary[:3]
    assert_isometric(space, embedding.coordinates[:, ~axes])
    assert_isometric(time, embedding.coordinates[:, axes])


@pytest.mark.parametrize("M", [2, 3, 12])
def test_all_axes_together_give_the_distances(M):
    D = distance.pairwise([random_models(np.random.default_rng(2), M, 3, 4, 0.02)], precision="float64")
    embedding = inpca.fit(D, k=M)
    signs = np.where(embedding.eigenvalues < 0, -1.0, 1.0)
    np.testing.assert_allclose(squared(embedding.coordinates, embedding.coordinates, signs), D, atol=1e-11)
    assert (np.diff(np.abs(embedding.eigenvalues)) <= 0).all()
    assert M < 12 or embedding.imaginary.any()


def test_models_of_the_embedding_are_placed_at_their_own_coordinates():
    D = distance.pairwise([random_models(np.random.default_rng(3), 15, 20, 5)], precision="float64")
    embedding = inpca.fit(D, k=15)
    np.testing.assert_allclose(embedding.transform(D), embedding.coordinates, atol=1e-6)
    embedding = inpca.fit(D, k=3)
    np.testing.assert_allclose(embedding.transform(D), embedding.coordinates, atol=1e-12)
    np.testing.assert_allclose(embedding.transform(D[4]), embedding.coordinates[4:5], atol=1e-12)


def test_new_points_are_placed_where_they_are(points):
    held_out = np.random.default_rng(4).standard_normal((5, 3))
    embedding = inpca.fit(squared(points, points))
    placed = embedding.transform(squared(held_out, points))
    everyone = np.concatenate([points, held_out])
    np.testing.assert_allclose(squared(placed, embedding.coordinates), squared(held_out, points), atol=1e-10)
    placed = np.concatenate([embedding.coordinates, placed])
    np.testing.assert_allclose(squared(placed, placed), squared(everyone, everyone), atol=1e-10)


@pytest.mark.parametrize("D_new", [np.ones((2, 19)), np.ones((2, 2, 20)), np.full((1, 20), np.nan), 1.0])
def test_distances_of_new_points_are_checked(points, D_new):
    with pytest.raises(InputError, match="expected finite distances to 20 models"):
        inpca.fit(squared(points, points)).transform(D_new)


def test_explained_stress():
    """1 - sqrt(1 - sum of the first lambda^2 / sum of all): the axes leave the rest of the norm of W unexplained."""
    D = distance.pairwise([random_models(np.random.default_rng(5), 12, 10, 5)], precision="float64")
    embedding = inpca.fit(D, k=12)
    stress = embedding.explained_stress()
    assert stress.shape == (12,) and (np.diff(stress) >= 0).all() and stress[-1] == 1
    assert embedding.explained_stress(0) == 0 and embedding.explained_stress(99) == 1
    L = np.eye(12) - 1 / 12
    W = -0.5 * L @ D @ L
    for k in (1, 3, 7):
        signs, X = np.sign(embedding.eigenvalues[:k]), embedding.coordinates[:, :k]
        unexplained = np.linalg.norm(W - X * signs @ X.T) / np.linalg.norm(W)
        assert embedding.explained_stress(k) == stress[k - 1] == pytest.approx(1 - unexplained, abs=1e-12)


def test_signs_follow_the_rule_and_the_order_of_models_does_not_matter():
    D = distance.pairwise([random_models(np.random.default_rng(6), 15, 20, 5)], precision="float64")
    order = np.random.default_rng(7).permutation(15)
    embedding, permuted = inpca.fit(D), inpca.fit(D[np.ix_(order, order)])
    for column in embedding.coordinates.T:
        assert column[np.abs(column).argmax()] > 0
    np.testing.assert_allclose(permuted.coordinates, embedding.coordinates[order], atol=1e-10)


def test_models_that_coincide():
    embedding = inpca.fit(np.zeros((4, 4)))
    np.testing.assert_array_equal(embedding.coordinates, 0)
    np.testing.assert_array_equal(embedding.explained_stress(), 1)
    assert not embedding.imaginary.any() and embedding.explained_stress(1) == 1
    np.testing.assert_array_equal(embedding.transform(np.zeros((2, 4))), 0)


def test_two_models():
    embedding = inpca.fit([[0, 4], [4, 0]])
    assert embedding.coordinates.shape == (2, 2)
    np.testing.assert_allclose(np.abs(embedding.coordinates[:, 0]), 1)
    np.testing.assert_allclose(embedding.eigenvalues, [2, 0], atol=1e-15)
    assert embedding.explained_stress(1) == 1


@pytest.mark.parametrize(
    "D, message",
    [
        (np.ones((3, 4)), r"expected a square matrix of distances, not an array \(3, 4\)"),
        (np.ones(3), "expected a square matrix"),
        (np.zeros((1, 1)), "needs at least 2 models; there is 1"),
        (np.zeros((0, 0)), "needs at least 2 models"),
        ([[0, 1, 2], [1, 0, np.nan], [2, np.nan, 0]], "the distance between models 1 and 2 is nan"),
        ([[0, np.inf], [np.inf, 0]], "the distance between models 0 and 1 is inf"),
        ([[0, 1], [2, 0]], "is not symmetric"),
    ],
)
def test_bad_matrices_are_refused(D, message):
    with pytest.raises(InputError, match=message):
        inpca.fit(D)


def test_axes_that_are_only_rounding_are_zero():
    points = np.random.default_rng(4).normal(size=(9, 2))
    D = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    coordinates = inpca.fit(D, k=5).coordinates
    assert (coordinates[:, 2:] == 0).all() and np.ptp(coordinates[:, 1]) > 0.1


def test_the_centred_matrix_is_that_of_the_paper(points):
    D, v = squared(points, points), np.random.default_rng(1).standard_normal(20)
    L = np.eye(20) - 1 / 20
    W, found = -0.5 * L @ D @ L, inpca.Centred(D)
    np.testing.assert_allclose(found.rows(), W, atol=1e-12)
    np.testing.assert_array_equal(found.rows(3, 7), found.rows()[3:7])
    np.testing.assert_allclose(found.times(v), W @ v, atol=1e-11)
    for rows in (1, 7, 256):
        assert found.squares(rows) == pytest.approx((W**2).sum())
    assert len(found) == 20


def test_explained_stress_of_what_is_left():
    np.testing.assert_allclose(inpca.explained_stress([0.0, 1.0, 4.0], 4.0), [1, 0.5, 0])
    np.testing.assert_array_equal(inpca.explained_stress(np.zeros((2, 1)), np.zeros(3)), np.ones((2, 3)))
    np.testing.assert_array_equal(inpca.explained_stress([-1e-17, 1 + 1e-15], 1.0), [1, 0])


def test_the_geodesic_is_placed_as_its_points_are():
    labels, rng = labels_of(30, 4), np.random.default_rng(0)
    trajectories = [predictions.as_trajectory(training(rng, labels, 4)) for _ in range(2)]
    for x in trajectories:
        x.labels = labels
    points = geodesic.interpolate(np.full((30, 4), 0.25), np.eye(4)[labels], geodesic.POINTS[:, None])
    embedding = inpca.fit(distance.pairwise([*trajectories, points]), k=5)
    on_its_way = embedding.transform(distance.cross([points], [*trajectories, points]))
    points = predictions.as_trajectory(points)
    points.labels = labels
    s, found = inpca.place_geodesic(embedding, [*trajectories, points])
    np.testing.assert_array_equal(s, geodesic.POINTS)
    np.testing.assert_allclose(found, on_its_way, atol=1e-6)
    np.testing.assert_allclose(found, embedding.coordinates[-21:], atol=1e-6)
    trajectories[1].labels = None
    assert inpca.place_geodesic(embedding, [*trajectories, points]) is None


def test_some_of_the_models_alone_without_a_copy_of_their_distances(monkeypatch):
    D, chance = curved(320), np.random.default_rng(0)
    for whole in (0, 10**9):
        monkeypatch.setattr(spectrum, "WHOLE", whole)
        for which in (np.sort(chance.permutation(320)[:310]), np.arange(5, 320)):
            expected, found = inpca.fit(D[np.ix_(which, which)]), inpca.fit(D, which=which)
            np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, atol=1e-12 * expected.eigenvalues[0])
            np.testing.assert_allclose(found.coordinates, expected.coordinates, atol=1e-9)
            np.testing.assert_allclose(found.explained_stress(), expected.explained_stress(), atol=1e-9)
            np.testing.assert_allclose(found.transform(D[:3, which]), expected.transform(D[:3, which]), atol=1e-9)
