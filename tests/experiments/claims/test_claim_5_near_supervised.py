"""Claim 5 of methods near supervised learning, far from it, and of such that come further than all other tasks."""

from experiments.claims import claim_5_near_supervised as claim
from experiments.claims.runs import NEAR
from tests.experiments.claims.synthetic import detour, write


def both(runs, folder, name, direction, **options):
    """Put trajectories into the runs, as if fitted temperatures were 1."""
    seeds = [write(folder, f"fashion_{name}", seed, direction, **options) for seed in (5, 6, 7)]
    (runs.near if name in NEAR else runs.supervised)[name] = runs.fitted[name] = seeds


def test_near_at_equal_progress(tmp_path, runs):
    for name in NEAR:
        both(runs, tmp_path, name, detour(0))
    found = claim.measure(runs)
    assert found.verdict == "holds" and found.value.count("nearer than 6 of 6 tasks") == 3
    for name in NEAR:
        both(runs, tmp_path, name, 4 * detour(99))
    found = claim.measure(runs)
    assert found.verdict == "does not hold" and found.value.count("nearer than 0 of 6 tasks") == 3
    both(runs, tmp_path, "all_simclr", detour(0))
    found = claim.measure(runs)
    assert found.verdict.startswith("SimCLR: holds; Barlow Twins: does not hold")


def test_a_method_that_comes_further_than_all_others_is_compared_where_they_are(tmp_path, runs):
    for name in runs.supervised:
        if name != "all":
            both(runs, tmp_path, name, 4 * detour(1), final=3.0)
    for name in NEAR:
        both(runs, tmp_path, name, detour(0))
    assert claim.measure(runs).verdict == "holds"


def test_fitted_temperatures_decide_and_the_others_stand_beside(tmp_path, runs):
    for name in NEAR:
        both(runs, tmp_path, name, detour(0))
        runs.near[name] = [write(tmp_path / "one", f"fashion_{name}", seed, 4 * detour(99)) for seed in (5, 6, 7)]
    found = claim.measure(runs)
    assert found.verdict == "holds" and found.beside.count("nearer than 0 of 6 tasks") == 3


def test_rule():
    tasks = ["a", "b", "c", "d", "e", "f"]
    for count, expected in ((6, (True, False)), (4, (True, False)), (3, (False, False)), (0, (False, True))):
        assert claim.rule({name: k < count for k, name in enumerate(tasks)}) == expected
    assert claim.rule({}) == (False, False) and claim.rule({"a": True, "b": True}) == (False, False)
