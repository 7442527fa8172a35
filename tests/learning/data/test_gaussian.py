"""Gaussian inputs: their spectrum is what was asked for, labels are the teacher's, and all follows from the seed."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from info_geometry.files import InputError
from learning import data
from learning.data import gaussian
from learning.tasks import DATASETS

NAMES = [name for name, known in DATASETS.items() if known.decay is not None]
WIDTHS = (200, 50, 5)
BITS = [7250821734823708, 7277283679189395, 4641640009367765]


def loaded(name, split="train"):
    """Return the inputs (N, 200), float64, and the labels of a data set."""
    images = data.load(name, split, "")
    return images.pixels[:, :, 0, 0].double().numpy(), images.labels


@pytest.mark.parametrize("name", NAMES)
def test_variances_are_the_spectrum_over_the_size(name):
    inputs, expected = loaded(name)[0], gaussian.spectrum(DATASETS[name].decay, 200) / 200
    assert inputs.shape == (5000, 200) and loaded(name, "test")[0].shape == (1000, 200)
    # of 5000 Gaussian numbers, the variance is known to sqrt(2 / 5000) = 2 %
    found = np.mean(inputs**2, axis=0) / expected
    assert found == pytest.approx(np.ones(200), abs=0.1) and found.mean() == pytest.approx(1, abs=0.005)
    assert np.abs(inputs.mean(axis=0) / np.sqrt(expected)).max() < 5 / np.sqrt(5000)
    scaled = inputs / np.sqrt(expected)
    correlations = (scaled.T @ scaled / 5000)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(5000)
    assert np.std(correlations) == pytest.approx(1 / np.sqrt(5000), rel=0.05)


def test_numbers_are_gaussian():
    numbers = gaussian.normal((20_000,), 0, 0)
    assert kstest(numbers, "norm").pvalue > 0.01
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(20_000)
    inputs = loaded("sloppy")[0][:100] / np.sqrt(gaussian.spectrum(0.5, 200) / 200)
    assert kstest(inputs.ravel(), "norm").pvalue > 0.01


def participation(values):
    """Return (sum)^2 / sum of squares: in how many directions variances are."""
    return np.sum(values) ** 2 / np.sum(np.square(values))


def test_sloppy_data_have_few_directions():
    """b exp(-c k) of large d: the participation ratio tends to (1 + e^-c) / (1 - e^-c)."""
    found = [participation(gaussian.spectrum(decay, 200)) for decay in (0.0, 0.001, 0.5)]
    assert found[0] == pytest.approx(200) and 198 < found[1] < 200
    assert found[2] == pytest.approx((1 + np.exp(-0.5)) / (1 - np.exp(-0.5)))
    values = np.linalg.svd(loaded("sloppy")[0], compute_uv=False) ** 2
    assert participation(values) == pytest.approx(found[2], rel=0.03)
    first = [gaussian.spectrum(decay, 200)[0] for decay in (0.5, 0.0, 0.001)]
    assert first == [25, 1, 0.05] and (gaussian.spectrum(0.0, 200) == 1).all()


def test_spectra_decay_exponentially():
    for decay in (0.001, 0.5):
        assert np.diff(np.log(gaussian.spectrum(decay, 200))) == pytest.approx(np.full(199, -decay))


def slow_answer(x, weights):
    """Return the class of one input, one unit after the other."""
    for layer in weights[:-1]:
        x = [np.tanh(sum(x[i] * layer[i, j] for i in range(len(x)))) for j in range(layer.shape[1])]
    return np.argmax([sum(x[i] * weights[-1][i, j] for i in range(len(x))) for j in range(weights[-1].shape[1])])


@pytest.mark.parametrize("widths", [WIDTHS, (200, 100, 5), (200, 50, 50, 5)])
def test_labels_are_the_teachers(widths):
    """Slowly, of weights drawn anew; all classes occur."""
    weights = gaussian.teacher(widths)
    assert [layer.shape for layer in weights] == [(a, b) for a, b in itertools.pairwise(widths)]
    for evaluation in (False, True):
        inputs, labels = gaussian.generate(0.5, 100, widths, evaluation=evaluation)
        assert [slow_answer(x, weights) for x in inputs[:30]] == labels[:30].tolist()
        assert set(labels) == set(range(5)) and labels.dtype == np.int64


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_data_sets_are_of_one_teacher(name):
    for split in ("train", "test"):
        inputs, labels = loaded(name, split)
        assert [slow_answer(x, gaussian.teacher(WIDTHS)) for x in inputs[-10:]] == labels[-10:].tolist()
        assert np.bincount(labels, minlength=5).min() > len(labels) / 25  # enough of each class to imprint


def test_a_teacher_without_biases_answers_opposite_inputs_oppositely():
    """Its scores are odd functions, so that the largest becomes the smallest: never the same class."""
    inputs, labels = loaded("isotropic")
    assert (gaussian.answers(gaussian.teacher(WIDTHS), -inputs) != labels).all()


def test_everything_follows_from_the_seed():
    one, same, other = (gaussian.generate(0.5, 100, WIDTHS, seed=seed) for seed in (5, 5, 6))
    for i in range(2):
        np.testing.assert_array_equal(one[i], same[i])
        assert (one[i] != other[i]).mean() > 0.3
    assert not (gaussian.generate(0.5, 100, WIDTHS, evaluation=True)[0] == one[0]).any()


@pytest.mark.parametrize("evaluation", [False, True])
def test_a_larger_set_begins_with_a_smaller_one(evaluation):
    short, long = (gaussian.generate(0.5, count, WIDTHS, evaluation=evaluation) for count in (100, 150))
    for i in range(2):
        np.testing.assert_array_equal(long[i][:100], short[i])


def test_data_sets_differ_in_their_scales_alone():
    """Of one seed, inputs of two decays have one ratio for each direction, the root of that of their spectra."""
    for split in ("train", "test"):
        inputs, others = (loaded(name, split)[0] for name in ("sloppy", "flat"))
        ratio = np.sqrt(gaussian.spectrum(0.5, 200) / gaussian.spectrum(0.001, 200))
        np.testing.assert_allclose(inputs, others * ratio, rtol=1e-6, atol=0)


def test_the_bit_stream_is_that_of_pcg64():
    """Known beforehand: the first bits of seed 5, stream 0, as PCG64 promises to give them for good."""
    bits = np.random.PCG64(np.random.SeedSequence([5, 0])).random_raw(3) >> np.uint64(11)
    assert bits.tolist() == BITS
    expected = np.array([NormalDist().inv_cdf((b + 0.5) / 2**53) for b in BITS])
    assert gaussian.normal((3,), 5, 0) == pytest.approx(expected, abs=1e-9)
    assert loaded("isotropic")[0][0, :3] == pytest.approx(expected / np.sqrt(200), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_networks_see_inputs_as_they_are(name):
    images = data.load(name, "train", "")
    assert images.pixels.dtype == torch.float32 and images.pixels.shape == (5000, 200, 1, 1)
    batch = next(images.batches(data.evaluation_plan(5000, 100)))
    assert torch.equal(batch, images.pixels[:100])
    room = images.empty(7, 200, 1, "cpu", dtype=images.pixels.dtype)
    assert room.shape == (7, 200, 1, 1) and torch.equal(room.copy_(images.pixels[:7]), batch[:7])


@pytest.mark.parametrize("augmentation", ["crop_flip", "full"])
def test_inputs_of_one_pixel_are_not_augmented(augmentation):
    images = data.load("flat", "train", "")
    with pytest.raises(InputError, match=f"augmentation {augmentation} is for images, not for inputs of one pixel"):
        next(images.batches(data.training_plan(np.arange(100), 10, 0, 0), augmentation=augmentation))


@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf])
def test_other_decays_are_refused(decay):
    with pytest.raises(InputError, match="the decay of the spectrum is"):
        gaussian.generate(decay, 10, WIDTHS)


def test_other_teachers_are_refused():
    with pytest.raises(InputError, match=r"a teacher has widths \(200,\)"):
        gaussian.teacher((200,))
