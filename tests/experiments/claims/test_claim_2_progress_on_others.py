"""Claim 2 of tasks that make progress on classes never seen, and of tasks that make none."""

import itertools

import numpy as np
import pytest

from experiments.claims import claim_2_progress_on_others as claim
from experiments.claims.runs import ALL, RANDOM, TASKS
from learning import tasks
from tests.experiments.claims.synthetic import detour, write


def test_permuted_correlation_is_exact():
    assert claim.permuted_correlation([1, 2, 3, 4], [1, 2, 3, 4]) == (pytest.approx(1), 1 / 24)
    assert claim.permuted_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == (pytest.approx(-1), 1)
    found, p = claim.permuted_correlation([1, 2, 3, 4, 5], [2, 1, 2, 5, 4])
    slow = [np.corrcoef([1, 2, 3, 4, 5], order)[0, 1] for order in itertools.permutations([2.5, 1, 2.5, 5, 4])]
    assert found == pytest.approx(np.corrcoef([1, 2, 3, 4, 5], [2.5, 1, 2.5, 5, 4])[0, 1])
    assert p == pytest.approx(np.mean(np.array(slow) >= found - 1e-12))
    assert np.isnan(claim.permuted_correlation([1, 2, 3], [1, 1, 1])).all()


def test_progress_on_classes_never_seen(runs):
    found = claim.measure(runs).shown["of_tasks"]
    assert set(found) == set(TASKS) - {ALL, RANDOM}
    assert all(value > 0.5 and null < 0.1 for (value, _), (null, _), *_ in found.values())
    assert found["shirt"][2:] == (2, 1) and found["clothing"][2] == 6


def test_no_progress_on_classes_never_seen(tmp_path, runs):
    for i, task in enumerate(("clothing", "garment", "footwear", "shirt", "shoe", "3rd")):
        classes = tasks.load("fashion", task).classes
        runs.supervised[task] = [
            write(tmp_path, f"fashion_{task}", seed, detour(i), only=classes) for seed in (5, 6, 7)
        ]
    assert claim.measure(runs).verdict == "does not hold"
