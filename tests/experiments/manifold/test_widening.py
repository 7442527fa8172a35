"""Widths: planted speeds, one path, and paths of their own."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments.manifold import widening
from experiments.manifold.parts import TRAINING
from experiments.manifold.planned import SPEED
from info_geometry import trajectory
from info_geometry.files import InputError
from tests.experiments.manifold import generated


def test_wide_networks_that_are_faster_on_one_path(study):
    runs = study.all_of(SPEED)[0]
    found = widening.measure(runs, generated.SEEDS)
    assert list(found.widths) == [16, 64, 256] and found.steps.shape == (3, 2)
    assert (np.diff(found.steps, axis=0) < 0).all() and found.rank < -0.9 and found.exponent < 0
    assert (found.ratio < 3).all() and np.diagonal(found.ratio).mean() == pytest.approx(1)
    run, other = (next(x for x in runs if x.seed == seed and "w256" in x.name) for seed in (10, 11))
    models = [trajectory.reindex(x.parts[TRAINING], x.progress(), found.grid) for x in (run, other)]
    np.testing.assert_allclose(found.apart[2, 2, 0], trajectory.compare(*models, found.grid)[0])


def test_networks_on_paths_of_their_own_are_many_tubes_apart(tmp_path):
    study = generated.sweep(tmp_path, [])
    for planned, seed in itertools.product(study.planned[SPEED], generated.SEEDS):
        P = generated.run(planned.name, seed, way=generated.detour(planned.name))
        generated.write(study.folders, planned, seed, P)
    found = widening.measure(study.all_of(SPEED)[0], generated.SEEDS)
    assert (found.ratio[0, 2] > 5).all() and abs(found.rank) < 0.9 and found.p > 0.01


def test_the_chance_of_a_rank_correlation():
    """Of all orders of 4 different widths one is as good as the best, by and large."""
    steps, widths = np.array([4.0, 3, 2, 1]), np.array([1.0, 2, 3, 4])
    assert widening.chance(steps, widths, -1.0) == pytest.approx(1 / 24, abs=0.015)
    assert widening.chance(steps[::-1], widths, 1.0) == 1
    assert np.isnan(widening.chance(steps, widths, np.nan))


def test_widths_that_differ_within_a_network_are_refused(study):
    run = study.all_of(SPEED)[0][0]
    for widths in ("64-32", ""):
        odd = dataclasses.replace(run, config=dataclasses.replace(run.config, widths=widths))
        with pytest.raises(InputError, match="expected hidden layers that are all as wide"):
            widening.width_of(odd)
    with pytest.raises(InputError, match="runs of 1 widths"):
        widening.measure([run], generated.SEEDS)
