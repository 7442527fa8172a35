"""Claim 1 of trajectories on one way, and of trajectories on ways of their own."""

import pytest

from experiments.claims import claim_1_low_dimensional as claim
from experiments.claims.runs import Runs
from tests.experiments.claims.synthetic import detour, write


def test_trajectories_on_one_way_are_low_dimensional_and_permuted_ones_less_so(tmp_path):
    same = {name: [write(tmp_path, f"fashion_{name}", seed, detour(0), T=9) for seed in (5, 6)] for name in "abc"}
    found = claim.measure(Runs(same, draws=3))
    stress, null = found.shown["stress"], found.shown["null"]
    assert found.verdict == "holds" and all(stress[2] > values[:, 2].max() for values in null.values())
    assert set(found.shown["embedding"].index["run"]) == set("abc") and all(len(v) == 3 for v in null.values())
    apart = {
        name: [write(tmp_path, f"fashion_{name}", seed, 4 * detour([i, seed]), T=9, final=0) for seed in (5, 6)]
        for i, name in enumerate("abcdefgh")
    }
    assert claim.measure(Runs(apart, draws=3)).verdict == "does not hold"


@pytest.mark.parametrize(
    ("run", "expected"),
    [("all", "supervised, all"), ("shoe", "supervised, sub-tasks"), ("shoe from 3", "fine-tuned"), ("all_2way", None)],
)
def test_methods_that_runs_belong_to(run, expected):
    assert claim.kind(run) == (expected or "2-way episodes")
    assert claim.kind(run) in claim.COLOURS
