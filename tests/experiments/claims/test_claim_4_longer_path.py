"""Claim 4 of episodes on a way with a detour, and of such that hardly go anywhere."""

import numpy as np
import pytest

from experiments.claims import claim_4_longer_path as claim
from experiments.claims import finding
from experiments.claims.runs import EPISODIC
from info_geometry import trajectory
from tests.experiments.claims.synthetic import detour, write


def ways(folder, name, direction, **options):
    return [write(folder, f"fashion_{name}", seed, direction, T=12, **options) for seed in (5, 6, 7)]


def test_a_way_with_a_detour_is_longer(tmp_path, runs):
    for name, like in EPISODIC.items():
        runs.like_episodic[name] = ways(tmp_path, like, 0 * detour(0))
        runs.episodic[name] = ways(tmp_path, name, 3 * detour(0))
    found = claim.measure(runs)
    for rows in found.shown["ratios"].values():
        assert len(rows) == 5 and all(ratio - 2 * error > 1 for ratio, error in rows.values())
    assert "10 to 40 times" in found.beside
    for name in EPISODIC:
        runs.episodic[name] = ways(tmp_path, name, 0 * detour(0), final=1.0)
    assert claim.measure(runs).verdict == "does not hold"


def test_noise_that_is_sampled_densely_is_no_longer_path(tmp_path):
    """Every second model aside: longer through all checkpoints, and not through every second one."""
    base = write(tmp_path, "fashion_base", 5, 0 * detour(0), T=13)
    P = base.roots(dtype=np.float64) ** 2
    noisy = P.copy()
    noisy[1::2] = 0.7 * P[1::2] + 0.3 * np.roll(P[1::2], 1, axis=2)
    assert trajectory.riemann_length(noisy) > 1.2 * trajectory.riemann_length(P)
    assert trajectory.riemann_length(noisy[::2]) == pytest.approx(trajectory.riemann_length(P[::2]))


def test_ratio_and_its_error():
    x, y = [2.0, 3.0, 4.0], [1.0, 1.2, 0.9, 1.1]
    ratio, error = claim._ratio(x, y)
    assert ratio == pytest.approx(np.mean(x) / np.mean(y))
    # the delta method, which the jackknife is near
    parts = [np.std(v, ddof=1) / np.sqrt(len(v)) / np.mean(v) for v in (x, y)]
    assert error == pytest.approx(ratio * np.hypot(*parts), rel=0.1)
    assert finding.with_error(lambda a: np.mean(a), [3.0]) == (3.0, 0.0)
