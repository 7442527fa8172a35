"""Gaussian inputs: runs with one detour are flatter than those with one of each base point."""

import itertools

import numpy as np
import pytest

from experiments.manifold import sloppiness
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.planned import SYNTHETIC
from info_geometry import distance, inpca
from info_geometry.files import InputError


def test_stress_by_cell_and_base_points(study):
    runs = study.all_of(SYNTHETIC)[0]
    found = sloppiness.measure(runs, "sloppy", "flat")
    assert len(found.cells) == 4 and list(found.counts) == [1, 2, 4]
    gap = found.stress["sloppy"] - found.stress["flat"]
    assert (gap[:, -1] > 0.1).all() and (np.abs(gap[:, 0]) < 0.05).all()  # one base point has one detour
    assert (found.evaluation["sloppy"] > found.evaluation["flat"]).all()
    k = found.cells.index("fc adam 100")
    own = [x for x in runs if x.name == "flat_all_adam-bs100"]
    assert [x.seed for x in own] == [0, 1, 2, 3]

    def stress(some, which=TRAINING):
        return inpca.fit(distance.pairwise([x.parts[which] for x in some])).explained_stress(3)

    assert found.stress["flat"][k, 2] == pytest.approx(stress(own))
    assert found.stress["flat"][k, 1] == pytest.approx(np.mean([stress(own[:2]), stress(own[2:])]))
    assert found.stress["flat"][k, 0] == pytest.approx(np.mean([stress([x]) for x in own]))
    assert found.evaluation["flat"][k] == pytest.approx(stress(own, EVALUATION))
    assert found.axes["flat"][k, 2] == pytest.approx(stress(own)) and (np.diff(found.axes["flat"]) >= -1e-9).all()
    assert found.bootstrap.mean() > 0 and found.bootstrap.std() > 0


def test_the_p_of_signs():
    rng = np.random.default_rng(0)
    x = np.array([0.3, 0.2, -0.1, 0.4, 0.05])
    every = [np.dot(signs, x) >= x.sum() - 1e-12 for signs in itertools.product([-1, 1], repeat=5)]
    assert sloppiness.signs(x, rng) == pytest.approx(np.mean(every), abs=0.01)


def test_what_has_no_partner_is_refused(study):
    runs = study.all_of(SYNTHETIC)[0]
    with pytest.raises(InputError, match=r"0 combinations .* have runs of both sloppy and other"):
        sloppiness.measure(runs, "sloppy", "other")
    with pytest.raises(InputError, match="with 1 seeds common to all"):
        sloppiness.measure([x for x in runs if x.seed == 0], "sloppy", "flat")
