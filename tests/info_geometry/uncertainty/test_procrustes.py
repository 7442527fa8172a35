"""Procrustes rotation, against that of scipy, and p-values of its permutation test under the null."""

import math

import numpy as np
import pytest
import scipy.spatial
from scipy.stats import kstest, ortho_group

from info_geometry.files import InputError
from info_geometry.uncertainty.procrustes import procrustes


def points(seed, K=8, k=2):
    return np.random.default_rng(seed).standard_normal((K, k)) * np.arange(1, k + 1) + 5


@pytest.mark.parametrize("k", [1, 2, 3])
def test_it_is_that_of_scipy(k):
    X, Y = points(0, k=k), points(1, k=k)
    _, second, disparity = scipy.spatial.procrustes(X, Y)
    found = procrustes(X, Y, 10)
    assert found.m2 == pytest.approx(disparity, abs=1e-12)
    scale = np.linalg.norm(X - X.mean(axis=0))
    assert found.turned == pytest.approx(second * scale + X.mean(axis=0), abs=1e-9)


def test_a_picture_that_is_turned_mirrored_moved_and_scaled_is_the_same():
    X = points(0)
    for seed in range(4):
        R = ortho_group.rvs(2, random_state=seed)
        found = procrustes(X, 7 * X @ R - 3, 199)
        assert found.m2 == pytest.approx(0, abs=1e-12) and found.p == pytest.approx(1 / 200)
        assert found.turned == pytest.approx(X, abs=1e-9) and found.least > 0.1


def test_m2_is_the_least_of_all_rotations_and_scales():
    X, Y = points(2), points(3)
    found, scale = procrustes(X, Y, 10), np.linalg.norm(X - X.mean(axis=0))
    x, y = ((A - A.mean(axis=0)) / np.linalg.norm(A - A.mean(axis=0)) for A in (X, Y))
    angles = np.linspace(0, 2 * np.pi, 721)
    best = math.inf
    for mirror in (1, -1):
        for t in angles:
            turned = y @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) * [1, mirror]
            best = min(best, 1 - (x * turned).sum() ** 2)
    assert found.m2 == pytest.approx(best, abs=1e-4)
    assert np.square((found.turned - X) / scale).sum() == pytest.approx(found.m2, abs=1e-9)


def test_p_is_uniform_where_pictures_have_nothing_in_common():
    p = [procrustes(points(2 * seed), points(2 * seed + 1), 99, seed).p for seed in range(300)]
    assert kstest(p, "uniform").statistic < 1.63 / math.sqrt(300) + 1 / 100
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 300))


def test_noise_leaves_an_agreement():
    X = points(0, 20)
    found = procrustes(X, X + points(1, 20) * 0.2, 499)
    assert found.p == pytest.approx(1 / 500) and found.m2 < found.least < 1


@pytest.mark.parametrize(
    "X, Y, message",
    [
        (points(0), points(0, 7), r"pictures are \(8, 2\) and \(7, 2\)"),
        (points(0, 2), points(0, 2), "of the same K > 2 objects"),
        (points(0) * np.nan, points(0), "expected finite points"),
        (np.ones((8, 2)), points(0), "all points of a picture are the same"),
    ],
)
def test_what_is_refused(X, Y, message):
    with pytest.raises(InputError, match=message):
        procrustes(X, Y)
