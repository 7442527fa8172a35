"""Quantities: what stored numbers stand for, and how far 8 bits are from the truth."""

import h5py
import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.storage import quantities
from tests.support import stages
from tests.support.prediction_files import LABELS, C, opened, refused, write_by_hand
from tests.support.synthetic import softmax

EIGHT = "fourth_root_8bit"
H = 1 / 510  # rounding to 8 bits


def test_halves_become_floats_exactly():
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    for halves in (finite, -finite, np.arange(1 << 16, dtype=np.uint16).view(np.float16), finite[:0]):
        out = np.empty(halves.shape, np.float32)
        quantities.widen(halves, out)
        np.testing.assert_array_equal(out, halves.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("quantity", [*predictions.QUANTITIES, "published"])
def test_roots_are_those_of_the_definition(folder, quantity, dtype):
    stored = opened(folder, quantity).stored().astype(dtype)
    expected = {EIGHT: np.square(stored), "sqrt_probability": stored}.get(quantity, np.sqrt(stored))
    expected = expected / np.sqrt(np.einsum("tnc,tnc->tn", expected, expected))[..., None]
    found = opened(folder, quantity).roots(dtype=dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    likewise = predictions.to_roots(stored, "probability" if quantity == "published" else quantity)
    np.testing.assert_allclose(likewise / np.linalg.norm(likewise, axis=2, keepdims=True), expected, rtol=1e-6)


def test_zeros_with_a_sign_are_zeros(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    roots[roots < 0.1] = -0.0
    roots /= np.linalg.norm(roots.astype(float), axis=2, keepdims=True).astype(np.float16)
    found = predictions.open_trajectory(write_by_hand(tmp_path / "a.h5", roots)).roots()
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=1e-6)
    with predictions.Recorder(tmp_path / "b.h5", labels=LABELS, quantity=EIGHT) as recording:
        recording.append_roots(roots[0], 0)
    assert (predictions.open_trajectory(tmp_path / "b.h5").stored()[0][roots[0] == 0] == 0).all()


# 8 bits


@pytest.mark.parametrize("confidence", [0, 3, 12])
@pytest.mark.parametrize("classes, samples", [(2, 400), (10, 400), (1000, 40)])
def test_errors_of_8_bits(tmp_path, classes, samples, confidence):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, samples)
    start = confidence * np.eye(classes)[labels] + rng.standard_normal((samples, classes))
    models = softmax(start + np.cumsum(0.5 * rng.standard_normal((6, samples, classes)), axis=0))
    predictions.write(tmp_path / "a.h5", models, labels=labels, quantity=EIGHT)
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    assert trajectory.dtype == np.uint8 and ": sound" in predictions.check(trajectory.path)
    moved = np.linalg.norm(trajectory.roots(dtype=np.float64) - np.sqrt(models), axis=2)
    bound = 2 * H * classes**0.25 + H**2 * classes**0.5
    assert moved.max() < 2 * np.sin(np.arcsin(bound) / 2) + 1e-12
    exact, found = (distance.pairwise([x], precision="float64") for x in (models, trajectory))
    assert (np.abs(found - exact) <= 0.01 * np.maximum(exact, 0.01)).all()
    assert np.sqrt(np.mean((found - exact) ** 2)) < 2e-4


def test_8_bits_of_roots_and_of_probabilities_are_the_same_but_for_rounding(tmp_path, models):
    predictions.write(tmp_path / "a.h5", models, labels=LABELS, quantity=EIGHT)
    with predictions.Recorder(tmp_path / "b.h5", labels=LABELS, quantity=EIGHT) as recording:
        for i, model in enumerate(np.sqrt(models).astype(np.float16)):
            recording.append_roots(model, i)
    a, b = (predictions.open_trajectory(tmp_path / name).stored().astype(int) for name in ("a.h5", "b.h5"))
    assert np.abs(a - b).max() <= 1 and (a != b).mean() < 0.05


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda data: data.__setitem__((2, 8), 0),
            r"checkpoint 2 \(t = 1\): the largest number of a row is 0, expected 255 \(first: sample 8\)",
        ),
        (lambda data: data.__setitem__((2, 8), 254), "the largest number of a row is 254, expected 255"),
        (lambda data: data.__setitem__((slice(None), slice(None), 0), 255), "data do not match their fingerprint"),
    ],
)
def test_hostile_8_bits(tmp_path, models, change, message):
    path = write_by_hand(tmp_path / "a.h5", quantities.encode(models, EIGHT), EIGHT)
    assert ": sound" in predictions.check(path)
    with h5py.File(path, "r+") as file:
        change(file["data"])
    refused(path, message)
    if "largest" in message:
        refused(path, message, lambda p: predictions.open_trajectory(p).roots(3, 12))


@pytest.mark.parametrize("kind", ["u2", "i1", "f2"])
def test_8_bits_are_bytes(tmp_path, models, kind):
    path = write_by_hand(tmp_path / "a.h5", quantities.encode(models, EIGHT).astype(kind), EIGHT)
    refused(path, "'data' .*(uint16|int8|float16)", predictions.open_trajectory)


def test_rows_of_zeros_are_outside_the_tolerance_however_they_are_read(folder):
    trajectory = opened(folder, EIGHT)
    for value, sound in ((0, False), (255, True)):
        rows = np.full((3, C), value, np.float32)
        off = np.abs(np.square(predictions.to_roots(rows, EIGHT)).sum(axis=1) - 1)
        assert ((off <= trajectory.tolerance) == sound).all()
    one = np.zeros(2_000_000, np.float32)
    one[0] = 255
    for row in (one, np.full_like(one, 255)):
        assert abs(np.square(predictions.to_roots(row, EIGHT)).sum(dtype=np.float64) - 1) <= trajectory.tolerance


# the benchmark


@pytest.mark.slow
def test_benchmark_of_storage():
    text = stages.script("benchmarks/storage.py").tables(quick=True)
    tables = [
        [line.split(" | ") for line in table.splitlines() if line.startswith("| 10")] for table in text.split("\n\n")
    ]
    rows, of_lengths = tables[:2]
    assert len(of_lengths) == 16 and all(abs(float(row[5].split()[0])) < 1 for row in of_lengths)
    assert len(rows) == 16 and all(float(row[5]) <= float(row[6].rstrip("| ")) for row in rows)
    assert {row[2] for row in rows} == {*predictions.QUANTITIES, "published"}
    assert text.count("| ours, 1 x ") == 4 and "Our chunks against h5py's" in text
