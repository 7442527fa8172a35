"""Conversion: any file is turned into any other, what is there is kept."""

import sys

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import InputError
from info_geometry.storage import conversion, quantities, runs
from tests.support.prediction_files import LABELS, C, N, T, names, opened, refused, write_by_hand
from tests.support.synthetic import labels_of, random_models, softmax

EIGHT = "fourth_root_8bit"


@pytest.mark.parametrize("target", [*predictions.QUANTITIES, "published"])
@pytest.mark.parametrize("source", [*predictions.QUANTITIES, "published"])
def test_any_file_is_turned_into_any_other(folder, models, source, target):
    if target == "published":
        pytest.importorskip("hdf5plugin")
    before = opened(folder, source)
    report = conversion.convert(before.path, folder / "new", target)
    assert f"{T} models as {target}" in report
    path = folder / "new" / "toy_all" / "preds_3.h5"
    after = predictions.open_trajectory(path)
    assert ": sound" in predictions.check(path) and after.published == (target == "published")
    assert after.quantity == ("probability" if after.published else target)
    np.testing.assert_array_equal(after.labels, LABELS)
    np.testing.assert_array_equal(after.t, before.t)
    for key in ("task", "seed", "config", "t_name") if source != "published" else ():
        assert after.attributes[key] == before.attributes[key]
    np.testing.assert_allclose(after.roots(), np.sqrt(models), atol=0.01)
    if source == target:
        np.testing.assert_array_equal(after.stored(), before.stored())
    expected = quantities.encode(before.roots(dtype=np.float64) ** 2, target)
    if source != target:
        np.testing.assert_array_equal(after.stored(), expected)
    assert "skipped (already complete" in conversion.convert(before.path, folder / "new", target)
    assert names(path.parent) == [".preds_3.lock", "preds_3.h5"]


def test_published_files_are_as_they_are_published(folder):
    pytest.importorskip("hdf5plugin")
    conversion.convert(opened(folder).path, folder / "new", "published")
    with h5py.File(folder / "new" / "toy_all" / "preds_3.h5") as file:
        data = file["data"]
        assert data.dtype == np.float16 and data.shape == (T, N, C) and "quantity" not in file.attrs
        plist = data.id.get_create_plist()
        assert [plist.get_filter(i)[0] for i in range(plist.get_nfilters())] == [32004]
        np.testing.assert_array_equal(data[:], np.round(opened(folder).roots(dtype=float) ** 2, 5).astype("f2"))


def test_large_files_are_turned_in_parts(tmp_path, monkeypatch):
    """Whatever the chunks of the source are, and where they end."""
    models, labels = random_models(np.random.default_rng(0), 7, 90, 12), labels_of(90, 12)
    monkeypatch.setattr(quantities, "STEP", 100)
    for i, chunks in enumerate([(3, 40, 5), (1, 90, 12), (7, 1, 12), (2, 7, 1), None]):
        source = tmp_path / str(i) / "toy_all" / "preds_0.h5"
        source.parent.mkdir(parents=True)
        write_by_hand(source, np.sqrt(models).astype("f2"), labels=labels, chunks=chunks)
        conversion.convert(source, tmp_path / f"to{i}", EIGHT)
        found = predictions.open_trajectory(tmp_path / f"to{i}" / "toy_all" / "preds_0.h5")
        whole = predictions.open_trajectory(source).roots(dtype=np.float64)
        np.testing.assert_array_equal(found.stored(), quantities.encode(whole**2, EIGHT))


def test_what_is_there_is_kept(folder, models):
    source, path = opened(folder).path, folder / "new" / "toy_all" / "preds_3.h5"
    predictions.write(path, models[::-1], labels=LABELS, t=[0, 1, 4, 12], task="all", seed=3, config={"lr": 0.1})
    before = path.read_bytes()
    refused(
        path,
        "is there and holds something else than .*; delete it, or say --redo",
        lambda _: conversion.convert(source, folder / "new", "sqrt_probability"),
    )
    assert path.read_bytes() == before
    conversion.convert(source, folder / "new", "sqrt_probability", redo=True)
    np.testing.assert_array_equal(predictions.open_trajectory(path).stored(), opened(folder).stored())
    refused(
        source,
        "would be overwritten",
        lambda _: conversion.convert(source, folder / "sqrt_probability", EIGHT, redo=True),
    )


def test_unsound_rows_are_not_turned(folder, models):
    path = opened(folder).path
    with h5py.File(path, "r+") as file:
        file["data"][2, 8, 1] = 0.9
    for target in predictions.QUANTITIES:
        refused(
            path,
            r"checkpoint 2 \(t = 4\): rows sum to .* sample 8",
            lambda p, target=target: conversion.convert(p, folder / "new", target),
        )
    assert names(folder / "new" / "toy_all") == [".preds_3.lock"]


def test_published_files_need_hdf5plugin(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(InputError, match=r"compressed with LZ4, which needs: pip install hdf5plugin"):
        conversion.convert(opened(folder).path, folder / "new", "published")


@pytest.mark.parametrize("target", [EIGHT, "published"])
def test_an_order_that_is_meant_stays(tmp_path, models, target):
    if target == "published":
        pytest.importorskip("hdf5plugin")
    path, t = tmp_path / "toy_all" / "preds_0.h5", [3, 1, 1, 2]
    predictions.write(path, models, labels=LABELS, t=t, keep_order=True)
    conversion.convert(path, tmp_path / "new", target)
    conversion.convert(tmp_path / "new" / "toy_all" / "preds_0.h5", tmp_path / "again", "sqrt_probability")
    found = predictions.open_trajectory(tmp_path / "again" / "toy_all" / "preds_0.h5")
    assert found.t.tolist() == t and found.attributes["keep_order"] == 1


def disordered(tmp_path, t, models):
    """Write a file whose t another program wrote; return its path."""
    path = tmp_path / "toy_all" / "preds_0.h5"
    predictions.write(path, models, labels=LABELS)
    with h5py.File(path, "r+") as file:
        file["t"][...] = t
    return path


def test_checkpoints_are_put_in_order_or_kept(tmp_path, models):
    path = disordered(tmp_path, [3, 0, 2, 1], models)
    before = predictions.open_trajectory(path).stored()
    refused(
        path, "checkpoint 1 has t = 0 after 3; --sort puts", lambda p: conversion.convert(p, tmp_path / "no", EIGHT)
    )
    with pytest.raises(InputError, match=r"checkpoint 1 has t = 0 after 3: put checkpoints in the order of t, or say"):
        runs.find(tmp_path)
    for order, expected, which in (("sort", [0, 1, 2, 3], [1, 3, 2, 0]), ("keep", [3, 0, 2, 1], [0, 1, 2, 3])):
        conversion.convert(path, tmp_path / order, "sqrt_probability", order=order)
        found = predictions.open_trajectory(tmp_path / order / "toy_all" / "preds_0.h5")
        assert found.t.tolist() == expected and np.array_equal(found.stored(), before[which])
        assert "sound" in predictions.check(found.path) and runs.find(tmp_path / order)
        assert "skipped" in conversion.convert(path, tmp_path / order, "sqrt_probability", order=order)


def test_two_checkpoints_at_one_t(tmp_path, models):
    path = disordered(tmp_path, [0, 2, 1, 1], models)
    message = "checkpoint 3 has t = 1, as another one has; --keep-order"
    refused(path, message, lambda p: conversion.convert(p, tmp_path / "new", EIGHT, order="sort"))


def test_files_without_labels_stay_without(tmp_path, models):
    path = tmp_path / "toy_all" / "preds_0.h5"
    predictions.write(path, models)
    conversion.convert(path, tmp_path / "new", EIGHT)
    assert predictions.open_trajectory(tmp_path / "new" / "toy_all" / "preds_0.h5").labels is None


def test_labels_of_another_order_are_doubted(tmp_path, caplog):
    labels = labels_of(200, 4)
    sure = softmax(8 * np.eye(4)[labels])[None]
    predictions.write(tmp_path / "toy_all" / "preds_0.h5", sure, labels=np.roll(labels, 1))
    conversion.convert(tmp_path / "toy_all" / "preds_0.h5", tmp_path / "new", EIGHT)
    assert "are its samples in the order of its labels?" in caplog.text
