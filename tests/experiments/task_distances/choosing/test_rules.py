"""Rules on made-up measurements: regrets against slow loops, and what holds, fails, and is undecided."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from experiments.task_distances.choosing import claims, rules
from experiments.task_distances.choosing.scores import LOOKING
from learning.finding import FAILS, HOLDS, UNDECIDED
from tests.experiments.task_distances.choosing.made_up import changed, measured


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_regret_is_what_a_loop_finds(seed, hard):
    found = measured(seed)
    values = np.round(found.scores["log_me"])  # with ties
    values[0, :, 0] = np.inf
    own = rules.regrets(found, values, hard)
    A = found.accuracy.mean(axis=0)
    for s in range(len(values)):
        for j in range(A.shape[1]):
            there = [i for i in range(A.shape[0]) if not (hard and found.holds[i, j])]
            top = max(values[s, i, j] for i in there)
            chosen = [A[i, j] for i in there if values[s, i, j] == top]
            assert own[s, j] == pytest.approx(max(A[i, j] for i in there) - np.mean(chosen), abs=1e-12)


@pytest.mark.parametrize("hard", [False, True])
def test_chance_is_the_mean_of_all_choices_and_the_truth_has_no_regret(hard):
    found = measured()
    A = np.where(found.among(hard), found.mean, np.nan)
    np.testing.assert_allclose(rules.chance(found, hard), np.nanmax(A, axis=0) - np.nanmean(A, axis=0))
    truth = np.broadcast_to(found.mean, found.accuracy.shape)
    assert rules.regrets(found, truth, hard).max() == 0
    assert (rules.regrets(found, -truth, hard) >= rules.chance(found, hard)).all()


def test_the_expert_is_always_the_same_network():
    found = measured()
    expected = found.mean.max(axis=0) - found.mean[0]
    np.testing.assert_allclose(rules.of_rule(found, rules.CONSTANT), np.broadcast_to(expected, (3, 10)))
    assert np.isnan(rules.of_rule(found, rules.CONSTANT, hard=True)).all()  # it has learned every class


def test_error_over_targets_is_that_of_a_mean():
    """sd / sqrt(n), where the bootstrap's own error is 1 / sqrt(2 R) of it."""
    each = np.random.default_rng(0).standard_normal(10)
    mean, error = rules.over_targets(each)
    assert mean == pytest.approx(each.mean())
    assert error == pytest.approx(each.std(ddof=1) / np.sqrt(10), rel=0.1)
    assert rules.over_targets(np.array([each, -each]))[0] == pytest.approx(0)


def test_rank_correlations_are_spearmans():
    found = measured(good=["nce"])
    own = rules.correlations(found, found.scores["log_me"], hard=True)
    for s, j in np.ndindex(own.shape):
        there = ~found.holds[:, j]
        expected = spearmanr(found.scores["log_me"][s, there, j], found.mean[there, j]).statistic
        assert own[s, j] == pytest.approx(expected)
    np.testing.assert_allclose(rules.correlations(found, found.scores["nce"]), 1)
    assert np.isnan(rules.correlations(found, np.zeros_like(found.accuracy))).all()


@pytest.mark.parametrize("hard", [False, True])
def test_mean_rank_is_that_of_ranks_of_what_there_is(hard):
    found = measured()
    own = rules.values_of(found, rules.MEAN, hard)
    for s, j in np.ndindex(3, 10):
        there = np.flatnonzero(found.among(hard)[:, j])
        ranks = [rankdata([-found.scores[name][s, i, j] for i in there]) for name in LOOKING]
        np.testing.assert_allclose(own[s, there, j], -np.mean(ranks, axis=0))
    right = measured(good=LOOKING)
    assert rules.of_rule(right, rules.MEAN, hard).max() == 0
    cheat = {name: np.broadcast_to(right.mean, (3, 3, *right.mean.shape)) for name in LOOKING}
    assert rules.of_permuted(changed(right, permuted=cheat), rules.MEAN, hard).max() == 0


@pytest.mark.parametrize("hard", [False, True])
def test_half_of_chance(hard):
    found = measured(good=["leep"], bad=["nce"])
    assert rules.half_of_chance("leep", hard)(found).verdict == HOLDS
    assert rules.half_of_chance("nce", hard)(found).verdict == FAILS


def test_noise_does_not_pass_as_a_score():
    verdicts = [rules.half_of_chance("log_me")(measured(seed)).verdict for seed in range(60)]
    assert verdicts.count(HOLDS) <= 3  # 2.5 % are expected at half of chance, fewer at chance
    assert verdicts.count(FAILS) > 30


def test_a_score_of_half_the_regret_is_undecided():
    """For half of the targets it chooses the best, for the others as badly as chance."""
    found = measured(good=["leep"])
    values = np.zeros_like(found.accuracy)
    values[:, :, ::2] = found.mean[:, ::2]
    found = changed(found, scores=found.scores | {"leep": values})
    assert rules.half_of_chance("leep")(found).verdict == UNDECIDED


def test_alpha():
    found = measured(good=["task2vec", "task2vec_symmetric"])
    assert rules.alpha(found).verdict == HOLDS
    assert rules.alpha(measured(good=["task2vec"])).verdict == HOLDS
    assert rules.alpha(measured(good=["task2vec_symmetric"], bad=["task2vec"])).verdict == FAILS


def test_fixed_rankings():
    assert rules.fixed_beats_log_me(measured(good=["accuracy"])).verdict == HOLDS
    assert rules.fixed_beats_log_me(measured(good=["log_me"])).verdict == FAILS
    assert rules.fixed_beats_log_me(measured(good=["log_me", "accuracy"])).verdict == UNDECIDED
    assert rules.looking_beats_fixed(measured(good=LOOKING)).verdict == HOLDS
    assert rules.looking_beats_fixed(measured(good=["accuracy"])).verdict == FAILS


def test_a_score_that_passes_with_permuted_labels_is_found_out():
    assert rules.permuted(measured()).verdict == HOLDS
    found = measured()
    cheat = np.broadcast_to(found.mean, (3, 3, *found.mean.shape))
    assert rules.permuted(changed(found, permuted=found.permuted | {"h_score": cheat})).verdict == FAILS


def test_order_and_help():
    assert rules.ordered(measured(good=LOOKING)).verdict == HOLDS
    assert rules.ordered(measured(good=LOOKING[1:], bad=LOOKING[:1])).verdict == FAILS
    assert rules.ordered(measured()).verdict != HOLDS
    assert rules.helps(measured()).verdict == HOLDS
    assert rules.helps(changed(measured(), scratch=np.full((3, 10), 0.8))).verdict == FAILS


def test_every_claim_says_something():
    found = measured(good=["log_me"])
    numbers = [claim.number for claim in claims.CLAIMS]
    assert len(set(numbers)) == len(numbers)
    for claim in claims.CLAIMS:
        one = claim.measure(found)
        assert one.value and one.null and "nan" not in one.value + one.null, claim.number
