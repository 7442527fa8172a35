"""Rows that are probabilities but for their rounding are taken; what others are instead is named."""

import h5py
import numpy as np
import pytest
import torch

from info_geometry import distance, geodesic, predictions
from info_geometry.files import InputError
from info_geometry.storage.quantities import rounding
from tests.support.synthetic import labels_of, softmax

T, N, C = 4, 40, 100
MODELS = softmax(3 * np.random.default_rng(0).standard_normal((T, N, C)))
LABELS = labels_of(N, C)
ROUNDED = {
    "bfloat16": torch.tensor(MODELS).bfloat16().float().numpy(),
    "float16": MODELS.astype(np.float16),
    "3 decimals": MODELS.round(3),
    "4 decimals in float32": MODELS.round(4).astype(np.float32),
}


@pytest.mark.parametrize("kind", ROUNDED)
def test_rounded_rows_are_renormalised_by_all_that_read_them(tmp_path, kind):
    P = ROUNDED[kind]
    exact = P.astype(np.float64) / P.sum(axis=2, keepdims=True, dtype=np.float64)
    expected = distance.pairwise([exact], precision="float64")
    np.testing.assert_allclose(distance.pairwise([P], precision="float64"), expected, atol=1e-6)
    np.testing.assert_allclose(geodesic.progress(P, LABELS), geodesic.progress(exact, LABELS), atol=1e-5)
    predictions.write(tmp_path / "mine_a" / "preds_0.h5", P, labels=LABELS)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["data"], file["t"] = P, np.arange(T)
    for path in (tmp_path / "mine_a" / "preds_0.h5", tmp_path / "own.h5"):
        assert "sound" in predictions.check(path)
        opened = predictions.open_trajectory(path)
        np.testing.assert_allclose(opened.roots(dtype=np.float64), np.sqrt(exact), atol=1e-3)
        np.testing.assert_allclose(distance.pairwise([opened], precision="float64"), expected, atol=1e-4)


def test_a_bad_model_behind_rounded_ones_is_found():
    P = ROUNDED["3 decimals"].copy()
    P[3, 7] *= 3
    for call in (lambda: distance.pairwise([P]), lambda: geodesic.progress(P, LABELS)):
        with pytest.raises(InputError, match=r"checkpoint 3 .*sum to .*first: sample 7"):
            call()


def test_numbers_that_are_not_rounded_have_no_leave():
    assert rounding(MODELS[0]) == ("", 0.0)
    with pytest.raises(InputError, match=r"rows sum to 1.01"):
        distance.pairwise([1.01 * MODELS])


@pytest.mark.parametrize(
    "rows, message",
    [
        (np.log(MODELS), "these are log-probabilities: store exp"),
        (100 * MODELS, "these are percent: divide by 100"),
        (np.random.default_rng(1).random((T, N, C)), "like sigmoids"),
        (np.random.default_rng(1).random((T, N, 1)), "one probability p of two classes"),
        (3 * np.random.default_rng(1).standard_normal((T, N, C)), "these look like logits or features"),
        (softmax(np.random.default_rng(1).standard_normal((T, N, 1000))).round(2), "rounded to 2 decimals|sigmoids"),
    ],
)
def test_what_rows_are_instead_is_named(rows, message):
    with pytest.raises(InputError, match=message):
        distance.pairwise([rows])


def test_one_model_and_one_probability(tmp_path):
    path = tmp_path / "mine_a" / "preds_0.h5"
    predictions.write(path, MODELS[0], labels=LABELS)
    assert predictions.open_trajectory(path).shape == (1, N, C)
    with pytest.raises(InputError, match=r"give numpy.stack\(\[1 - p, p\], axis=-1\)"):
        predictions.write(tmp_path / "mine_b" / "preds_0.h5", np.full((T, N), 0.5), labels=LABELS % 2)
