"""Runs at equal progress, by configuration and seed, against slow versions and what was planted."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments.manifold import factors, paths, tubes
from experiments.manifold.measured import BATCH, DECAY, NETWORK, OPTIMISER
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.planned import GRID
from info_geometry import distance, geodesic, trajectory
from tests.experiments.manifold import generated


@pytest.fixture(scope="module")
def runs(study):
    return study.grid()[0]


@pytest.fixture(scope="module")
def found(runs):
    return paths.measure(runs, runs, generated.SEEDS)


def between(a, b, grid, which=TRAINING):
    """Return the mean distance of two runs at equal progress, from labels and predictions alone."""
    models = [trajectory.reindex(x, geodesic.progress(x, x.labels), grid) for x in (a.parts[which], b.parts[which])]
    return np.mean([distance.bhattacharyya(*pair) for pair in zip(*models)])


def test_distances_are_means_over_progress_of_runs_of_one_seed(runs, found):
    of = {(run.name, run.seed): run for run in runs}
    names = list(found.names)
    for s, seed in enumerate(generated.SEEDS):
        for i, j in ((0, 1), (2, 11)):
            a, b = (of[names[k], seed] for k in (i, j))
            assert found.distances[s, i, j] == pytest.approx(between(a, b, found.grid), rel=1e-4)
            assert found.snapshot[s, i, j] == pytest.approx(between(a, b, np.array([found.at])), rel=1e-4)
    assert found.distances.shape == (2, 12, 12) and found.at in found.grid


def test_near_and_far_are_distances_to_other_seeds(runs, found):
    of = {(run.name, run.seed): run for run in runs}
    every = [[between(of[a, 10], of[b, 11], found.grid) for b in found.names] for a in found.names]
    for pairs, expected in ((found.near, np.diagonal(every).mean()), (found.far, np.mean(every))):
        assert pairs[0, 1] == pairs[1, 0] == pytest.approx(expected, rel=1e-4)
        assert np.isnan(np.diagonal(pairs)).all()


def test_tubes_and_the_geodesic_have_their_places(runs, found):
    of = {(run.name, run.seed): run for run in runs}
    pair = [of[found.names[5], seed] for seed in generated.SEEDS]
    parts, progress = [x.parts[TRAINING] for x in pair], [x.progress() for x in pair]
    for others, curves in ((False, found.own), (True, found.others)):
        np.testing.assert_allclose(curves[:, 5], tubes.to_mean(parts, progress, found.grid, others=others))
    expected = tubes.to_geodesic(parts[1], progress[1], parts[1].labels, found.grid)
    np.testing.assert_allclose(found.geodesic[1, 5], expected, rtol=1e-3)
    assert found.first[f"{found.names[5]} seed 11"] == progress[1][0]


def test_what_was_planted_is_found(found):
    """Networks go ways of their own; within them there is noise alone, of every run."""
    assert all(x.ratio > 3 and x.nearest.share == 1 and x.test.p < 0.02 for x in found.factors[NETWORK])
    for factor in (OPTIMISER, DECAY):
        assert np.array([x.ratio for x in found.factors[factor]]) / found.ratios[factor] == pytest.approx(1, abs=0.1)
        assert all(x.nearest.p > 0.05 for x in found.factors[factor])
    assert BATCH not in found.factors
    assert (found.tree.purity == 1).all() and (found.tree.chance < 0.8).all() and np.isnan(found.tree.whole).all()
    assert (found.ratio < 0.4).all() and found.random.mean() == pytest.approx(1, abs=0.15)
    assert found.alike.mean() == pytest.approx(found.ratio.mean(), rel=0.15)  # configurations of a network are alike
    shares = np.array([x.test.share for x in found.factors[NETWORK]])
    assert (shares > 5 * found.permuted).all()


def test_other_images_are_measured_by_themselves(runs):
    found = paths.measure(runs, runs, generated.SEEDS, EVALUATION, tree=False)
    of = {(run.name, run.seed): run for run in runs}
    a, b = (of[found.names[k], 10] for k in (0, 9))
    assert found.distances[0, 0, 9] == pytest.approx(between(a, b, found.grid, EVALUATION), rel=1e-4)


def test_what_is_left_out_is_left_out_of_its_seed_alone_and_shown_beside(tmp_path):
    study = generated.sweep(tmp_path, [GRID])
    bad = study.planned[GRID][0]
    P = generated.run("bad", way=generated.detour("elsewhere", size=4), at=np.linspace(0, 0.4, generated.T))
    generated.write(study.folders, bad, 11, P)
    kept, every, *_ = study.grid()
    assert len(kept) == 23
    found = paths.measure(kept, every, generated.SEEDS)
    k = list(found.names).index(bad.name)
    assert np.isnan(found.distances[1, k]).all() and np.isfinite(found.distances[0, k]).all()
    assert np.isnan(found.own[:, k]).all() and np.isfinite(found.far[0, 1])
    assert np.isfinite(found.ratio).all() and np.isfinite(found.random).all()
    assert found.factors[NETWORK][1].test.objects == 11 and (found.tree.purity == 1).all()
    assert np.isfinite(found.tree.whole[0])


def test_one_seed_has_no_tube(runs):
    one = [run for run in runs if run.seed == 10]
    found = paths.measure(one, one, (10,))
    assert found.near.shape == (1, 1) and np.isnan(found.near).all() and not len(found.random)
    assert np.isnan(found.own).all() and np.isfinite(found.geodesic).all()


def test_runs_that_shorten_what_is_common_are_named(found):
    assert paths.narrow(found) == f"progress common to all: {found.grid[0]:.2f} to {found.grid[-1]:.2f}"
    short = dataclasses.replace(found, grid=found.grid[:4], last={**found.last, "the slow one": found.grid[3] + 0.005})
    text = paths.narrow(short)
    assert f"which is little, since the slow one stops at {found.grid[3] + 0.005:.2f}" in text
    assert text.count(" stops at ") == 1


def test_where_no_two_agree_in_all_else_levels_are_permuted_among_all():
    """As `importance` does: the mean ratio of all permutations, not that of the levels as they are."""
    points = np.array([0.0, 1, 2, 10, 11, 12])[:, None]
    D, networks = np.abs(points - points.T), np.array(list("aaabbb"))
    confounded = {NETWORK: networks, OPTIMISER: np.array(list("xxxyyy"))}
    every = [factors.ratio(D, np.array(x)) for x in itertools.permutations("aaabbb")]
    assert factors.ratio(D, networks) > 5 and np.mean(every) < 2
    assert paths._ratio_of_chance(D, confounded, NETWORK) == pytest.approx(np.mean(every), rel=0.15)
    assert not any(x.others for x in factors.importance(D, confounded))
    crossed = {NETWORK: networks, OPTIMISER: np.array(list("xyzxyz"))}
    assert paths._ratio_of_chance(D, crossed, OPTIMISER) < 1  # within networks alone


def test_share_of_chance_is_the_mean_over_all_permutations():
    rng = np.random.default_rng(0)
    D = rng.random((6, 6))
    D = D + D.T
    np.fill_diagonal(D, 0)
    for networks in ("aabbcc", "aaaabb", "aaabbc"):
        every = [factors.permanova(D, x, permutations=1).share for x in set(itertools.permutations(networks))]
        known = np.pad(D, (0, 1), constant_values=np.nan)  # one configuration is not there
        table = {NETWORK: np.array([*networks, "z"])}
        assert paths._share_of_chance(known, table) == pytest.approx(np.mean(every), rel=1e-12)


def test_what_differs_in_weight_decay_alone_says_nothing_of_other_factors():
    """A factor that does nothing is shared by what is nearest, twins of weight decay, and not by what is nearest else.

    One that does something is shared by both.
    """
    columns = [("none", "some"), tuple("xyz"), tuple("uvw"), tuple("abcd")]
    rows = np.array(list(itertools.product(*columns)))
    table = dict(zip((DECAY, OPTIMISER, BATCH, NETWORK), rows.T))
    rng = np.random.default_rng(0)
    noise = {key: rng.standard_normal(3) for key in itertools.product(*columns[1:])}  # shared by twins
    points = np.array([noise[tuple(row[1:])] for row in rows]) + 1e-3 * rng.standard_normal((len(rows), 3))
    points[:, 0] += 20 * np.unique(table[NETWORK], return_inverse=True)[1]
    D = np.linalg.norm(points[:, None] - points, axis=2)
    usual, apart = ({x.name: x.nearest for x in factors.importance(D, table)}, paths._apart(D, table))
    assert [usual[x].share for x in (OPTIMISER, BATCH)] == pytest.approx([1, 1]) and usual[OPTIMISER].p < 0.01
    assert set(apart) == {OPTIMISER, BATCH, NETWORK} and apart[NETWORK].share == pytest.approx(1)
    for name in (OPTIMISER, BATCH):
        assert apart[name].share < 0.6 and apart[name].p > 0.05
        assert apart[name].share == pytest.approx(apart[name].permuted, abs=0.25)
    once = {**table, DECAY: np.full(len(rows), "none")}
    assert paths._apart(D, once) == {}


def test_of_networks_that_are_all_single_there_is_no_share(runs):
    names = {"digits_all_fc-sgd-wd0", "digits_all_fc16-sgd-wd0", "digits_all_plain_cnn-sgd-wd0"}
    few = [run for run in runs if run.name in names]
    found = paths.measure(few, few, generated.SEEDS)
    assert len(few) == 6 and NETWORK not in found.factors and np.isnan(found.permuted).all()
