"""Who learns from which images, what is held out, and what norm layers look at."""

import dataclasses

import numpy as np
import pytest

from info_geometry.files import InputError
from learning.split import split

LABELS = np.random.default_rng(0).permutation(np.arange(1200) % 10)


@dataclasses.dataclass(frozen=True)
class Numbers:
    training_images: int = 0
    validation_images: int = 0
    recalibration_images: int = 2000


def counts(indices, classes=range(10)):
    return np.array([(LABELS[indices] == k).sum() for k in classes])


@pytest.mark.parametrize("classes", [tuple(range(10)), (1, 4, 8), (7,)])
@pytest.mark.parametrize("training, validation", [(0, 0), (0, 30), (60, 0), (60, 30), (90, 30)])
def test_images_learned_from_and_held_out(classes, training, validation):
    own = split(LABELS, classes, Numbers(training, validation))
    there = np.flatnonzero(np.isin(LABELS, classes))
    assert len(own.validation) == validation and len(own.training) == (training or len(there) - validation)
    assert not set(own.training) & set(own.validation) and set(own.training) | set(own.validation) <= set(there)
    for indices in (own.training, own.validation):
        assert (np.diff(indices) > 0).all() and np.ptp(counts(indices, classes)) <= 1


@pytest.mark.parametrize("few", [50, 600, 5000])
def test_images_of_recalibration_are_learned_from(few):
    own = split(LABELS, range(10), Numbers(600, recalibration_images=few))
    assert len(own.recalibration) == len(set(own.recalibration)) == min(few, 600)
    assert set(own.recalibration) <= set(own.training) and np.ptp(counts(own.recalibration)) <= 1
    first = counts(own.recalibration[:50])
    assert (first > 0).all()  # of all classes, even if images come class by class
    ordered = split(np.sort(LABELS), range(10), Numbers(600, recalibration_images=few))
    assert len(set(np.sort(LABELS)[ordered.recalibration[:50]])) == 10


def test_a_split_follows_from_images_and_numbers_alone():
    usual = split(LABELS, range(10), Numbers(600, 100))
    np.random.seed(1)
    again = split(LABELS.copy(), tuple(range(10)), Numbers(600, 100))
    assert all(np.array_equal(a, b) for a, b in zip(dataclasses.astuple(usual), dataclasses.astuple(again)))
    less = split(LABELS, range(10), Numbers(300, 100))
    assert np.array_equal(less.validation, usual.validation) and set(less.training) < set(usual.training)


@pytest.mark.parametrize(
    "classes, training, validation",
    [(range(10), 1000, 201), (range(10), 0, 1195), (range(10), 1201, 0), ((3,), 121, 0)],
)
def test_more_images_than_there_are(classes, training, validation):
    expected = (
        f"training_images is {training} and validation_images {validation}, but the task has {120 * len(classes)} "
        "training images"
    )
    with pytest.raises(InputError, match=expected):
        split(LABELS, classes, Numbers(training, validation))
