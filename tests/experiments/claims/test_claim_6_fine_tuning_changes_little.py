"""Claim 6 of fine-tuning that changes less and less, and of fine-tuning that changes more and more."""

import numpy as np
import pytest

from experiments.claims import claim_6_fine_tuning_changes_little as claim
from experiments.claims.runs import Runs
from info_geometry import distance
from tests.experiments.claims.synthetic import detour, write


def test_fine_tuning_that_changes_less_and_less(tmp_path):
    def start(k, final):
        return [write(tmp_path, f"fashion_{final}_at_{k}", seed, 0 * detour(0), final=final) for seed in (5, 6, 7)]

    falling = {k: start(k, final) for k, final in ((0, 6.0), (10, 2.0), (39, 0.5))}
    again = [write(tmp_path, "fashion_all_again", seed, 0 * detour(0), final=0.3) for seed in (5, 6, 7)]
    found = claim.measure(Runs(tuned={"x": falling}, retrained=again))
    assert found.verdict == "holds" and (np.diff(found.shown["ratios"]["x"].mean(axis=1)) < 0).all()
    moved = []
    for x in (falling[39][0], falling[0][0], again[0]):
        P = x.roots() ** 2
        moved.append(distance.bhattacharyya(P[0], P[-1]))
    assert found.shown["ratios"]["x"][-1, 0] == pytest.approx(moved[0] / moved[1], rel=1e-6)
    assert found.shown["null"][0] == pytest.approx(moved[2] / moved[1], rel=1e-6)
    rising = {0: falling[39], 10: falling[10], 39: falling[0]}
    assert claim.measure(Runs(tuned={"x": rising}, retrained=again)).verdict == "does not hold"
    one_rises = {0: falling[0], 10: falling[39], 39: [*falling[10][:1], *falling[39][1:]]}
    assert claim.measure(Runs(tuned={"x": one_rises}, retrained=again)).verdict != "holds"
