"""Landmarks: what is exact is recovered exactly, the rest up to a stated error, in memory that does not grow."""

import functools
import itertools
import re
import tracemalloc

import numpy as np
import pytest

from info_geometry import distance, inpca, predictions
from info_geometry.embedding import landmarks
from info_geometry.files import InputError
from info_geometry.storage import embeddings, runs
from tests.support.geometry import squared
from tests.support.synthetic import labels_of, training, write_runs

by_landmarks = functools.partial(inpca.fit_landmarks, precision="float64")  # on a GPU as well


def trajectories_of(M, parts=4):
    """Return trajectories of M models in all that predict nothing, but whose t says which model each is."""
    trajectories = []
    for a, b in itertools.pairwise(np.arange(parts + 1) * M // parts):
        trajectories.append(predictions.as_trajectory(np.full((b - a, 1, 2), 0.5)))
        trajectories[-1].t = np.arange(a, b, dtype=float)
    return trajectories


@pytest.fixture
def geometry(monkeypatch):
    """Return a function that makes distances(ids, ids) those of all trajectories, in place of Bhattacharyya's."""
    calls = []

    def use(distances):
        def cross(some, others, **options):
            ids = [np.concatenate([x.t for x in side]).astype(int) for side in (some, others)]
            calls.append(ids)
            return distances(*ids)

        monkeypatch.setattr(distance, "cross", cross)
        monkeypatch.setattr(distance, "pairwise", lambda some, **options: cross(some, some))
        return calls

    return use


def of_points(points, signature=1.0):
    return lambda a, b: squared(points[a], points[b], signature)


def of_matrix(D):
    return lambda a, b: D[np.ix_(a, b)]


@pytest.fixture(scope="module")
def curves():
    """Predictions of 6 trajectories of 40 models that look like training, and their distances."""
    labels, direction = labels_of(40, 5), 2 * np.random.default_rng(0).standard_normal((40, 5))
    models = [training(np.random.default_rng(i), labels, 5, T=40, direction=i % 3 * direction) for i in range(6)]
    return models, distance.pairwise(models, precision="float64")


def picture_error(one, other, k=3):
    """Return |X S X' - Y T Y'| / |Y T Y'| of two pictures: inner products do not depend on the choice of axes."""
    grams = [e.coordinates[:, :k] * np.where(e.imaginary[:k], -1, 1) @ e.coordinates[:, :k].T for e in (one, other)]
    return np.linalg.norm(grams[0] - grams[1]) / np.linalg.norm(grams[1])


# --- the picture ----------------------------------------------------------------------------------------------------


def test_all_models_as_landmarks_give_the_full_picture(curves):
    models, D = curves
    full, embedding = inpca.fit(D, k=4), by_landmarks(models, 240, k=4)
    np.testing.assert_array_equal(embedding.landmarks, np.arange(240))
    np.testing.assert_allclose(embedding.coordinates, full.coordinates, atol=1e-7)
    np.testing.assert_allclose(embedding.eigenvalues[:20], full.eigenvalues[:20], atol=1e-10)
    np.testing.assert_array_equal(embedding.imaginary[:20], full.imaginary[:20])
    np.testing.assert_allclose(embedding.explained_stress(), full.explained_stress()[:4], atol=1e-8)
    assert (embedding.stress_error == 0).all()  # 300 probes are more than there are models: nothing is estimated
    assert embedding.total_squares == pytest.approx((full.eigenvalues**2).sum())


@pytest.mark.parametrize("signature", [[1, 1, 1], [1, 1, -1], [-1, -1, -1]], ids=str)
def test_points_are_recovered_from_few_landmarks(geometry, signature):
    """In as many dimensions as there are axes, distances to landmarks in general position say everything."""
    points = np.random.default_rng(0).standard_normal((500, 3)) * [3, 2, 1]
    geometry(of_points(points, np.array(signature)))
    embedding, full = by_landmarks(trajectories_of(500), 12), inpca.fit(squared(points, points, signature))
    signs = np.where(embedding.imaginary[:3], -1, 1)
    assert sorted(signs) == sorted(signature)
    np.testing.assert_allclose(
        squared(embedding.coordinates, embedding.coordinates, signs), squared(points, points, signature), atol=1e-8
    )
    np.testing.assert_allclose(embedding.coordinates, full.coordinates, atol=1e-7)  # the axes of all models as well
    np.testing.assert_allclose(embedding.eigenvalues[:3], full.eigenvalues[:3])
    assert embedding.explained_stress(3) == pytest.approx(1, abs=1e-5)
    assert embedding.total_squares == pytest.approx((full.eigenvalues**2).sum())
    np.testing.assert_allclose(embedding.explained_stress(), full.explained_stress()[:3], atol=1e-5)


def test_the_error_decreases_with_landmarks(curves, geometry):
    _, D = curves
    geometry(of_matrix(D))
    full = inpca.fit(D)
    errors = [
        np.mean([picture_error(by_landmarks(trajectories_of(240), m, seed=seed, probes=10), full) for seed in range(5)])
        for m in (10, 30, 90, 200)
    ]
    assert (np.diff(errors) < 0).all() and errors[0] < 0.5 and errors[2] < 0.02 and errors[3] < 3e-3


def test_models_of_the_picture_are_placed_at_their_own_coordinates(curves):
    models, D = curves
    embedding = by_landmarks(models, 60)
    placed = embedding.transform(D[:, embedding.landmarks])
    np.testing.assert_allclose(placed, embedding.coordinates, atol=1e-9)
    np.testing.assert_allclose(embedding.coordinates.mean(axis=0), 0, atol=1e-10)
    gram = embedding.coordinates.T @ embedding.coordinates
    np.testing.assert_allclose(gram, np.diag(np.abs(embedding.eigenvalues[:3])), atol=1e-9)  # principal axes
    with pytest.raises(InputError, match=r"expected finite distances to 60 landmarks, not an array \(240, 240\)"):
        embedding.transform(D)


def test_models_that_coincide(geometry):
    geometry(lambda a, b: np.zeros((len(a), len(b))))
    embedding = by_landmarks(trajectories_of(100), 20, probes=30)
    assert (embedding.coordinates == 0).all() and (embedding.explained_stress() == 1).all()
    assert (embedding.stress_error == 0).all() and not embedding.imaginary.any()


def test_two_landmarks(geometry):
    points = np.random.default_rng(0).standard_normal((50, 1))
    geometry(of_points(points))
    embedding = by_landmarks(trajectories_of(50), [3, 40], k=1)
    np.testing.assert_allclose(np.abs(embedding.coordinates[:, 0]), np.abs(points[:, 0] - points.mean()), atol=1e-9)


@pytest.mark.parametrize("group", [1, 7, 60, 1000])
def test_groups_of_any_size_give_the_same(curves, group):
    models, _ = curves
    embedding, other = (by_landmarks(models, 30, group=size) for size in (4096, group))
    np.testing.assert_allclose(other.coordinates, embedding.coordinates, atol=1e-9)
    np.testing.assert_allclose(other.stress, embedding.stress, atol=1e-9)


@pytest.mark.parametrize(
    "group, sizes",
    [
        (20, [20, 5, 20, 6, 20, 6, 20, 6]),
        (52, [51, 52]),
        (60, [51, 52]),
        (103, [103]),
        (1000, [103]),
    ],
)
def test_every_model_is_read_once_against_the_landmarks(geometry, group, sizes):
    """In groups of whole trajectories, where these are not larger."""
    points = np.random.default_rng(0).standard_normal((103, 3))
    calls = geometry(of_points(points))
    embedding = by_landmarks(trajectories_of(103), 10, group=group)
    placing = [some for some, others in calls if np.array_equal(others, embedding.landmarks) and len(some) != 10]
    assert [len(ids) for ids in placing] == sizes
    np.testing.assert_array_equal(np.concatenate(placing), np.arange(103))


def test_memory_does_not_grow_with_models_times_landmarks(geometry):
    M, m = 40_000, 400
    points = np.random.default_rng(0).standard_normal((M, 3))
    geometry(
        lambda a, b: (
            np.maximum(-2 * points[a] @ points[b].T + (points[a] ** 2).sum(1)[:, None] + (points[b] ** 2).sum(1), 0)
            * (a[:, None] != b)
        )
    )
    everyone = trajectories_of(M)
    tracemalloc.start()
    by_landmarks(everyone, m, group=500, probes=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (2.2 * M * landmarks.PLACING_AXES + 60 * 100**2 + 5 * m**2 + 5 * 500 * m) < 0.6 * 8 * M * m


def test_files_and_a_seed(tmp_path):
    """The same seed gives the same picture, from files as from arrays; another one gives another."""
    write_runs(tmp_path, T=12)
    opened = [predictions.open_trajectory(path) for path in sorted(tmp_path.glob("*/*.h5"))]
    index = runs.index(opened)
    one, again, other = (by_landmarks(opened, 16, index=index, seed=seed, probes=20) for seed in (0, 0, 1))
    for name in ("coordinates", "landmarks", "stress", "stress_error"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))
    arrays = [x.roots(dtype=np.float64) ** 2 for x in opened]
    np.testing.assert_allclose(by_landmarks(arrays, 16, probes=20).coordinates, one.coordinates, atol=1e-8)
    inpca.save(tmp_path / "a.npz", one)
    loaded = inpca.load(tmp_path / "a.npz")
    for name in embeddings.PARAMETERS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(one, name))
    D = distance.cross(opened[:1], landmarks.part(opened, one.landmarks), precision="float64")
    np.testing.assert_allclose(loaded.transform(D), one.coordinates[:12], atol=1e-6)
    np.testing.assert_array_equal(loaded.explained_stress(), one.stress)


# --- which models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("M, m", [(10, 10), (240, 7), (150_000, 300), (241, 240)])
def test_landmarks_are_spread_over_trajectories_and_checkpoints(M, m):
    which = landmarks.choose(m, M, seed=3)
    assert len(np.unique(which)) == m and which.min() >= 0 and which.max() < M
    for share in (2, 5):  # each fifth of the models has a fifth of the landmarks, but for those at its ends
        counts = np.histogram(which, np.arange(share + 1) * M / share)[0]
        assert abs(counts - m / share).max() < 2
    np.testing.assert_array_equal(landmarks.choose(which[::-1], M), which)


def test_parts_of_trajectories():
    trajectories = trajectories_of(20)
    parts = landmarks.part(trajectories, np.array([1, 1, 4, 10, 11, 12, 13, 14]))
    assert [x.t.tolist() for x in parts] == [[1, 1, 4], [10, 11, 12, 13, 14]] and parts[1] is trajectories[2]


@pytest.mark.parametrize(
    "which, message",
    [
        (1, "1 landmarks among 240 models: expected 2 to 240"),
        (241, "241 landmarks among 240 models"),
        (-3, "-3 landmarks among 240"),
        ([4], "1 landmarks among 240"),
        (2.5, "their indices, not 2.5"),
        ([0, 240], "indices reach from 0 to 240, expected 0 to 239"),
        ([-1, 3], "indices reach from -1 to 3"),
        ([3, 5, 3], "model 3 is named 2 times"),
        ([[1, 2], [3, 4]], "a number of models, or their indices"),
        ("many", "not 'many'"),
        (None, "not None"),
        ([], "a number of models, or their indices"),
    ],
)
def test_landmarks_that_are_none(curves, which, message):
    with pytest.raises(InputError, match=re.escape(message)):
        by_landmarks(curves[0], which)


def test_other_bad_input(curves):
    with pytest.raises(InputError, match="probes: 9 models say too little about the stress; expected 10 or more"):
        by_landmarks(curves[0], 20, probes=9)
    with pytest.raises(InputError, match=r"distances of 20 landmarks to each other, not an array \(3, 3\)"):
        by_landmarks(curves[0], 20, distances=np.zeros((3, 3)))
    with pytest.raises(InputError, match="group: expected a positive number of models, not 0"):
        by_landmarks(curves[0], 20, group=0)
    with pytest.raises(InputError, match="no trajectories were given"):
        by_landmarks([], 20)
    with pytest.raises(InputError, match="of 4 axes is not known, only that of up to 3"):
        by_landmarks(curves[0], 20).explained_stress(4)


# --- the estimate of stress -----------------------------------------------------------------------------------------


def test_the_squares_left_out_are_those_of_the_smaller_matrix():
    A = squared(*[np.random.default_rng(0).standard_normal((9, 4))] * 2)
    found = landmarks._squares(A)
    for i in range(9):
        kept = np.delete(np.arange(9), i)
        assert found[i + 1] == pytest.approx(landmarks._squares(A[np.ix_(kept, kept)])[0])


def test_the_estimate_of_squares_is_unbiased():
    """Its mean over all 6^5 ways to draw 5 of 6 models with replacement is |L A L|^2 / M^2."""
    A = squared(*[np.random.default_rng(0).standard_normal((6, 4))] * 2, np.array([1, 1, -1, 0.3]))
    L = np.eye(6) - 1 / 6
    draws = np.indices((6,) * 5).reshape(5, -1).T
    total = sum(landmarks._squares(A[np.ix_(draw, draw)])[0] for draw in draws)
    truth = np.sum((L @ A @ L) ** 2) / 36
    assert total / len(draws) == pytest.approx(truth)
    assert inpca.distance_variance(A) == pytest.approx(truth)


@pytest.mark.parametrize("k, placed_by", [(3, None), (10, None), (10, 40)])
def test_the_estimate_of_stress_covers_the_truth(curves, k, placed_by):
    """Within two standard errors about 95 times of 100; placed_by: landmarks, for a picture that is not the best."""
    _, D = curves
    picture = inpca.fit(D, k=k)
    if placed_by:
        which = landmarks.choose(placed_by, 240)
        rough = inpca.fit(D[np.ix_(which, which)], k=k)
        points = rough.transform(D[:, which])
        values, _, _ = landmarks.turn(points, rough.imaginary[:k])
        picture = inpca.Embedding(points, values, values < 0)
    arguments = picture.eigenvalues[:k], 240
    exact = landmarks.unexplained(D, picture.coordinates, *arguments, inpca.distance_variance)
    truth, no_error, total = inpca.estimate_stress(exact, 240)
    assert (no_error == 0).all() and total == pytest.approx((inpca.fit(D).eigenvalues ** 2).sum())
    if not placed_by:
        np.testing.assert_allclose(truth, picture.explained_stress()[:k], atol=1e-10)
    found = []
    for seed in range(200):
        which = np.random.default_rng(seed).integers(0, 240, 60)
        left = landmarks.unexplained(D[np.ix_(which, which)], picture.coordinates[which], *arguments)
        found.append(inpca.estimate_stress(left, 240)[:2])
    stress, error = np.array(found).transpose(1, 0, 2)
    covered = (abs(stress - truth) <= 2 * error).mean(axis=0)
    assert (covered > 0.88).all()
    assert (abs(stress.mean(axis=0) - truth) < 0.35 * stress.std(axis=0)).all()  # no bias to speak of
    assert (error.mean(axis=0) < 2 * stress.std(axis=0)).all()  # and not by being timid
    assert error.max() < 0.05


def test_the_stress_of_a_picture_by_landmarks(curves, geometry):
    _, D = curves
    geometry(of_matrix(D))
    full, deviations = inpca.fit(D).explained_stress()[:3], []
    for seed in range(30):
        embedding = by_landmarks(trajectories_of(240), 90, seed=seed, probes=80)
        assert (embedding.stress_error < 0.02).all() and embedding.explained_stress(2) == embedding.stress[1]
        deviations.append((embedding.stress - full) / embedding.stress_error)
    assert (abs(np.array(deviations)) < 2.5).mean() > 0.88
