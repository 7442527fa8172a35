"""Claim 3: permutations of classes against a slow loop, and tasks of two classes that follow WordNet, or do not."""

import itertools

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from experiments.claims import claim_3_follows_wordnet as claim
from experiments.claims import classes as permuting
from experiments.claims.runs import NAMED, PAIRS, Runs
from tests.experiments.claims.synthetic import LABELS, write


def test_permutations_of_classes_against_a_loop():
    rng = np.random.default_rng(0)
    values = np.full((10, 10, 10, 10), np.nan)
    for a, b in itertools.combinations(PAIRS, 2):
        if not set(a) & set(b):
            values[(*a, *b)] = rng.random()
    found = permuting.correlation(values, draws=20, seed=3)
    at = np.argwhere(np.isfinite(values))
    assert len(at) == 630 and len(found.null) == 21
    again = np.random.default_rng(3)
    for k, order in enumerate([np.arange(10), *(again.permutation(10) for _ in range(20))]):
        paths = [np.mean([permuting.PATHS[order[a], order[c]] for a in each[:2] for c in each[2:]]) for each in at]
        expected = spearmanr([values[tuple(each)] for each in at], paths).statistic
        assert found.null[k] == pytest.approx(expected)
    assert found.statistic == found.null[0]
    assert found.p == pytest.approx(np.mean(found.null >= found.statistic - 1e-12))


def test_a_matrix_that_is_that_of_wordnet():
    values = np.full((10, 10), np.nan)
    values[np.triu_indices(10, 1)] = permuting.PATHS[np.triu_indices(10, 1)]
    found = permuting.correlation(values, draws=2000)
    assert found.statistic == pytest.approx(1) and found.p < 0.01
    assert permuting.correlation(-values, draws=2000).statistic == pytest.approx(-1)


def test_p_of_chance_is_uniform():
    rng, ps = np.random.default_rng(1), []
    for _ in range(200):
        values = np.full((10, 10), np.nan)
        values[np.triu_indices(10, 1)] = rng.random(45)
        ps.append(permuting.correlation(values, draws=99).p)
    assert 0.4 < np.mean(ps) < 0.6 and 0.01 < np.mean(np.array(ps) <= 0.05) < 0.11


def of_two_classes(folder, direction):
    """Return trajectories of all tasks of two classes, each on a way that the function of the task says."""
    return {
        pair: [write(folder, "fashion_classes_{}-{}".format(*pair), seed, direction(*pair), T=5) for seed in (5, 6)]
        for pair in PAIRS
    }


def test_tasks_that_follow_wordnet(tmp_path, runs):
    # a class has a place in a space in which distances are those of WordNet; the way of a task is the mean of its two
    squares = permuting.PATHS - permuting.PATHS.mean(axis=0) - permuting.PATHS.mean(axis=1)[:, None]
    values, vectors = np.linalg.eigh(-(squares + permuting.PATHS.mean()) / 2)
    places = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((10, *np.shape(np.zeros((len(LABELS), 10)))))
    near = of_two_classes(tmp_path / "a", lambda a, b: np.tensordot(places[a] + places[b], basis, 1))
    found = claim.measure(Runs(runs.supervised, near))
    assert found.verdict == "holds" and "630 pairs of 45 tasks" in found.value and found.shown["found"].p < 0.01
    shuffled = rng.permutation(10)
    while spearmanr(*(permuting.PATHS[np.ix_(o, o)][np.triu_indices(10, 1)] for o in (range(10), shuffled)))[0] > 0:
        shuffled = rng.permutation(10)
    far = of_two_classes(tmp_path / "b", lambda a, b: np.tensordot(places[shuffled[a]] + places[shuffled[b]], basis, 1))
    assert claim.measure(Runs(runs.supervised, far)).verdict != "holds"


def test_partial_mantel_of_nested_tasks(runs):
    (r, p), count = claim.nested({name: runs.supervised[name] for name in ("all", *NAMED)})
    assert count == 6 and -1 <= r <= 1 and 1 / 720 <= p <= 1


def test_partial_given_nothing_is_the_correlation():
    x, y = np.random.default_rng(0).random((2, 12))
    z = np.random.default_rng(1).permutation(12)
    alone = pearsonr(rankdata(x), rankdata(y))[0]
    assert abs(claim.partial(x, y, z) - alone) < 0.5 and claim.partial(x, x, z) == pytest.approx(1)
