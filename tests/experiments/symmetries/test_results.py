"""Files of predictions and logs, brought into penalties, distances and lines."""

import itertools
import math

import numpy as np
import pytest

from experiments.symmetries.measured import ALIGNED, BEFORE, BY_WEIGHTS, REPAIRED, UNCORRECTED
from experiments.symmetries.results import LINES, Pair, accuracy, nll
from info_geometry.files import InputError
from tests.experiments.symmetries.made_up_results import LABELS, C, L, N, models, results, write, write_log


def d_B(P, Q):
    """Return the distance of two models, sample by sample."""
    each = [-math.log(sum(math.sqrt(p * q) for p, q in zip(*rows))) for rows in zip(P, Q)]
    return sum(each) / len(each)


def points(P):
    """Return the accuracy of a model, sample by sample."""
    return 100 * sum(row.argmax() == label for row, label in zip(P, LABELS)) / N


@pytest.fixture
def networks(tmp_path):
    """The last models {seed: (N, C)} of networks, whose files are there."""
    return {seed: write(tmp_path, "digits_all_width48_head", seed)[-1] for seed in (10, 11, 12, 13)}


def test_pairs_in_both_directions(tmp_path):
    found = results(tmp_path)
    assert found.task == "digits_all" and found.seeds == (10, 11, 12, 13)
    assert found.one_way == (Pair(10, 11), Pair(12, 13))
    assert found.both == (Pair(10, 11), Pair(12, 13), Pair(11, 10), Pair(13, 12))
    assert [pair.name for pair in found.both] == ["plus1", "plus1", "minus1", "minus1"]
    assert found.both[3].seeds == (13, 12)


def checked(found, pairs, stored, ends):
    """Hold Stitches against models {pair: (L, N, C)} and {pair: (sender, receiver)}."""
    assert found.penalty.shape == found.to_truth.shape == (len(pairs), L)
    for (i, pair), layer in itertools.product(enumerate(pairs), range(L)):
        P, (sender, receiver) = stored[pair][layer], ends[pair]
        clean = (points(sender) + points(receiver)) / 2
        assert found.penalty[i, layer] == pytest.approx(clean - points(P))
        assert found.to_sender[i, layer] == pytest.approx(d_B(P, sender), abs=1e-3)
        assert found.to_receiver[i, layer] == pytest.approx(d_B(P, receiver), abs=1e-3)
        assert found.to_truth[i, layer] == pytest.approx(d_B(P, np.eye(C)[LABELS]), abs=1e-3)


@pytest.mark.parametrize("choices", ["", "soft"])
def test_stitches_are_what_they_are_directly(tmp_path, networks, choices):
    x, end = results(tmp_path), f"{choices}_head" if choices else "head"
    stored = {p: write(tmp_path, f"digits_all_width48_{p.name}_full_{end}", p.sender) for p in x.both}
    ends = {p: (networks[p.sender], networks[p.receiver]) for p in x.both}
    checked(x.stitches("width48", "full", x.both, choices), x.both, stored, ends)
    assert not np.allclose(stored[x.both[0]], stored[x.both[2]])


def test_stitches_of_nulls(tmp_path, networks):
    x = results(tmp_path)
    noise = {p: write(tmp_path, f"digits_all_width48_noise_{p.name}_full_head", p.sender) for p in x.one_way}
    ends = {p: (networks[p.sender], networks[p.receiver]) for p in x.one_way}
    checked(x.stitches("width48", "full", x.one_way, null="noise"), x.one_way, noise, ends)
    for null, kind in (("self", "identity"), ("planted", "matched")):
        alone = {p: write(tmp_path, f"digits_all_width48_{null}_{kind}_head", p.sender) for p in x.one_way}
        ends = {p: (networks[p.sender], networks[p.sender]) for p in x.one_way}
        found = x.stitches("width48", kind, x.one_way, null=null)
        checked(found, x.one_way, alone, ends)
        assert np.array_equal(found.to_sender, found.to_receiver)


def test_a_network_is_as_it_was_trained_in_the_end(tmp_path, networks):
    P, points_of = results(tmp_path).network("width48", 12)
    np.testing.assert_allclose(P, networks[12], atol=2e-3)
    assert points_of == pytest.approx(points(networks[12]))


def test_what_is_missing_is_named(tmp_path, networks):
    x = results(tmp_path)
    write(tmp_path, "digits_all_width48_plus1_full_head", 10)
    with pytest.raises(InputError, match=r"width48_plus1_full_head/preds_12\.h5 is missing; `make symmetries` makes"):
        x.stitches("width48", "full", x.one_way)
    with pytest.raises(InputError, match=r"digits_all_width24_head/preds_10\.h5 is missing"):
        x.network("width24", 10)
    with pytest.raises(InputError, match=r"plain_line_plus1_head/preds_10\.h5 is missing"):
        x.line("digits_all_plain", BEFORE)
    with pytest.raises(InputError, match=r"plus1_full/seed_10/log\.jsonl cannot be read; `make symmetries` makes it"):
        x.log("width48", "full", Pair(10, 11), "validation")


def test_logs(tmp_path):
    values = np.random.default_rng(0).random((5, L))
    write_log(tmp_path, "digits_all_width48_minus1_g_relu", 11, validation=values, saturation=values + 1)
    found = results(tmp_path)
    for key, more in (("validation", 0), ("saturation", 1)):
        assert np.array_equal(found.log("width48", "g_relu", Pair(11, 10), key), values + more)


@pytest.mark.parametrize("way", LINES)
def test_lines_of_each_way(tmp_path, way):
    name = {
        BEFORE: "",
        BY_WEIGHTS: "_by_weights",
        ALIGNED: "_by_activations",
        UNCORRECTED: "_by_activations_uncorrected",
        REPAIRED: "_by_activations_repair",
    }[way]
    t = [0.0, 0.25, 1.0]
    P = [write(tmp_path, f"digits_all_cct_line_plus1{name}_head", seed, models(3, seed, way), t) for seed in (10, 12)]
    found = results(tmp_path).line("digits_all_cct", way)
    assert found.t.tolist() == t and found.nll.shape == found.accuracy.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        assert found.accuracy[i, j] == pytest.approx(points(P[i][j]))
        direct = -sum(math.log(row[label]) for row, label in zip(P[i][j], LABELS)) / N
        assert found.nll[i, j] == pytest.approx(direct, abs=2e-3)
    heights = [x[1] - 0.75 * x[0] - 0.25 * x[2] for x in found.nll]
    assert found.barrier == pytest.approx(np.maximum(heights, 0))
    # a Riemann length is the sum of steps, of 2 sqrt(d_B), and the chord is one step
    assert (found.length > found.chord).all()
    assert found.chord == pytest.approx([2 * math.sqrt(d_B(x[0], x[2])) for x in P], rel=2e-3)
    steps = [2 * sum(math.sqrt(d_B(a, b)) for a, b in itertools.pairwise(x)) for x in P]
    assert found.length == pytest.approx(steps, rel=2e-3)


def test_scores_of_many_models():
    P = models(6, "scores").reshape(2, 3, N, C)
    assert accuracy(P, LABELS).shape == nll(P, LABELS).shape == (2, 3)
    assert accuracy(P, LABELS)[1, 2] == pytest.approx(points(P[1, 2]))
    sure = np.eye(C)[LABELS]
    assert accuracy(sure, LABELS) == 100 and nll(sure, LABELS) == 0
    assert accuracy(np.roll(sure, 1, axis=1), LABELS) == 0
    assert nll(np.roll(sure, 1, axis=1), LABELS) == pytest.approx(-math.log(1e-30))  # and not infinite
    half = np.where(np.arange(N) % 2 == 0, 0.5, 0.25)[:, None] * np.ones(C)
    assert nll(half, LABELS) == pytest.approx(1.5 * math.log(2))
