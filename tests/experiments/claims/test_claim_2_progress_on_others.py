"""Claim 2 of tasks that make progress on classes never seen, and of tasks that make none."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from experiments.claims import claim_2_progress_on_others as claim
from experiments.claims.runs import NAMED
from info_geometry import distance, geodesic
from learning import tasks
from tests.experiments.claims.synthetic import LABELS, detour, write


def test_permuted_correlation_is_exact():
    assert claim.permuted_correlation([1, 2, 3, 4], [1, 2, 3, 4]) == (pytest.approx(1), 1 / 24)
    assert claim.permuted_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == (pytest.approx(-1), 1)
    found, p = claim.permuted_correlation([1, 2, 3, 4, 5], [2, 1, 2, 5, 4])
    slow = [np.corrcoef([1, 2, 3, 4, 5], order)[0, 1] for order in itertools.permutations([2.5, 1, 2.5, 5, 4])]
    assert found == pytest.approx(np.corrcoef([1, 2, 3, 4, 5], [2.5, 1, 2.5, 5, 4])[0, 1])
    assert p == pytest.approx(np.mean(np.array(slow) >= found - 1e-12))
    assert np.isnan(claim.permuted_correlation([1, 2, 3], [1, 1, 1])).all()


def test_partial_correlation_is_that_of_residuals():
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, y, z = (rankdata(rng.integers(0, 6, 9)) for _ in range(3))
        rest = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
        assert claim.partial(x, y, z) == pytest.approx(np.corrcoef(*rest)[0, 1])


def test_models_at_equal_numbers_of_images(tmp_path):
    x = write(tmp_path, "fashion_all", 5, detour(0))  # t = 0 ... 5
    P = x.roots(dtype=np.float64) ** 2
    np.testing.assert_allclose(claim.at_images(x, 60_000, 2), P[5], atol=1e-12)
    np.testing.assert_allclose(claim.at_images(x, 60_000, 10), P[1], atol=1e-12)
    np.testing.assert_allclose(claim.at_images(x, 0, 10), P[0], atol=1e-12)
    np.testing.assert_allclose(claim.at_images(x, 600_000, 10), P[5], atol=1e-12)
    between = claim.at_images(x, 90_000, 6)  # t = 2.5
    np.testing.assert_allclose(between, geodesic.interpolate(P[2], P[3], 0.5), atol=1e-9)
    assert distance.bhattacharyya(between, P[2]) < distance.bhattacharyya(P[2], P[3])


def test_progress_and_accuracy_on_classes_never_seen(runs):
    found = claim.measure(runs)
    for what, rows in found.shown["of_tasks"].items():
        assert set(rows) == set(NAMED) and what in claim.MEASURES
        assert all(value > null for (value, _), (null, _), _ in rows.values())
        assert {name: size for name, (*_, size) in rows.items()}["clothing"] == 6
    x = runs.supervised["shoe"][0]
    P, other = claim.at_images(x, claim.SEEN, 2), ~np.isin(LABELS, tasks.load("fashion", "shoe").classes)
    progress, accuracy = claim.on_others([P], LABELS, tasks.load("fashion", "shoe").classes)
    assert progress[0] == pytest.approx(geodesic.progress(P[other], LABELS[other])[0])
    assert accuracy == [np.mean(P[other].argmax(axis=1) == LABELS[other])]


def test_no_progress_on_classes_never_seen(tmp_path, runs):
    for i, task in enumerate(NAMED):
        classes = tasks.load("fashion", task).classes
        runs.supervised[task] = [
            write(tmp_path, f"fashion_{task}", seed, detour(i), only=classes) for seed in (5, 6, 7)
        ]
    assert claim.measure(runs).verdict != "holds"
