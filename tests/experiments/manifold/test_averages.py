"""Six means of runs at equal steps: of groups, against single means."""

import numpy as np
import pytest

from experiments.manifold import averages, means
from experiments.manifold.measured import NETWORK, OPTIMISER
from experiments.manifold.parts import EVALUATION
from info_geometry import geodesic


def test_means_are_of_the_runs_of_a_network_an_optimiser_and_a_batch_size(study):
    runs = study.grid()[0]
    found = averages.measure(runs)
    assert len(found.counts) == 6 and (found.counts == 4).all()
    q = [(a, b) for a, b in zip(found.table[NETWORK], found.table[OPTIMISER])].index(("fc 16-16", "sgd"))
    own = [run for run in runs if run.name.startswith("digits_all_fc16-sgd")]
    assert len(own) == 4
    P = np.array([run.parts[EVALUATION].roots()[-1] ** 2 for run in own])
    labels = own[0].parts[EVALUATION].labels
    for kind in ("arithmetic", "harmonic"):
        expected = means.mean(P, kind)
        assert found.progress[kind][q, -1] == pytest.approx(geodesic.progress(expected, labels)[0], abs=1e-5)
        assert found.error[kind][q, -1] == (expected.argmax(axis=1) != labels).mean()
    single = np.mean([run.progress(EVALUATION)[-1] for run in own])
    assert found.single["progress"][q, -1] == pytest.approx(single)
    assert found.times[q, -1] == own[0].parts[EVALUATION].t[-1]


def test_moments_end_with_the_end():
    assert list(averages.moments(13)) == [4, 6, 8, 10, 12]
    assert list(averages.moments(1)) == [0] * 5 and averages.moments(20)[-1] == 19
