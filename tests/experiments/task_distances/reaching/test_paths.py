"""Paths through predictions: closed forms, and inequalities that hold for all of them."""

import itertools

import numpy as np
import pytest

from experiments.task_distances.reaching import paths
from info_geometry import distance, geodesic


def models(rng, T, N=30, C=4, wide=1.0):
    """Return a path of random models (T, N, C)."""
    logits = np.cumsum(wide * rng.normal(size=(T, N, C)), axis=0)
    P = np.exp(logits - logits.max(axis=2, keepdims=True))
    return P / P.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_path_of_formulas(seed):
    rng = np.random.default_rng(seed)
    P, t = models(rng, 7), np.cumsum(rng.uniform(0.5, 2, 7))
    found = paths.path(P, t, np.zeros(30, int))
    steps = [distance.bhattacharyya(a, b) for a, b in itertools.pairwise(P)]
    assert found.length == pytest.approx(sum(2 * d**0.5 for d in steps))
    assert found.action == pytest.approx(sum(4 * d / (b - a) for d, a, b in zip(steps, t, t[1:])))
    angles = np.arccos(np.einsum("nc,nc->n", np.sqrt(P[0]), np.sqrt(P[-1])))
    assert found.between == pytest.approx(np.sqrt(2 * np.mean(angles**2)))
    assert found.time == pytest.approx(t[-1] - t[0])


@pytest.mark.parametrize("wide", [0.01, 0.3, 3])
def test_no_path_is_shorter_than_the_shortest_nor_has_less_action(wide):
    rng = np.random.default_rng(0)
    for T in (2, 3, 10):
        found = paths.path(models(rng, T, wide=wide), np.sort(rng.uniform(0, 9, T)), np.zeros(30, int))
        assert found.length >= found.between * (1 - 1e-9)
        assert found.action >= found.length**2 / found.time * (1 - 1e-9)


def test_geodesic_at_constant_speed_has_the_least_of_both():
    P, Q = models(np.random.default_rng(1), 2, N=1, wide=1.5)
    t = np.linspace(0, 3, 400)
    found = paths.path(geodesic.interpolate(P, Q, t[:, None] / 3), t, np.zeros(1, int))
    assert found.length == pytest.approx(found.between, rel=1e-4)
    assert found.action == pytest.approx(found.between**2 / 3, rel=1e-4)


def test_a_path_and_back_is_all_detour():
    P = models(np.random.default_rng(2), 4)
    there_and_back = np.concatenate([P, P[-2::-1]])
    found = paths.path(there_and_back, np.arange(7.0), np.zeros(30, int))
    assert found.between < 1e-7 < found.length
    assert found.length == pytest.approx(2 * paths.path(P, np.arange(4.0), np.zeros(30, int)).length)


def test_faster_is_dearer_and_time_has_no_origin():
    P = models(np.random.default_rng(3), 5)
    slow, fast, late = (
        paths.path(P, t, np.zeros(30, int)) for t in (np.arange(5) * 2.0, np.arange(5), np.arange(5) + 9)
    )
    assert fast.action == pytest.approx(2 * slow.action) and late.action == pytest.approx(fast.action)
    assert fast.length == pytest.approx(slow.length)
