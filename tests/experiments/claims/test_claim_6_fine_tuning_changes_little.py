"""Claim 6 of fine-tuning that changes less and less, and of fine-tuning that changes more and more."""

import numpy as np
import pytest

from experiments.claims import claim_6_fine_tuning_changes_little as claim
from experiments.claims.runs import Runs
from info_geometry import distance
from tests.experiments.claims.synthetic import detour, write


def test_fine_tuning_that_changes_less_and_less(tmp_path):
    def start(k, final):
        return [write(tmp_path, f"fashion_x_at_{k}", seed, 0 * detour(0), final=final) for seed in (5, 6, 7)]

    falling = {k: start(k, final) for k, final in ((0, 6.0), (10, 2.0), (39, 0.5))}
    found = claim.measure(Runs(tuned={"x": falling}))
    assert found.verdict == "holds" and (np.diff(found.shown["distances"].mean(axis=1)) < 0).all()
    last = falling[39][0].roots() ** 2, falling[0][0].roots() ** 2
    expected = distance.bhattacharyya(last[0][0], last[0][-1]) / distance.bhattacharyya(last[1][0], last[1][-1])
    assert found.shown["distances"][-1, 0] == pytest.approx(expected, rel=1e-6)
    rising = {k: start(k, final) for k, final in ((0, 0.5), (10, 2.0), (39, 6.0))}
    assert claim.measure(Runs(tuned={"x": rising})).verdict == "does not hold"
