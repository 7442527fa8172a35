"""Distances of ends, and errors of means of pairs."""

import numpy as np
import pytest

from experiments.claims import finding
from info_geometry import distance


def test_distances_of_ends_are_those_of_last_models(runs):
    x, y = runs.supervised["all"], runs.supervised["shoe"][:2]
    found = finding.ends(x, y)
    assert found.shape == (3, 2)
    assert found[2, 1] == pytest.approx(distance.bhattacharyya(*(t.roots()[-1] ** 2 for t in (x[2], y[1]))), rel=1e-5)
    own = finding.ends(x, x)
    assert finding.between_seeds(x) == pytest.approx((own[0, 1] + own[0, 2] + own[1, 2]) / 3)
    assert np.isnan(finding.between_seeds(x[:1]))


def test_error_of_a_mean_of_pairs_counts_both_sides():
    D = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]])
    mean, error = finding.mean_of_pairs(D)
    sides = [np.std(D.mean(axis=axis), ddof=1) / np.sqrt(D.shape[1 - axis]) for axis in (0, 1)]
    assert mean == pytest.approx(D.mean()) and error == pytest.approx(np.hypot(*sides))


def test_a_verdict_for_each_method():
    assert finding.of_methods({"a": "holds", "b": "holds"}) == "holds"
    assert finding.of_methods({"a": "holds", "b": "undecided"}) == "a: holds; b: undecided"
