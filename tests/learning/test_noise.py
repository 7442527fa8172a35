"""Random labels: how many, whose, and what does not change them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from learning import tasks
from learning.noise import noisy
from learning.split import Split, split

LABELS = np.random.default_rng(0).permutation(np.arange(1200) % 10)
SHARES = 0, 0.1, 0.25, 0.29, 0.5, 0.57, 1


def whole(N=1000, held=200):
    """Return a Split of N + held images of which those held out come last."""
    return Split(np.arange(N), np.arange(N, N + held), np.arange(0, N, 3))


# Wrong labels: outputs that no image has, -1, show which ones are drawn


def drawn(share, own=None, classes=10, N=1200):
    """Return whether each image has a random label."""
    return noisy(np.full(N, -1), own or whole(), classes, share) >= 0


@pytest.mark.parametrize("share", SHARES)
def test_the_share_of_random_labels_is_exact(share):
    found = drawn(share)
    assert found[:1000].sum() == round(1000 * share) and found[1000:].sum() == round(200 * share)


def test_images_that_are_not_of_the_run_keep_their_labels():
    own = Split(np.arange(0, 1200, 3), np.arange(1, 1200, 30), np.arange(0))
    found = drawn(0.9, own)
    assert not found[np.setdiff1d(np.arange(1200), np.concatenate([own.training, own.validation]))].any()
    assert found.sum() == 360 + 36


def test_wrong_labels_of_a_smaller_share_are_among_those_of_a_larger():
    for less, more in itertools.pairwise(SHARES):
        assert not (drawn(less) & ~drawn(more)).any()
        chosen = drawn(less)
        one, other = (noisy(LABELS, whole(), 10, share) for share in (less, more))
        assert np.array_equal(one[chosen], other[chosen])


def test_no_noise_changes_nothing_and_the_outputs_are_left_alone():
    outputs = LABELS.copy()
    assert np.array_equal(noisy(outputs, whole(), 10, 0), LABELS)
    assert (noisy(outputs, whole(), 10, 0.9) != LABELS).any() and np.array_equal(outputs, LABELS)


def test_random_labels_do_not_depend_on_the_true_ones_nor_on_global_random_numbers():
    chosen = drawn(0.5)
    np.random.seed(1)
    one = noisy(LABELS, whole(), 10, 0.5)
    np.random.seed(2)
    other = noisy((LABELS + 1) % 10, whole(), 10, 0.5)
    assert np.array_equal(one[chosen], other[chosen])
    few = Split(np.arange(0, 1000, 2), np.arange(1000, 1200), np.arange(0))  # other images
    both = chosen & drawn(0.5, few)
    assert both.any() and np.array_equal(noisy(LABELS, few, 10, 0.5)[both], one[both])


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
def test_random_labels_are_uniform_and_may_be_right(classes):
    N = 20_000
    outputs = np.arange(N) % classes
    own = Split(np.arange(N), np.arange(0), np.arange(0))
    found = noisy(outputs, own, classes, 0.9)
    chosen = drawn(0.9, own, classes, N)
    assert found.dtype == outputs.dtype and found.min() == 0 and found.max() == classes - 1
    shares = np.bincount(found[chosen], minlength=classes) / chosen.sum()
    assert abs(shares - 1 / classes).max() < 4 * np.sqrt((classes - 1) / classes**2 / chosen.sum())
    right = (found == outputs)[chosen].mean()
    assert right == pytest.approx(1 / classes, abs=4 * np.sqrt((classes - 1) / classes**2 / chosen.sum()))
    assert np.array_equal(found[~chosen], outputs[~chosen])


def test_labels_of_a_task_of_a_few_classes_stay_in_it():
    low = tasks.load("digits", "low").classes
    own = split(LABELS, low, SimpleNamespace(training_images=0, validation_images=30, recalibration_images=0))
    found = noisy(np.searchsorted(low, LABELS), own, len(low), 0.9)
    for indices in (own.training, own.validation):
        assert found[indices].min() >= 0 and found[indices].max() < len(low)
