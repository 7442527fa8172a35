"""Trajectories: blocks of samples, numbers as they are stored, some of the models, published files, arrays."""

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import InputError
from tests.support.prediction_files import LABELS, C, N, T, flip_bit, opened, publish, refused, spoil, write_by_hand

FLOATS = ("sqrt_probability", "probability")  # quantities in float16

pytestmark = pytest.mark.usefixtures("reading")


@pytest.mark.parametrize("size", [1, 7, N, 10 * N])
def test_blocks_of_any_size_are_the_same(path, size):
    trajectory = predictions.open_trajectory(path)
    starts, blocks = zip(*trajectory.blocks(size))
    assert list(starts) == list(range(0, N, size))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), trajectory.roots())


@pytest.mark.parametrize(
    "which",
    [None, [0], [3, 1], [1, 2], [0, 2], [2, 2, 0], [-1, 0, 1], range(1, 3), np.array([True, False, True, True])],
)
@pytest.mark.parametrize("quantity", [*predictions.QUANTITIES, "published", "array"])
def test_stored_numbers(folder, models, quantity, which):
    if quantity == "array":
        trajectory, everything = predictions.as_trajectory(models), models
    else:
        trajectory = opened(folder, quantity)
        with h5py.File(trajectory.path) as file:
            everything = file["data"][:]
    if which is not None:
        trajectory, everything = trajectory.select(which), everything[which]
    assert trajectory.dtype == everything.dtype and trajectory.shape == everything.shape
    for start, stop in ((0, None), (3, 21), (40, 99), (N, N + 1)):
        expected = everything[:, start:stop]
        found = trajectory.stored(start, stop)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        bigger = np.zeros((len(expected) + 2, *expected.shape[1:]), expected.dtype)
        part = bigger[1:-1]
        assert trajectory.stored(start, stop, out=part) is part
        np.testing.assert_array_equal(bigger[1:-1], expected)
        assert not bigger[0].any() and not bigger[-1].any()
    np.testing.assert_array_equal(trajectory.select([0]).roots(), trajectory.roots()[:1])


@pytest.mark.parametrize(
    "out",
    [
        np.empty((T, N, C)),
        np.empty((T, N, C), ">f2"),
        np.empty((T, N, C + 1), "f2"),
        np.empty((T, N, 2 * C), "f2")[..., ::2],
        np.empty((T, C, N), "f2").transpose(0, 2, 1),
    ],
)
def test_stored_numbers_go_nowhere_else(folder, out):
    with pytest.raises(InputError, match=r"out must be a C-contiguous array of shape \(4, 50, 6\) and type float16"):
        opened(folder).stored(out=out)


@pytest.mark.parametrize("quantity", FLOATS)
@pytest.mark.parametrize(
    "value, message",
    [
        (np.nan, "3 of 50 rows are not finite; the first is sample 8"),
        (np.inf, "3 of 50 rows are not finite; the first is sample 8"),
        (-0.7, "some entries are negative .first: sample 8."),
        (4.0, "rows sum to .* .first: sample 8.; these look like logits"),
    ],
)
def test_bad_numbers_are_named_when_read_by_block(path, quantity, value, message):
    with h5py.File(path, "r+") as file:
        file.attrs["quantity"] = quantity
        file["data"][:] = file["data"][:] ** (1 if quantity == "sqrt_probability" else 2)
        for sample in (8, 31, 45):
            file["data"][2, sample, 1] = value
    trajectory = predictions.open_trajectory(path)
    for size in (3, N):
        refused(path, rf"checkpoint 2 \(t = 4\): .*{message}", lambda _, size=size: list(trajectory.blocks(size)))


def test_bad_models_of_a_selection_are_named_as_in_the_file(tmp_path, models):
    models = np.sqrt(models).astype("f2")
    models[2, 8, 1] = 2
    path = write_by_hand(tmp_path / "a.h5", models)
    part = predictions.open_trajectory(path).select([3, 2])
    refused(path, r"checkpoint 2 \(t = 1\): .*sample 8", lambda _: part.roots())


@pytest.mark.parametrize("quantity", [*predictions.QUANTITIES, "array"])
def test_some_of_the_samples(folder, models, quantity):
    """They are those of all; of the samples of some models, and of the models of some samples, too."""
    trajectory = predictions.as_trajectory(models) if quantity == "array" else opened(folder, quantity)
    part, everything = trajectory.samples(10, 33), trajectory.stored()
    assert part.shape == (T, 23, C) and part.name == f"{trajectory.name}, samples 10 to 33"
    np.testing.assert_array_equal(part.stored(), everything[:, 10:33])
    np.testing.assert_array_equal(part.stored(3, 9), everything[:, 13:19])
    np.testing.assert_array_equal(part.stored(20, 99), everything[:, 30:33])  # not what follows in the file
    np.testing.assert_array_equal(part.samples(2, 5).stored(), everything[:, 12:15])
    for both in (part.select([3, 1]), trajectory.select([3, 1]).samples(10, 33)):
        np.testing.assert_array_equal(both.stored(), everything[[3, 1], 10:33])
    np.testing.assert_array_equal(trajectory.stored(), everything)  # which stays as it is
    if quantity != "array":
        np.testing.assert_array_equal(part.labels, trajectory.labels[10:33])
        assert "labels_sha256" in trajectory.attributes and "labels_sha256" not in part.attributes
    trajectory.labels_path = "labels.npy"  # holds those of all samples
    assert trajectory.samples(0, 3).labels_path is None


@pytest.mark.parametrize("start, stop", [(-1, 3), (3, 3), (5, 3), (0, N + 1)])
def test_samples_that_are_not_there(path, start, stop):
    message = rf"samples {start} to {stop} of {N}; expected 0 <= start < stop <= {N}"
    refused(path, message, lambda _: predictions.open_trajectory(path).samples(start, stop))


def test_bad_samples_of_a_part_are_named_as_in_the_part(tmp_path, models):
    models = np.sqrt(models).astype("f2")
    models[2, 15, 1] = 2
    part = predictions.open_trajectory(write_by_hand(tmp_path / "a.h5", models)).samples(10, 20)
    refused(tmp_path / "a.h5", r", samples 10 to 20: checkpoint 2 \(t = 1\): .*sample 5", lambda _: part.roots())


def test_damage_is_found_in_stored_numbers_of_any_quantity(folder):
    for quantity in predictions.QUANTITIES:
        trajectory = opened(folder, quantity)
        flip_bit(trajectory.path, 2, 10)
        trajectory = opened(folder, quantity)
        message = "checkpoint 2, samples 0-49: checksum mismatch"
        refused(trajectory.path, message, lambda _, x=trajectory: x.stored(7, 9))
        refused(trajectory.path, message, lambda _, x=trajectory: x.select([3, 2]).stored(7, 9))
        trajectory.select([3, 0, 1]).stored()


def test_files_that_change_while_they_are_read(path, models):
    trajectory = predictions.open_trajectory(path)
    blocks = trajectory.blocks(10)
    next(blocks)
    predictions.write(path, models, labels=LABELS)
    refused(path, "changed while it was being read; start again", lambda _: next(blocks))
    trajectory = predictions.open_trajectory(path)
    path.unlink()
    refused(path, "no such file", lambda _: trajectory.roots())


def test_published_layout(tmp_path, models):
    publish(tmp_path / "a.h5", models)
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    assert trajectory.quantity == "probability" and trajectory.labels is None and trajectory.t.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(trajectory.roots(), np.sqrt(models), atol=3e-3)
    assert "published layout" in predictions.check(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["note"] = "from the paper"
    assert "published layout" in predictions.check(tmp_path / "a.h5")


def test_rounding_of_a_published_row_is_tolerated(tmp_path):
    """5 decimals move the sum of 1,000 equal small probabilities by up to 0.005; that is no reason to refuse."""
    models = np.full((1, 2, 1000), 0.000754)
    models[..., 0] = 1 - 999 * 0.000754
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.round(models, 5).astype(np.float16)
    sums = np.round(models, 5).astype(np.float16).astype(float).sum(2)
    assert np.abs(sums - 1).max() > predictions.TOLERANCE
    np.testing.assert_allclose(predictions.open_trajectory(tmp_path / "a.h5").roots(), np.sqrt(models), rtol=5e-3)


def test_arrays_as_trajectories(models):
    trajectory = predictions.as_trajectory(models)
    assert trajectory.shape == (T, N, C) and trajectory.seed is None and trajectory.run is None
    assert predictions.as_trajectory(trajectory) is trajectory
    assert predictions.as_trajectory(models[0]).shape == (1, N, C)
    before = models.copy()
    trajectory.roots(dtype=np.float64)
    np.testing.assert_array_equal(models, before)
    for bad in (models[0, 0], models.astype(int), models[:0], np.array("text"), [["a"]]):
        with pytest.raises(InputError, match=r"mine: expected probabilities \(T, N, C\) or \(N, C\), not an array"):
            predictions.as_trajectory(bad, "mine")
    with pytest.raises(InputError, match=r"mine: checkpoint 2 \(t = 2\): 1 of 50 rows are not finite"):
        predictions.as_trajectory(spoil(models, np.nan), "mine").roots()
