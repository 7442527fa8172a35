"""Errors for other samples and other seeds: against direct evaluations, and samples that are really drawn anew."""

import itertools

import numpy as np
import pytest

from info_geometry import comparison, distance, geodesic, inpca, predictions, trajectory
from info_geometry.files import InputError
from info_geometry.sums import engines
from info_geometry.uncertainty import resampling as uncertainty
from info_geometry.uncertainty import stress as of_stress
from tests.support.synthetic import labels_of, random_models, training

C = 5


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def sizes_of(groups):
    return np.bincount(groups)


@pytest.mark.parametrize("N", [1, 5, 32, 33, 1000])
def test_groups_are_random_and_equally_large(N):
    groups = uncertainty.groups(N)
    assert groups.shape == (N,) and sizes_of(groups).size == min(N, 32) and np.ptp(sizes_of(groups)) <= 1
    assert (groups == uncertainty.groups(N)).all()
    if N == 1000:  # neighbours are not together
        assert abs(np.corrcoef(groups[1:], groups[:-1])[0, 1]) < 0.1 and len(set(groups[:32])) > 12


def test_weights_draw_as_many_groups_as_there_are():
    sizes = sizes_of(uncertainty.groups(100))
    weights = uncertainty.weights(sizes, 500)
    assert weights.shape == (500, 32)
    np.testing.assert_allclose(weights @ sizes, 1)
    assert 0.2 < (weights == 0).mean() < 0.5  # (1 - 1/32)^32 = 0.36
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 100, rtol=0.2)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("block", [None, 1, 7])
def test_sums_over_groups_add_up_to_distances(rng, fast, block):
    if fast:
        pytest.importorskip("numba")
    models, groups = random_models(rng, 9, 50, C), uncertainty.groups(50, 8)
    sums = distance.pairwise([models[:4], models[4:]], groups=groups, fast=fast, block=block)
    assert sums.shape == (8, 9, 9)
    for group in range(8):
        expected = distance.pairwise([models[:, groups == group]])
        np.testing.assert_allclose(sums[group] / (groups == group).sum(), expected, atol=1e-12)
    np.testing.assert_allclose(sums.sum(axis=0) / 50, distance.pairwise([models]), atol=1e-12)


def test_sums_that_do_not_fit_memory_are_refused(rng, monkeypatch):
    monkeypatch.setattr(engines, "free_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"the sums over 4 groups of samples of all pairs of 9 models take .* GB"):
        distance.pairwise([random_models(rng, 9, 8, C)], groups=uncertainty.groups(8, 4))


def test_error_of_a_mean_is_its_standard_error(rng):
    values = rng.gamma(2, size=4000)
    groups = uncertainty.groups(len(values))
    sums = np.bincount(groups, values)
    error = uncertainty.bootstrap_error(uncertainty.weights(sizes_of(groups)) @ sums, 32)
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)), rel=0.35)


def test_error_is_right_on_average(rng):
    """Whatever the number of groups, errors squared average to the variance of the mean."""
    for B in (4, 32):
        squares = []
        for seed in range(400):
            values = rng.normal(size=64)
            groups = uncertainty.groups(64, B, seed)
            drawn = uncertainty.weights(sizes_of(groups), 200, seed) @ np.bincount(groups, values)
            squares.append(uncertainty.bootstrap_error(drawn, B) ** 2)
        assert np.mean(squares) == pytest.approx(1 / 64, rel=0.12), B


def test_one_group_and_one_seed_say_nothing():
    assert np.isnan(uncertainty.bootstrap_error(np.ones((10, 3)), 1)).all()
    assert np.isnan(uncertainty.jackknife_error(np.ones((1, 3)))).all()


def test_jackknife_of_a_mean_is_its_standard_error(rng):
    x = rng.normal(size=(7, 3))
    without = np.array([np.delete(x, i, axis=0).mean(axis=0) for i in range(7)])
    np.testing.assert_allclose(uncertainty.jackknife_error(without), x.std(axis=0, ddof=1) / np.sqrt(7))


def test_errors_of_stress_are_those_of_whole_pictures(rng):
    """Against every replicate's own picture, with all its eigenvalues."""
    labels = labels_of(300, C)
    curves = [training(np.random.default_rng(i), labels, C, 12) for i in range(4)]
    groups = uncertainty.groups(300, 16)
    sums = distance.pairwise(curves, groups=groups)
    weights = uncertainty.weights(sizes_of(groups), 60, seed=3)
    stress = [inpca.fit(np.tensordot(w, sums, 1)).explained_stress()[:5] for w in weights]
    expected = uncertainty.bootstrap_error(stress, 16)
    found = of_stress.stress_error_of_samples(sums, sizes_of(groups), replicates=60, seed=3)
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_errors_of_stress_are_those_of_samples_drawn_anew():
    """The spread of the stress over sets of samples from the same population, which is what the error claims to be."""
    population = 20000
    labels = labels_of(population, C)
    curves = np.concatenate([training(np.random.default_rng(i), labels, C, 6) for i in range(3)])
    stress, errors = [], []
    for seed in range(40):
        which = np.random.default_rng(seed).choice(population, 200, replace=False)
        groups = uncertainty.groups(200)
        sums = distance.pairwise([curves[:, which]], groups=groups)
        stress.append(inpca.fit(sums.sum(axis=0) / 200).explained_stress()[:3])
        errors.append(of_stress.stress_error_of_samples(sums, sizes_of(groups), 3))
    ratio = np.mean(errors, axis=0) / np.std(stress, axis=0, ddof=1)
    assert (ratio > 0.7).all() and (ratio < 1.4).all(), ratio  # 40 sets: the spread itself is known to 11 %


def test_errors_of_stress_where_there_is_nothing_to_see(rng):
    same = np.repeat(random_models(rng, 1, 64, C), 5, axis=0)
    groups = uncertainty.groups(64)
    np.testing.assert_allclose(
        of_stress.stress_error_of_samples(distance.pairwise([same], groups=groups), sizes_of(groups)), 0, atol=1e-12
    )
    D = distance.pairwise([random_models(rng, 6, 64, C)])
    assert np.isnan(of_stress.stress_error_of_seeds(D, np.zeros(6))).all()
    twice = np.kron(np.ones((2, 2)), D)  # seeds that coincide
    np.testing.assert_allclose(of_stress.stress_error_of_seeds(twice, np.repeat([3, 8], 6)), 0, atol=1e-9)


def test_seeds_are_left_out_in_turn(rng):
    D, seeds = distance.pairwise([random_models(rng, 12, 64, C)]), np.tile([0, 1, 2], 4)
    without = [inpca.fit(D[np.ix_(seeds != s, seeds != s)]).explained_stress()[:5] for s in range(3)]
    np.testing.assert_allclose(of_stress.stress_error_of_seeds(D, seeds), uncertainty.jackknife_error(without))


# --- of trajectories ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tasks():
    labels = labels_of(90, C)
    groups = {
        task: [training(np.random.default_rng([i, seed]), labels, C, 7) for seed in range(count)]
        for i, (task, count) in enumerate({"a": 3, "b": 4, "c": 1}.items())
    }
    return groups, {task: [geodesic.progress(P, labels) for P in seeds] for task, seeds in groups.items()}, labels


def opened(groups):
    return {task: [predictions.as_trajectory(P) for P in seeds] for task, seeds in groups.items()}


def test_error_of_distances_for_other_seeds_is_the_jackknife(tasks):
    groups, progress, _ = tasks
    found = comparison.compare_all(opened(groups), progress)
    curves, integrals = found.errors["seeds"]
    known = ~np.isnan(found.curves["a", "b"])
    some = np.flatnonzero(known & (np.arange(101) % comparison.EVERY == 0))
    grid = found.grid[some]

    def mean(task, without=None):
        return trajectory.mean(
            [
                trajectory.reindex(P, s, grid)
                for i, (P, s) in enumerate(zip(groups[task], progress[task]))
                if i != without
            ]
        )

    squares, whole = np.zeros(len(grid)), 0.0
    for one, other in ("a", "b"), ("b", "a"):
        left = [trajectory.compare(mean(one, i), mean(other), grid) for i in range(len(groups[one]))]
        squares += uncertainty.jackknife_error([curve for curve, _ in left]) ** 2
        whole += uncertainty.jackknife_error([value for _, value in left]) ** 2
    np.testing.assert_allclose(curves["a", "b"][some], np.sqrt(squares), rtol=1e-4)
    assert integrals[0, 1] == integrals[1, 0] == pytest.approx(np.sqrt(whole), rel=1e-4)
    assert np.isnan(np.delete(curves["a", "b"], some)).all()
    assert np.isnan(curves["a", "c"]).all() and np.isnan(integrals[0, 2])  # one seed of c: nothing is known


def test_error_of_distances_for_other_samples_is_the_bootstrap(tasks):
    groups, progress, _ = tasks
    samples = uncertainty.groups(90, 8)
    found = comparison.compare_all(opened(groups), progress, samples=samples)
    plain = comparison.compare_all(opened(groups), progress)
    for pair in itertools.combinations("abc", 2):
        np.testing.assert_allclose(found.curves[pair], plain.curves[pair], atol=1e-12)
    known = ~np.isnan(found.curves["a", "c"])
    grid, weights = found.grid[known], uncertainty.weights(sizes_of(samples))
    A, B = (trajectory.mean([trajectory.reindex(P, s, grid) for P, s in zip(groups[t], progress[t])]) for t in "ac")
    each = -np.log(np.einsum("gnc,gnc->gn", np.sqrt(A), np.sqrt(B)))
    drawn = weights @ np.array([each[:, samples == b].sum(axis=1) for b in range(8)])
    curves, integrals = found.errors["samples"]
    np.testing.assert_allclose(curves["a", "c"][known], uncertainty.bootstrap_error(drawn, 8), rtol=1e-3, atol=1e-7)
    expected = uncertainty.bootstrap_error([trajectory.integral(row, grid) for row in drawn], 8)
    assert integrals[0, 2] == pytest.approx(expected, rel=1e-3)


def test_error_of_a_length_is_the_bootstrap(tasks):
    groups, _, labels = tasks
    samples, P = uncertainty.groups(90, 8), groups["a"][0]
    summary, plain = trajectory.summarise(P, labels, groups=samples), trajectory.summarise(P, labels)
    np.testing.assert_allclose(summary.steps, plain.steps, rtol=1e-6)
    assert plain.group_steps is None
    weights = uncertainty.weights(sizes_of(samples), 20)
    counts = np.rint(weights / np.where(weights > 0, weights, np.inf).min(axis=1, keepdims=True)).astype(int)
    for found, count in zip(summary.replicates(weights), counts):
        drawn = np.concatenate([np.tile(np.flatnonzero(samples == b), n) for b, n in enumerate(count)])
        assert found == pytest.approx(trajectory.riemann_length(P[:, drawn]), rel=1e-5)
