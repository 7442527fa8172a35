"""Claim 4 of episodes on a way with a detour, and of such that hardly go anywhere."""

from experiments.claims import claim_4_longer_path as claim
from experiments.claims.runs import EPISODIC, TASKS
from tests.experiments.claims.synthetic import detour, write


def test_a_way_with_a_detour_is_longer(tmp_path, runs):
    for i, task in enumerate(TASKS[1:]):  # which end elsewhere
        runs.supervised[task] = [
            write(tmp_path, f"fashion_{task}", seed, detour(i), only=range(i + 1)) for seed in (5, 6, 7)
        ]
    for name in EPISODIC:
        runs.episodic[name] = [write(tmp_path, f"fashion_{name}", seed, 3 * detour(0)) for seed in (5, 6, 7)]
    found = claim.measure(runs)
    assert found.verdict == "holds" and min(map(min, (found.shown["lengths"][x] for x in EPISODIC))) > max(
        found.shown["lengths"]["all"]
    )
    for name in EPISODIC:
        runs.episodic[name] = [write(tmp_path, f"fashion_{name}", seed, 0 * detour(0), final=1.0) for seed in (5, 6, 7)]
    assert claim.measure(runs).verdict == "does not hold"
