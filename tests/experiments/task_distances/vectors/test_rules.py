"""Rules of the claims: each holds of what is made up for it, and does not where what it asks is not there."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.task_distances.vectors import claims, more_rules, network_rules, rules
from info_geometry.uncertainty.mantel import mantel
from learning.finding import FAILS, HOLDS, UNDECIDED, table
from tests.experiments.task_distances.vectors import made_up

MEASURED = made_up.measured()


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    monkeypatch.setattr(rules, "PERMUTATIONS", 499)


def with_known(change):
    rows = tuple(tuple(change(k, x) for k, x in enumerate(row)) for row in MEASURED.known)
    return made_up.measured(known=rows)


def far(k, x):
    """Random labels move means of features."""
    return dataclasses.replace(x, mean=x.mean * (1 + np.arange(len(x.mean)) % 2 * (k in made_up.RANDOM)))


def easy(k, x):
    return dataclasses.replace(x, error=1 / (1 + made_up.vector_of(made_up.WORDS[k], 0, (0,)).sum()))


def same_as_plain():
    """Vectors that do not see which labels images have: those of the task with right ones, on other images."""
    rows = [list(row) for row in MEASURED.vectors["exact"]]
    for row in rows:
        for k in made_up.RANDOM:
            plain = next(j for j, w in enumerate(made_up.WORDS) if w.task.name == made_up.WORDS[k].task.name)
            other = made_up.vector_of(made_up.WORDS[plain], 0.01, (24, k))
            row[k] = dataclasses.replace(row[plain], vector=other)
    return tuple(map(tuple, rows))


def permuted_apart():
    rows, other = [list(row) for row in MEASURED.vectors["exact"]], made_up.nothing(20)
    k = MEASURED.index("all:permuted_labels")[0]
    for row, random in zip(rows, other):
        row[k] = random[k]
    return tuple(map(tuple, rows))


def by_number():
    """Vectors of tasks of as many classes are alike."""
    every = []
    for s in made_up.SEEDS:
        row = []
        for k, word in enumerate(made_up.WORDS):
            centre, noise = (
                made_up.rng(21).exponential(size=made_up.F),
                made_up.rng(22, s, k).standard_normal(made_up.F),
            )
            scale = np.linspace(0, 3, made_up.F) * len(word.task.classes) / 10
            row.append(made_up.embedding(centre * np.exp(scale + 0.02 * noise), word))
        every.append(tuple(row))
    return tuple(every)


def kappas():
    """Vectors along one direction: what they share counts in the distance to a trivial task alone."""
    direction, rows = made_up.rng(23).standard_normal(made_up.F) / 3, []
    for s in made_up.SEEDS:
        far = made_up.rng(24, s).uniform(1, 3, len(made_up.WORDS))
        rows.append(tuple(made_up.embedding(np.exp(x * direction), word) for x, word in zip(far, made_up.WORDS)))
    return tuple(rows)


BROKEN = {
    rules.repeatable: lambda: made_up.with_vectors(again=made_up.nothing(1)),
    rules.itself: lambda: made_up.with_vectors(again=made_up.nothing(1)),
    rules.classes: lambda: made_up.with_vectors(again=made_up.nothing(1), exact=made_up.nothing(2)),
    rules.nearest: lambda: made_up.with_vectors(again=made_up.nothing(1), exact=made_up.nothing(2)),
    rules.difficulty: lambda: with_known(easy),
    rules.methods: lambda: made_up.with_vectors(predictions=made_up.nothing(4, "predictions")),
    rules.noise: lambda: made_up.measured(
        variational=dict(zip(MEASURED.variational, reversed(MEASURED.variational.values())))
    ),
    more_rules.domain: lambda: made_up.with_vectors(exact=same_as_plain()),
    more_rules.permuted: lambda: made_up.with_vectors(exact=permuted_apart()),
    more_rules.numbers: lambda: made_up.with_vectors(exact=by_number()),
    more_rules.taxonomy: lambda: made_up.with_vectors(again=made_up.nothing(1), exact=made_up.nothing(2)),
    more_rules.untrained: lambda: made_up.with_vectors(untrained=MEASURED.vectors["exact"], exact=made_up.nothing(2)),
    more_rules.half: lambda: made_up.with_vectors(half=made_up.nothing(5)),
    network_rules.networks: lambda: made_up.measured(along=made_up.between(30), together=made_up.between(31)[0]),
    network_rules.ends: lambda: made_up.measured(along=MEASURED.ends, ends=MEASURED.along),
    network_rules.beyond: lambda: made_up.measured(along=made_up.between(30), together=made_up.between(31)[0]),
    network_rules.picture: lambda: made_up.measured(along=made_up.between(30), together=made_up.between(31)[0]),
    network_rules.trees: lambda: made_up.measured(along=made_up.between(30), together=made_up.between(31)[0]),
}
FREE = {rules.scaled, more_rules.stable}  # of which each way is shown below


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_a_rule_holds_of_what_it_asks_for_and_else_does_not(rule):
    good, bad = rule(MEASURED), rule(BROKEN[rule]())
    assert good.verdict == HOLDS, good
    assert bad.verdict == FAILS, bad
    assert good.value and good.null


def test_every_claim_has_a_rule_that_is_tested():
    every = [claim.measure for claim in claims.CLAIMS]
    assert set(every) == {*BROKEN, *FREE} and len({claim.number for claim in claims.CLAIMS}) == len(every)


def test_a_table_of_all_claims():
    rows, beside = table(claims.CLAIMS, MEASURED)
    assert len(rows) == 2 + len(claims.CLAIMS) and all(row.count("|") == 6 for row in rows)
    assert not any("nan" in row for row in rows + beside)


def test_scaling_gains_or_loses():
    found = rules.scaled(MEASURED)
    J = MEASURED.of_classes["Jaccard"]
    gain = rules.correlations(MEASURED.by(), J, MEASURED.plain).mean()
    gain -= rules.correlations(MEASURED.by("plain_cosine"), J, MEASURED.plain).mean()
    assert found.verdict in (HOLDS if gain > 0 else FAILS, UNDECIDED) and f"{gain:+.2f}" in found.value


def test_rankings_that_hang_on_kappa_are_not_stable():
    bad = more_rules.stable(made_up.with_vectors(exact=kappas()))
    good = more_rules.stable(MEASURED)
    assert good.verdict == HOLDS and bad.verdict != HOLDS
    usual = more_rules.stability(MEASURED)[:, rules.ALPHAS.index(0.15), rules.KAPPAS.index(1e-3)]
    assert usual == pytest.approx(np.ones(3))


def test_what_is_missing_is_undecided():
    digits = dataclasses.replace(MEASURED, words=MEASURED.words[:3])
    assert digits.index("all", "even") == [0, 2] and digits.index("all:permuted_labels") is None
    assert rules.noise(made_up.measured(variational={})).verdict == UNDECIDED
    assert more_rules.permuted(digits).verdict == UNDECIDED


def test_tasks_whose_distances_are_not_known_are_left_out():
    along = MEASURED.along.copy()
    along[:, 0, 1] = along[:, 1, 0] = math.nan
    unknown = made_up.measured(along=along, together=along.mean(axis=0))
    test = rules.tested(unknown.by(), unknown.together, unknown.plain)
    assert test.objects == len(unknown.plain) - 1
    left = np.delete(unknown.plain, 0)
    assert test == rules.tested(MEASURED.by(), MEASURED.together, left)
    for rule in (network_rules.networks, network_rules.beyond, network_rules.picture, network_rules.trees):
        assert rule(unknown).verdict == HOLDS
    nothing = made_up.measured(along=np.full_like(along, math.nan), together=np.full_like(along[0], math.nan))
    found = network_rules.networks(nothing)
    assert found.verdict == UNDECIDED and found.null.startswith("less than 3 tasks have distances")


def test_tests_are_of_means_over_seeds():
    J = MEASURED.of_classes["Jaccard"]
    own = np.ix_(MEASURED.plain, MEASURED.plain)
    expected = mantel(MEASURED.by().mean(axis=0)[own], J[own], rules.PERMUTATIONS)
    assert rules.tested(MEASURED.by(), J, MEASURED.plain) == expected
    assert rules.correlations(MEASURED.by(), J, MEASURED.plain).mean() == pytest.approx(expected.statistic, abs=0.05)
    each = rules.partial(MEASURED.by(), MEASURED.along, MEASURED, [J])
    assert each.shape == (3,) and (each > 0).all()


def test_distances_on_other_images_share_none():
    """The diagonal says how far a task is from itself; all else is as on the same images, but for noise."""
    apart, same = MEASURED.apart(), MEASURED.by()
    assert (apart == apart.transpose(0, 2, 1)).all() and not same.diagonal(axis1=1, axis2=2).any()
    k = MEASURED.index("footwear")[0]
    assert apart[:, k, k] == pytest.approx(more_rules.noise_of(MEASURED, k))
    assert np.abs(apart - same).max() < 0.1


def test_vectors_that_are_dead_for_one_task_alone_leave_distances_unknown():
    rows = [list(row) for row in MEASURED.vectors["exact"]]
    rows[0][2] = dataclasses.replace(rows[0][2], vector=np.where(np.arange(made_up.F) < 9, 0.0, rows[0][2].vector))
    found = made_up.with_vectors(exact=tuple(map(tuple, rows))).by("kl")
    assert np.isnan(found[0, 2, :2]).all() and np.isfinite(np.delete(found[0], 2, 0)[:, np.arange(21) != 2]).all()
    assert np.isfinite(found[1:]).all() and found[0, 2, 2] == 0
