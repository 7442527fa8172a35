"""Rules: planted properties are found, null data are not taken for them, and what they count is right."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments.task_distances.reaching import agreement, more_rules, rules
from experiments.task_distances.reaching.claims import CLAIMS
from experiments.task_distances.reaching.measured import AtOnce, Distance
from learning.finding import FAILS, HOLDS, UNDECIDED
from tests.experiments.task_distances.reaching.made_up import EPOCHS, SEEDS, TASKS, K, S, planted


def changed(found, **values):
    """Return Measured whose networks have other values."""
    return dataclasses.replace(found, reached=dataclasses.replace(found.reached, **values))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)
def test_planted_properties_hold(claim):
    """But for E14: so few tasks are never in an order that chance does not give."""
    finding = claim.measure(planted())
    assert finding.verdict == (UNDECIDED if claim.number.startswith("E14") else HOLDS), finding


@pytest.mark.parametrize(
    "rule",
    [rules.to_a_part("A"), rules.to_a_part("C"), rules.random_farthest("A"), more_rules.unreachable],
    ids=["to_a_part", "to_a_part of C", "random", "unreachable"],
)
def test_the_opposite_fails(rule):
    found = planted()
    reached, once = found.reached, found.determinants
    order = np.arange(K)[::-1]
    turned = dataclasses.replace(
        changed(
            found,
            norm=np.swapaxes(reached.norm, 1, 2),
            determinant=np.swapaxes(reached.determinant, 1, 2),
            after=reached.after[:, :, order][:, order],
        ),
        determinants=AtOnce(TASKS, -once.single, -once.both),
    )
    assert rule(turned).verdict == FAILS


def test_random_distances_are_not_taken_for_structure():
    """Of entries that are independent, a verdict `holds` is as rare as its rule says."""
    taken = dict.fromkeys(("part", "self", "random", "agree"), 0)
    made = {
        "part": rules.to_a_part("D"),
        "self": rules.self_nearest("D"),
        "random": rules.random_farthest("D"),
        "agree": agreement.tells_time("D"),
    }
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = changed(
            planted(seed=seed),
            length=rng.uniform(1, 2, size=(S, K, K)),
            course=np.clip(rng.uniform(0.5, 3, size=(S, K, K, 1)) * EPOCHS / 10, 0, 1),
        )
        for name, rule in made.items():
            taken[name] += rule(found).verdict == HOLDS
    assert taken["self"] == taken["random"] == 0 and taken["part"] <= 5 and taken["agree"] <= 4


def test_violations_of_the_triangle_are_counted_slowly_the_same():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 2))
    metric = np.linalg.norm(points[:, None] - points, axis=2)
    assert rules.violations(metric) == 0
    assert 0 < rules.violations(metric**2) < 1  # squares of distances are none
    d, count = rng.uniform(size=(5, 5)), 0
    for i in range(5):
        for j in range(5):
            for k in range(5):
                count += len({i, j, k}) == 3 and d[i, k] > d[i, j] + d[j, k]
    assert rules.violations(d) == pytest.approx(count / 60)
    directed = metric + rng.uniform(size=6)[:, None]  # d_ij + c_i: from A of a metric, still no violation
    assert rules.violations(directed) == 0


def test_parts_are_of_tasks_as_they_are():
    pairs = {(TASKS[i].word, TASKS[j].word) for i, j in rules.parts(TASKS)}
    assert pairs == {("even", "all"), ("low", "all"), ("0,2", "all"), ("0,2", "even"), ("0,2", "low")}


def test_asymmetry_of_what_is_held_at_once_is_that_of_what_is_held_alone():
    """I(12) - I(1) - (I(12) - I(2)) = I(2) - I(1), whatever I(12)."""
    rng = np.random.default_rng(1)
    both = rng.uniform(size=(2, 4, 4))
    single = rng.uniform(size=(2, 4))
    d = AtOnce(TASKS[:4], single, both + np.swapaxes(both, 1, 2)).distance
    np.testing.assert_allclose(d.turned, single[:, None] - single[:, :, None])
    few = d.among([TASKS[2], TASKS[0]])
    np.testing.assert_array_equal(few[:, 0, 1], d.values[:, 2, 0])


def test_time_is_when_a_part_of_the_accuracy_is_first_reached():
    found = planted().reached
    rng = np.random.default_rng(2)
    course = np.cumsum(rng.uniform(0, 0.2, size=(S, K, K, len(EPOCHS))), axis=-1)
    reached = dataclasses.replace(found, course=course)
    fine = np.linspace(0, EPOCHS[-1], 20_001)
    for s, i, j in itertools.product(range(S), (0, 3), (1, 6)):
        wanted = 0.9 * found.alone[s, j, -1]
        values = np.interp(fine, EPOCHS, course[s, i, j])
        expected = fine[(values >= wanted).argmax()] if (values >= wanted).any() else EPOCHS[-1]
        assert reached.time[s, i, j] == pytest.approx(expected, abs=1e-3)
    never = dataclasses.replace(found, course=np.zeros_like(course))
    assert (never.time == EPOCHS[-1]).all()
    at_once = dataclasses.replace(found, course=np.ones_like(course))
    assert (at_once.time == 0).all()


def test_a_distance_says_how_much_longer_it_is_than_back():
    d = Distance(TASKS, np.random.default_rng(3).uniform(size=(len(SEEDS), K, K)))
    np.testing.assert_allclose(d.turned + np.swapaxes(d.turned, 1, 2), 0)


def test_pairs_that_share_tasks_are_not_taken_for_independent():
    """Differences of single numbers: the share of orders of 5 tasks that put 6 pairs right, counted one by one."""
    single, pairs = np.array([5.0, 4.0, 1.0, 2.0, 3.0]), [(1, 0), (2, 0), (3, 0), (4, 0), (2, 1), (3, 1)]
    turned = single[None, :] - single[:, None]
    right = [sum(single[o[j]] > single[o[i]] for i, j in pairs) for o in itertools.permutations(range(5))]
    assert rules.right_by_chance(turned, pairs) == np.mean(np.array(right) >= 6) == 8 / 120
    assert rules.right_by_chance(np.zeros((5, 5)), pairs) == 1
    chain = [(i, j) for i in range(6) for j in range(i)]
    lower = np.arange(6)[:, None] - np.arange(6)
    assert rules.right_by_chance(-lower, [(j, i) for i, j in chain]) == 1 / 720
