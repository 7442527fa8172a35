"""Trajectories: re-indexing keeps what it passes, lengths are those of great circles, streaming changes nothing."""

import itertools

import numpy as np
import pytest

from info_geometry import distance, geodesic, predictions, trajectory
from info_geometry.files import InputError
from info_geometry.storage import trajectories
from tests.support.synthetic import labels_of, random_models, training

N, C = 40, 5
LABELS = labels_of(N, C)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def on_the_geodesic(s):
    return geodesic.interpolate(np.full((N, C), 1 / C), np.eye(C)[LABELS], np.asarray(s)[:, None])


def test_reindexing_at_its_own_progress_gives_the_checkpoints(rng):
    models = training(rng, LABELS, C, T=7)
    progress = geodesic.progress(models, LABELS)
    assert (np.diff(progress) > 0).all()
    np.testing.assert_allclose(trajectory.reindex(models, progress, progress), models, atol=1e-12)
    np.testing.assert_allclose(trajectory.reindex(models, progress, progress[[2, 2, 0]]), models[[2, 2, 0]], atol=1e-12)


def test_reindexing_follows_the_geodesic_between_checkpoints(rng):
    models, progress = random_models(rng, 3, N, C), [0.1, 0.3, 0.9]
    middle = trajectory.reindex(models, progress, [0.2, 0.45])
    np.testing.assert_allclose(middle[0], geodesic.interpolate(models[0], models[1], 0.5), atol=1e-12)
    np.testing.assert_allclose(middle[1], geodesic.interpolate(models[1], models[2], 0.25), atol=1e-12)


def test_reindexed_geodesic_has_the_progress_asked_for():
    s, grid = np.array([0.0, 0.1, 0.35, 0.8, 1.0]), np.linspace(0, 1, 21)
    models = trajectory.reindex(on_the_geodesic(s), s, grid)
    np.testing.assert_allclose(models, on_the_geodesic(grid), atol=1e-9)
    np.testing.assert_allclose(geodesic.progress(models, LABELS), grid, atol=1e-6)


@pytest.mark.parametrize("grid", [[0.05, 0.2], [0.2, 0.91], [-1.0], [2.0], [0.0999999]])
def test_nothing_is_extrapolated(rng, grid):
    with pytest.raises(InputError, match=r"the trajectory reaches progress 0\.100 to 0\.900; it cannot be re-indexed"):
        trajectory.reindex(random_models(rng, 3, N, C), [0.1, 0.3, 0.9], grid)


def test_progress_that_falls_is_left_out(rng):
    """Checkpoints that are not ahead of all before them do not count: the running maximum is re-indexed."""
    models = random_models(rng, 6, N, C)
    progress, grid = np.array([0.1, 0.4, 0.2, 0.4, 0.7, 0.6]), np.linspace(0.1, 0.7, 13)
    expected = trajectory.reindex(models[[0, 1, 4]], progress[[0, 1, 4]], grid)
    np.testing.assert_allclose(trajectory.reindex(models, progress, grid), expected, atol=1e-14)
    falling = trajectory.reindex(models[:2], [0.5, 0.2], [0.5])
    np.testing.assert_allclose(falling, models[:1], atol=1e-14)
    with pytest.raises(InputError, match=r"reaches progress 0\.500 to 0\.500"):
        trajectory.reindex(models[:2], [0.5, 0.2], [0.3])


def test_progress_of_another_length_is_refused(rng):
    with pytest.raises(InputError, match="3 models but 2 values of progress"):
        trajectory.reindex(random_models(rng, 3, N, C), [0.1, 0.3], [0.2])


def test_one_checkpoint_alone(rng):
    models = random_models(rng, 1, N, C)
    np.testing.assert_allclose(trajectory.reindex(models, [0.4], [0.4, 0.4]), models[[0, 0]], atol=1e-14)
    assert trajectory.reindex(models, [0.4], []).shape == (0, N, C)
    assert trajectory.riemann_length(models) == 0
    summary = trajectory.summarise(models, LABELS)
    assert summary.length == 0 and summary.steps.shape == (0,) and summary.accuracy.shape == (1,)


def test_mean_is_that_of_the_probabilities(rng):
    models = [random_models(rng, 3, N, C) for _ in range(4)]
    np.testing.assert_allclose(trajectory.mean(models), np.mean(models, axis=0), atol=1e-14)
    np.testing.assert_allclose(trajectory.mean(models[:1]), models[0], atol=1e-14)


def test_length_of_a_finely_split_geodesic():
    """-log cos x = x^2 / 2 + ..., so 2 sqrt(d_B) = sqrt(2) x for an angle x that is the same for all samples."""
    theta = np.arccos(1 / np.sqrt(C))
    errors = []
    for steps in (4, 8, 16, 32):
        length = trajectory.riemann_length(on_the_geodesic(np.linspace(0, 1, steps + 1)))
        errors.append(length - np.sqrt(2) * theta)
        exact = steps * 2 * np.sqrt(-np.log(np.cos(theta / steps)))
        assert length == pytest.approx(exact, rel=1e-6)
    assert (np.array(errors) > 0).all() and errors[-1] < 1e-3
    np.testing.assert_allclose(np.array(errors[:-1]) / errors[1:], 4, rtol=0.1)


def test_length_is_the_sum_of_the_distances_of_neighbours(rng):
    models = training(rng, LABELS, C, T=9)
    D = distance.pairwise([models], precision="float64")
    expected = 2 * np.sqrt(np.diag(D, 1)).sum()
    assert trajectory.riemann_length(models) == pytest.approx(expected, rel=1e-6)
    summary = trajectory.summarise(models, LABELS)
    assert summary.length == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(summary.steps, np.diag(D, 1), rtol=1e-5)


def test_length_of_a_path_without_motion_is_zero_and_repeats_do_not_count(rng):
    models = training(rng, LABELS, C, T=5)
    assert trajectory.riemann_length(models[[2, 2, 2]]) == 0
    assert trajectory.riemann_length(models[[0, 0, 1, 2, 3, 3, 4]]) == pytest.approx(trajectory.riemann_length(models))


def test_length_is_that_of_the_way_back_and_of_the_parts(rng):
    models = training(rng, LABELS, C, T=9)
    length = trajectory.riemann_length(models)
    assert trajectory.riemann_length(models[::-1]) == pytest.approx(length)
    parts = trajectory.riemann_length(models[:5]) + trajectory.riemann_length(models[4:])
    assert parts == pytest.approx(length)


def test_fine_path_is_at_least_as_long_as_the_geodesic(rng):
    """Fisher-Rao, sqrt(2) times the Riemann length of a fine path, is 2 sqrt(mean angle^2) for a geodesic."""
    corners = random_models(rng, 4, N, C, 1.0)
    s = np.linspace(0, 1, 40)[:, None]
    path = np.concatenate([geodesic.interpolate(P, Q, s) for P, Q in itertools.pairwise(corners)])
    chord = geodesic.interpolate(corners[0], corners[-1], s)
    assert trajectory.riemann_length(path) >= trajectory.riemann_length(chord)
    angle = np.arccos(np.sqrt(corners[0] * corners[-1]).sum(axis=1))
    fisher_rao = np.sqrt(2) * trajectory.riemann_length(chord)
    assert fisher_rao == pytest.approx(2 * np.sqrt((angle**2).mean()), rel=1e-3)


def test_summary(rng):
    models = training(rng, LABELS, C, T=9)
    summary = trajectory.summarise(models, LABELS)
    np.testing.assert_allclose(summary.accuracy, (models.argmax(axis=2) == LABELS).mean(axis=1))
    np.testing.assert_allclose(summary.progress, geodesic.progress(models, LABELS), atol=1e-7)
    other = trajectory.summarise(models, LABELS, "bhattacharyya")
    np.testing.assert_allclose(other.progress, geodesic.progress(models, LABELS, "bhattacharyya"), atol=1e-7)


def test_files_and_blocks_of_any_size_give_the_same_summary(rng, tmp_path, monkeypatch):
    predictions.write(tmp_path / "a.h5", training(rng, LABELS, C, T=9), labels=LABELS)
    opened = predictions.open_trajectory(tmp_path / "a.h5")
    whole, length = trajectory.summarise(opened, LABELS), trajectory.riemann_length(opened)
    monkeypatch.setattr(trajectories, "BLOCK_BYTES", 4 * 9 * C * 7)
    blocks = trajectory.summarise(opened, LABELS)
    for name in ("progress", "accuracy", "steps"):
        np.testing.assert_allclose(getattr(blocks, name), getattr(whole, name), rtol=1e-6, atol=1e-9)
    assert blocks.length == pytest.approx(length, rel=1e-7)
    assert trajectory.riemann_length(opened) == pytest.approx(length, rel=1e-7)


def test_compare(rng):
    grid = [0.1, 0.2, 0.5, 0.6]
    A, B = random_models(rng, 4, N, C), random_models(rng, 4, N, C)
    curve, integral = trajectory.compare(A, B, grid)
    np.testing.assert_allclose(curve, [distance.bhattacharyya(P, Q) for P, Q in zip(A, B)], rtol=1e-9)
    assert integral == pytest.approx(np.trapezoid(curve, grid) if hasattr(np, "trapezoid") else np.trapz(curve, grid))
    np.testing.assert_array_equal(trajectory.compare(B, A, grid)[0], curve)
    curve, integral = trajectory.compare(A, A, grid)
    assert (curve == 0).all() and integral == 0
    for wrong in (A[:3], A[:, 1:], A[:, :, 1:] / A[:, :, 1:].sum(axis=2, keepdims=True)):
        with pytest.raises(InputError, match="expected two trajectories re-indexed on the grid of 4 values"):
            trajectory.compare(A, wrong, grid)
    with pytest.raises(InputError, match="on the grid of 3 values"):
        trajectory.compare(A, B, grid[:3])


def test_a_summary_says_how_far_the_geodesic_is(rng):
    """Without another pass over the predictions."""
    models = training(rng, LABELS, C, T=9)
    summary = trajectory.summarise(models, LABELS, points=geodesic.POINTS)
    np.testing.assert_allclose(summary.to_geodesic, geodesic.distances(models, LABELS), atol=1e-7)
    points = on_the_geodesic(geodesic.POINTS)
    np.testing.assert_allclose(summary.to_geodesic, distance.cross([models], [points]), atol=1e-6)
    assert trajectory.summarise(models, LABELS).to_geodesic.shape == (9, 0)


def test_the_mean_over_what_is_known():
    grid = np.array([0.0, 0.1, 0.3, 0.4])
    assert trajectory.mean_over(np.array([np.nan, 2.0, 4.0, np.nan]), grid) == pytest.approx(3.0)
    assert trajectory.mean_over(np.full(4, 7.0), grid) == pytest.approx(7.0)
    assert np.isnan(trajectory.mean_over(np.array([np.nan, 2.0, np.nan, np.nan]), grid))
    assert np.isnan(trajectory.mean_over(np.full(4, np.nan), grid))


@pytest.mark.parametrize("objective", geodesic.OBJECTIVES)
def test_the_other_objective_stands_beside(objective):
    labels = labels_of(40, 5)
    P = training(np.random.default_rng(0), labels, 5)
    found = trajectory.summarise(P, labels, objective)
    other = geodesic.other_objective(objective)
    assert other != objective and other in geodesic.OBJECTIVES
    np.testing.assert_array_equal(found.progress, geodesic.progress(P, labels, objective))
    np.testing.assert_array_equal(found.other, geodesic.progress(P, labels, other))
