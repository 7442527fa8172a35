"""What claims are about: directions, texts and lines."""

import numpy as np
import pytest

from experiments.symmetries.measured import Line, Stitches, both_ways, by_layer
from info_geometry.files import InputError


def test_the_mean_of_both_directions_is_of_the_same_pair():
    values = np.array([[1, 2], [3, 4], [5, 6], [10, 20], [30, 40], [50, 60]], float)
    assert both_ways(values).tolist() == [[5.5, 11], [16.5, 22], [27.5, 33]]
    assert both_ways(values[:, 0]).tolist() == [5.5, 16.5, 27.5]
    found = Stitches(values, *(np.zeros_like(values) for _ in range(3)))
    assert np.array_equal(found.by_pair, both_ways(values))
    deep = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert np.array_equal(both_ways(deep), deep.mean(axis=0)[None])


def test_what_is_of_one_direction_is_refused():
    for count in (1, 3):
        with pytest.raises(AssertionError, match="one direction is missing"):
            both_ways(np.zeros((count, 2)))


def test_means_and_errors_of_each_layer():
    values = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0]])
    assert by_layer(values) == "2.0 +- 0.6, 10.0 +- 0.0"
    assert by_layer(values[:1], 2) == "1.00, 10.00"  # of a single one no error is said
    assert by_layer(-values, 0) == "-2 +- 1, -10 +- 0"


def test_the_barrier_of_each_pair():
    t = np.array([0, 0.5, 1])
    nll = np.array([[1, 3, 2], [1, 1.5, 2], [2, 0.5, 1]], float)
    nothing = np.zeros(3)
    assert Line(t, nll, nll, nothing, nothing).barrier == pytest.approx([1.5, 0, 0])
    with pytest.raises(InputError, match="a barrier takes losses at positions from 0 to 1"):
        Line(t[1:], nll[:, 1:], nll, nothing, nothing).barrier  # noqa: B018
