"""Claim 7 of random labels that end far from all others, and of such that end among them."""

import numpy as np
import pytest

from experiments.claims import claim_7_random_labels_elsewhere as claim
from experiments.claims import finding
from tests.experiments.claims.synthetic import detour, write


def test_random_labels_go_elsewhere(tmp_path, runs):
    assert claim.measure(runs).verdict == "holds"
    runs.supervised["randomlab"] = [write(tmp_path, "fashion_randomlab", seed, detour(0)) for seed in (5, 6, 7)]
    found = claim.measure(runs)
    assert found.verdict == "does not hold"
    shoe = [finding.ends(runs.supervised["shoe"], x).mean(axis=1) for n, x in runs.supervised.items() if n != "shoe"]
    assert found.shown["nearest"]["shoe"] == pytest.approx(np.min(shoe, axis=0))
