"""Synthetic data: their spectrum is what was asked for, labels are the teacher's, and all follows from the seed."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import kstest

from info_geometry.files import InputError
from learning.data import gaussian

BITS = [7250821734823708, 7277283679189395, 4641640009367765]


@pytest.mark.parametrize("decay", gaussian.DECAYS)
def test_variances_are_the_spectrum_over_the_size(decay):
    data = gaussian.generate(decay)
    expected = gaussian.spectrum(decay) / 200
    assert data.inputs.shape == (5000, 200) and data.evaluation_inputs.shape == (1000, 200)
    # of 5000 Gaussian numbers, the variance is known to sqrt(2 / 5000) = 2 %
    found = np.mean(data.inputs.astype(float) ** 2, axis=0) / expected
    assert found == pytest.approx(np.ones(200), abs=0.1) and found.mean() == pytest.approx(1, abs=0.005)
    assert np.abs(data.inputs.mean(axis=0) / np.sqrt(expected)).max() < 5 / np.sqrt(5000)
    scaled = data.inputs / np.sqrt(expected)
    correlations = (scaled.T @ scaled / 5000)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(5000)
    assert np.std(correlations) == pytest.approx(1 / np.sqrt(5000), rel=0.05)


def test_numbers_are_gaussian():
    numbers = gaussian.gaussian((20_000,), 0, 0)
    assert kstest(numbers, "norm").pvalue > 0.01
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(20_000)


def participation(values):
    """Return (sum)^2 / sum of squares: in how many directions variances are."""
    return np.sum(values) ** 2 / np.sum(np.square(values))


def test_sloppy_data_have_few_directions():
    """b exp(-c k) of large d: the participation ratio tends to (1 + e^-c) / (1 - e^-c)."""
    found = [participation(gaussian.spectrum(decay)) for decay in (0.0, 0.001, 0.5)]
    assert found[0] == pytest.approx(200) and 198 < found[1] < 200
    assert found[2] == pytest.approx((1 + np.exp(-0.5)) / (1 - np.exp(-0.5)))
    data = gaussian.generate(0.5)
    values = np.linalg.svd(data.inputs.astype(float), compute_uv=False) ** 2
    assert participation(values) == pytest.approx(found[2], rel=0.03)
    assert gaussian.spectrum(0.5)[0] == 25 and gaussian.spectrum(0.0)[7] == 1 and gaussian.spectrum(0.001)[0] == 0.05


def test_spectra_decay_exponentially():
    for decay in (0.001, 0.5):
        assert np.diff(np.log(gaussian.spectrum(decay))) == pytest.approx(np.full(199, -decay))


@pytest.mark.parametrize("widths", gaussian.TEACHERS)
def test_labels_are_the_teachers(widths):
    """Slowly, one input and one unit after the other, of weights drawn anew; all classes occur."""
    data, weights = gaussian.generate(0.5, widths, training=300, evaluation=50), gaussian.teacher(widths)
    assert [layer.shape for layer in weights] == [(a, b) for a, b in itertools.pairwise(widths)]
    for inputs, labels in ((data.inputs, data.labels), (data.evaluation_inputs, data.evaluation_labels)):
        for x, label in zip(inputs[:40], labels):
            for layer in weights[:-1]:
                x = [np.tanh(sum(x[i] * layer[i, j] for i in range(len(x)))) for j in range(layer.shape[1])]
            scores = [sum(x[i] * weights[-1][i, j] for i in range(len(x))) for j in range(5)]
            assert label == np.argmax(scores)
    assert set(data.labels) == set(range(5)) and data.labels.dtype == np.int64


def test_a_teacher_without_biases_answers_opposite_inputs_oppositely():
    """Its scores are odd functions, so that the largest becomes the smallest: never the same class."""
    data, weights = gaussian.generate(0.0, training=200, evaluation=1), gaussian.teacher((200, 50, 5))
    assert (gaussian.answers(weights, -data.inputs) != data.labels).all()


def test_everything_follows_from_the_seed():
    one, same = (
        gaussian.generate(0.5, training=100, evaluation=20),
        gaussian.generate(0.5, training=100, evaluation=20),
    )
    other = gaussian.generate(0.5, seed=6, training=100, evaluation=20)
    for name in ("inputs", "labels", "evaluation_inputs", "evaluation_labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
        assert (getattr(one, name) != getattr(other, name)).mean() > 0.3
    longer = gaussian.generate(0.5, training=150, evaluation=30)
    np.testing.assert_array_equal(longer.inputs[:100], one.inputs)
    np.testing.assert_array_equal(longer.labels[:100], one.labels)
    ratio = gaussian.generate(0.001, training=100, evaluation=20).inputs / one.inputs
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-5)
    assert not (one.evaluation_inputs[:20] == one.inputs[:20]).any()


def test_the_bit_stream_is_that_of_pcg64():
    """Known beforehand: the first bits of seed 5, stream 0, as PCG64 promises to give them for good."""
    bits = np.random.PCG64(np.random.SeedSequence([5, 0])).random_raw(3) >> np.uint64(11)
    assert bits.tolist() == BITS
    expected = [NormalDist().inv_cdf((b + 0.5) / 2**53) for b in BITS]
    assert gaussian.gaussian((3,), 5, 0) == pytest.approx(expected, abs=1e-9)


def test_random_labels_are_even_and_know_nothing_of_inputs():
    data = gaussian.generate(0.5, None)
    counts = np.bincount(data.labels, minlength=5)
    assert len(counts) == 5 and counts.sum() == 5000
    assert ((counts - 1000) ** 2 / 1000).sum() < 18.5  # chi^2 of 4 degrees of freedom at 0.1 %
    correlations = [np.corrcoef(data.inputs[:, 0], data.labels == label)[0, 1] for label in range(5)]
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)
    np.testing.assert_array_equal(data.inputs, gaussian.generate(0.5).inputs)
    assert set(gaussian.generate(0.5, None, classes=3).labels) == {0, 1, 2}


@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf])
def test_other_decays_are_refused(decay):
    with pytest.raises(InputError, match="the decay of the spectrum is"):
        gaussian.generate(decay)


def test_other_teachers_are_refused():
    with pytest.raises(InputError, match=r"a teacher has widths \(200,\)"):
        gaussian.teacher((200,))
