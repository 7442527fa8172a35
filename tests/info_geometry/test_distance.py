"""Distances: a plain float64 double loop is the oracle; the rest are theorems."""

import importlib.util
import logging
import tracemalloc

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from info_geometry import distance, geodesic, predictions
from info_geometry.files import InputError
from info_geometry.sums import plain, streaming
from tests.support.synthetic import labels_of, random_models, training

LARGEST = -np.log(distance.FLOOR)


def double_loop(models, floor=distance.FLOOR):
    """Return the distances (M, M) of probabilities (M, N, C), in float64, one pair after the other."""
    D = np.zeros((len(models), len(models)))
    for i, P in enumerate(models):
        for j, Q in enumerate(models[:i]):
            D[i, j] = D[j, i] = -np.mean(np.log(np.maximum(np.sqrt(P * Q).sum(axis=1), floor)))
    return D


def hard(rng, M, N, C):
    """Return models with one-hot rows, zeros, and many pairs without a common class."""
    models = random_models(rng, M, N, C, 0.05)
    models[rng.random((M, N)) < 0.6] = 0
    empty = models.sum(axis=2) == 0
    models[empty] = np.eye(C)[rng.integers(0, C, empty.sum())]
    models[models < 1e-3] = 0
    return models / models.sum(axis=2, keepdims=True)


def close(rng, M, N, C):
    """Return neighbours of one model, from very close to far."""
    roots = np.sqrt(rng.dirichlet(np.full(C, 0.3), N))
    models = (roots * (1 + np.geomspace(1e-4, 1, M)[:, None, None] * rng.standard_normal((M, N, C)))) ** 2
    return models / models.sum(axis=2, keepdims=True)


MAKERS = {
    "random": random_models,
    "hard": hard,
    "close": close,
    "training": lambda rng, M, N, C: training(rng, labels_of(N, C), C, M),
}


@pytest.mark.parametrize("N, C", [(200, 10), (40, 1000), (60, 2), (5, 2)])
@pytest.mark.parametrize("name", MAKERS)
def test_pairwise_agrees_with_a_double_loop(name, N, C):
    models = MAKERS[name](np.random.default_rng(0), 12, N, C)
    slow, fast = double_loop(models), distance.pairwise([models], device="cpu")
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-15)
    assert distance.bhattacharyya(models[3], models[7]) == pytest.approx(slow[3, 7], rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("N, C", [(200, 10), (40, 1000), (60, 2), (5, 2)])
@pytest.mark.parametrize("name", MAKERS)
def test_pairwise_in_float32(name, N, C):
    models = MAKERS[name](np.random.default_rng(0), 12, N, C)
    slow, fast = double_loop(models), distance.pairwise([models], device="cpu", precision="float32")
    # a product in float32 moves an affinity by about 1e-7, and with it a distance, however small that is
    assert np.abs(fast - slow).max() <= 2e-7 * max(1, slow.max())
    far = slow > 0.3
    assert (np.abs(fast - slow)[far] <= 1e-6 * slow[far]).all()


def test_many_floored_pairs():
    models = hard(np.random.default_rng(1), 30, 100, 20)
    affinity = np.einsum("anc,bnc->abn", np.sqrt(models), np.sqrt(models))
    assert (affinity == 0).mean() > 0.4
    slow = double_loop(models)
    np.testing.assert_allclose(distance.pairwise([models], device="cpu"), slow, rtol=1e-6)
    np.testing.assert_allclose(distance.pairwise([models], precision="float64"), slow, rtol=1e-10)


@pytest.mark.parametrize("M", [1, 2, 255, 256, 257, 600])
def test_borders_of_tiles(M):
    models = random_models(np.random.default_rng(M), M, 3, 4)
    roots = np.sqrt(models)
    affinity = np.einsum("anc,bnc->abn", roots, roots)
    expected = -np.log(np.maximum(affinity, distance.FLOOR)).mean(axis=2)
    np.fill_diagonal(expected, 0)
    D = distance.pairwise([models], precision="float64")
    assert D.shape == (M, M) and D.dtype == np.float64
    np.testing.assert_allclose(D, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_and_batches_of_any_size_agree(tmp_path, monkeypatch, dtype):
    models = hard(np.random.default_rng(2), 14, 53, 7)
    predictions.write(tmp_path / "a.h5", models[:6], labels=labels_of(53, 7))
    trajectories = [predictions.open_trajectory(tmp_path / "a.h5"), models[6:13], models[13]]
    whole = distance.pairwise(trajectories, precision=dtype)
    for block in (1, 7, 53, 1000):
        np.testing.assert_allclose(
            distance.pairwise(trajectories, block=block, precision=dtype),
            whole,
            rtol=1e-9,
            atol=1e-8 if dtype == "float32" else 1e-15,
        )
    monkeypatch.setattr(plain, "TILE_BYTES", 1)
    monkeypatch.setattr(plain, "TILE", 3)
    monkeypatch.setattr(streaming, "SLAB_BYTES", 1)
    np.testing.assert_allclose(
        distance.pairwise(trajectories, precision=dtype), whole, rtol=1e-9, atol=1e-8 if dtype == "float32" else 1e-15
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_symmetric_with_zero_diagonal(dtype):
    models = hard(np.random.default_rng(3), 40, 30, 5)
    D = distance.pairwise([models, models[::-1]], precision=dtype)
    np.testing.assert_array_equal(D, D.T)
    np.testing.assert_array_equal(np.diag(D), 0)
    assert (D >= 0).all() and D.max() <= LARGEST * (1 + 1e-6)
    same = np.arange(40), 79 - np.arange(40)  # the same models again, in reversed order
    assert D[same].max() < 1e-7


def test_permuting_samples_or_classes_of_all_models_changes_nothing():
    rng = np.random.default_rng(4)
    models = hard(rng, 10, 40, 8)
    D = distance.pairwise([models], precision="float64")
    samples, classes = rng.permutation(40), rng.permutation(8)
    np.testing.assert_allclose(distance.pairwise([models[:, samples]], precision="float64"), D, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        distance.pairwise([models[:, :, classes]], precision="float64"), D, rtol=1e-12, atol=1e-15
    )
    one = np.concatenate([models[:1], models[1:][:, samples]])
    assert np.abs(distance.pairwise([one]) - D)[0, 1:].min() > 1e-3, "of one model only, it does"


def test_distance_of_samples_is_the_mean_of_their_distances():
    rng = np.random.default_rng(5)
    a, b = hard(rng, 9, 30, 6), hard(rng, 9, 10, 6)
    both = distance.pairwise([np.concatenate([a, b], axis=1)], precision="float64")
    mean = (30 * distance.pairwise([a], precision="float64") + 10 * distance.pairwise([b], precision="float64")) / 40
    np.testing.assert_allclose(both, mean, rtol=1e-12, atol=1e-15)


def test_distance_of_independent_predictions_is_the_sum_of_theirs():
    """The affinity of products of distributions is the product of their affinities."""
    rng = np.random.default_rng(6)
    a, b = rng.dirichlet(np.ones(4), (5, 20)), rng.dirichlet(np.ones(3), (5, 20))
    product = (a[..., :, None] * b[..., None, :]).reshape(5, 20, 12)
    total = sum(distance.pairwise([x], precision="float64") for x in (a, b))
    np.testing.assert_allclose(distance.pairwise([product], precision="float64"), total, rtol=1e-12, atol=1e-15)


def test_classes_without_probability_change_nothing():
    models = hard(np.random.default_rng(7), 8, 20, 5)
    more = np.concatenate([models, np.zeros((8, 20, 3))], axis=2)
    np.testing.assert_allclose(
        distance.pairwise([more], precision="float64"),
        distance.pairwise([models], precision="float64"),
        rtol=1e-13,
        atol=1e-15,
    )


def test_merging_classes_brings_models_closer():
    models = random_models(np.random.default_rng(8), 8, 20, 6)
    merged = models.reshape(8, 20, 3, 2).sum(axis=3)
    finer, coarser = (distance.pairwise([x], precision="float64") for x in (models, merged))
    assert (coarser <= finer + 1e-14).all()


@pytest.mark.parametrize("dtype, tolerance", [("float32", 3e-7), ("float64", 1e-12)])
def test_rows_are_renormalised_exactly(tmp_path, dtype, tolerance):
    """float16 rows have norms off by up to 5e-4; distances are those of the rows divided by their norms."""
    models = random_models(np.random.default_rng(9), 8, 60, 10, 1.0)
    predictions.write(tmp_path / "a.h5", models, labels=labels_of(60, 10))
    stored = np.sqrt(models).astype(np.float16).astype(np.float64)
    assert np.abs((stored**2).sum(axis=2) - 1).max() > 1e-4
    normalised = stored**2 / (stored**2).sum(axis=2, keepdims=True)
    D = distance.pairwise([predictions.open_trajectory(tmp_path / "a.h5")], precision=dtype)
    np.testing.assert_allclose(D, double_loop(normalised), rtol=0, atol=tolerance)


def simplex_points(M, N):
    """Return a strategy of probabilities (M, N, C), with zeros, one-hot rows and tiny numbers among them."""
    weights = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-30, 1e-3), st.floats(1e-3, 1))

    def normalise(array):
        array[array.sum(axis=2) == 0, 0] = 1
        return array / array.sum(axis=2, keepdims=True)

    return (
        st.integers(1, 6)
        .flatmap(lambda C: hnp.arrays(np.float64, (M, N, C), elements=weights, fill=st.nothing()))
        .map(normalise)
    )


@settings(max_examples=60, deadline=None)
@given(simplex_points(3, 2))
def test_properties_of_any_three_models(models):
    D = distance.pairwise([models], precision="float64")
    np.testing.assert_allclose(D, double_loop(models), rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(D, D.T)
    np.testing.assert_array_equal(np.diag(D), 0)
    assert (D >= 0).all() and (D <= LARGEST + 1e-9).all()
    P, Q, _ = models
    assert distance.bhattacharyya(P, Q) == distance.bhattacharyya(Q, P) == pytest.approx(D[0, 1], rel=1e-9, abs=1e-14)
    assert distance.bhattacharyya(P, P) <= 1e-15
    fast = distance.pairwise([models])
    assert np.isfinite(fast).all() and (fast >= 0).all() and np.abs(fast - D).max() <= 2e-6


@settings(max_examples=60, deadline=None)
@given(simplex_points(3, 1))
def test_hellinger_distance_of_a_sample_obeys_the_triangle_inequality(models):
    """d_B itself does not, but for one sample sqrt(1 - exp(-d_B)) is a metric (above the floor)."""
    D = distance.pairwise([models], precision="float64", floor=1e-300)
    H = np.sqrt(1 - np.exp(-D))
    assert H[0, 2] <= H[0, 1] + H[1, 2] + 1e-7


def test_models_without_a_common_class_are_at_the_floor():
    one_hot = np.eye(4)[:, None].repeat(3, axis=1)
    D = distance.pairwise([one_hot], device="cpu")
    np.testing.assert_allclose(D, LARGEST * (1 - np.eye(4)), rtol=1e-6)
    np.testing.assert_allclose(distance.pairwise([one_hot], floor=1e-3), -np.log(1e-3) * (1 - np.eye(4)), rtol=1e-6)
    assert distance.bhattacharyya(one_hot[0], one_hot[1], floor=1e-2) == pytest.approx(-np.log(1e-2))


@pytest.mark.parametrize("tile", [2, 3, 256])
def test_floored_affinities_are_counted(monkeypatch, caplog, tile):
    monkeypatch.setattr(plain, "TILE", tile)
    models = hard(np.random.default_rng(10), 7, 20, 6)
    affinity = np.einsum("anc,bnc->abn", np.sqrt(models), np.sqrt(models))
    floored = int((affinity < distance.FLOOR)[np.triu_indices(7, 1)].sum())
    with caplog.at_level(logging.INFO, "info_geometry"):
        distance.pairwise([models])
    assert caplog.messages == [f"{floored} of {20 * 21} affinities were below the floor 1e-06"] and floored > 50
    caplog.clear()
    with caplog.at_level(logging.INFO, "info_geometry"):
        distance.pairwise([random_models(np.random.default_rng(0), 4, 20, 6, 1.0)])
    assert caplog.messages == []


def test_shapes_that_differ_are_said(tmp_path):
    rng = np.random.default_rng(11)
    for name, N, C in (("imagenet_vert", 20, 10), ("my_run", 20, 4), ("other", 19, 10)):
        predictions.write(tmp_path / name / "preds_0.h5", random_models(rng, 2, N, C), labels=labels_of(N, C))
    vert, mine, other = (
        predictions.open_trajectory(tmp_path / name / "preds_0.h5") for name in ("imagenet_vert", "my_run", "other")
    )
    with pytest.raises(InputError) as raised:
        distance.pairwise([vert, mine])
    assert str(raised.value).startswith(
        f"{tmp_path}/imagenet_vert/preds_0.h5 has 20 samples x 10 classes, "
        f"{tmp_path}/my_run/preds_0.h5 has 20 x 4. Trajectories must be predictions of"
    )
    with pytest.raises(InputError, match=r"has 20 samples x 10 classes, .*other/preds_0.h5 has 19 x 10"):
        distance.pairwise([vert, other])
    with pytest.raises(InputError, match="trajectory 0 has 5 samples x 3 classes, trajectory 1 has 5 x 2"):
        distance.pairwise([random_models(rng, 2, 5, 3), random_models(rng, 2, 5, 2)])
    with pytest.raises(InputError, match="P has 5 samples x 3 classes, Q has 4 x 3"):
        distance.bhattacharyya(random_models(rng, 1, 5, 3)[0], random_models(rng, 1, 4, 3)[0])
    with pytest.raises(InputError, match="bhattacharyya takes two models"):
        distance.bhattacharyya(random_models(rng, 2, 5, 3), random_models(rng, 2, 5, 3))
    with pytest.raises(InputError, match="no trajectories were given"):
        distance.pairwise([])


def test_rows_that_are_no_probabilities_are_said():
    models = random_models(np.random.default_rng(12), 3, 9, 4)
    with pytest.raises(InputError, match=r"trajectory 1: checkpoint 0 .*rows sum to .* log-probabilities"):
        distance.pairwise([models, np.log(models + 1e-6)])
    models[2, 7, 1] = np.nan
    with pytest.raises(InputError, match=r"trajectory 0: checkpoint 2 .*1 of 9 rows are not finite; .* sample 7"):
        distance.pairwise([models], block=2)


@pytest.mark.parametrize("device, message", [("nonsense", "device 'nonsense': "), ("cuda", "no CUDA GPU is visible")])
def test_a_device_that_is_not_there_is_said(device, message):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match=message):
        distance.pairwise([np.full((2, 3, 4), 0.25)], device=device)


@pytest.mark.parametrize("kind", [">f2", ">f4", ">f8", np.longdouble])
def test_numbers_of_any_byte_order_and_width(tmp_path, kind):
    P = np.random.default_rng(0).dirichlet(np.ones(10), (6, 40)).astype(np.float16)
    expected = distance.pairwise([P], fast=False)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = P.astype(kind)
    trajectories = [P.astype(kind)]
    if np.dtype(kind).itemsize <= 8:  # wider ones are refused in files
        trajectories.append(predictions.open_trajectory(tmp_path / "a.h5"))
    for x in trajectories:
        for fast in (False, True) if importlib.util.find_spec("numba") else (False,):
            assert abs(distance.pairwise([x], fast=fast) - expected).max() < 1e-12
        assert abs(geodesic.progress(x, np.arange(40) % 10) - geodesic.progress(P, np.arange(40) % 10)).max() < 1e-6


@pytest.mark.parametrize("fast", [False, True])
def test_there_is_no_second_matrix(fast):
    """What is held beside the result: sums in half a matrix of the compiled pass, or the sums that are copied."""
    models = np.random.default_rng(0).dirichlet(np.ones(3), (2000, 2)).astype(np.float32)
    distance.pairwise([models[:400]], fast=fast, precision="float32")  # compiled before memory is counted
    tracemalloc.start()
    D = distance.pairwise([models], fast=fast, precision="float32")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (1.75 if fast else 2.5) * D.nbytes
    np.testing.assert_array_equal(D, D.T)
    few = distance.pairwise([models[300:700]], fast=False, precision="float64")
    np.testing.assert_allclose(D[300:700, 300:700], few, atol=1e-6)
