"""Claim 5 of methods near supervised learning, far from it, and of such that come further than all other tasks."""

from experiments.claims import claim_5_near_supervised as claim
from experiments.claims.runs import NEAR
from tests.experiments.claims.synthetic import detour, write


def test_near_at_equal_progress(tmp_path, runs):
    for name in NEAR:
        runs.near[name] = [write(tmp_path, f"fashion_{name}", seed, detour(0)) for seed in (5, 6, 7)]
    assert claim.measure(runs).verdict == "holds"
    for name in NEAR:
        runs.near[name] = [write(tmp_path, f"fashion_{name}", seed, 4 * detour(99)) for seed in (5, 6, 7)]
    found = claim.measure(runs)
    assert found.verdict == "does not hold" and "all_simclr than 0 of 6" in found.beside


def test_a_method_that_comes_further_than_all_others_has_nothing_to_be_compared_with(tmp_path, runs):
    for name in runs.supervised:
        if name != "all":
            runs.supervised[name] = [
                write(tmp_path, f"fashion_{name}", seed, 4 * detour(1), final=3.0) for seed in (5, 6, 7)
            ]
    for name in NEAR:
        runs.near[name] = [write(tmp_path, f"fashion_{name}", seed, detour(0)) for seed in (5, 6, 7)]
    found = claim.measure(runs)
    assert found.verdict == "undecided" and found.value.count("nothing: no other task comes as far") == 3
    assert "all_fixmatch than 6 of 6" in found.beside
