"""Tubes and the geodesic at equal progress, against slow versions and what is known of special runs."""

import numpy as np
import pytest

from experiments.manifold import tubes
from info_geometry import distance, equal_progress, geodesic, trajectory
from info_geometry.files import InputError
from tests.support.synthetic import labels_of, training

N, C = 30, 5
LABELS = labels_of(N, C)
GRID = np.linspace(0, 1, 26)


def run(seed, final=6.0, T=8, direction=0):
    way = 2 * np.random.default_rng(100 + direction).standard_normal((N, C))
    return training(np.random.default_rng(seed), LABELS, C, T, final, way)


def at(runs):
    return [geodesic.progress(x, LABELS) for x in runs]


@pytest.fixture
def groups():
    """Three configurations, two of which go one way, and one of these is not seen at first."""
    found = {
        "mlp": [run(i, 6, 8) for i in range(3)],
        "mlp wide": [run(10 + i, 8, 10)[2:] for i in range(2)],
        "linear": [run(20 + i, 5, 6, 1) for i in range(4)],
    }
    return found, {name: at(runs) for name, runs in found.items()}


def slow(run, others, progress, s):
    """Return the distance at progress s of a run to the mean of others, all given by their progress."""
    models = [trajectory.reindex(x, p, [s])[0] for x, p in zip([run, *others], progress)]
    return distance.bhattacharyya(models[0], np.mean(models[1:], axis=0))


@pytest.mark.parametrize("others", [False, True])
def test_tubes_are_distances_to_means_at_equal_progress(groups, others):
    runs, progress = groups
    found = tubes.measure(runs, progress, GRID, others=others)
    shared = equal_progress.common([p for name in progress for p in progress[name]], GRID)
    every, when = [x for name in runs for x in runs[name]], [p for name in runs for p in progress[name]]
    for name in runs:
        low, high = max(p[0] for p in progress[name]), min(p.max() for p in progress[name])
        known = (low <= GRID) & (high >= GRID)
        np.testing.assert_array_equal(np.isnan(found.own[name]), np.broadcast_to(~known, found.own[name].shape))
        for i, (x, p) in enumerate(zip(runs[name], progress[name])):
            inside = [j for j in range(len(runs[name])) if not others or j != i]
            for k in np.flatnonzero(known)[::4]:
                expected = slow(x, [runs[name][j] for j in inside], [p, *(progress[name][j] for j in inside)], GRID[k])
                assert found.own[name][i, k] == pytest.approx(expected, rel=1e-6, abs=1e-12)
            for k in np.flatnonzero(np.isin(GRID, shared))[::4]:
                expected = slow(x, every, [p, *when], GRID[k])
                assert found.everyone[name][i, k] == pytest.approx(expected, rel=1e-6)
            np.testing.assert_array_equal(np.isnan(found.everyone[name][i]), ~np.isin(GRID, shared))
        np.testing.assert_allclose(found.width(name)[known], found.own[name][:, known].mean(axis=0))
        np.testing.assert_allclose(tubes.to_mean(runs[name], progress[name], GRID, others=others), found.own[name])


def test_identical_seeds_have_a_tube_of_no_width():
    x, p = run(0), at([run(0)])[0]
    for others in (False, True):
        found = tubes.measure({"a": [x, x, x], "b": [run(3), run(4)]}, {"a": [p] * 3, "b": at([run(3), run(4)])}, GRID)
        assert np.nanmax(found.own["a"]) == pytest.approx(0, abs=1e-15)
        assert np.nanmax(tubes.to_mean([x] * 3, [p] * 3, GRID, others=others)) == pytest.approx(0, abs=1e-15)


def test_the_mean_of_others_is_further_away_by_the_square_of_g_over_g_minus_1():
    """Where runs are near each other, distances are squares."""
    rng, g = np.random.default_rng(0), 4
    middle, s = run(5), np.linspace(0.1, 0.5, 8)
    runs = [middle * np.exp(1e-4 * rng.standard_normal(middle.shape)) for _ in range(g)]
    runs = [x / x.sum(axis=2, keepdims=True) for x in runs]
    own, others = (tubes.to_mean(runs, [s] * g, s, others=which) for which in (False, True))
    assert others / own == pytest.approx(np.full(own.shape, (g / (g - 1)) ** 2), rel=1e-3)


def test_the_ratio_is_1_for_one_configuration_that_is_named_twice_and_small_where_configurations_differ(groups):
    x = [run(i) for i in range(3)]
    one = tubes.measure({"a": x, "b": x}, {"a": at(x), "b": at(x)}, GRID)
    assert one.ratio() == pytest.approx(1)
    runs, progress = groups
    found = tubes.measure(runs, progress, GRID)
    assert found.ratio() < 0.7 and 0 < found.mean_width() < 0.1


def test_the_geodesic_is_its_own_path_and_runs_are_as_far_from_it_as_their_models():
    line = tubes.path(LABELS, C, GRID)
    np.testing.assert_allclose(geodesic.progress(line, LABELS), GRID, atol=1e-7)
    assert tubes.to_geodesic(line, GRID, LABELS, GRID) == pytest.approx(np.zeros(26), abs=1e-14)
    x, p = run(0), at([run(0)])[0]
    found = tubes.to_geodesic(x, p, LABELS, GRID)
    known = np.flatnonzero(~np.isnan(found))
    np.testing.assert_array_equal(~np.isnan(found), trajectory.reached(p, GRID))
    for k in known:
        models = trajectory.reindex(x, p, GRID[[k]])
        assert found[k] == pytest.approx(geodesic.distances(models, LABELS, GRID[[k]])[0, 0], rel=1e-6, abs=1e-9)
    assert len(known) > 10 and found[known].min() > 0


def test_the_geodesic_is_one_more_trajectory_of_the_tensor():
    runs = [run(i) for i in range(3)]
    progress = at(runs)
    shared = equal_progress.common(progress, GRID)
    expected = np.array([tubes.to_geodesic(x, p, LABELS, shared) for x, p in zip(runs, progress)])
    parts = equal_progress.slices([*runs, tubes.path(LABELS, C, shared)], [*progress, shared], shared)
    np.testing.assert_allclose(np.array([D[:3, 3] for _, D in parts]).T, expected, atol=2e-7)


def test_what_cannot_be_compared_is_refused(groups):
    runs, progress = groups
    with pytest.raises(InputError, match="alone: a tube needs 2 runs or more"):
        tubes.measure({**runs, "alone": [run(0)]}, {**progress, "alone": at([run(0)])}, GRID)
    with pytest.raises(InputError, match=r"run 0 of a starts .* without such ones"):
        late = [np.linspace(0.9, 0.99, 8)] * 2
        tubes.measure({"a": [run(0), run(1)], "b": [run(2), run(3)]}, {"a": late, "b": at([run(2), run(3)])}, GRID)
