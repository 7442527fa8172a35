"""What is measured of critical periods, from arrays: ratios of distances, tubes, layers, permutations of labels."""

import itertools
import math

import numpy as np
import pytest

from experiments.critical_periods.measured import NONE, PROTOCOLS, Ends, Key, Tube, chance
from experiments.critical_periods.more_rules import fallen
from tests.experiments.critical_periods.made_up_measured import condition, measured, wobble

NAN = math.nan


def test_controls_are_of_as_many_epochs_and_the_same_rate():
    assert Key("restart", "blur7", 0, 40).control == Key("restart", NONE, 0, 40)
    assert Key("restart", "blur7", 20, 60).control == Key("restart", NONE, 0, 60)
    assert Key("cnn-annealed", "flip", 0, 70).control == Key("cnn-annealed", NONE, 0, 70)
    assert Key("window", "flip", 20, 50).control == Key("window", NONE)
    assert Key("window-constant", "blur7", 20, 50).control == Key("window-constant", NONE)
    assert all(Key(p, NONE, 0, 0).control == Key(p, NONE) for p in PROTOCOLS)


def test_the_ratio_of_ends_by_hand():
    rng = np.random.default_rng(0)
    far, control = rng.uniform(1, 2, (2, 4, 4))
    found = Ends(far, far**2, control, control**2)
    for s in range(4):
        others = [k for k in range(4) if k != s]
        expected = np.mean([far[s, k] for k in others]) / np.mean([control[s, k] for k in others])
        assert found.ratio[s] == pytest.approx(expected)
        squares = np.mean([far[s, k] ** 2 for k in others]) / np.mean([control[s, k] ** 2 for k in others])
        assert found.ratio_cooled[s] == pytest.approx(squares)


def test_controls_end_where_controls_do():
    """Seeds against seeds: a ratio of 1, whatever lies on the diagonal."""
    control = np.random.default_rng(1).uniform(1, 2, (3, 3))
    assert Ends(control, control, control, control).ratio == pytest.approx([1, 1, 1])
    far = control + np.diag([5.0, 6, 7])
    assert Ends(far, far, control, control).ratio == pytest.approx([1, 1, 1])
    one = np.zeros((1, 1))
    assert np.isnan(Ends(one, one, one, one).ratio).all()


def test_where_runs_join_the_tube():
    progress = np.array([0, 0.25, 0.5, 0.75, 1])
    around = np.array([[1, 1, 2, 1, 1], [2, 1, 1, 1, 0.5]], float)
    deficit = np.array([[NAN, 9, 2, 9, 0.5], [NAN, 9, 9, 9, 9], [9, 3, 2.1, 2, NAN], [NAN, NAN, NAN, NAN, NAN]])
    found = Tube(progress, around, deficit)
    assert found.width.tolist() == [2, 1, 2, 1, 1]
    assert found.joined == pytest.approx([0.5, NAN, NAN, NAN], nan_ok=True)
    assert found.excess == pytest.approx([0.5, 9, 2, NAN], nan_ok=True)  # of the third at 0.75, 2 / 1


def test_a_control_of_its_own_is_in_the_tube():
    around = np.random.default_rng(2).uniform(1, 2, (4, 7))
    found = Tube(np.linspace(0, 1, 7), around, around)
    assert (found.joined == 0).all() and (found.excess <= 1).all() and found.excess.max() == 1


def test_where_a_tube_is_not_known_nothing_is_in_it():
    around = np.array([[1, NAN], [1, 1]], float)
    found = Tube(np.array([0, 1.0]), around, np.array([[5, 0.1], [NAN, 0.1]]))
    assert np.isnan(found.joined).all() and found.excess == pytest.approx([5, NAN], nan_ok=True)


def test_drops_are_from_the_control_of_the_same_seed():
    key = Key("restart", "flip", 0, 80)
    costs = np.array([0.01, 0.02, -0.03])
    found = measured(3, conditions={key: condition(key, 3, drop=costs)})
    assert found.drop(key) == pytest.approx(costs) and found.drop(key.control) == pytest.approx([0, 0, 0])


def test_layers_that_moved_by_hand():
    key = Key("window", "flip", 0, 30)
    found = measured(4)
    rng = np.random.default_rng(3)
    p, q = rng.dirichlet(np.ones(4), (2, 4))
    for which, parts in ((key, p), (key.control, q)):
        found.conditions[which].shares[:, -1] = parts
    for s in range(4):
        others = [k for k in range(4) if k != s]
        above, below = (np.mean([np.abs(x[s] - q[k]).sum() / 2 for k in others]) for x in (p, q))
        assert found.moved_layers(key)[s] == pytest.approx(above / below)
    assert found.moved_layers(key.control) == pytest.approx(np.ones(4))
    assert np.isnan(measured(1).moved_layers(key)).all()


def test_the_spread_is_pooled_over_controls_of_perceptrons():
    found = measured(5)
    assert found.spread == pytest.approx(0.001 * wobble(5).std(ddof=1))
    wide = Key("cnn", NONE, 0, 70)
    found.conditions[wide].known["accuracy"][:, -1] += wobble(5)
    assert found.spread == pytest.approx(0.001 * wobble(5).std(ddof=1)) and measured(1).spread == 0


def test_permutations_of_labels_one_by_one():
    rng = np.random.default_rng(4)
    for _ in range(5):
        first, second = rng.normal(0.5, 1, 3), rng.normal(0, 1, 3)
        both, count, as_large = [*first, *second], 0, 0
        for chosen in itertools.permutations(range(6)):
            count += 1
            as_large += np.mean([both[i] for i in chosen[:3]]) >= first.mean() - 1e-12
        assert chance(first, second) == pytest.approx(as_large / count)
    assert chance(np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])) == pytest.approx(1 / 70)
    assert chance(np.ones(3), np.ones(3)) == 1 and math.isnan(chance(np.array([1, NAN]), np.ones(2)))


def test_labels_that_mean_nothing_have_any_p():
    """Under the null p is as often below a half as above."""
    rng = np.random.default_rng(5)
    found = np.array([chance(*rng.normal(size=(2, 4))) for _ in range(200)])
    assert abs((found <= 0.5).mean() - 0.5) < 0.12 and (found <= 0.05).mean() < 0.1


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ([3, 9, 2.9, 4, 2, 1], 4),  # for good
        ([9, 1, 1], 1),
        ([9, 9, 9], 2),  # never: the last one
        ([1, 1, 9, 1], 3),
    ],
)
def test_where_a_trace_has_fallen(trace, expected):
    assert fallen(np.array([trace, trace], float)).tolist() == [expected, expected]
    assert fallen(np.array([trace], float), 1e9).tolist() == [len(trace) - 1]
