"""Claim 1 of trajectories on one way, and of trajectories on ways of their own."""

import numpy as np
import pytest

from experiments.claims import claim_1_low_dimensional as claim
from experiments.claims.runs import Runs
from tests.experiments.claims.synthetic import detour, write


def test_trajectories_on_one_way_are_low_dimensional_and_permuted_ones_less_so(tmp_path):
    same = {name: [write(tmp_path, f"fashion_{name}", seed, detour(0), T=9) for seed in (5, 6)] for name in "abc"}
    found = claim.measure(Runs(same, draws=3))
    assert found.verdict == "holds" and list(found.shown["found"]) == [claim.WHOLE, claim.HALF]
    for each in found.shown["found"].values():
        assert each["stress"][2] > each["null"][:, 2].max() + claim.MARGIN and len(each["null"]) == 3
        assert set(each["embedding"].index["run"]) == set("abc")
    whole, half = (len(each["embedding"].coordinates) for each in found.shown["found"].values())
    assert half < whole <= 6 * 9
    apart = {
        name: [write(tmp_path, f"fashion_{name}", seed, 4 * detour([i, seed]), T=9, final=0) for seed in (5, 6)]
        for i, name in enumerate("abcdefgh")
    }
    assert claim.measure(Runs(apart, draws=3)).verdict != "holds"


def test_one_model_for_each_twentieth_of_progress():
    progress = np.array([0.0, 0.01, 0.049, 0.05, 0.3, 0.26, 0.999, 1.0, 0.31])
    assert claim.select(progress).tolist() == [0, 3, 4, 5, 6]
    assert claim.select(progress, 4).tolist() == [4, 5, 6]
    dense = np.sort(np.random.default_rng(0).random(500))
    assert len(claim.select(dense)) == 20 and len(claim.select(dense[::5])) == 20  # wherever checkpoints lie


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("all", "supervised, all"),
        ("all_as_2way", "supervised, all"),
        ("shoe", "supervised, sub-tasks"),
        ("shoe from 3", "fine-tuned"),
        ("all from 39", "fine-tuned"),
        ("all_2way", "2-way episodes"),
        ("clothing_simclr", "SimCLR"),
    ],
)
def test_methods_that_runs_belong_to(run, expected):
    assert claim.kind(run) == expected and expected in claim.COLOURS
