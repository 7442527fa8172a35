"""Claim 7 of random labels that go nowhere, and of such that go where all go."""

from experiments.claims import claim_7_random_labels_elsewhere as claim
from tests.experiments.claims.synthetic import detour, write


def test_random_labels_go_elsewhere(tmp_path, runs):
    found = claim.measure(runs)
    assert found.verdict == "holds" and max(found.shown["progress"]["randomlab"]) < 0.1
    runs.supervised["randomlab"] = [write(tmp_path, "fashion_randomlab", seed, detour(0)) for seed in (5, 6, 7)]
    assert claim.measure(runs).verdict != "holds"
