"""Metrics of alignment are their definitions, evaluated slowly, and invariant under what is said, and nothing else."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg

from experiments.symmetries import groups, metrics
from info_geometry.files import InputError

SEEDS = range(3)
PROCRUSTES = (metrics.wreath_procrustes, metrics.orthogonal_procrustes)
CKA = (metrics.wreath_cka, metrics.linear_cka)
EVERY = (*PROCRUSTES, *CKA)
WREATH = (metrics.wreath_procrustes, metrics.wreath_cka)
ORTHOGONAL = (metrics.orthogonal_procrustes, metrics.linear_cka)


def features(rng, *shape):
    """Return features after a ReLU, of channels that differ in size."""
    return np.maximum(rng.standard_normal(shape) + 0.3, 0) * rng.uniform(0.2, 3, (shape[1], *[1] * (len(shape) - 2)))


def related(rng, N=20, C=6, pixels=(2, 3)):
    """Return two sets of features that have something in common."""
    A = features(rng, N, C, *pixels)
    return A, acted(groups.random_rotation(C, rng) + np.eye(C), A) + features(rng, N, C, *pixels)


def acted(A, H):
    """Return the features of channels that a matrix A (new, C) makes of H."""
    return np.moveaxis(np.tensordot(A, H, axes=(1, 1)), 0, 1)


def value(found):
    return found.similarity if isinstance(found, metrics.Alignment) else found


def by_hand(H, scale):
    """Return rows of channels, centred and scaled."""
    rows = np.array([H[:, c].ravel() - H[:, c].mean() for c in range(H.shape[1])])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / (norms * math.sqrt(len(rows))) if scale == "channel" else rows / math.sqrt((norms**2).sum())


def slow_cka(H1, H2, over, scale, debiased=True):
    """Return CKA by loops over samples and channels, its HSIC by matrices with diagonals of 0, or centred."""
    kernels = []
    for H in (H1, H2):
        N, C = H.shape[:2]
        rows = by_hand(H, scale).reshape(C, N, -1)
        K = np.array([[over([rows[c, x] @ rows[c, y] for c in range(C)]) for y in range(N)] for x in range(N)])
        J = np.eye(N) - 1 / N
        kernels.append(K - np.diag(np.diag(K)) if debiased else J @ K @ J)

    def criterion(K, L):
        if not debiased:
            return np.trace(K @ L)
        n = len(K)
        return np.trace(K @ L) + K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (K @ L).sum()

    K, L = kernels
    return criterion(K, L) / math.sqrt(criterion(K, K) * criterion(L, L))


@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("seed", SEEDS)
def test_wreath_procrustes_tries_every_permutation(seed, scale):
    H1, H2 = related(np.random.default_rng(seed), C=5)
    X, Y = by_hand(H1, scale), by_hand(H2, scale)
    best = min(itertools.permutations(range(5)), key=lambda order: np.linalg.norm(X[list(order)] - Y))
    found = metrics.wreath_procrustes(H1, H2, scale)
    assert found.similarity == pytest.approx(1 - np.linalg.norm(X[list(best)] - Y) / 2, abs=1e-12)
    assert sorted(np.argwhere(found.map).tolist()) == sorted([i, j] for j, i in enumerate(best))
    assert found.live == (5, 5)


@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("seed", SEEDS)
def test_orthogonal_procrustes_is_that_of_scipy(seed, scale):
    H1, H2 = related(np.random.default_rng(seed))
    X, Y = by_hand(H1, scale).T, by_hand(H2, scale).T
    R, total = scipy.linalg.orthogonal_procrustes(X, Y)
    found = metrics.orthogonal_procrustes(H1, H2, scale)
    np.testing.assert_allclose(found.map, R, atol=1e-10)
    assert found.similarity == pytest.approx(1 - math.sqrt((1 - total) / 2), abs=1e-10)
    assert found.similarity == pytest.approx(1 - np.linalg.norm(X @ R - Y) / 2, abs=1e-10)


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("pixels", [(), (2, 2)])
def test_cka_is_its_definition(pixels, scale, debiased):
    H1, H2 = related(np.random.default_rng(0), N=9, C=3, pixels=pixels)
    for over, function in (("max", max), ("median", np.median)):
        found = metrics.wreath_cka(H1, H2, over, scale, debiased)
        assert found == pytest.approx(slow_cka(H1, H2, function, scale, debiased), abs=1e-12)
    assert metrics.linear_cka(H1, H2, scale, debiased) == pytest.approx(
        slow_cka(H1, H2, sum, scale, debiased), abs=1e-12
    )


def test_medians_are_taken_over_more_samples_than_fit_at_a_time():
    H1, H2 = related(np.random.default_rng(0), N=metrics.ROWS + 6, C=2, pixels=())
    assert metrics.wreath_cka(H1, H2, "median") == pytest.approx(slow_cka(H1, H2, np.median, "channel"), abs=1e-12)


@pytest.mark.parametrize("N, C", [(40, 3), (10, 30)])
def test_linear_cka_is_the_same_with_kernels_and_without(N, C, monkeypatch):
    H1, H2 = related(np.random.default_rng(0), N=N, C=C, pixels=())
    found = metrics.linear_cka(H1, H2)
    monkeypatch.delattr(metrics, "hsic" if N > C else "linear_hsic")  # the one that is not needed
    assert metrics.linear_cka(H1, H2) == found
    assert found == pytest.approx(slow_cka(H1, H2, sum, "whole"), abs=1e-12)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("seed", SEEDS)
def test_symmetries_of_relu_change_nothing_where_channels_have_one_norm(seed, metric):
    """On either side; and what differs by one is the same."""
    rng = np.random.default_rng(seed)
    H1, H2 = related(rng)
    A, B = (groups.random_element("relu", 6, rng, spread=1.0) for _ in range(2))
    expected = value(metric(H1, H2, scale="channel"))
    assert value(metric(acted(A, H1), acted(B, H2), scale="channel")) == pytest.approx(expected, abs=1e-10)
    assert value(metric(H1, acted(B, H1), scale="channel")) == pytest.approx(1, abs=1e-7)
    assert expected < 0.95


@pytest.mark.parametrize("metric", ORTHOGONAL)
@pytest.mark.parametrize("seed", SEEDS)
def test_rotations_change_nothing_where_all_is_scaled_by_one_number(seed, metric):
    rng = np.random.default_rng(seed)
    H1, H2 = related(rng)
    Q, R = (groups.random_rotation(6, rng) for _ in range(2))
    expected = value(metric(H1, H2, scale="whole"))
    assert value(metric(3 * acted(Q, H1), 0.2 * acted(R, H2), scale="whole")) == pytest.approx(expected, abs=1e-10)
    assert value(metric(H1, acted(R, H1), scale="whole")) == pytest.approx(1, abs=1e-7)
    assert value(metric(H1, acted(R, H1), scale="channel")) < 1 - 1e-3  # channels of one norm do not stay so


@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("metric", WREATH)
def test_rotations_change_what_sees_single_channels(metric, scale):
    rng = np.random.default_rng(0)
    H1, _ = related(rng)
    assert value(metric(H1, acted(groups.random_rotation(6, rng), H1), scale=scale)) < 0.9


@pytest.mark.parametrize("metric", EVERY)
def test_scales_of_channels_matter_where_all_is_scaled_by_one_number(metric):
    H1, _ = related(np.random.default_rng(0))
    D = np.diag([10.0, 1, 1, 1, 1, 1])
    assert value(metric(H1, acted(D, H1), scale="whole")) < 0.95
    assert value(metric(H1, acted(np.eye(6)[::-1] * 7, H1), scale="whole")) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("C1, C2, dead", [(6, 6, 0), (4, 9, 0), (9, 4, 2), (6, 6, 3), (1, 3, 0)])
def test_rotations_align_at_least_as_well_as_permutations(C1, C2, dead, scale):
    rng = np.random.default_rng(C1)
    for _ in range(10):
        H1, H2 = features(rng, 8, C1, 2, 2), features(rng, 8, C2, 2, 2)
        H1[:, : min(C1, C2)] += rng.uniform(0, 5) * H2[:, : min(C1, C2)]  # from almost the same to unrelated
        H1[:, :dead] = 0
        wreath, orthogonal = (metric(H1, H2, scale) for metric in PROCRUSTES)
        assert orthogonal.similarity >= wreath.similarity - 1e-12
        assert wreath.live == orthogonal.live == (C1 - dead, C2)
        for found in (wreath, orthogonal):  # rows or columns, those of the smaller network, are orthonormal
            values = np.linalg.svd(found.map, compute_uv=False)
            np.testing.assert_allclose(values, np.arange(len(values)) < min(C1 - dead, C2), atol=1e-10)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("scale", metrics.SCALES)
def test_metrics_are_symmetric_and_one_for_the_same(scale, metric):
    H1, H2 = related(np.random.default_rng(0))
    assert value(metric(H1, H2, scale=scale)) == pytest.approx(value(metric(H2, H1, scale=scale)), abs=1e-12)
    assert value(metric(H1, H1, scale=scale)) == pytest.approx(1, abs=1e-7)
    order = np.random.default_rng(1).permutation(len(H1))
    assert value(metric(H1[order], H2[order], scale=scale)) == pytest.approx(
        value(metric(H1, H2, scale=scale)), abs=1e-10
    )
    assert value(metric(H1[order], H1, scale=scale)) < 0.8


@pytest.mark.parametrize("scale", metrics.SCALES)
def test_a_planted_permutation_is_found_and_dead_channels_have_no_part_in_it(scale):
    rng = np.random.default_rng(0)
    H1 = features(rng, 30, 7, 2)
    P = np.eye(7)[rng.permutation(7)]
    H1[:, 2] = 0.0
    found = metrics.wreath_procrustes(H1, acted(P, H1), scale)
    P[:, 2] = 0
    np.testing.assert_array_equal(found.map, P.T)  # channel i of H1 is channel j of H2 where P_ji is 1
    assert found.live == (6, 6) and found.similarity == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("scale", metrics.SCALES)
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dead_channels_are_never_a_match(dtype, constant, scale, metric):
    """Whatever their number: similarity is that of the live channels alone."""
    H1, H2 = (H.astype(dtype) for H in related(np.random.default_rng(0)))
    dead = np.full((20, 40, 2, 3), constant, dtype)
    expected = value(metric(H1, H2, scale=scale))
    found = metric(np.concatenate([dead, H1], axis=1), np.concatenate([H2, dead], axis=1), scale=scale)
    assert value(found) == pytest.approx(expected, abs=1e-6) and expected < 0.95
    if metric in PROCRUSTES:
        assert found.live == (6, 6) and found.map.shape == (46, 46)
        assert not found.map[:40].any() and not found.map[:, 6:].any()


@pytest.mark.parametrize("scale", metrics.SCALES)
def test_channels_without_a_partner_count(scale):
    """Half of the channels, all of one norm: matched cosines are 1, their sum is 4 / sqrt(4 * 8)."""
    H = features(np.random.default_rng(0), 30, 8, 3)
    H, _ = metrics.normalised(H)
    H = np.moveaxis(H, 0, 1)
    found = metrics.wreath_procrustes(H[:, :4], H, scale)
    assert found.similarity == pytest.approx(1 - math.sqrt((1 - math.sqrt(0.5)) / 2), abs=1e-10)
    np.testing.assert_array_equal(found.map, np.eye(4, 8))


@pytest.mark.parametrize("scale", metrics.SCALES)
def test_normalised_features(scale):
    H, _ = related(np.random.default_rng(0))
    H[:, 3] = 4
    X, live = metrics.normalised(H, scale)
    assert X.shape == (5, 20, 6) and live.tolist() == [True, True, True, False, True, True]
    np.testing.assert_allclose(X.reshape(5, -1), by_hand(np.delete(H, 3, axis=1), scale), atol=1e-12)
    assert np.square(X).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("metric", CKA)
def test_layers_of_other_pixels(metric):
    """A pixel repeated is a kernel times the number of repeats."""
    H1, H2 = related(np.random.default_rng(0), pixels=(1, 1))
    repeated = np.broadcast_to(H2, (20, 6, 2, 3))
    assert metric(H1, repeated) == pytest.approx(metric(H1, H2), abs=1e-12)
    assert metric(H1[:, :, 0, 0], repeated) == pytest.approx(metric(H1, H2), abs=1e-12)


@pytest.mark.parametrize("metric", EVERY)
def test_features_of_other_precision(metric):
    H1, H2 = related(np.random.default_rng(0))
    for dtype, error in ((np.float32, 1e-5), (np.float16, 2e-3)):
        assert value(metric(H1.astype(dtype), H2.astype(dtype))) == pytest.approx(value(metric(H1, H2)), abs=error)
    whole = np.round(H1 * 10), np.round(H2 * 10)
    assert value(metric(*(H.astype(int) for H in whole))) == value(metric(*whole))


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_stay_as_they_are(dtype, metric):
    pair = [H.astype(dtype) for H in related(np.random.default_rng(0))]
    before = [H.copy() for H in pair]
    for H in pair:
        H.setflags(write=False)
    for scale in metrics.SCALES:
        metric(*pair, scale=scale)
    metrics.wreath_cka(*pair, over="median")
    np.testing.assert_array_equal(pair, before)


@pytest.mark.parametrize("metric", EVERY)
def test_messages(metric):
    H1, H2 = related(np.random.default_rng(0))
    dead, bad = np.full_like(H1, 0.3), H1.copy()
    bad[0, 0, 0, 0] = np.nan
    for pair, message in (
        ((dead, H2), "H1: none of its 6 channels is live"),
        ((H1, dead), "H2: none of its 6 channels is live"),
        ((dead, dead), "H1: none of its 6 channels is live"),
        ((H1, H2[:-1]), "H1 has 20 samples and H2 19; expected features of the same samples"),
        ((H1[:3], H2[:3]), "H1: 3 samples; alignment needs 4 or more"),
        ((H1, bad), "H2: 1 of 720 features are not finite"),
        ((H1[:, 0, 0, 0], H2), r"H1: expected features \(samples, channels, ...\), not of shape \(20,\)"),
        ((H1, H2[:, :0]), r"H2: expected features .* not of shape \(20, 0, 2, 3\)"),
    ):
        with pytest.raises(InputError, match=message):
            metric(*pair)
    with pytest.raises(InputError, match="features are scaled by channel or whole, not 'unit'"):
        metric(H1, H2, scale="unit")
    if metric in PROCRUSTES:
        with pytest.raises(InputError, match=r"H1 has pixels \(2, 3\) and H2 \(1, 3\); Procrustes needs the same"):
            metric(H1, H2[:, :, :1])


def test_messages_of_kernels():
    H1, H2 = related(np.random.default_rng(0))
    with pytest.raises(InputError, match="over channels by max or median, not 'mean'"):
        metrics.wreath_cka(H1, H2, over="mean")
    for metric in CKA:  # every sample has a channel of its own: all pairs of them are equally far apart
        with pytest.raises(
            InputError, match="H2: its kernel tells no samples apart, so that there is no CKA; 20 samples"
        ):
            metric(H1, np.eye(20))
