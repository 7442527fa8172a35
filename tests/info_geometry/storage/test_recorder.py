"""Recording: what is written is read back, what is not sound is refused, files are put together as they are."""

import os
import random

import h5py
import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.files import InputError
from info_geometry.storage import format
from tests.support.prediction_files import (
    LABELS,
    LAYOUT,
    C,
    N,
    T,
    append_files,
    data_of,
    flip_bit,
    names,
    publish,
    random_walk,
    refused,
    same_models,
    spoil,
    write_by_hand,
)
from tests.support.synthetic import labels_of, random_models

FLOATS = ("sqrt_probability", "probability")  # quantities in float16


def test_round_trip(path, models):
    trajectory = predictions.open_trajectory(path)
    assert trajectory.shape == (T, N, C) and (trajectory.run, trajectory.seed) == ("toy_all", 3)
    assert trajectory.t.tolist() == [0, 1, 4, 12] and trajectory.t.dtype == np.float64
    np.testing.assert_array_equal(trajectory.labels, LABELS)
    roots = trajectory.roots()
    assert roots.dtype == np.float32
    np.testing.assert_allclose(roots, np.sqrt(models), rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(roots, axis=2), 1, atol=1e-6)
    attributes = trajectory.attributes
    assert attributes["format_version"] == 1 and attributes["quantity"] == "sqrt_probability"
    assert attributes["task"] == "all" and attributes["seed"] == 3 and attributes["config"] == {"lr": 0.1}
    assert attributes["labels_sha256"] == predictions.fingerprint(LABELS) and "h5py" in attributes["versions"]


def stored_and_exact(folder, models, quantity):
    """Return the distances of models as stored in float16, and the exact ones, of all different pairs."""
    predictions.write(folder / "a.h5", models, labels=np.zeros(models.shape[1], int), quantity=quantity)
    pairs = np.triu_indices(len(models), 1)
    exact = distance.pairwise([models], precision="float64")[pairs]
    return distance.pairwise([predictions.open_trajectory(folder / "a.h5")], precision="float64")[pairs], exact


@pytest.mark.parametrize("step", [0.1, 0.3, 1])
@pytest.mark.parametrize("confidence", [0, 6, 12, 18])
@pytest.mark.parametrize("C, N", [(10, 500), (1000, 50)])
def test_error_of_distances_by_storage_of_roots(tmp_path, C, N, confidence, step):
    """Each root moves by at most 2^-11 of itself, at random: so the root of any distance stays within 2^-12, and
    distances from 0.01 on within 0.03 % (they are averages over samples)."""
    models = random_walk(np.random.default_rng(C), N, C, confidence, step)
    stored, exact = stored_and_exact(tmp_path, models, "sqrt_probability")
    assert (np.abs(stored - exact) <= 3e-4 * np.maximum(exact, 0.01)).all()
    assert np.abs(np.sqrt(stored) - np.sqrt(exact)).max() < 2**-12


def test_probabilities_would_lose_confident_models(tmp_path):
    models = random_walk(np.random.default_rng(0), 20, 1000, 18, 0.3)
    errors = []
    for quantity in FLOATS:
        stored, exact = stored_and_exact(tmp_path, models, quantity)
        errors.append((np.abs(stored - exact) / exact).max())
    assert errors[0] < 3e-3 and errors[1] > 0.03


def test_models_are_taken_one_at_a_time(tmp_path, models):
    alive = []

    class Model(np.ndarray):
        def __del__(self):
            if self.base is None and self.shape == (N, C):
                alive.remove(id(self))

    def one_by_one():
        for model in models:
            assert len(alive) <= 1
            copy = np.ndarray.__new__(Model, (N, C))
            copy[:] = model
            alive.append(id(copy))
            yield copy
            del copy

    predictions.write(tmp_path / "iterated.h5", one_by_one(), labels=LABELS)
    predictions.write(tmp_path / "array.h5", models, labels=LABELS)
    assert (tmp_path / "iterated.h5").read_bytes() == (tmp_path / "array.h5").read_bytes()


def test_writing_twice_gives_the_same_bytes(tmp_path, path, models):
    again = tmp_path / "again.h5"
    predictions.write(again, models, labels=LABELS, t=[0, 1, 4, 12], task="all", seed=3, config={"lr": 0.1})
    assert again.read_bytes() == path.read_bytes()


def test_recorder_takes_tensors(tmp_path):
    torch = pytest.importorskip("torch")
    outputs = torch.randn(3, N, C, generator=torch.Generator().manual_seed(0)).requires_grad_().softmax(dim=2)
    with predictions.Recorder(tmp_path / "a.h5", labels=torch.from_numpy(LABELS), t_name="epoch") as recorder:
        for i, model in enumerate(outputs):
            recorder.append(model, t=10 * i)
        recorder.append(outputs[0].bfloat16().float().softmax(dim=1).bfloat16(), t=30)
        assert recorder.count == 4 and names(tmp_path) == [f".a.h5.{os.getpid()}.tmp"]
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    assert trajectory.t.tolist() == [0, 10, 20, 30] and trajectory.attributes["t_name"] == "epoch"
    np.testing.assert_allclose(trajectory.roots()[:3], outputs.detach().numpy() ** 0.5, rtol=1e-3)


def test_unnormalised_rows_within_tolerance_are_normalised(tmp_path, models):
    predictions.write(tmp_path / "a.h5", models * 1.0009, labels=LABELS)
    predictions.write(tmp_path / "b.h5", models, labels=LABELS)
    a, b = (predictions.open_trajectory(tmp_path / name).roots() for name in ("a.h5", "b.h5"))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)


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


# what is not sound is refused, and nothing is left


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda P: spoil(P, np.nan), r"checkpoint 2 \(t = 4\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda P: spoil(P, np.inf), r"checkpoint 2 \(t = 4\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda P: spoil(P, -0.5), r"checkpoint 2 \(t = 4\): rows sum to .* negative \(first: sample 8\).*logits"),
        (lambda P: np.log(P + 1e-9), r"checkpoint 0 \(t = 0\): rows sum to .*these are log-probabilities"),
        (lambda P: np.log(P + 1e-9) + 3, r"checkpoint 0 \(t = 0\): rows sum to .*these look like logits or features"),
        (lambda P: P * 1.01, r"checkpoint 0 \(t = 0\): rows sum to 1.01..1.01 .*store softmax outputs"),
        (lambda P: P[:, :-1], r"checkpoint 0 .*expected \(50, 6\) probabilities, not an array of shape \(49, 6\)"),
        (lambda P: iter([P[0], P[1][:, :-1]]), r"checkpoint 1 .*expected \(50, 6\) probabilities.* shape \(50, 5\)"),
        (lambda P: iter(P[0]), r"expected \(50, C\) probabilities, not an array of shape \(6,\)"),
        (lambda P: P[:, :, :0], r"expected \(50, 0\) probabilities"),
        (lambda P: P.argmax(2)[..., None].repeat(C, 2), "expected .* probabilities, not .* type int64"),
        (lambda P: P[:3], "3 models but 4 values of t"),
        (lambda P: np.concatenate([P, P]), "8 models but 4 values of t"),
        (lambda P: iter(np.concatenate([P, P])), "more models than the 4 values of t"),
    ],
)
def test_bad_models_are_refused(tmp_path, models, change, message):
    (tmp_path / "a.h5").write_text("old")
    refused(tmp_path / "a.h5", message, lambda p: predictions.write(p, change(models), labels=LABELS, t=[0, 1, 4, 12]))
    assert names(tmp_path) == ["a.h5"] and (tmp_path / "a.h5").read_text() == "old"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"labels": LABELS + 0.5}, "expected N labels, whole numbers, .* not an array of shape .50,. and type float64"),
        ({"labels": LABELS[:, None]}, "expected N labels, whole numbers"),
        ({"labels": []}, "expected N labels, whole numbers"),
        ({"labels": np.eye(C)[LABELS]}, "these are one-hot: give their argmax"),
        ({"labels": LABELS.astype(str)}, "number the classes, in the order of the columns"),
        ({"labels": LABELS[:-1]}, r"expected \(49, 6\) probabilities"),
        ({"labels": LABELS + 1}, "labels reach from 1 to 6, expected 0 to 5; count classes from 0"),
        ({"labels": LABELS - 1}, "labels reach from -1 to 4"),
        ({"labels": LABELS, "quantity": "logits"}, "quantity 'logits' is not one of sqrt_probability, probability, "),
        ({"labels": LABELS, "t": [0, 1, np.nan, 3]}, "checkpoint 2 .*t must be a finite number"),
    ],
)
def test_bad_labels_and_options_are_refused(tmp_path, models, options, message):
    refused(tmp_path / "a.h5", message, lambda p: predictions.write(p, models, **options))
    assert names(tmp_path) == []


def test_no_models_are_refused(tmp_path):
    refused(tmp_path / "a.h5", "no model was recorded", lambda p: predictions.write(p, [], labels=LABELS))
    refused(tmp_path / "a.h5", "0 models but 1 values", lambda p: predictions.write(p, [], labels=LABELS, t=[0]))
    assert names(tmp_path) == []


# models as square roots


def append_roots(path, models, times=None, **options):
    with predictions.Recorder(path, labels=LABELS, **options) as recorder:
        for i, model in enumerate(models):
            recorder.append_roots(model, i if times is None else times[i])


@pytest.mark.parametrize("confidence", [0, 3, 9])
def test_roots_are_the_models_but_for_rounding(tmp_path, confidence):
    models = random_walk(np.random.default_rng(1), N, C, confidence, 1)
    predictions.write(tmp_path / "a.h5", models, labels=LABELS, t=range(6), task="all")
    roots = np.sqrt(models).astype(np.float16)
    append_roots(tmp_path / "b.h5", [*roots[:5], np.asfortranarray(roots[5])], task="all")
    a, b = (predictions.open_trajectory(tmp_path / name) for name in ("a.h5", "b.h5"))
    assert np.array_equal(data_of(b.path), roots)
    ulps = data_of(a.path).view(np.int16).astype(int) - data_of(b.path).view(np.int16)
    assert np.abs(ulps).max() <= 1
    assert ": sound" in predictions.check(b.path) and np.array_equal(a.t, b.t) and np.array_equal(a.labels, b.labels)
    a.attributes.pop("data_sha256"), b.attributes.pop("data_sha256")
    assert a.attributes == b.attributes


def test_roots_may_be_tensors(tmp_path, models):
    torch = pytest.importorskip("torch")
    roots = torch.from_numpy(models).sqrt().half()
    append_roots(tmp_path / "a.h5", roots)
    append_roots(tmp_path / "b.h5", roots.numpy())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda R: R.astype(np.float32), "expected .* square roots of .* in float16, not .* type float32"),
        (lambda R: R.astype(float), "expected .* in float16, not .* type float64"),
        (lambda R: R.astype(">f2"), "expected .* in float16, not .* type >f2"),
        (lambda R: R.view(np.int16), "expected .* in float16, not .* type int16"),
        (lambda R: R[:, :-1], r"expected 50 rows .*, not an array of shape \(49, 6\)"),
        (lambda R: R.repeat(2, axis=1), r"expected 50 rows .*, not an array of shape \(100, 6\)"),
        (lambda R: spoil(R, np.nan), r"checkpoint 2 \(t = 2\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda R: spoil(R, np.inf), r"checkpoint 2 \(t = 2\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda R: spoil(R, -R[2, 8], (2, 8)), r"checkpoint 2 \(t = 2\): rows sum to .* negative \(first: sample 8\)"),
        (lambda R: spoil(R, -R[2, 8, 1]), r"checkpoint 2 \(t = 2\): .*some entries are negative \(first: sample 8\)"),
        (lambda R: spoil(R, R[2, 8] * np.float16(1.005), (2, 8)), r"checkpoint 2 .*rows sum to .* \(first: sample 8\)"),
        (lambda R: spoil(R, R[2, 8] * np.float16(0.995), (2, 8)), r"checkpoint 2 .*rows sum to .* \(first: sample 8\)"),
        (lambda R: (R.astype(float) ** 2).astype(np.float16), r"checkpoint 0 .*rows sum to .*store softmax outputs"),
        (lambda R: [R[0], np.full((N, 4), 0.5, np.float16)], r"checkpoint 1 .*shape \(50, 4\)"),
        (lambda R: R[:, :, 0], r"checkpoint 0 .*shape \(50,\)"),
        (lambda R: R[:, :, :, None], r"checkpoint 0 .*shape \(50, 6, 1\)"),
        (lambda R: R[:, :, :0], r"checkpoint 0 .*shape \(50, 0\)"),
        (lambda R: R[:, 0, 0], r"checkpoint 0 .*shape \(\)"),
    ],
)
def test_bad_roots_are_refused(tmp_path, models, change, message):
    (tmp_path / "a.h5").write_text("old")
    refused(tmp_path / "a.h5", message, lambda p: append_roots(p, change(np.sqrt(models).astype(np.float16))))
    assert names(tmp_path) == ["a.h5"] and (tmp_path / "a.h5").read_text() == "old"


def test_roots_are_refused_where_they_do_not_belong(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    refused(
        tmp_path / "a.h5",
        "expected .* square roots of probabilities",
        lambda p: append_roots(p, roots, quantity="probability"),
    )
    for t in (np.nan, np.inf):
        refused(
            tmp_path / "a.h5",
            "finite",
            lambda p, t=t: append_roots(p, roots, times=[0, 1, t, 3]) or predictions.check(p),
        )
    refused(
        tmp_path / "b.h5",
        "labels reach from 0 to 5, expected 0 to 3",
        lambda p: append_roots(p, np.full((1, N, 4), 0.5, np.float16)),
    )
    assert "b.h5" not in names(tmp_path)


# files put together: models are copied as they are stored, whatever their layout, and damage is not


@pytest.mark.parametrize("rows", [1, 7, 8, 25, N])
@pytest.mark.parametrize("quantity", predictions.QUANTITIES)
def test_files_are_put_together_as_they_are(tmp_path, monkeypatch, models, quantity, rows):
    """They equal one file that was written at once, however its chunks divide the samples."""
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: rows)
    options = {"labels": LABELS, "quantity": quantity, "task": "all"}
    predictions.write(tmp_path / "whole.h5", models, t=[0, 1, 4, 12], **options)
    for name, which, t in (("a.h5", slice(0, 1), [0]), ("b.h5", slice(1, 3), [1, 4])):
        predictions.write(tmp_path / name, models[which], t=t, **options)
    with predictions.Recorder(tmp_path / "together.h5", **options) as together:
        together.append_file(tmp_path / "a.h5")
        together.append_file(tmp_path / "b.h5")
        together.append(models[3], 12)
    stored = data_of(tmp_path / "whole.h5")
    same_models(tmp_path / "together.h5", [stored], [0, 1, 4, 12], quantity)
    found, whole = (predictions.open_trajectory(tmp_path / f"{name}.h5") for name in ("together", "whole"))
    assert found.attributes == whole.attributes and np.array_equal(found.labels, whole.labels)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        LAYOUT,
        {"chunks": (2, 8, 4)},
        {"chunks": (1, N, C)},
        {"chunks": (T, N, C), "compression": "lzf"},
        *(
            {**LAYOUT, key: value}
            for key, value in (
                ("chunks", (1, N - 1, C)),
                ("chunks", (1, N, C - 1)),
                ("compression_opts", 9),
                ("shuffle", False),
                ("fletcher32", False),
            )
        ),
    ],
)
def test_files_of_any_layout_are_put_together(tmp_path, models, layout):
    roots = np.sqrt(models).astype(np.float16)
    source = write_by_hand(tmp_path / "source.h5", roots, **layout)
    before = source.read_bytes()
    append_files(tmp_path / "a.h5", source, source)
    same_models(tmp_path / "a.h5", [roots, roots], [0, 0.5, 1, 1.5] * 2)
    assert source.read_bytes() == before


def test_chunks_are_not_compressed_again(tmp_path):
    """Of a source whose chunks took more effort than its layout says."""
    roots = np.sqrt(random_models(np.random.default_rng(0), T, 500, C)).astype(np.float16)
    layout, labels = {**LAYOUT, "chunks": (1, format.chunk_rows(500, C), C)}, labels_of(500, C)
    best = write_by_hand(tmp_path / "best.h5", roots, labels=labels, **{**layout, "compression_opts": 9})
    source = write_by_hand(tmp_path / "source.h5", roots, labels=labels, **layout)
    with h5py.File(best) as file, h5py.File(source, "r+") as other:
        chunks = [file["data"].id.read_direct_chunk((i, 0, 0)) for i in range(T)]
        assert chunks[0] != other["data"].id.read_direct_chunk((0, 0, 0))
        for i, (mask, chunk) in enumerate(chunks):
            other["data"].id.write_direct_chunk((i, 0, 0), chunk, mask)
    append_files(tmp_path / "a.h5", source, labels=labels, compression="gzip")
    same_models(tmp_path / "a.h5", [roots], [0, 0.5, 1, 1.5])
    with h5py.File(tmp_path / "a.h5") as file:
        assert [file["data"].id.read_direct_chunk((i, 0, 0)) for i in range(T)] == chunks


@pytest.mark.parametrize("kind", [">f2", "<f4", "<f8"])
def test_files_of_other_numbers_are_put_together(tmp_path, models, kind):
    roots = np.sqrt(models).astype(kind)
    append_files(tmp_path / "a.h5", write_by_hand(tmp_path / "source.h5", roots, **LAYOUT))
    same_models(tmp_path / "a.h5", [roots], [0, 0.5, 1, 1.5])


def test_files_of_before_are_read_and_put_together(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    old = write_by_hand(tmp_path / "old.h5", roots, **LAYOUT)
    assert "sound" in predictions.check(old)
    predictions.write(tmp_path / "new.h5", models, labels=LABELS)
    with predictions.Recorder(tmp_path / "both.h5", labels=LABELS, keep_order=True) as both:
        both.append_file(old)
        both.append_file(tmp_path / "new.h5")
    np.testing.assert_array_equal(
        predictions.open_trajectory(tmp_path / "both.h5").stored(), np.concatenate([roots, roots])
    )


def test_files_that_do_not_belong_together_are_refused(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    write_by_hand(tmp_path / "labels.h5", roots, labels=LABELS[::-1])
    write_by_hand(tmp_path / "fewer.h5", roots[:, 1:], labels=LABELS[1:])
    write_by_hand(tmp_path / "quantity.h5", models.astype(np.float16), quantity="probability")
    publish(tmp_path / "published.h5", models)
    before = names(tmp_path)
    for name in before:
        source = tmp_path / name
        refused(
            source,
            f"holds other samples or another quantity than {tmp_path}/a.h5 is to hold",
            lambda _, source=source: append_files(tmp_path / "a.h5", source),
        )
    refused(
        tmp_path / "published.h5",
        "holds other samples or another quantity",  # of samples that nobody knows
        lambda p: append_files(tmp_path / "a.h5", p, quantity="probability"),
    )
    refused(tmp_path / "nowhere.h5", "no such file", lambda p: append_files(tmp_path / "a.h5", p))
    assert names(tmp_path) == before


def test_files_of_other_classes_are_refused(tmp_path, models):
    write_by_hand(tmp_path / "6.h5", np.sqrt(models).astype(np.float16))
    write_by_hand(tmp_path / "9.h5", np.full((1, N, 9), 1 / 3, np.float16))
    refused(
        tmp_path / "9.h5",
        r"expected \(50, 6\) .* shape \(50, 9\)",
        lambda p: append_files(tmp_path / "a.h5", tmp_path / "6.h5", p),
    )
    assert names(tmp_path) == ["6.h5", "9.h5"]


def test_bad_numbers_in_a_file_are_refused(tmp_path, models):
    roots = np.sqrt(models).astype(np.float16)
    for value, message in ((np.nan, "1 of 50 rows are not finite"), (2, "rows sum to"), (-0.5, "negative")):
        source = write_by_hand(tmp_path / "source.h5", spoil(roots, value), **LAYOUT)
        refused(
            source, rf"checkpoint 2 \(t = 1\): .*{message}.* sample 8", lambda p: append_files(tmp_path / "a.h5", p)
        )
        assert names(tmp_path) == ["source.h5"]


@pytest.mark.parametrize("checkpoint, row", [(0, 0), (2, 30), (3, N - 1)])
def test_bit_rot_in_a_file_is_not_copied(tmp_path, monkeypatch, models, checkpoint, row):
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: 8)
    predictions.write(tmp_path / "source.h5", models, labels=LABELS)
    first, last = flip_bit(tmp_path / "source.h5", checkpoint, row)
    refused(
        tmp_path / "source.h5",
        f"checkpoint {checkpoint}, samples {first}-{last}: checksum mismatch",
        lambda p: append_files(tmp_path / "a.h5", p),
    )
    assert names(tmp_path) == ["source.h5"]


def test_any_flipped_bit_in_a_file_is_refused_or_harmless(tmp_path, path):
    good, content, chance = data_of(path), path.read_bytes(), random.Random(1)
    for _ in range(80):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            append_files(tmp_path / "a.h5", path)
        except InputError as error:
            assert str(path) in str(error) and names(tmp_path) == ["toy_all"]
        else:
            same_models(tmp_path / "a.h5", [good], [0, 1, 4, 12])
            (tmp_path / "a.h5").unlink()


# order, names, and a recorder that is not entered


@pytest.mark.parametrize("t", [[0, 1, 10, 2], [0, 1, 1, 2]])
def test_an_order_that_does_not_increase_is_meant_or_refused(tmp_path, models, t):
    path = tmp_path / "mine" / "preds_0.h5"
    refused(path, "increasing order of t; sort them", lambda p: predictions.write(p, models, labels=LABELS, t=t))
    with pytest.raises(InputError, match="increasing order"), predictions.Recorder(path, labels=LABELS) as recorder:
        for model, moment in zip(models, t):
            recorder.append(model, moment)
    assert not path.exists()
    predictions.write(path, models, labels=LABELS, t=t, keep_order=True)
    assert predictions.open_trajectory(path).t.tolist() == t


def test_what_is_replaced_or_never_looked_for_is_said(tmp_path, models, caplog):
    path = tmp_path / "mine" / "preds_0.h5"
    predictions.write(path, models, labels=LABELS)
    assert caplog.text == ""
    predictions.write(path, models, labels=LABELS)
    assert f"{path} is there and will be replaced" in caplog.text
    caplog.clear()
    predictions.write(path, models, labels=LABELS, overwrite=True)
    assert caplog.text == ""
    predictions.write(tmp_path / "model.h5", models, labels=LABELS)
    assert "no command looks for" in caplog.text


def test_a_recorder_is_used_in_a_with_block(tmp_path, models):
    with pytest.raises(InputError, match="written in a with block"):
        predictions.Recorder(tmp_path / "mine" / "preds_0.h5", labels=LABELS).append(models[0])
