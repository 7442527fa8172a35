"""Claim 3: the Mantel test that it reports, and the correlations of all permutations."""

import numpy as np
import pytest

from experiments.claims import claim_3_follows_wordnet as claim
from experiments.claims.finding import decide


def test_arrangement_of_tasks(runs):
    found = claim.measure(runs)
    assert "6 tasks" in found.value and "720 permutations" in found.null
    assert found.verdict == decide(
        *(bool(x) for x in (float(found.value.split("p = ")[1].split()[0]) <= 0.05, found.shown["correlation"] <= 0))
    )
    null = np.array(found.shown["null"])
    assert len(null) == 720 and null[0] == pytest.approx(found.shown["correlation"])  # of the identity
    assert np.mean(null >= null[0] - 1e-12) == pytest.approx(float(found.value.split("p = ")[1].split()[0]), rel=0.05)
