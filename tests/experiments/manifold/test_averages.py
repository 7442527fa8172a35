"""Six means of runs at equal steps: of groups, against single means."""

import dataclasses

import numpy as np
import pytest

from experiments.manifold import averages, means
from experiments.manifold.measured import NETWORK, OPTIMISER
from experiments.manifold.parts import EVALUATION
from experiments.manifold.planned import GRID
from info_geometry import geodesic
from info_geometry.files import InputError
from tests.experiments.manifold import generated


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


@pytest.mark.parametrize("t", [np.arange(generated.T - 1.0), generated.TIMES + 1])
def test_runs_with_other_checkpoints_are_refused_by_both_names(tmp_path, t):
    study = generated.sweep(tmp_path, [GRID])
    first, odd = study.planned[GRID][:2]
    generated.write(study.folders, odd, 11, generated.run("odd")[: len(t)], t=t)
    paths = (study.folders.file(odd.name, 11), study.folders.file(first.name, 10))
    with pytest.raises(InputError, match=f"{paths[0]} has other checkpoints than {paths[1]}: {len(t)} up to {t[-1]:g}"):
        averages.measure(dataclasses.replace(study).grid()[0])
