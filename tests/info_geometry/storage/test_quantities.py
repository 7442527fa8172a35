"""How predictions are stored: chunks, quantities, reading as stored, 8 bits, files turned into others."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.files import ROOT, InputError
from info_geometry.storage import conversion, format, quantities
from tests.info_geometry.test_predictions import LAYOUT, flip_bit, names, publish, refused, write_by_hand
from tests.support import stages
from tests.support.synthetic import labels_of, random_models, softmax

T, N, C = 4, 50, 6
LABELS = labels_of(N, C)
EIGHT = "fourth_root_8bit"
H = 1 / 510  # rounding to 8 bits


@pytest.fixture
def models():
    return random_models(np.random.default_rng(0), T, N, C)


@pytest.fixture
def folder(tmp_path, models):
    """A folder with toy_all/preds_3.h5 of each quantity and a published file, in folders of their names."""
    for quantity in predictions.QUANTITIES:
        predictions.write(
            tmp_path / quantity / "toy_all" / "preds_3.h5",
            models,
            labels=LABELS,
            t=[0, 1, 4, 12],
            quantity=quantity,
            t_name="step",
            task="all",
            seed=3,
            config={"lr": 0.1},
        )
    (tmp_path / "published" / "toy_all").mkdir(parents=True)
    publish(tmp_path / "published" / "toy_all" / "preds_3.h5", models)
    (tmp_path / "published" / "labels").mkdir()
    np.save(tmp_path / "published" / "labels" / "toy_val_labels.npy", LABELS)
    return tmp_path


def opened(folder, quantity="sqrt_probability"):
    return predictions.open_trajectory(folder / quantity / "toy_all" / "preds_3.h5")


def convert(*arguments):
    command = [sys.executable, "-m", "info_geometry.predictions", "convert", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# --- chunks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 10, 36, 100, 337, 1000, 22000])
@pytest.mark.parametrize("samples", [1, 2, 599, 601, 2000, 10000, 20000, 49999, 50000])
def test_chunks_waste_little_and_suit_slabs(samples, classes):
    rows = format.chunk_rows(samples, classes)
    assert 1 <= rows <= samples
    assert -samples % rows <= 0.05 * samples
    if samples >= 2000 and classes <= 1000:
        assert 0.7 < rows**2 * classes / 1.5e6 * 1.4 < 2.5


def test_slabs_touch_fewer_bytes_than_with_automatic_chunks(tmp_path):
    """HDF5 reads whole chunks where they have a checksum: count them, for slabs wherever they start."""
    shape = 60, 2000, 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        automatic = file.create_dataset("data", shape, "f2", chunks=True).chunks
    for slab in (1000, 300, 48):
        read = [
            np.mean([((start + slab - 1) // rows - start // rows + 1) * rows for start in range(shape[1] - slab)])
            / slab
            for rows in (format.chunk_rows(*shape[1:]), automatic[1])
        ]
        assert read[0] < min(2, read[1])


def test_gzip_is_smaller_and_reads_the_same(tmp_path, models):
    for compression in (None, "gzip"):
        predictions.write(tmp_path / f"{compression}.h5", [models[0]] * 20, labels=LABELS, compression=compression)
    plain, packed = (predictions.open_trajectory(tmp_path / f"{name}.h5") for name in (None, "gzip"))
    assert packed.path.stat().st_size < plain.path.stat().st_size and packed.attributes == plain.attributes
    np.testing.assert_array_equal(packed.roots(), plain.roots())
    with h5py.File(plain.path) as a, h5py.File(packed.path) as b:
        assert (a["data"].compression, b["data"].compression, b["data"].shuffle) == (None, "gzip", True)
        assert a["data"].fletcher32 and b["data"].fletcher32
    refused(
        tmp_path / "c.h5",
        "compression 'lzf' is not one of None, 'gzip'",
        lambda p: predictions.write(p, models, labels=LABELS, compression="lzf"),
    )


def test_files_of_before_are_read_and_put_together(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    old = write_by_hand(tmp_path / "old.h5", roots, **LAYOUT)
    assert "sound" in predictions.check(old)
    predictions.write(tmp_path / "new.h5", models, labels=LABELS)
    with predictions.Recorder(tmp_path / "both.h5", labels=LABELS) as both:
        both.append_file(old)
        both.append_file(tmp_path / "new.h5")
    np.testing.assert_array_equal(
        predictions.open_trajectory(tmp_path / "both.h5").stored(), np.concatenate([roots, roots])
    )


# --- reading as stored ----------------------------------------------------------------------------------------------


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


def test_bad_models_of_a_selection_are_named_as_in_the_file(tmp_path, models):
    models = np.sqrt(models).astype("f2")
    models[2, 8, 1] = 2
    path = write_by_hand(tmp_path / "a.h5", models)
    part = predictions.open_trajectory(path).select([3, 2])
    refused(path, r"checkpoint 2 \(t = 1\): .*sample 8", lambda _: part.roots())


def test_damage_is_found_in_stored_numbers_of_any_quantity(folder):
    for quantity in predictions.QUANTITIES:
        trajectory = opened(folder, quantity)
        flip_bit(trajectory.path, 2, 10)
        trajectory = opened(folder, quantity)
        message = "checkpoint 2, samples 0-49: checksum mismatch"
        refused(trajectory.path, message, lambda _, x=trajectory: x.stored(7, 9))
        refused(trajectory.path, message, lambda _, x=trajectory: x.select([3, 2]).stored(7, 9))
        trajectory.select([3, 0, 1]).stored()


def test_halves_become_floats_exactly():
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    for halves in (finite, -finite, np.arange(1 << 16, dtype=np.uint16).view(np.float16), finite[:0]):
        out = np.empty(halves.shape, np.float32)
        quantities._widen(halves, out)
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


# --- 8 bits ---------------------------------------------------------------------------------------------------------


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


# --- files turned into others ---------------------------------------------------------------------------------------


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


def test_command_turns_files(folder):
    predictions.write(
        folder / EIGHT / "toy_all" / "preds_4.h5", opened(folder).roots()[::-1].astype(float) ** 2, labels=LABELS
    )
    sources = [folder / EIGHT / "toy_all" / f"preds_{seed}.h5" for seed in (3, 4)]
    result = convert(*sources, folder / "new", "--compact", "--compression", "gzip")
    assert result.returncode == 0 and result.stdout.endswith("2 converted, 0 not\n"), result.stderr
    for source in sources:
        found = predictions.open_trajectory(folder / "new" / "toy_all" / source.name)
        assert found.quantity == EIGHT
        with h5py.File(found.path) as file:
            assert file["data"].compression == "gzip"
    result = convert(*sources, folder / "new", "--compact")
    assert result.returncode == 0 and result.stdout.count("skipped (already complete") == 2


def test_what_cannot_be_turned_is_said_and_the_others_are(folder):
    (folder / "text" / "toy_all").mkdir(parents=True)
    (folder / "text" / "toy_all" / "preds_5.h5").write_text("no")
    good, bad = opened(folder).path, folder / "text" / "toy_all" / "preds_5.h5"
    published = opened(folder, "published").path
    (folder / "published" / "labels" / "toy_val_labels.npy").unlink()
    moved = published.rename(published.with_name("preds_6.h5"))
    result = convert(bad, moved, good, opened(folder, EIGHT).path, folder / "new")
    assert result.returncode == 1 and result.stdout.endswith("1 converted, 3 not\n")
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines), result.stderr
    assert "preds_5.h5 is not a complete trajectory file" in lines[0]
    assert "carries no labels, and" in lines[1] and "say --labels FILE" in lines[1]
    assert "would have the same name" in lines[2]
    assert names(folder / "new" / "toy_all") == [".preds_3.lock", "preds_3.h5"]
    np.save(folder / "mine.npy", LABELS)
    np.save(folder / "fewer.npy", LABELS[1:])
    assert convert(moved, folder / "new", "--labels", folder / "mine.npy").returncode == 0
    result = convert(moved, folder / "other", "--labels", folder / "fewer.npy")
    assert result.returncode == 1 and "expected 50 labels, one for each of its samples" in result.stderr
    assert "no such file" in convert(moved, folder / "new", "--labels", folder / "none.npy").stderr


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


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_conversion_leaves_nothing_half_written(tmp_path, end):
    models = random_models(np.random.default_rng(0), 1, 2000, 200)
    source = tmp_path / "toy_all" / "preds_0.h5"
    predictions.write(source, [models[0]] * 60, labels=labels_of(2000, 200))  # seconds to compress
    command = [
        sys.executable,
        "-m",
        "info_geometry.predictions",
        "convert",
        source,
        tmp_path / "new",
        "--compact",
        "--compression",
        "gzip",
    ]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "new").glob("toy_all/.preds_0.h5.*.tmp")) and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, end)
    assert process.wait() != 0
    assert "preds_0.h5" not in names(tmp_path / "new" / "toy_all")
    assert convert(source, tmp_path / "new", "--compact").returncode == 0
    assert names(tmp_path / "new" / "toy_all") == [".preds_0.lock", "preds_0.h5"]
    assert ": sound" in predictions.check(tmp_path / "new" / "toy_all" / "preds_0.h5")


# --- the benchmark --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_benchmark_of_storage():
    text = stages.script("benchmarks/storage.py").tables(quick=True)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| 10")]
    assert len(rows) == 16 and all(float(row[5]) <= float(row[6].rstrip("| ")) for row in rows)
    assert {row[2] for row in rows} == {*predictions.QUANTITIES, "published"}
    assert text.count("| ours, 1 x ") == 4 and "Our chunks against h5py's" in text
