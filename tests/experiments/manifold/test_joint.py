"""One picture of training and evaluation predictions: distances on both are those of one set of samples."""

import numpy as np
import pytest

from experiments.manifold import joint
from info_geometry import distance, inpca
from info_geometry.files import InputError
from tests.support.geometry import curved, squared
from tests.support.synthetic import random_models


def test_together_are_the_distances_on_samples_of_both():
    P = random_models(np.random.default_rng(0), 9, 50, 5)
    one, other, both = (distance.pairwise([x], precision="float64") for x in (P[:, :35], P[:, 35:], P))
    np.testing.assert_allclose(joint.together(one, other, (35, 15)), both, atol=1e-12)
    np.testing.assert_allclose(joint.together(one, one, (3, 8)), one, atol=1e-14)


def test_the_same_predictions_agree_wholly():
    D = curved(40)
    found = joint.compare(D, D)
    assert found.mantel.statistic == pytest.approx(1) and found.procrustes.m2 == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(found.stress[0], found.stress[1])
    assert found.stress[0] == pytest.approx(inpca.fit(D).explained_stress()[:3]) and found.objects == 40
    doubled = joint.compare(D, 2 * D)
    assert doubled.mantel.statistic == pytest.approx(1) and doubled.procrustes.m2 == pytest.approx(0, abs=1e-12)


def test_models_in_another_order_do_not_agree():
    D, order = curved(40), np.random.default_rng(1).permutation(40)
    found = joint.compare(D, D[np.ix_(order, order)], permutations=199)
    assert abs(found.mantel.statistic) < 0.2 and found.mantel.p > 0.01 and found.procrustes.m2 > 0.8


def test_samples_of_one_set_agree_with_each_other():
    """Half of the samples against the other half, of runs that go far."""
    D = [curved(60), curved(60, 1)]
    assert joint.compare(*D, permutations=99).mantel.statistic > 0.5


def test_objects_are_some_of_all_and_weights_are_handed_on():
    D, w = curved(40), np.linspace(1, 3, 40)
    found = joint.compare(D, D, objects=12, weights=w, permutations=99)
    assert found.objects == found.mantel.objects == 12
    assert found.stress[0] == pytest.approx(inpca.fit(D, weights=w).explained_stress()[:3])


def test_other_models_are_refused():
    points = np.random.default_rng(0).standard_normal((5, 2))
    D = squared(points, points)
    for function in (joint.compare, lambda a, b: joint.together(a, b, (1, 1))):
        with pytest.raises(InputError, match=r"training predictions are \(5, 5\), of evaluation predictions \(4, 4\)"):
            function(D, D[:4, :4])
    with pytest.raises(InputError, match=r"numbers of samples are \(0, 5\)"):
        joint.together(D, D, (0, 5))
