"""The file contract: what is written is read back, what is not sound is refused, faults leave nothing behind."""

import hashlib
import os
import pickle
import random
import re
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.files import ROOT, InputError, hdf5
from info_geometry.storage import format, quantities
from tests.support.synthetic import labels_of, random_models, softmax, write_runs

T, N, C = 4, 50, 6
LABELS = labels_of(N, C)
FLOATS = ("sqrt_probability", "probability")  # quantities in float16


@pytest.fixture
def models():
    return random_models(np.random.default_rng(0), T, N, C)


@pytest.fixture
def path(tmp_path, models):
    target = tmp_path / "toy_all" / "preds_3.h5"
    predictions.write(target, models, labels=LABELS, t=[0, 1, 4, 12], task="all", seed=3, config={"lr": 0.1})
    return target


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(path, message, read=predictions.check):
    """Assert that a file is refused with InputError, in a message that names it."""
    with pytest.raises(InputError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)


def python(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def check_command(*paths):
    command = [sys.executable, "-m", "info_geometry.predictions", "check", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# --- what is written is read back -----------------------------------------------------------------------------------


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


def random_walk(rng, N, C, confidence, step):
    """Return models (6, N, C) that walk on from a network with this confidence (a logit) in its labels."""
    start = confidence * np.eye(C)[rng.integers(0, C, N)] + 2 * rng.standard_normal((N, C))
    return softmax(start + np.cumsum(step * rng.standard_normal((6, N, C)), axis=0))


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


@pytest.mark.parametrize("size", [1, 7, N, 10 * N])
def test_blocks_of_any_size_are_the_same(path, size):
    trajectory = predictions.open_trajectory(path)
    starts, blocks = zip(*trajectory.blocks(size))
    assert list(starts) == list(range(0, N, size))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), trajectory.roots())


def test_chunks_smaller_than_the_samples_are_the_same(tmp_path, monkeypatch, models):
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: 8)
    predictions.write(tmp_path / "a.h5", models, labels=LABELS)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["data"].chunks == (1, 8, C)
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    np.testing.assert_allclose(trajectory.roots(5, 21), np.sqrt(models)[:, 5:21], rtol=1e-3, atol=1e-7)


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


# --- what is not sound is refused at write time, and nothing is left ------------------------------------------------


def spoil(models, value, where=(2, 8, 1)):
    models = models.copy()
    models[where] = value
    return models


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda P: spoil(P, np.nan), r"checkpoint 2 \(t = 4\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda P: spoil(P, np.inf), r"checkpoint 2 \(t = 4\): 1 of 50 rows are not finite; the first is sample 8"),
        (lambda P: spoil(P, -0.5), r"checkpoint 2 \(t = 4\): rows sum to .* negative \(first: sample 8\).*logits"),
        (lambda P: np.log(P + 1e-9), r"checkpoint 0 \(t = 0\): rows sum to .*these look like logits or features"),
        (lambda P: P * 1.01, r"checkpoint 0 \(t = 0\): rows sum to 1.01..1.01 .*store softmax outputs"),
        (lambda P: P[:, :-1], r"checkpoint 0 .*expected \(50, 6\) probabilities, not an array of shape \(49, 6\)"),
        (lambda P: [P[0], P[1][:, :-1]], r"checkpoint 1 .*expected \(50, 6\) probabilities.* shape \(50, 5\)"),
        (lambda P: P[0], r"expected \(50, C\) probabilities, not an array of shape \(6,\)"),
        (lambda P: P[:, :, :0], r"expected \(50, 0\) probabilities"),
        (lambda P: P.argmax(2)[..., None].repeat(C, 2), "expected .* probabilities, not .* type int64"),
        (lambda P: P[:3], "3 models but 4 values of t"),
        (lambda P: np.concatenate([P, P]), "more models than the 4 values of t"),
    ],
)
def test_bad_models_are_refused(tmp_path, models, change, message):
    (tmp_path / "a.h5").write_text("old")
    refused(tmp_path / "a.h5", message, lambda p: predictions.write(p, change(models), labels=LABELS, t=[0, 1, 4, 12]))
    assert names(tmp_path) == ["a.h5"] and (tmp_path / "a.h5").read_text() == "old"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"labels": LABELS.astype(float)}, "labels must be N integers, not an array of shape .50,. and type float64"),
        ({"labels": LABELS[:, None]}, "labels must be N integers"),
        ({"labels": []}, "labels must be N integers"),
        ({"labels": LABELS[:-1]}, r"expected \(49, 6\) probabilities"),
        ({"labels": LABELS + 1}, "labels reach from 1 to 6, but the predictions have 6 classes"),
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


def test_iterator_that_raises_leaves_nothing(tmp_path, models):
    def broken():
        yield models[0]
        raise FileNotFoundError(2, "No such file", "checkpoint_1.pth")

    with pytest.raises(FileNotFoundError, match="checkpoint_1"):
        predictions.write(tmp_path / "a.h5", broken(), labels=LABELS)
    assert names(tmp_path) == []


def test_exception_inside_the_recorder_leaves_what_was_there(tmp_path, path, models):
    before, content = names(path.parent), path.read_bytes()
    with pytest.raises(KeyboardInterrupt), predictions.Recorder(path, labels=LABELS) as recorder:
        recorder.append(models[0])
        raise KeyboardInterrupt
    assert names(path.parent) == before and path.read_bytes() == content


def test_place_that_cannot_be_written_is_said(tmp_path, models):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.h5").mkdir()
    for place in (tmp_path / "file" / "run" / "preds_0.h5", tmp_path / "folder.h5"):
        refused(place, "cannot write .* GB free", lambda p: predictions.write(p, models, labels=LABELS))
    assert names(tmp_path) == ["file", "folder.h5"]


@pytest.mark.parametrize("limit", [1, 3000, 30000])
def test_full_disk_is_said_and_leaves_nothing(tmp_path, limit):
    code = """
        import resource, sys
        import numpy as np
        from info_geometry import files, predictions
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        models = np.random.default_rng(0).dirichlet(np.ones(10), (20, 300))
        files.command(lambda: predictions.write(sys.argv[1], models, labels=np.zeros(300, int)))
    """
    result = python(code, tmp_path / "a.h5", limit)
    assert result.returncode == 1 and names(tmp_path) == []
    message = rf"error: cannot write {re.escape(str(tmp_path))}/a\.h5: File too large \(\d+\.\d GB free\)\n"
    assert re.fullmatch(message, result.stderr), result.stderr


# --- models as they are stored --------------------------------------------------------------------------------------


def data_of(path):
    with h5py.File(path) as file:
        return file["data"][:]


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
        "labels reach from 0 to 5, but the predictions have 4 classes",
        lambda p: append_roots(p, np.full((1, N, 4), 0.5, np.float16)),
    )
    assert "b.h5" not in names(tmp_path)


def append_files(path, *sources, labels=LABELS, **options):
    with predictions.Recorder(path, labels=labels, **options) as recorder:
        for source in sources:
            recorder.append_file(source)


def write_by_hand(path, array, quantity="sqrt_probability", labels=LABELS, **layout):
    """Write a prediction file with another program: the same content in another layout."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=array, **layout)
        file["t"], file["labels"] = np.arange(len(array)) / 2, labels
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        file.attrs.update(
            format_version=1,
            quantity=quantity,
            t_name="t",
            data_sha256=digest,
            labels_sha256=predictions.fingerprint(labels),
        )
    return path


def same_models(path, arrays, times, quantity="sqrt_probability"):
    """Assert that a sound file holds these models as they were stored elsewhere."""
    expected = np.concatenate(arrays).astype(quantities.TYPES[quantity])
    trajectory = predictions.open_trajectory(path)
    assert ": sound" in predictions.check(path) and trajectory.quantity == quantity
    assert np.array_equal(data_of(path), expected) and trajectory.t.tolist() == times
    assert trajectory.attributes["data_sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()


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


LAYOUT = {"chunks": (1, N, C), "compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}


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


KILLED = """
    import os, random, signal, sys, time
    from pathlib import Path
    import numpy as np
    from info_geometry import files, inpca, predictions

    path, seed = Path(sys.argv[1]), int(sys.argv[2])

    def content(k):
        return np.random.default_rng(k).dirichlet(np.ones(5), (8, 200))

    def write(k):
        if path.suffix == ".npz":
            points = np.random.default_rng(k).standard_normal((300, 2))
            D = np.square(points[:, None] - points[None]).sum(2)
            inpca.save(path, inpca.fit(D, k=300, index={"version": np.full(300, k)}))
        else:
            predictions.write(path, content(k), labels=np.zeros(200, int), seed=k)

    def read():
        if path.suffix == ".npz":
            found = inpca.load(path)
            points = np.random.default_rng(found.index["version"][0]).standard_normal((300, 2))
            assert abs(found.explained_stress(2) - 1) < 1e-9
            axes = (points - points.mean(0)).T @ (points - points.mean(0))
            assert np.allclose(found.eigenvalues[:2], np.linalg.eigvalsh(axes)[::-1])
            return int(found.index["version"][0])
        predictions.check(path)
        found = predictions.open_trajectory(path)
        assert np.allclose(found.roots(), np.sqrt(content(found.attributes["seed"])), rtol=1e-3, atol=1e-6)
        return found.attributes["seed"]

    def seconds():
        start = time.monotonic()
        write(0)
        return time.monotonic() - start

    once, chance, killed_while_writing = min(seconds() for _ in range(4)), random.Random(seed), 0
    for k in range(1, 11):
        old = read()
        child = os.fork()
        if child == 0:
            write(k)
            os._exit(0)
        time.sleep(chance.uniform(0, 1.1 * once))
        os.kill(child, signal.SIGKILL)
        killed_while_writing += os.waitpid(child, 0)[1] != 0
        assert read() in (old, k), (old, k)
        files.remove_orphans(path.parent, path.name)
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    print(killed_while_writing)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["preds_0.h5", "embedding.npz"])
def test_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path, name):
    result = python(KILLED, tmp_path / name, random.randrange(1 << 30))
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 1, "most are killed while they write"


# --- incomplete, damaged and foreign files --------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 99])
def test_truncated_file(path, percent):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * percent // 100])
    refused(path, "is not a complete trajectory file .*Delete it and", predictions.open_trajectory)


def test_what_is_no_file(tmp_path):
    refused(tmp_path / "a.h5", "no such file", predictions.open_trajectory)
    refused(tmp_path, "is a folder", predictions.open_trajectory)
    (tmp_path / "text.h5").write_text("not HDF5\n" * 1000)
    refused(tmp_path / "text.h5", "is not a complete trajectory file", predictions.open_trajectory)


def test_evil_pickle_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "marker"),)

    (tmp_path / "a.h5").write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / "a.h5", "is not a complete trajectory file")
    assert names(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("name", ["data", "t", "labels"])
def test_arrays_outside_the_file_are_refused(tmp_path, path, name):
    """External storage, soft and external links, and virtual datasets, in place of each of the three arrays."""
    with h5py.File(path) as file:
        array = file[name][:]
    secret = tmp_path / "secret"
    secret.write_bytes(array.tobytes())
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file[name] = array

    def external_storage(file):
        file.create_dataset(name, array.shape, array.dtype, external=[(str(secret), 0, array.nbytes)])

    def soft_link(file):
        file["group/array"] = array
        file[name] = h5py.SoftLink("/group/array")

    def external_link(file):
        file[name] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), name)

    def virtual(file):
        layout = h5py.VirtualLayout(array.shape, array.dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "elsewhere.h5"), name, array.shape)
        file.create_virtual_dataset(name, layout)

    for put, message in (
        (external_storage, "refers to other files"),
        (soft_link, "is a link to another place"),
        (external_link, "is a link to another place"),
        (virtual, "refers to other files"),
    ):
        with h5py.File(path, "r+") as file:
            del file[name]
            put(file)
        refused(path, f"'{name}' {message}; refused", predictions.open_trajectory)
        # h5py itself would have followed it
        with h5py.File(path) as file:
            assert file[name].shape == array.shape


def chunked_bomb(file):
    file.create_dataset("data", (1 << 14, 1 << 17, 1 << 16), "f2", chunks=(1, 1 << 9, 1 << 9), fillvalue=0)


def contiguous_bomb(file):
    file.create_dataset("data", (1 << 14, 1 << 17, 1 << 16), "f2")


def partly_written(file):
    file.create_dataset("data", (T, N, C), "f2", chunks=(1, N, C))[0] = 1 / C


@pytest.mark.parametrize(
    "put, message",
    [
        (
            chunked_bomb,
            r"is not complete: 'data' declares \(16384, 131072, 65536\), but only 0 of \d+ chunks were written",
        ),
        (contiguous_bomb, "is not complete: 'data' declares .* but only 0 of 281474976710656 bytes were written"),
        (partly_written, "is not complete: .* but only 1 of 4 chunks were written"),
        (lambda file: file.create_group("data"), "'data' is not an array"),
        (lambda file: file.__setitem__("data", np.dtype("f4")), "'data' is not an array"),
        (lambda file: file.__setitem__("other", np.ones(3)), "there is no array 'data' in it"),
        (lambda file: file.__setitem__("data", np.ones((N, C))), r"has shape \(50, 6\) of float64, expected .* 3 dim"),
        (lambda file: file.__setitem__("data", np.ones((T, N, C), "i4")), "of int32, expected"),
        (lambda file: file.__setitem__("data", np.ones((T, N, 0))), "expected a non-empty"),
        (lambda file: file.__setitem__("data", np.ones((T, N, C), "c8")), "of complex64, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), np.longdouble), "expected a non-empty numeric"),
        (lambda file: file.create_dataset("data", (T, N, C), h5py.string_dtype()), "of object, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), h5py.ref_dtype), "of object, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), [("a", "f4")]), "expected a non-empty numeric"),
        (lambda file: file.create_dataset("data", data=h5py.Empty("f4")), "."),
    ],
)
def test_foreign_and_hostile_arrays(tmp_path, put, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file)
    assert (tmp_path / "a.h5").stat().st_size < 1 << 17
    refused(tmp_path / "a.h5", message, predictions.open_trajectory)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda file: file.attrs.__setitem__("quantity", "logits"), "quantity is 'logits', expected one of"),
        (lambda file: file.attrs.__setitem__("quantity", np.ones(3)), "quantity is None, expected one of"),
        (lambda file: file.attrs.__setitem__("format_version", 2), "format version 2, this program reads 1; update it"),
        (lambda file: file.attrs.__delitem__("format_version"), "format version None"),
        (lambda file: file.attrs.__setitem__("data_sha256", "[1]"), r"attribute data_sha256 is \[1\], expected a text"),
        (lambda file: file.attrs.__setitem__("labels_sha256", 7), "attribute labels_sha256 is 7, expected a text"),
        (lambda file: file.attrs.__delitem__("t_name"), "attribute t_name is None"),
        (lambda file: file["t"].__setitem__(1, np.nan), "t has values that are not finite"),
        (lambda file: file["labels"].__setitem__(1, C), "labels reach from 0 to 6, expected 0 to 5"),
        (lambda file: file["labels"].__setitem__(1, -1), "labels reach from -1 to 5"),
        (lambda file: replace(file, "t", np.arange(3.0)), "'t' has 3 entries, expected 4"),
        (lambda file: replace(file, "t", np.arange(4)), "'t' has shape .* of int64"),
        (lambda file: replace(file, "labels", LABELS[:-1]), "'labels' has 49 entries, expected 50"),
        (lambda file: replace(file, "labels", LABELS / 1), "'labels' has shape .* of float64"),
        (lambda file: replace(file, "labels", LABELS[::-1].copy()), "labels do not match their fingerprint"),
        (lambda file: file["data"].__setitem__(1, file["data"][0]), "data do not match their fingerprint"),
        (
            lambda file: file["data"].__setitem__((1, 8, 2), np.nan),
            r"checkpoint 1 \(t = 1\): 1 of 50 rows are not finite; the first is sample 8",
        ),
        (lambda file: file["data"].__setitem__((1, 8, 2), -1.0), r"checkpoint 1 .*negative \(first: sample 8\)"),
    ],
)
def test_changed_files(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    refused(path, message)


def replace(file, name, array):
    del file[name]
    file[name] = array


def test_attributes_that_are_no_texts_or_numbers_are_left_unread(path):
    with h5py.File(path, "r+") as file:
        file.attrs["array"] = np.ones(5)
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["bytes"] = np.bytes_(b"\xff\xfe")
        file.attrs.create("texts", ["a", "b"], dtype=h5py.string_dtype())
        file.attrs.create("reference", file["data"].ref, dtype=h5py.ref_dtype)
        file.attrs["deep"] = "[" * 900
    attributes = predictions.open_trajectory(path).attributes
    assert not {"array", "nothing", "texts", "reference"} & set(attributes) and attributes["deep"] == "[" * 900
    assert predictions.check(path).startswith(f"{path}: sound")


def flip_bit(path, checkpoint, row):
    """Flip one bit in the middle of the chunk that holds a sample; return the samples of the chunk."""
    with h5py.File(path) as file:
        data = file["data"]
        info = data.id.get_chunk_info_by_coord((checkpoint, row, 0))
        rows = data.chunks[1]
    with open(path, "r+b") as file:
        file.seek(info.byte_offset + info.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    return row // rows * rows, min(row // rows * rows + rows, data_rows(path)) - 1


def data_rows(path):
    with h5py.File(path) as file:
        return file["data"].shape[1]


@pytest.mark.parametrize("row", [0, 30, N - 1])
def test_bit_rot_is_found_and_placed(tmp_path, monkeypatch, models, row):
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: 8)
    path = tmp_path / "a.h5"
    predictions.write(path, models, labels=LABELS)
    first, last = flip_bit(path, 2, row)
    message = f"checkpoint 2, samples {first}-{last}: checksum mismatch"
    refused(path, message)
    trajectory = predictions.open_trajectory(path)
    for size in (1, 7, N):
        refused(path, message, lambda _, size=size: list(trajectory.blocks(size)))
    refused(path, message, lambda _: distance.pairwise([trajectory]))


def test_any_flipped_bit_is_found_or_harmless(path, models):
    """Checksums cover the payload and what HDF5 needs to find it; texts are covered by fingerprints and formats."""
    good, content, chance = predictions.open_trajectory(path), path.read_bytes(), random.Random(0)
    roots = good.roots()
    for _ in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            predictions.check(path)
        except InputError as error:
            assert str(path) in str(error)
        else:
            found = predictions.open_trajectory(path)
            np.testing.assert_array_equal(found.roots(), roots)
            np.testing.assert_array_equal(found.t, good.t)
            np.testing.assert_array_equal(found.labels, good.labels)


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


def test_files_that_change_while_they_are_read(path, models):
    trajectory = predictions.open_trajectory(path)
    blocks = trajectory.blocks(10)
    next(blocks)
    predictions.write(path, models, labels=LABELS)
    refused(path, "changed while it was being read; start again", lambda _: next(blocks))
    trajectory = predictions.open_trajectory(path)
    path.unlink()
    refused(path, "no such file", lambda _: trajectory.roots())


# --- published files ------------------------------------------------------------------------------------------------


def publish(path, models, **compression):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.round(models, 5).astype(np.float16), chunks=(1, N, C), **compression)


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


def test_lz4_of_published_files(tmp_path, models):
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (pip install hdf5plugin)")
    publish(tmp_path / "a.h5", models, **hdf5plugin.LZ4())
    code = """
        import sys
        from info_geometry import predictions
        assert "hdf5plugin" not in sys.modules
        print(predictions.check(sys.argv[1]))
    """
    result = python(code, tmp_path / "a.h5")
    assert result.returncode == 0 and "sound" in result.stdout, result.stderr
    without = "import sys; sys.modules['hdf5plugin'] = None\n" + textwrap.dedent(code).replace("not in", "in")
    result = python(without, tmp_path / "a.h5")
    assert result.returncode != 0
    assert "which cannot be read here: pip install hdf5plugin" in result.stderr


def test_unknown_compression_is_said_and_no_plugin_is_searched(tmp_path, models):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, N, C))
        plist.set_filter(305, h5py.h5z.FLAG_OPTIONAL, ())  # LZO, which hdf5plugin has not
        space = h5py.h5s.create_simple((T, N, C))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F16LE, space, plist)
        for i in range(T):
            data.write_direct_chunk((i, 0, 0), models[i].astype(np.float16).tobytes())
    refused(tmp_path / "a.h5", r"HDF5 filter 305\), which cannot be read here: decompress it first")


# --- arrays as trajectories, and the command ------------------------------------------------------------------------


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


def test_check_command(tmp_path, path):
    write_runs(tmp_path, seeds=(0,), tasks=("all",))
    good, bad = tmp_path / "toy_all" / "preds_0.h5", tmp_path / "bad.h5"
    bad.write_bytes(path.read_bytes())
    with h5py.File(bad, "r+") as file:
        file["data"][1] = file["data"][0]
    result = check_command(good, path)
    assert result.returncode == 0 and result.stderr == "" and result.stdout.endswith("2 sound, 0 not\n")
    assert f"{good}: sound\n    6 models x 60 samples x 5 classes, sqrt_probability" in result.stdout
    assert re.search(r"dataset toy, task all, seed 0, step 1 to 32, labels [0-9a-f]{8}\n", result.stdout)
    assert re.search(r"accuracy 0\.\d{3} at the first, [01]\.\d{3} at the last model", result.stdout)
    result = check_command(bad, tmp_path / "nowhere.h5", good)
    assert result.returncode == 1 and result.stdout.endswith("1 sound, 2 not\n")
    assert result.stderr == (
        f"error: {bad}: data do not match their fingerprint; replace the file\n"
        f"error: {tmp_path}/nowhere.h5: no such file\n"
    )


def test_hdf5_numbers_and_texts():
    assert hdf5.plain("text") == "text" and hdf5.plain('{"a": [1]}') == {"a": [1]} and hdf5.plain("{no") == "{no"
    assert type(hdf5.plain(np.int64(3))) is int and type(hdf5.plain(np.float32(3))) is float
    assert hdf5.plain(np.ones(2)) is None and hdf5.plain(b"bytes") is None
