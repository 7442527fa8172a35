"""The tensor of distances at equal progress equals a slow double loop, however it is cut into parts."""

import numpy as np
import pytest

from info_geometry import distance, equal_progress, geodesic, predictions, trajectory
from info_geometry.files import InputError
from tests.support.synthetic import labels_of, training

N, C, R = 30, 5, 6
LABELS = labels_of(N, C)
GRID = np.linspace(0, 1, 21)


@pytest.fixture
def runs():
    """Six trajectories of different lengths that end at different progress, and their progress."""
    direction = 2 * np.random.default_rng(9).standard_normal((N, C))
    found = [
        training(np.random.default_rng(i), LABELS, C, T, final, direction)
        for i, (T, final) in enumerate([(9, 8), (6, 4), (12, 8), (5, 3), (8, 6), (7, 8)])
    ]
    return found, [geodesic.progress(x, LABELS) for x in found]


def slow(found, progress, grid):
    """Return the tensor (G, R, R), pair by pair."""
    T = np.full((len(grid), len(found), len(found)), np.nan)
    for k, s in enumerate(grid):
        for i in range(len(found)):
            for j in range(len(found)):
                try:
                    pair = [trajectory.reindex(found[n], progress[n], np.array([s]))[0] for n in (i, j)]
                except InputError:
                    continue
                T[k, i, j] = distance.bhattacharyya(*pair)
    return T


@pytest.mark.parametrize("memory", [1, 4 * R * C * 7, 4 * R * C * N, 4 * R * C * N * 4, 1 << 29])
def test_it_is_a_slow_double_loop(runs, memory):
    found, progress = runs
    parts = list(equal_progress.slices(found, progress, GRID, memory=memory))
    assert [s for s, _ in parts] == pytest.approx(GRID)
    T, expected = np.array([D for _, D in parts]), slow(found, progress, GRID)
    np.testing.assert_array_equal(np.isnan(T), np.isnan(expected))
    assert np.isnan(T).any() and not np.isnan(T).all()
    np.testing.assert_allclose(T, expected, atol=2e-7)
    np.testing.assert_array_equal(np.diagonal(T, axis1=1, axis2=2)[~np.isnan(T).all(axis=2)], 0)


def test_files_are_read_as_arrays_are(runs, tmp_path):
    found, progress = runs
    for i, x in enumerate(found):
        predictions.write(tmp_path / "a" / f"preds_{i}.h5", x, labels=LABELS, t=np.arange(len(x)))
    opened = [predictions.open_trajectory(tmp_path / "a" / f"preds_{i}.h5") for i in range(R)]
    whole = dict(equal_progress.slices([predictions.as_trajectory(x.roots() ** 2) for x in opened], progress, GRID))
    for s, D in equal_progress.slices(opened, progress, GRID, memory=4 * R * C * 11):
        np.testing.assert_allclose(D, whole[s], atol=1e-6)


def test_equal_runs_are_at_distance_zero_and_points_of_the_geodesic_where_they_are(runs):
    found, progress = runs
    for _, D in equal_progress.slices([found[0], found[0]], [progress[0]] * 2, GRID):
        assert np.isnan(D).all() or (D == 0).all()
    ends = [np.full((1, N, C), 1 / C), np.eye(C)[LABELS][None]]
    path = geodesic.interpolate(np.repeat(ends[0], 11, 0), np.repeat(ends[1], 11, 0), np.linspace(0, 1, 11)[:, None])
    for s, D in equal_progress.slices([path, found[0]], [np.linspace(0, 1, 11), progress[0]], GRID):
        if np.isfinite(D).all():
            at = trajectory.reindex(found[0], progress[0], [s])
            assert D[0, 1] == pytest.approx(geodesic.distances(at, LABELS, [s])[0, 0], abs=2e-7)


def test_common_progress_is_that_of_the_run_that_stops_first(runs):
    _, progress = runs
    shared = equal_progress.common(progress, GRID)
    high, low = min(p.max() for p in progress), max(p[0] for p in progress)
    assert shared.tolist() == [s for s in GRID if low <= s <= high] and len(shared) > 5
    with pytest.raises(
        InputError, match=r"0 values .* all 2 trajectories: b starts at progress 0.900, a stops at 0.200; without"
    ):
        equal_progress.common([np.array([0.1, 0.2]), np.array([0.9, 1])], GRID, ["a", "b"])


def test_means_over_pairs_of_groups_and_over_common_progress(runs):
    found, progress = runs
    of = np.array(["x", "y", "x", "z", "y", "x"])
    names, mean, within, seen = equal_progress.means(equal_progress.slices(found, progress, GRID), of)
    shared = equal_progress.common(progress, GRID)
    assert seen == pytest.approx(shared) and names.tolist() == ["x", "y", "z"]
    T = slow(found, progress, shared).mean(axis=0)
    for a, one in enumerate(names):
        for b, other in enumerate(names):
            block = T[np.ix_(of == one, of == other)]
            if a != b:
                assert mean[a, b] == pytest.approx(block.mean(), abs=2e-7)
            elif len(block) > 1:
                assert within[a] == pytest.approx(block.sum() / (len(block) * (len(block) - 1)), abs=2e-7)
    assert np.isnan(within[2]) and (np.diag(mean) == 0).all()
    with pytest.raises(InputError, match="no progress is common"):
        equal_progress.means(equal_progress.slices(found, progress, [0.9999999]), of)
    with pytest.raises(InputError, match="distances of 6 trajectories, but groups of 2"):
        equal_progress.means(equal_progress.slices(found, progress, GRID), ["a", "b"])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x, p: (x, p[:-1]), "6 trajectories but progress of 5"),
        (lambda x, p: (x, [*p[:-1], p[0]]), "trajectory 5: 7 models but 9 values of progress"),
        (lambda x, p: ([*x[:-1], x[-1][:, :9]], p), "same samples"),
        (lambda x, p: ([], []), "no trajectories"),
    ],
)
def test_what_does_not_belong_together_is_refused(runs, change, message):
    with pytest.raises(InputError, match=message):
        next(equal_progress.slices(*change(*runs), GRID))
