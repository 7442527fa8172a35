"""Geodesics: what lies on a great circle is found there, and projecting agrees with a general minimiser."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize_scalar

from info_geometry import distance, geodesic, predictions
from info_geometry.files import InputError
from info_geometry.storage import trajectories
from tests.support import stages
from tests.support.synthetic import labels_of, random_models, training

OBJECTIVES = geodesic.OBJECTIVES


def angle(P, Q):
    """Return the angles of the square roots of probabilities (..., C), precise for small ones."""
    return 2 * np.arcsin(np.minimum(np.linalg.norm(np.sqrt(P) - np.sqrt(Q), axis=-1) / 2, 1))


def ignorance_and_truth(labels, C):
    return np.full((len(labels), C), 1 / C), np.eye(C)[labels]


@pytest.fixture(params=[0.05, 1.0], ids=["spiky", "flat"])
def pair(request):
    rng = np.random.default_rng(0)
    return random_models(rng, 2, 30, 5, request.param)


def test_end_points(pair):
    P, Q = pair
    np.testing.assert_allclose(geodesic.interpolate(P, Q, 0), P, atol=1e-14)
    np.testing.assert_allclose(geodesic.interpolate(P, Q, 1), Q, atol=1e-14)
    np.testing.assert_allclose(geodesic.interpolate(P, Q, 0.3), geodesic.interpolate(Q, P, 0.7), atol=1e-14)


def test_points_are_probabilities_at_equal_angles(pair):
    P, Q = pair
    s = np.linspace(0, 1, 11)
    points = geodesic.interpolate(P, Q, s[:, None])  # (11, 30, 5)
    np.testing.assert_allclose(points.sum(axis=2), 1, atol=1e-9)
    assert points.min() >= 0
    np.testing.assert_allclose(angle(points[0], points), s[:, None] * angle(P, Q), atol=1e-7)
    np.testing.assert_allclose(angle(points[:-1], points[1:]), np.broadcast_to(angle(P, Q) / 10, (10, 30)), atol=1e-7)


def test_interpolation_of_an_interpolation(pair):
    P, Q = pair
    middle = geodesic.interpolate(P, Q, 0.6)
    np.testing.assert_allclose(geodesic.interpolate(P, middle, 0.5), geodesic.interpolate(P, Q, 0.3), atol=1e-9)
    np.testing.assert_allclose(geodesic.interpolate(middle, Q, 0.25), geodesic.interpolate(P, Q, 0.7), atol=1e-9)


def test_one_parameter_for_each_sample(pair):
    P, Q = pair
    s = np.linspace(0, 1, 30)
    points = geodesic.interpolate(P, Q, s)
    for n in (0, 7, 29):
        np.testing.assert_allclose(points[n], geodesic.interpolate(P[n], Q[n], s[n]), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1e-16, 1e-12, 1e-8, 1e-5, 9e-5, 1.1e-4, 1e-3])
def test_models_that_are_nearly_the_same(size, dtype):
    rng = np.random.default_rng(1)
    p = np.sqrt(rng.dirichlet(np.ones(6), 20))
    q = p + size * rng.standard_normal((20, 6))
    p, q = (x.astype(dtype) / np.linalg.norm(x.astype(dtype), axis=1, keepdims=True) for x in (p, q))
    points = geodesic.interpolate_roots(p, q, np.linspace(0, 1, 5)[:, None])
    assert points.dtype == dtype and np.isfinite(points).all()
    rounding = 1e-8 + 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(np.linalg.norm(points, axis=2), 1, atol=rounding)
    np.testing.assert_allclose(points[2], (p + q) / np.linalg.norm(p + q, axis=1, keepdims=True), atol=rounding)


def test_orthogonal_models():
    middle = geodesic.interpolate([[1.0, 0.0]], [[0.0, 1.0]], 0.5)
    np.testing.assert_allclose(middle, [[0.5, 0.5]], atol=1e-15)
    with pytest.raises(InputError, match=r"cannot interpolate between shapes \(1, 2\) and \(2,\)"):
        geodesic.interpolate([[1.0, 0.0]], [0.0, 1.0], 0.5)


weights = hnp.arrays(np.float64, (2, 4), elements=st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-9, 1)))


@settings(max_examples=100, deadline=None)
@given(weights, st.floats(0, 1))
def test_any_point_divides_the_angle(array, s):
    array[array.sum(axis=1) == 0, 0] = 1
    P, Q = array / array.sum(axis=1, keepdims=True)
    point = geodesic.interpolate(P, Q, s)
    assert point.min() >= 0 and point.sum() == pytest.approx(1, abs=1e-8)
    assert angle(P, point) == pytest.approx(s * angle(P, Q), abs=1e-7)


# --- progress -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("C", [2, 3, 10, 1000])
def test_points_of_the_geodesic_have_their_parameter_as_progress(C, objective):
    labels, s = labels_of(30, C), np.linspace(0, 1, 17)
    models = geodesic.interpolate(*ignorance_and_truth(labels, C), s[:, None])
    np.testing.assert_allclose(geodesic.progress(models, labels, objective), s, atol=3e-7)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_progress_of_ignorance_and_truth(objective):
    labels = labels_of(40, 7)
    ignorance, truth = ignorance_and_truth(labels, 7)
    assert geodesic.progress(ignorance, labels, objective) == pytest.approx([0], abs=1e-7)
    assert geodesic.progress(truth, labels, objective) == pytest.approx([1], abs=1e-7)
    wrong = np.eye(7)[(labels + 1) % 7]
    assert geodesic.progress(wrong, labels, objective) == pytest.approx([0], abs=1e-7), "the end nearest to it"


def test_what_is_certain_is_at_the_end_when_a_quarter_of_it_is_right():
    """Right samples come nearer by acos(1 / sqrt(10)), wrong ones go further by what is left of a quarter turn."""
    labels = np.arange(1000) % 10
    certain = [np.eye(10)[np.where(np.arange(1000) < right, labels, (labels + 1) % 10)] for right in (100, 200, 250)]
    assert geodesic.progress(np.array(certain), labels) == pytest.approx([0, 0.4, 1], abs=0.005)


def distance_to_the_geodesic(s, P, labels, objective):
    """Return the objective in float64 from the points of the geodesic themselves, not from two scalars."""
    gamma = geodesic.interpolate(*ignorance_and_truth(labels, P.shape[1]), s)
    cosine = np.sqrt(gamma * P).sum(axis=1)
    if objective == "angle":
        return np.arccos(np.minimum(cosine, 1)).mean()
    return -np.log(np.maximum(cosine, 1e-6)).mean()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ["random", "training", "spiky"])
@pytest.mark.parametrize("C", [2, 10, 100])
def test_progress_agrees_with_a_general_minimiser(name, C, objective):
    rng = np.random.default_rng(2)
    labels = labels_of(61, C)  # an odd number: with 2 classes the mean angle is least at the median of the samples
    models = {
        "random": lambda: random_models(rng, 8, 61, C, 1.0),
        "training": lambda: training(rng, labels, C),
        "spiky": lambda: random_models(rng, 8, 61, C, 0.05),
    }[name]()
    found = geodesic.progress(models, labels, objective)
    for P, s in zip(models, found):
        best = minimize_scalar(
            distance_to_the_geodesic,
            bounds=(0, 1),
            args=(P, labels, objective),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert s == pytest.approx(best.x, abs=1e-6)
        assert distance_to_the_geodesic(s, P, labels, objective) <= best.fun + 1e-9


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_progress_is_the_least_distance_on_a_fine_grid(objective):
    rng, labels = np.random.default_rng(3), labels_of(20, 4)
    models = np.concatenate([random_models(rng, 10, 20, 4, 0.05), training(rng, labels, 4)])
    for P, s in zip(models, geodesic.progress(models, labels, objective)):
        grid = [distance_to_the_geodesic(x, P, labels, objective) for x in np.linspace(0, 1, 301)]
        assert distance_to_the_geodesic(s, P, labels, objective) <= min(grid) + 1e-7


def with_zeros(rng, T, N, C):
    """Return probabilities (T, N, C), most of them 0: one-hot rows, right and wrong ones, and uniform rows."""
    P = rng.dirichlet(np.full(C, 0.3), (T, N)) * (rng.random((T, N, C)) < 0.4)
    P[..., 0] += P.sum(axis=2) == 0
    P /= P.sum(axis=2, keepdims=True)
    sure = rng.random((T, N)) < rng.random((T, 1))
    P[sure] = np.eye(C)[rng.integers(0, C, sure.sum())]
    P[rng.random((T, N)) < 0.1] = 1 / C
    return P


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("C", [3, 10, 100])
def test_progress_with_zero_entries_is_the_best_of_a_dense_grid_made_exact(C, objective):
    """The oracle looks at 401 points and then at 1e-10 around the best of them: it would find any lower minimum."""
    rng, labels = np.random.default_rng(C), labels_of(41, C)
    models = np.concatenate([with_zeros(rng, 6, 41, C), training(rng, labels, C, T=3), np.eye(C)[labels][None]])
    models[1:3, 1:, :] = np.eye(C)[labels[1:]]  # all but one sample are sure and right; that one may have no chance
    models[1, 0] = np.eye(C)[(labels[0] + 1) % C]
    models[2, 0] = 1 / C
    for P, s in zip(models, geodesic.progress(models, labels, objective)):
        grid = np.linspace(0, 1, 401)
        best = int(np.argmin([distance_to_the_geodesic(x, P, labels, objective) for x in grid]))
        exact = minimize_scalar(
            distance_to_the_geodesic,
            bounds=(grid[max(best - 1, 0)], grid[min(best + 1, 400)]),
            args=(P, labels, objective),
            method="bounded",
            options={"xatol": 1e-12},
        )
        assert distance_to_the_geodesic(s, P, labels, objective) <= exact.fun + 1e-8  # arccos near 1
        flat = distance_to_the_geodesic(np.clip(exact.x + 1e-5, 0, 1), P, labels, objective) - exact.fun < 1e-13
        assert flat or s == pytest.approx(exact.x, abs=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_objective_is_convex(objective):
    """So a local minimum is the only one: what makes it right to follow the sign of the derivative."""
    rng, labels = np.random.default_rng(6), labels_of(9, 5)
    s = np.linspace(0, 0.999, 200)
    for P in np.concatenate([with_zeros(rng, 10, 9, 5), random_models(rng, 10, 9, 5, 0.05)]):
        values = np.array([distance_to_the_geodesic(x, P, labels, objective) for x in s])
        assert np.diff(values, 2).min() > -1e-9


def test_the_floor_at_the_end_can_be_the_least():
    """Where nearly all are sure and right, a few that have no chance cost least where the floor bounds them."""
    uniform, truth = np.full((1, 2000), np.sqrt(1e-6)), np.ones((1, 2000))
    truth[0, 0] = 0
    for sure in (False, True):
        uniform[0, 0] = 1e-9 if sure else 1e-3  # no probabilities have the first
        found = geodesic.progress_from_scalars(uniform, truth, 10**6, "bhattacharyya")
        assert (found == 1) == sure


def test_roots_of_increasing_functions():
    """Steps, kinks, infinite values, and functions that do not change sign."""
    where = np.array([0.3, 0.7, 1e-7, 0.5, 0.25, 0.9, 0, 1])

    def function(s):
        d = s - where
        return np.array(
            [
                d[0],
                np.sign(d[1]),
                d[2] ** 3,
                d[3] ** 3,
                np.sqrt(abs(d[4])) * np.sign(d[4]),
                1e200 if s[5] == 1 else d[5] / (1 - s[5]),
                s[6] + 1,
                s[7] - 2,
            ]
        )

    np.testing.assert_allclose(geodesic._root(function, 8), where, atol=2e-9)


@pytest.mark.parametrize("N", [1, 2, 7, 8])
def test_progress_of_two_classes_is_the_middle_of_the_medians(N):
    """The mean angle is flat between the two middle angles; against a dense grid."""
    rng = np.random.default_rng(N)
    models, labels = rng.dirichlet([0.6, 0.4], (20, N)), rng.integers(0, 2, N)
    grid = np.linspace(0, 1, 2001)
    gamma = np.sqrt(geodesic.interpolate(np.full((N, 2), 0.5), np.eye(2)[labels], grid[:, None, None][..., 0]))
    for P, found in zip(models, geodesic.progress(models, labels)):
        angles = np.arccos(np.minimum(np.einsum("snc,nc->sn", gamma, np.sqrt(P)), 1)).mean(axis=1)
        least = grid[angles <= angles.min() + 1e-9]
        assert found == pytest.approx((least[0] + least[-1]) / 2, abs=1e-3)
    exact = np.tile([0.5, 0.5], (1, 4, 1))
    assert geodesic.progress(exact, [0, 1, 0, 1]).tolist() == pytest.approx([0])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_progress_from_arrays_of_any_type_and_layout(kind):
    rng, labels = np.random.default_rng(7), labels_of(300, 50)
    models = training(rng, labels, 50, T=40).astype(kind)  # enough for threads
    expected = [geodesic.progress(P, labels)[0] for P in models[::13].astype(np.float64)]
    np.testing.assert_allclose(geodesic.progress(models, labels)[::13], expected, atol=1e-6)
    turned = np.ascontiguousarray(models.transpose(1, 2, 0)).transpose(2, 0, 1)
    np.testing.assert_allclose(geodesic.progress(turned, labels)[::13], expected, atol=1e-6)


def test_rows_that_are_no_probabilities():
    models = random_models(np.random.default_rng(0), 3, 20, 4)
    for value, message in ((np.nan, "checkpoint 1 .* not finite"), (-1, "checkpoint 1 .* negative")):
        bad = models.copy()
        bad[1, 7, 2] = value
        with pytest.raises(InputError, match=message):
            geodesic.progress(bad, labels_of(20, 4))
    with pytest.raises(InputError, match=r"checkpoint 0 .*: rows sum to"):
        geodesic.progress(3 * models, labels_of(20, 4))


def test_the_published_projection_agrees_and_is_timed(monkeypatch):
    monkeypatch.syspath_prepend(stages.ROOT / "benchmarks")
    lines = stages.script("benchmarks/progress.py").tables(quick=True).splitlines()
    assert len(lines) == 6 and len({line.count("|") for line in lines}) == 1
    for line in lines[2:]:
        assert float(line.split("|")[7]) < 1e-6 and float(line.split("|")[5]) > 0


def test_progress_grows_in_training_and_the_order_of_samples_does_not_matter():
    rng, labels = np.random.default_rng(4), labels_of(50, 6)
    models = training(rng, labels, 6, T=12)
    progress = geodesic.progress(models, labels)
    assert progress[0] < 0.1 and progress[-1] > 0.5 and (np.diff(progress) > 0).all()
    order, names = rng.permutation(50), rng.permutation(6)
    np.testing.assert_allclose(geodesic.progress(models[:, order], labels[order]), progress, atol=1e-6)
    renamed = np.empty_like(models)
    renamed[:, :, names] = models
    np.testing.assert_allclose(geodesic.progress(renamed, names[labels]), progress, atol=1e-6)


def test_arrays_files_and_blocks_of_any_size_agree(tmp_path, monkeypatch):
    rng, labels = np.random.default_rng(5), labels_of(50, 6)
    models = training(rng, labels, 6)
    predictions.write(tmp_path / "a.h5", models, labels=labels)
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    stored = np.sqrt(models).astype(np.float16).astype(float) ** 2
    expected = geodesic.progress(stored / stored.sum(axis=2, keepdims=True), labels)
    np.testing.assert_allclose(geodesic.progress(trajectory, labels), expected, atol=1e-6)
    np.testing.assert_allclose(geodesic.progress(models, labels), expected, atol=1e-4)
    one = [geodesic.progress(P, labels)[0] for P in models]
    np.testing.assert_allclose(one, geodesic.progress(models, labels), atol=1e-6)
    monkeypatch.setattr(trajectories, "BLOCK_BYTES", 1)
    np.testing.assert_allclose(geodesic.progress(trajectory, labels), expected, atol=1e-6)


@pytest.mark.parametrize(
    "labels, message",
    [
        (labels_of(19, 4), r"expected 20 labels, whole numbers, .* not an array of shape \(19,\)"),
        (labels_of(20, 4) + 0.5, "expected 20 labels"),
        (labels_of(20, 4) + 1, r"labels reach from 1 to 4, expected 0 to 3"),
        (labels_of(20, 4) - 1, "labels reach from -1"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(InputError, match=message):
        geodesic.progress(random_models(np.random.default_rng(0), 2, 20, 4), labels)


def test_bad_objective_and_a_single_class():
    with pytest.raises(InputError, match="objective 'euclidean' is not one of angle, bhattacharyya"):
        geodesic.progress(random_models(np.random.default_rng(0), 2, 20, 4), labels_of(20, 4), "euclidean")
    with pytest.raises(InputError, match="progress needs at least 2 classes"):
        geodesic.progress(np.ones((2, 3, 1)), [0, 0, 0])


def test_distances_to_the_geodesic_are_those_to_its_points():
    rng, labels, grid = np.random.default_rng(0), labels_of(30, 4), np.linspace(0, 1, 7)
    models = random_models(rng, 5, 30, 4)
    points = geodesic.interpolate(np.full((30, 4), 0.25), np.eye(4)[labels], grid[:, None])
    expected = distance.cross([models], [points])
    np.testing.assert_allclose(geodesic.distances(models, labels, grid), expected, atol=1e-9)
    np.testing.assert_allclose(geodesic.distances(points, labels, grid), distance.pairwise([points]), atol=1e-9)
