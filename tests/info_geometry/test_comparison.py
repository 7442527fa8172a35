"""All pairs of tasks at equal progress, in one streaming pass: what re-indexing and comparing the means give."""

import itertools

import numpy as np
import pytest

from info_geometry import comparison, geodesic, predictions, trajectory
from tests.support.synthetic import labels_of, training

N, C = 40, 5
LABELS = labels_of(N, C)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def on_the_geodesic(s):
    return geodesic.interpolate(np.full((N, C), 1 / C), np.eye(C)[LABELS], np.asarray(s)[:, None])


@pytest.fixture
def groups(rng):
    """Three tasks with different numbers of seeds and of checkpoints, that end at different progress."""

    def seeds(final, lengths):
        direction = 2 * rng.standard_normal((N, C))
        return [training(rng, LABELS, C, T, final, direction) for T in lengths]

    return {"all": seeds(8, (9, 12)), "even": seeds(4, (7,)), "odd": seeds(3, (8, 5, 6))}


def compare_all(groups, **options):
    groups = {task: [predictions.as_trajectory(x) for x in seeds] for task, seeds in groups.items()}
    progress = {task: [geodesic.progress(x, LABELS) for x in seeds] for task, seeds in groups.items()}
    found = comparison.compare_all(groups, progress, **options)
    return found.curves, found.integrals, progress


@pytest.mark.parametrize("block", [None, 1, 7])
def test_streaming_equals_reindexing_and_comparing_the_means(groups, monkeypatch, block):
    if block:
        monkeypatch.setattr(predictions, "block_size", lambda *args, **kwargs: block)
    curves, integrals, progress = compare_all(groups)
    grid = trajectory.GRID
    assert list(curves) == [("all", "even"), ("all", "odd"), ("even", "odd")]
    for (a, b), curve in curves.items():
        low = max(p[0] for p in progress[a] + progress[b])
        high = min(p.max() for p in progress[a] + progress[b])
        common = (grid >= low) & (grid <= high)
        assert common.sum() > 10
        np.testing.assert_array_equal(np.isnan(curve), ~common)
        A, B = (
            trajectory.mean([trajectory.reindex(x, p, grid[common]) for x, p in zip(groups[task], progress[task])])
            for task in (a, b)
        )
        expected, integral = trajectory.compare(A, B, grid[common])
        np.testing.assert_allclose(curve[common], expected, rtol=1e-5, atol=1e-7)
        i, j = list(groups).index(a), list(groups).index(b)
        assert integrals[i, j] == integrals[j, i] == pytest.approx(integral, rel=1e-5)
    np.testing.assert_array_equal(np.diag(integrals), 0)


def test_equal_trajectories_are_at_distance_zero(groups):
    curves, integrals, _ = compare_all({"a": groups["all"], "b": groups["all"]})
    curve = curves["a", "b"]
    assert np.nanmax(curve) == 0 and np.isfinite(curve).sum() > 10 and integrals[0, 1] == 0


def test_progress_in_disjoint_ranges_gives_nan():
    low, high = on_the_geodesic([0.1, 0.2, 0.3]), on_the_geodesic([0.6, 0.7, 0.9])
    curves, integrals, _ = compare_all({"low": [low], "high": [high]})
    assert np.isnan(curves["low", "high"]).all() and np.isnan(integrals[0, 1]) and integrals[0, 0] == 0


def test_single_checkpoints_and_single_tasks(rng):
    curves, integrals, _ = compare_all({"a": [on_the_geodesic([0.123456])], "b": [on_the_geodesic([0.123456])]})
    assert np.isnan(curves["a", "b"]).all() and np.isnan(integrals[0, 1])
    curves, integrals, _ = compare_all({"a": [training(rng, LABELS, C)]})
    assert curves == {} and integrals.tolist() == [[0]]


def test_means_are_integrals_over_the_progress_that_both_reached(groups):
    progress = {task: [geodesic.progress(x, LABELS) for x in seeds] for task, seeds in groups.items()}
    opened = {task: [predictions.as_trajectory(x) for x in seeds] for task, seeds in groups.items()}
    found = comparison.compare_all(opened, progress)
    means = found.means()
    np.testing.assert_array_equal(means, means.T)
    for (i, a), (j, b) in itertools.combinations(enumerate(found.tasks), 2):
        curve = found.curves[a, b]
        known = found.grid[~np.isnan(curve)]
        assert means[i, j] == found.integrals[i, j] / (known[-1] - known[0])
        assert np.nanmin(curve) < means[i, j] < np.nanmax(curve)
    assert (np.diag(means) == 0).all()


def test_means_over_nothing_are_not_known():
    low, high = on_the_geodesic([0.1, 0.2, 0.3]), on_the_geodesic([0.6, 0.7, 0.9])
    progress = {"low": [np.array([0.1, 0.2, 0.3])], "high": [np.array([0.6, 0.7, 0.9])]}
    opened = {"low": [predictions.as_trajectory(low)], "high": [predictions.as_trajectory(high)]}
    assert np.isnan(comparison.compare_all(opened, progress).means()[0, 1])


def test_errors_of_means_are_those_of_integrals_over_the_same_width():
    grid = np.linspace(0, 1, 11)
    curve, error = np.full((2, 11), np.nan)
    curve[2:8], error[[2, 4, 6]] = 1.0, 0.1
    integrals, errors = np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([[0.0, 0.2], [0.2, 0.0]])
    found = comparison.Comparison(
        ("a", "b"), grid, {("a", "b"): curve}, integrals, {"seeds": ({("a", "b"): error}, errors)}
    )
    curves, means = found.mean_errors()["seeds"]
    assert curves["a", "b"] is error and means == pytest.approx(errors / 0.4)
    assert found.means()[0, 1] == pytest.approx(1.0)


def test_the_same_range_is_that_of_the_task_that_stops_first():
    curves = {("a", "b"): {0.1: 1.0, 0.2: 2.0, 0.3: 3.0, 0.4: 9.0}, ("a", "c"): {0.1: 5.0, 0.2: 5.0, 0.3: 5.0}}
    means, ends = comparison.same_range(curves)
    assert ends == (0.1, 0.3)
    assert means == {("a", "b"): pytest.approx(2.0), ("a", "c"): pytest.approx(5.0)}
    assert comparison.same_range({**curves, ("b", "c"): {0.3: 1.0}}) == ({}, None)
    assert comparison.same_range({}) == ({}, None)


def test_trajectories_without_labels_have_no_summary(rng):
    known, unknown = (predictions.as_trajectory(training(rng, LABELS, C, T=4)) for _ in range(2))
    known.labels = LABELS
    summary, none = comparison.summarise_all([known, unknown], points=geodesic.POINTS)
    assert none is None and summary.to_geodesic.shape == (4, 21)
    np.testing.assert_allclose(summary.to_geodesic, geodesic.distances(known, LABELS), atol=1e-7)


def test_labels_from_beside_a_file_that_do_no_better_than_chance_are_reported(rng, caplog):
    x = predictions.as_trajectory(training(rng, LABELS, C, T=4), "mine")
    x.labels, x.labels_path = (LABELS + 1) % C, "labels.npy"
    with caplog.at_level("WARNING"):
        comparison.summarise_all([x])
    assert (
        "the last model of mine has accuracy" in caplog.text
        and "in the order of the labels in labels.npy?" in caplog.text
    )


def test_what_is_not_asked_for_is_not_computed_and_all_else_is_the_same(groups):
    opened = {task: list(map(predictions.as_trajectory, seeds)) for task, seeds in groups.items()}
    progress = {task: [geodesic.progress(x, LABELS) for x in seeds] for task, seeds in opened.items()}
    whole = comparison.compare_all(opened, progress)
    few = comparison.compare_all(opened, progress, pairs=[("all", "odd")], errors=False)
    assert list(few.curves) == [("all", "odd")] and few.errors == {} and set(whole.errors) == {"seeds"}
    np.testing.assert_allclose(few.curves["all", "odd"], whole.curves["all", "odd"], rtol=1e-12)
    for found, expected in ((few.integrals, whole.integrals), (few.means(), whole.means())):
        assert found[0, 2] == found[2, 0] == pytest.approx(expected[0, 2], rel=1e-12) and np.isfinite(expected).all()
        assert np.isnan(found[[0, 1, 1, 2], [1, 0, 2, 1]]).all() and (np.diag(found) == 0).all()
