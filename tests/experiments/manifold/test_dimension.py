"""How many dimensions: of spectra that are known, of planted pictures, and of the null."""

import numpy as np
import pytest

from experiments.manifold import dimension
from info_geometry import distance, inpca
from info_geometry.files import InputError
from tests.support.geometry import squared
from tests.support.synthetic import labels_of, random_models, training


def test_participation_counts_equal_numbers():
    for n in (1, 3, 50):
        assert dimension.participation(np.append(np.full(n, 7.0), np.zeros(5))) == pytest.approx(n)
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.exponential(size=9)
        assert 1 <= dimension.participation(values) <= 9
        assert dimension.participation(3 * values[::-1]) == pytest.approx(dimension.participation(values))
    assert np.isnan(dimension.participation(np.zeros(3)))
    with pytest.raises(InputError, match="none may be negative"):
        dimension.participation([1, -1])


def test_a_picture_of_points_has_their_dimension():
    """Of three alike, of which 1, 2, 3 axes explain 1 - sqrt(2/3), 1 - sqrt(1/3), 1."""
    x = np.random.default_rng(0).standard_normal((30, 3))
    x = np.linalg.qr(x - x.mean(axis=0))[0]  # uncorrelated, of one length, and still centred
    found = inpca.fit(squared(x, x))
    assert dimension.of_picture(found) == pytest.approx(3)
    assert [dimension.axes(found, share) for share in (0.15, 0.4, 0.95, 1.0)] == [1, 2, 3, 3]


def test_of_the_largest_eigenvalues_alone_it_is_nearly_the_same():
    D = distance.pairwise([random_models(np.random.default_rng(0), 320, 4, 3)], precision="float64")
    few = inpca.fit(D)
    whole = inpca.Embedding(few.coordinates, np.linalg.eigvalsh(inpca.Centred(D).rows()), few.imaginary)
    assert few.total_squares is not None
    assert dimension.of_picture(few) == pytest.approx(dimension.of_picture(whole), rel=1e-4)
    assert dimension.axes(few, 0.999999) is None


def test_shuffled_runs_have_the_same_distances_of_their_own_and_others_of_each_other():
    """The permutation of samples is one of all checkpoints; two runs that were one are far apart afterwards."""
    labels = labels_of(40, 5)
    run = training(np.random.default_rng(0), labels, 5)
    one, again, other = (dimension.shuffled(run, seed) for seed in (0, 0, 1))
    D, same, both = (distance.pairwise(x, precision="float64") for x in ([run], [one], [one, other]))
    np.testing.assert_allclose(same, D, atol=1e-12)
    np.testing.assert_array_equal(one.roots(), again.roots())
    ends = both[7, 15]
    assert ends > 0.5 and both[:8, :8] == pytest.approx(D, abs=1e-12)
    np.testing.assert_array_equal(one.select([3]).roots(7, 19), one.roots()[[3], 7:19])


def test_within_labels_samples_change_places_only_with_their_like():
    labels = labels_of(40, 5)
    run = training(np.random.default_rng(0), labels, 5)
    found = dimension.shuffled(run, 0, labels).roots()
    for label in range(5):
        before, after = (np.sort(x[:, labels == label], axis=1) for x in (np.sqrt(run), found))
        np.testing.assert_allclose(after, before, atol=1e-6)
    assert np.abs(found - np.sqrt(run)).max() > 0.1
    np.testing.assert_array_equal(
        dimension.shuffled(run, 0, np.arange(40)).roots(), dimension.shuffled(run, 5, np.arange(40)).roots()
    )
    with pytest.raises(InputError, match="3 labels of 40 samples"):
        dimension.shuffled(run, 0, labels[:3])


def test_runs_that_go_one_way_have_fewer_dimensions_than_the_null():
    labels, way = labels_of(40, 5), 2 * np.random.default_rng(5).standard_normal((40, 5))
    runs = [training(np.random.default_rng(i), labels, 5, direction=way) for i in range(5)]
    stress = [
        inpca.fit(distance.pairwise(x)).explained_stress(3)
        for x in (runs, [dimension.shuffled(run, i) for i, run in enumerate(runs)])
    ]
    assert stress[0] > stress[1] + 0.3
