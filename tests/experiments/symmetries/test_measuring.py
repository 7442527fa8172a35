"""From files to what claims are about: which stitches are taken, sweeps, distances to networks, and features."""

import itertools

import numpy as np
import pytest
import torch

from experiments.symmetries import measured, measuring, metrics, stitching, trained
from experiments.symmetries.measured import BAD, METRICS
from experiments.symmetries.results import Pair, Results
from info_geometry import distance
from info_geometry.files import InputError
from learning import data
from learning.runs.run import Folders
from tests.experiments.symmetries.made_up_results import LABELS, L, models, results, write, write_log

KINDS = ("g_relu_alpha0", "g_relu_alpha1", "gumbel_sinkhorn")


@pytest.fixture
def stitched(tmp_path):
    """Results of two pairs, whose networks and stitches of three kinds are there, and logs {(kind, pair): (5, L)}."""
    x = results(tmp_path)
    for seed in x.seeds:
        write(tmp_path, "digits_all_width48_head", seed)
    logs = {}
    for k, (kind, p) in enumerate(itertools.product(KINDS, x.both)):
        run = f"digits_all_width48_{p.name}_{kind}"
        logs[kind, p] = np.random.default_rng(k + 20).random((5, L))
        write_log(tmp_path, run, p.sender, validation=logs[kind, p], saturation=logs[kind, p] / 2)
        for end in ("head", "last_head"):
            write(tmp_path, f"{run}_{end}", p.sender)
    return x, logs


def test_images_held_out_choose_for_each_pair_and_layer(stitched):
    x, logs = stitched
    at = measuring.chosen(x, "width48", KINDS, x.both)
    every = {kind: x.stitches("width48", kind, x.both) for kind in KINDS}
    taken = measuring.taken(x, "width48", KINDS, x.both)
    for (i, pair), layer in itertools.product(enumerate(x.both), range(L)):
        scores = {kind: max(logs[kind, pair][:, layer]) for kind in KINDS}
        kind = max(scores, key=scores.get)
        assert KINDS[at[i, layer]] == kind
        for key in ("penalty", "to_sender", "to_receiver", "to_truth"):
            assert getattr(taken, key)[i, layer] == getattr(every[kind], key)[i, layer]
    assert len(np.unique(at)) == len(KINDS)  # by each pair and layer another one


def test_a_sweep_has_what_logs_say_in_the_end(stitched):
    x, logs = stitched
    found = measuring._sweep(x, (0, 1, 10), KINDS, x.both, "saturation", "last")
    assert found.values.tolist() == [0, 1, 10] and found.penalty.shape == (4, 3, L)
    assert found.sparsity is None
    usual = measuring._sweep(x, (0, 1, 10), KINDS, x.both, "saturation")
    for k, kind in enumerate(KINDS):
        assert np.array_equal(found.penalty[:, k], x.stitches("width48", kind, x.both, "last").penalty)
        assert np.array_equal(usual.penalty[:, k], x.stitches("width48", kind, x.both).penalty)
        for i, pair in enumerate(x.both):
            assert np.array_equal(found.saturation[i, k], logs[kind, pair][-1] / 2)


def test_what_is_lost_behind_fixed_matrices(tmp_path):
    x, found = results(tmp_path), {}
    for seed in x.first:
        own = write(tmp_path, "digits_all_plain_head", seed)[-1]
        for name, kind in measuring.TRANSFORMED.items():
            behind = write(tmp_path, f"digits_all_plain_retrained_{kind}_head", seed)
            found.setdefault(name, []).append(_right(own) - _right(behind))
    for name, values in measuring._transformed(x).items():
        np.testing.assert_allclose(values, found[name])
    assert found.keys() == measuring._transformed(x).keys()


def _right(P):
    return 100 * (P.argmax(axis=-1) == LABELS).mean(axis=-1)


def test_the_nearest_models_are_those_of_networks_of_other_pairs(tmp_path):
    x, names = results(tmp_path), [*BAD, measured.ANY]
    ways = {seed: write(tmp_path, "digits_all_width48_head", seed, models(4, seed)) for seed in x.seeds}
    stored = {
        (name, p): write(tmp_path, f"digits_all_width48_{p.name}_{measuring.KINDS[name]}_head", p.sender)
        for name in names
        for p in x.both
    }
    nearest, own = measuring._nearest(x, names)

    def direct(P, pair):
        others = np.concatenate([way for seed, way in ways.items() if seed not in pair.seeds])
        assert len(others) == 8
        return min(distance.bhattacharyya(P, Q) for Q in others)

    for name in names:
        expected = [[direct(P, p) for P in stored[name, p]] for p in x.both]
        np.testing.assert_allclose(nearest[name], expected, atol=1e-3)
    np.testing.assert_allclose(own, [direct(ways[p.sender][-1], p) for p in x.one_way], atol=1e-3)
    nearest, own = measuring._nearest(results(tmp_path, (10,)), names)  # there are no others
    assert nearest.keys() == set(names) and all(np.isnan(each).all() for each in (*nearest.values(), own))
    assert nearest[measured.ANY].shape == (2, L) and own.shape == (1,)


# Networks


class Own(Results):
    """Results of which the networks are called `digits_all`, as those that are there."""

    task = "digits"


@pytest.fixture(scope="module")
def networks(parents):
    """Networks of digits, trained for tests."""
    return measuring.Networks(Own(Folders(checkpoints=parents / "checkpoints"), (0,), "digits"))


def test_layers_and_channels(networks):
    assert networks.layers("all") == ["2", "5", "8"] and networks.before("all") == ["1", "4", "7"]
    assert networks.channels("all") == [16, 32, 64]


def test_features_are_of_evaluation_images(networks, parents):
    folders = Folders(checkpoints=parents / "checkpoints")
    images, labels = networks.images("all")
    assert sorted(labels.tolist()) == sorted(data.load("digits", "test", "").labels)  # all of them
    assert len(images) == len(labels)
    network = trained.network("digits_all", 1, folders=folders)
    for layer, found in zip(("2", "5", "8"), networks.features("all", 1)):
        front, _ = stitching.cut(network, layer)
        with torch.no_grad():
            np.testing.assert_allclose(found, front(images).numpy(), rtol=1e-4, atol=1e-5)


def test_similarity_of_the_same_layer_and_of_all(networks):
    pair = Pair(0, 1)
    similar, maps = networks.similar("all", [pair]), networks.maps("all", [pair])
    a, b = (networks.features("all", seed) for seed in pair.seeds)
    assert similar.keys() == set(METRICS) and maps.keys() == set(METRICS[2:])
    for k in range(3):
        assert similar["wreath Procrustes"][0, k] == metrics.wreath_procrustes(a[k], b[k]).similarity
        assert similar["orthogonal Procrustes"][0, k] == metrics.orthogonal_procrustes(a[k], b[k]).similarity
        for name, how in (("wreath CKA", metrics.wreath_cka), ("linear CKA", metrics.linear_cka)):
            assert similar[name][0, k] == maps[name][0, k, k] == how(a[k], b[k])
            assert maps[name][0, 0, k] == how(a[0], b[k])


def test_symmetries_that_are_planted(networks):
    found = networks.unchanged({"small": "digits_all"})["small"]
    assert found["symmetry"]["change"].shape == (1,) and found["symmetry"]["change"][0] < 1e-12
    assert found["rotation"]["change"][0] > 0.1 and found["rotation"]["d_B"][0] > 1e-3
    found = networks.recovered({"small": "all"})["small"]
    assert found["found"].shape == (1, 3) and (found["found"] == 1).all() and (found["scale_error"] < 1e-6).all()
    for name, x in networks.invariance("all").items():
        assert x["symmetry"].shape == x["rotation"].shape == (1, 3), name


def test_dissection_is_of_each_layer(networks):
    found = networks.dissection("all")
    assert list(found) == networks.layers("all")
    for x in found.values():
        assert {len(counts["own"]) for counts in x.values()} == {1}
        assert all(counts["symmetry"].shape == (1, measuring.DRAWS) for counts in x.values())
        assert all(np.array_equal(counts["turned"][:, 0].mean(axis=1), counts["own"]) for counts in x.values())


def test_missing_runs_are_named(networks, parents):
    expected = r"digits_none/seed_0 holds no run; `make symmetries` trains it"
    for ask in (networks.layers, networks.images, networks.dissection):
        with pytest.raises(InputError, match=expected):
            ask("none")
    with pytest.raises(InputError, match=r"digits_all/seed_7 holds no run; `make symmetries` trains it"):
        networks.similar("all", [Pair(0, 7)])
