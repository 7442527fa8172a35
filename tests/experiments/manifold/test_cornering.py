"""Runs from corners: detours that end, and the usual runs they are compared with."""

import dataclasses

import numpy as np
import pytest

from experiments.manifold import cornering, corners
from experiments.manifold.parts import TRAINING
from experiments.manifold.planned import CORNERS
from info_geometry import distance
from info_geometry.files import InputError
from tests.experiments.manifold import generated


def test_runs_are_compared_with_usual_ones_of_their_settings(study):
    usual = study.grid()[0]
    found = cornering.measure(study.all_of(CORNERS)[0], usual, generated.SEEDS)
    assert list(found) == ["random0", "few20"]
    same = [run for run in usual if run.name == generated.USUAL]
    for kind, corner in found.items():
        for s, seed in enumerate(generated.SEEDS):
            planned = next(x for x in study.planned[CORNERS] if x.name.endswith(f"from-{kind}"))
            run = study.open(planned, seed)
            expected = corners.join(
                [run.parts[TRAINING]],
                [run.progress()],
                [x.parts[TRAINING] for x in same],
                [x.progress() for x in same],
                corner.grid,
            )
            np.testing.assert_array_equal(corner.distances[s], expected.distances)
            assert corner.at[s] == expected.at and corner.starts[s] == run.progress()[0]
            others = [x.parts[TRAINING].select([-1]) for x in same if x.seed != seed]
            for k, which in enumerate((0, -1)):
                far = [distance.pairwise([run.parts[TRAINING].select([which]), x])[0, 1] for x in others]
                assert corner.ends[s, k] == pytest.approx(np.mean(far), abs=1e-6)
            own = next(x for x in same if x.seed == seed).parts[TRAINING].select([-1])
            far = [distance.pairwise([own, x])[0, 1] for x in others]
            assert corner.between[s] == pytest.approx(np.mean(far), abs=1e-6)
        known = np.isfinite(corner.distances).all(axis=0)
        assert (corner.distances[:, known][:, 2] > 5 * corner.distances[:, known][:, -2]).all()
        np.testing.assert_allclose(corner.width[:, known].mean(axis=0), expected.width[known])


def test_a_usual_run_that_is_not_there_leaves_all_seeds_compared(study):
    """Runs of its seed are still compared with the mean of the others; what it alone would say is not known."""
    seeds = (10, 11, 12)
    runs, usual = study.all_of(CORNERS)[0], study.grid()[0]
    usual = [run for run in usual if run.name == generated.USUAL]
    third = [dataclasses.replace(run, seed=12) for run in runs if run.seed == 10]
    found = cornering.measure([*runs, *third], [usual[0], dataclasses.replace(usual[1], seed=12)], seeds)
    whole = cornering.measure(runs, usual, generated.SEEDS)
    for kind, corner in found.items():
        np.testing.assert_array_equal(corner.distances[:2], whole[kind].distances)
        for curves, known in ((corner.width, [True, False, True]), (corner.distances, [True] * 3)):
            np.testing.assert_array_equal(np.isfinite(curves).any(axis=1), known)
        assert np.isfinite(corner.ends).all() and list(np.isfinite(corner.between)) == [True, False, True]


def test_without_usual_runs_of_the_same_settings_it_is_refused(study):
    runs = study.all_of(CORNERS)[0]
    with pytest.raises(InputError, match="runs of the grid of its settings, of two seeds or more; there are 0"):
        cornering.measure(runs, [], generated.SEEDS)
    other = [dataclasses.replace(run, config=dataclasses.replace(run.config, epochs=9)) for run in study.grid()[0]]
    with pytest.raises(InputError, match="there are 0"):
        cornering.measure(runs, other, generated.SEEDS)
