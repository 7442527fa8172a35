"""Steps to reach a progress: known crossings, and the exponent that was planted."""

import numpy as np
import pytest

from experiments.manifold import speed
from info_geometry.files import InputError


def test_the_crossing_is_linear_between_checkpoints_and_the_first_one_counts():
    t, progress = [0, 10, 30, 40, 50], [0.0, 0.2, 0.6, 0.4, 0.8]
    assert speed.steps_to(t, progress, 0.4) == pytest.approx(20)
    assert speed.steps_to(t, progress, 0.2) == 10 and speed.steps_to(t, progress, 0.0) == 0
    assert speed.steps_to(t, progress, 0.7) == pytest.approx(47.5)
    assert np.isnan(speed.steps_to(t, progress, 0.9))


def test_the_exponent_is_that_which_was_planted():
    """Progress 1 - exp(-t w^0.5 / 1000): half of the way after about w^-0.5 steps."""
    widths = np.repeat([64, 128, 256, 512], 2)
    t = np.linspace(0, 1000, 20_001)
    found = speed.by_width([t] * 8, [1 - np.exp(-t * np.sqrt(w) / 1000) for w in widths], widths)
    assert found.exponent == pytest.approx(-0.5, abs=1e-4) and found.rank == pytest.approx(-1)
    assert found.steps == pytest.approx(1000 * np.log(2) / np.sqrt(widths), rel=1e-4)
    assert found.missed == {64: 0, 128: 0, 256: 0, 512: 0}


def test_runs_that_never_arrive_are_counted_and_not_dropped_in_silence():
    t = np.linspace(0, 10, 11)
    found = speed.by_width([t] * 5, [t / 10, t / 20, t / 40, t / 9, t / 8], [64, 64, 32, 128, 256], 0.45)
    assert found.missed == {32: 1, 64: 0, 128: 0, 256: 0} and np.isnan(found.steps[2])
    assert found.rank < 0 and found.exponent < 0
    few = speed.by_width([t] * 2, [t / 10, t / 40], [64, 32])
    assert np.isnan(few.rank) and np.isnan(few.exponent) and few.missed == {32: 1, 64: 0}


def test_the_width_of_chance_says_nothing():
    rng, t = np.random.default_rng(0), np.linspace(0, 100, 201)
    ranks = []
    for _ in range(200):
        rates = np.exp(rng.standard_normal(12))
        ranks.append(speed.by_width([t] * 12, [1 - np.exp(-t * r) for r in rates], np.repeat([1, 2, 4], 4)).rank)
    assert abs(np.mean(ranks)) < 3 / np.sqrt(200 * 11)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: speed.steps_to([0, 1], [0.6, 0.7], 0.5), "starts at progress 0.600, beyond 0.5"),
        (lambda: speed.steps_to([0, 1], [0.6], 0.5), "1 values of progress at 2 times"),
        (lambda: speed.by_width([[0]], [[0]], [1, 2]), "1 times, 1 progress and 2 widths"),
        (lambda: speed.by_width([[0]], [[0]], [0]), "expected one each"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
