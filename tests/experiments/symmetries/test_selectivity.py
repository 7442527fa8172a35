"""Selective channels: by hand, under the group of ReLU, and under rotations."""

import numpy as np
import pytest

from experiments.symmetries import groups, selectivity
from info_geometry.files import InputError

LABELS = np.repeat(np.arange(4), 25)


def before(seed=0, channels=8):
    """Return features before ReLU (100, channels, 2, 3): channel k likes class k mod 4."""
    rng = np.random.default_rng(seed)
    likes = (LABELS[:, None] == np.arange(channels) % 4)[:, :, None, None]
    return 3.0 * likes - 1 + 0.3 * rng.normal(size=(100, channels, 2, 3))


def test_by_hand():
    x = np.zeros((4, 3))
    x[:, 0] = [1, 0, 0, 0]  # active for one class alone
    x[:, 1] = [2, 2, 2, 2]  # for all alike
    x[:, 2] = [3, 1, 1, 1]  # three times as active: (3 - 1) / (3 + 1)
    assert selectivity.indices(x, np.arange(4)) == pytest.approx([1, 0, 0.5])
    assert selectivity.selective(x, np.arange(4)) == (1, 3) and selectivity.selective(x, np.arange(4), 0.4) == (2, 3)


def test_classes_of_other_sizes_count_alike_and_pixels_are_averaged():
    x = np.zeros((6, 1, 2, 1))
    x[:, 0, 0, 0] = [8, 2, 2, 2, 2, 2]
    labels = np.array([5, 7, 7, 7, 7, 9])
    assert selectivity.indices(x, labels) == pytest.approx([(4 - 1) / (4 + 1)])


def test_permutations_with_scales_keep_the_indices_and_rotations_lose_them():
    x, rng = before(), np.random.default_rng(1)
    own = selectivity.indices(selectivity.transformed(x, np.eye(8)), LABELS)
    A = groups.random_element("relu", 8, rng)
    moved = selectivity.indices(selectivity.transformed(x, A), LABELS)
    assert moved == pytest.approx(own[np.abs(A).argmax(axis=1)])
    turned = [selectivity.transformed(x, groups.random_rotation(8, rng)) for _ in range(5)]
    assert selectivity.selective(selectivity.transformed(x, A), LABELS) == (8, 8)
    assert all(selectivity.indices(features, LABELS).mean() < own.mean() - 0.1 for features in turned)
    assert np.mean([selectivity.selective(features, LABELS)[0] for features in turned]) < 7


def test_dead_channels_are_counted_apart():
    x = selectivity.transformed(before(), np.eye(8))
    x[:, 3] = 0
    found = selectivity.indices(x, LABELS)
    assert np.isnan(found[3]) and selectivity.selective(x, LABELS) == (7, 7)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (before(), LABELS, "the least feature is -.*, expected none below 0: take them after a ReLU"),
        (np.ones((5, 2)), np.ones(5), "all samples are of one class"),
        (np.ones((5, 2)), np.ones(4), r"not \(5, 2\) and \(4,\)"),
    ],
)
def test_what_is_refused(features, labels, message):
    with pytest.raises(InputError, match=message):
        selectivity.indices(features, labels)


def test_a_matrix_of_another_width_is_refused():
    with pytest.raises(InputError, match=r"a matrix \(8, 9\) does not fit 8 channels"):
        selectivity.transformed(before(), np.ones((8, 9)))
