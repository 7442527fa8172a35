"""Four points on the way: exact for flat points, and directions exact on great circles."""

import numpy as np
import pytest

from experiments.manifold import tangents
from info_geometry import distance, geodesic, inpca
from info_geometry.files import InputError
from tests.support.geometry import squared
from tests.support.synthetic import labels_of, random_models, training

N, C = 30, 5
LABELS = labels_of(N, C)


def runs(count=3):
    way = 2 * np.random.default_rng(9).standard_normal((N, C))
    found = [training(np.random.default_rng(i), LABELS, C, 12, 6, way) for i in range(count)]
    return found, [geodesic.progress(x, LABELS) for x in found]


def on_great_circles(s):
    """Return models (S, N, C) at parameters s of great circles between two random models."""
    P, Q = random_models(np.random.default_rng(0), 2, N, C)
    return np.array([geodesic.interpolate(P, Q, x) for x in s])


def test_kernel_means_are_weighted_by_progress():
    found, progress = runs()
    at = tangents.kernel_mean(found, progress, 0.3)
    w = [np.exp(-((p - 0.3) ** 2) / (2 * 0.05**2)) for p in progress]
    expected = sum((v[:, None, None] * x).sum(axis=0) for v, x in zip(w, found)) / sum(v.sum() for v in w)
    np.testing.assert_allclose(at, expected, atol=1e-5)  # those further than 5 widths count for less than 4e-6
    assert at.sum(axis=1) == pytest.approx(np.ones(N))
    one = tangents.kernel_mean(found[:1], progress[:1], progress[0][4], 1e-6)
    np.testing.assert_allclose(one, found[0][4], atol=1e-12)
    with pytest.raises(InputError, match=r"no checkpoint has a progress within 0.25 of 5"):
        tangents.kernel_mean(found, progress, 5)


def test_the_four_points_are_where_the_picture_has_them_and_explain_their_own_distances():
    found, progress = runs()
    points = tangents.basis(LABELS, *(tangents.kernel_mean(found, progress, at) for at in (0.3, 0.5)))
    picture = tangents.picture(points)
    np.testing.assert_allclose(tangents.place(picture, points, points), picture.coordinates, atol=1e-10)
    D = distance.pairwise(points)
    assert tangents.explained(D, picture.coordinates, picture.imaginary)[2] == pytest.approx(1, abs=1e-10)


def test_four_points_span_all_of_a_space_of_three_dimensions():
    x = np.random.default_rng(0).standard_normal((40, 3))
    embedding = inpca.fit(squared(x[:4], x[:4]), 3)
    placed = embedding.transform(squared(x, x[:4]))
    assert tangents.explained(squared(x, x), placed, embedding.imaginary[:3])[2] == pytest.approx(1, abs=1e-9)


def test_explained_is_one_minus_the_sum_of_what_is_off():
    rng = np.random.default_rng(1)
    x, D, imaginary = rng.standard_normal((300, 3)), squared(*[rng.standard_normal((300, 4))] * 2), [False, True, False]
    signs = np.array([1, -1, 1])
    found = tangents.explained(D, x, imaginary)
    for k in (1, 2, 3):
        guess = squared(x[:, :k], x[:, :k], signs[:k])
        assert found[k - 1] == pytest.approx(1 - np.abs(guess - D).sum() / D.sum())
    with pytest.raises(InputError, match="of 299 points"):
        tangents.explained(D, x[:299], imaginary)


def test_most_of_the_distances_of_runs_that_go_one_way_are_explained():
    found, progress = runs()
    points = tangents.basis(LABELS, *(tangents.kernel_mean(found, progress, at) for at in (0.3, 0.5)))
    picture = tangents.picture(points)
    placed = tangents.place(picture, points, found)
    D = distance.pairwise(found)
    few, all_of_them = tangents.explained(D, placed, picture.imaginary), inpca.fit(D, 3)
    assert few[2] > 0.6 and few[2] > tangents.explained(D, all_of_them.coordinates, all_of_them.imaginary)[2] - 0.2


def test_directions_on_a_great_circle_are_those_of_the_circle():
    """log_p(gamma(s)) = s log_p(q), of the length of the angle; it ends where it points to; carried along it stays."""
    s = np.array([0, 0.2, 0.5, 1.0])
    roots = np.sqrt(on_great_circles(s))
    whole = tangents.direction(roots[0], roots[3])
    angles = np.arccos((roots[0] * roots[3]).sum(axis=1))
    assert np.linalg.norm(whole, axis=1) == pytest.approx(angles)
    assert (whole * roots[0]).sum(axis=1) == pytest.approx(np.zeros(N), abs=1e-12)
    for k in (1, 2):
        np.testing.assert_allclose(tangents.direction(roots[0], roots[k]), s[k] * whole, atol=1e-9)
        length = np.linalg.norm(s[k] * whole, axis=1, keepdims=True)
        ended = np.cos(length) * roots[0] + np.sin(length) * s[k] * whole / length
        np.testing.assert_allclose(ended, roots[k], atol=1e-9)
    carried = tangents.transport(whole, roots[0], roots[2])
    np.testing.assert_allclose(carried, tangents.direction(roots[2], roots[3]) / 0.5, atol=1e-9)
    np.testing.assert_allclose(tangents.direction(roots[0], roots[0]), np.zeros((N, C)), atol=1e-15)
    assert tangents.turn(on_great_circles([0, 0.3, 0.7, 1])) == pytest.approx(1, abs=1e-12)
    assert tangents.turn(on_great_circles([0, 0.3, 0.7, 0.4])) == pytest.approx(-1, abs=1e-12)


def test_transport_keeps_lengths_and_angles_and_can_be_undone():
    rng = np.random.default_rng(2)
    p, q = np.sqrt(random_models(rng, 2, N, C))
    v, w = (tangents.direction(p, np.sqrt(random_models(rng, 1, N, C)[0])) for _ in range(2))
    carried = [tangents.transport(x, p, q) for x in (v, w)]
    for x in carried:
        assert (x * q).sum(axis=1) == pytest.approx(np.zeros(N), abs=1e-12)
    assert (carried[0] * carried[1]).sum(axis=1) == pytest.approx((v * w).sum(axis=1))
    np.testing.assert_allclose(tangents.transport(carried[0], q, p), v, atol=1e-12)
    np.testing.assert_allclose(tangents.transport(v, p, p), v, atol=1e-12)


def test_turns_of_other_paths_are_less_and_none_of_no_path():
    P = random_models(np.random.default_rng(3), 4, N, C)
    assert abs(tangents.turn(P)) < 0.9
    with pytest.raises(InputError, match="have no direction"):
        tangents.turn([P[0], P[0], P[1], P[2]])


def test_cross_entropy_is_that_of_true_labels():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(4), size=(3, 7))
    labels = rng.integers(0, 4, 7)
    P[0, 0] = np.eye(4)[(labels[0] + 1) % 4]  # surely wrong
    expected = [np.mean([-np.log(max(p[n, labels[n]], 1e-15)) for n in range(7)]) for p in P]
    np.testing.assert_allclose(tangents.cross_entropy(P, labels), expected, rtol=1e-12)
