"""Storing predictions: those of the weights, in order, read and written while the network runs; faults are named."""

import dataclasses
import errno
import gc
import threading
import time
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from info_geometry import files, predictions
from info_geometry.files import InputError
from learning import data, networks
from learning.config import Config
from learning.distributed import Processes
from learning.imprinting import Imprinting
from learning.runs import store, weights
from learning.runs.run import Run
from learning.tasks import Task

STEPS = [0, 1, 3, 7, 10]
SECONDS = 20  # what should happen at once has happened by then, or never will


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 6
    pixels = rng.integers(0, 180, (90, 1, 8, 8)) + 12 * labels[:, None, None, None]
    return data.TensorImages(torch.from_numpy(pixels.astype(np.uint8)), labels, 6, [110.0], [60.0])


@pytest.fixture
def run():
    """A run whose task has three classes."""
    config = vars(Config("digits", "small_cnn", 2, 8, 0.1, evaluation_batch_size=17))
    return Run("digits_mine", Task("mine", "digits", (1, 2, 5)), 4, config, 90, None, 5, STEPS)


def with_config(run, **changes):
    return dataclasses.replace(run, config={**run.config, **changes})


@pytest.fixture
def folder(tmp_path, run):
    """The folder of a run with checkpoints of networks that have nothing in common."""
    for step in STEPS:
        network = networks.build("small_cnn", 1, 8, 3, seed=step)
        doubled = {key: value * 2 for key, value in network.state_dict().items()}  # or all classes are as probable
        weights.save(run.path(tmp_path / "run", step), doubled)
    return tmp_path / "run"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "predictions" / "preds_4.h5"


def stored(target, folder, run, images, here=None):
    here = here or Processes()
    store.store_checkpoints(target, folder, run, store.Imprinter(images, here), here, split="test")
    return predictions.open_trajectory(target) if target.exists() else None


def data_of(path):
    with h5py.File(path) as file:
        return file["data"][:]


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def parts_of(folder):
    return [name for name in left(folder / "ckpt") if name.endswith(".h5")]


def probabilities_by_hand(path, images):
    """Return softmax_k(-|f - p_k|^2) of the network in a file, in float64, image after image."""
    network = networks.build("small_cnn", 1, 8, 3, 0).eval().double()
    network.load_state_dict(weights.load(path))
    with torch.inference_mode():
        features = np.array([network.body((pixels[None].double() - 110) / 60)[0].numpy() for pixels in images.pixels])
    prototypes = np.array([features[images.labels == k].mean(axis=0) for k in range(6)])
    scores = -np.square(features[:, None] - prototypes).sum(axis=2)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_predictions_are_those_of_the_weights_in_their_order(target, folder, run, images):
    found = stored(target, folder, run, images)
    assert found.shape == (5, 90, 6) and found.t.tolist() == [0, 0.2, 0.6, 1.4, 2]
    expected = np.array([probabilities_by_hand(run.path(folder, step), images) for step in STEPS])
    np.testing.assert_allclose(found.roots(dtype=np.float64) ** 2, expected, atol=2e-3)
    assert min(np.abs(a - b).max() for i, a in enumerate(expected) for b in expected[:i]) > 0.2
    assert np.array_equal(found.labels, images.labels) and ": sound" in predictions.check(target)
    for key, value in {
        "dataset": "digits",
        "task": "mine",
        "classes": [1, 2, 5],
        "seed": 4,
        "split": "test",
        "config": run.config,
        "predicted_by": "imprinting",
        "t_name": "epoch",
    }.items():
        assert found.attributes[key] == value


@pytest.mark.parametrize("batch", [1, 500])
def test_size_of_evaluation_batches_does_not_matter(tmp_path, folder, run, images, batch):
    stored(tmp_path / "a" / "preds_4.h5", folder, run, images)
    other = with_config(run, evaluation_batch_size=batch)
    stored(tmp_path / "b" / "preds_4.h5", folder, other, images)
    a, b = (data_of(tmp_path / name / "preds_4.h5").astype(float) for name in "ab")
    np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("there", [(), (0,), (10,), (1, 7), tuple(STEPS)])
def test_parts_beside_weights_or_instead_of_them_give_the_same_file(target, folder, run, images, there):
    imprinter = store.Imprinter(images, Processes())
    expected = stored(target.with_name("preds_0.h5"), folder, run, images)
    imprinter.prepare(run)
    for number, step in enumerate(there):
        path = run.path(folder, step)
        store.write_part(folder, run, step, imprinter.roots(weights.load(path), path), imprinter)
        if number % 2 == 0:
            path.unlink()
    remaining = [name for name in left(folder / "ckpt") if name.endswith(".pth")]
    found = stored(target, folder, run, images)
    assert np.array_equal(data_of(target), data_of(expected.path)) and found.attributes == expected.attributes
    assert np.array_equal(found.t, expected.t) and np.array_equal(found.labels, expected.labels)
    assert left(folder / "ckpt") == remaining and ": sound" in predictions.check(target)


def test_part_is_a_prediction_file_of_one_model(folder, run, images):
    roots = np.sqrt(np.random.default_rng(0).dirichlet(np.ones(6), 90)).astype(np.float16)
    store.write_part(folder, run, 7, torch.from_numpy(roots), store.Imprinter(images, Processes()))
    part = predictions.open_trajectory(folder / "ckpt" / "1_2.h5")
    assert part.shape == (1, 90, 6) and part.t.tolist() == [1.4] and ": sound" in predictions.check(part.path)
    assert np.array_equal(data_of(part.path)[0], roots) and part.attributes["seed"] == 4


# Several processes


def at_once(*calls):
    """Call all in threads that stand for processes, each with its Processes; raise what goes wrong in any."""
    barrier, failures = threading.Barrier(len(calls), timeout=SECONDS), []

    def meet(flag):
        barrier.wait()
        return flag

    def run_one(rank, call):
        here = Processes(rank, len(calls))
        here.any = meet
        try:
            call(here)
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run_one, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("there, late", [((), 0), ((), 1), ((3,), 0), ((3,), 1)])
def test_processes_take_a_checkpoint_each(target, folder, run, images, there, late):
    """Each is imprinted once, in turn, by whoever comes late as well; the main one puts all together."""
    expected, taken = stored(target.with_name("preds_0.h5"), folder, run, images), {0: [], 1: []}
    for step in there:
        roots = torch.from_numpy(data_of(expected.path)[STEPS.index(step)])
        store.write_part(folder, run, step, roots, store.Imprinter(images, Processes()))

    def one(here):
        imprinter = store.Imprinter(images, here)
        prepare, roots = imprinter.prepare, imprinter.roots
        imprinter.prepare = lambda run: [time.sleep(0.3 * (here.rank == late)), prepare(run)]
        imprinter.roots = lambda model, path: taken[here.rank].append(path.name) or roots(model, path)
        store.store_checkpoints(target, folder, run, imprinter, here, split="test")

    at_once(one, one)
    names = [run.path(folder, step).name for step in STEPS if step not in there]
    assert taken == {0: names[0::2], 1: names[1::2]}
    found = predictions.open_trajectory(target)
    assert found.attributes == expected.attributes and np.array_equal(data_of(target), data_of(expected.path))
    assert parts_of(folder) == []


# Nobody waits


def test_network_runs_while_the_next_is_read_and_the_one_before_is_written(monkeypatch, target, folder, run, images):
    """Each step of the network waits until the next weights are read; each is written only once the next is done."""
    read, imprinted = ([threading.Event() for _ in STEPS] for _ in range(2))
    names, numbers = [run.path(folder, step) for step in STEPS], iter(range(len(STEPS)))
    load, append = weights.load, predictions.Recorder.append_roots

    def loading(path):
        read[names.index(path)].set()
        return load(path)

    def roots(self, model, where, original=store.Imprinter.roots):
        i = names.index(where)
        assert i + 1 == len(names) or read[i + 1].wait(SECONDS)
        assert i + 2 >= len(names) or not read[i + 2].is_set()  # one at a time, or memory would fill
        found = original(self, model, where)
        imprinted[i].set()
        return found

    def appending(self, roots, t):
        i = next(numbers)
        assert i + 1 == len(names) or imprinted[i + 1].wait(SECONDS)
        append(self, roots, t)

    monkeypatch.setattr(weights, "load", loading)
    monkeypatch.setattr(store.Imprinter, "roots", roots)
    monkeypatch.setattr(predictions.Recorder, "append_roots", appending)
    assert stored(target, folder, run, images).shape == (5, 90, 6) and next(numbers, None) is None


def test_evaluation_images_are_decoded_once_a_resolution(folder, run, images):
    decoded, in_memory = [], images.in_memory
    images.in_memory = lambda resolution, *_, **__: decoded.append(resolution) or in_memory(resolution, None)
    imprinter = store.Imprinter(images, Processes())
    for resolution in (0, 0, 32, 32, 0):
        imprinter.prepare(with_config(run, evaluation_resolution=resolution))
    assert decoded == [0, 32, 0]


# Faults


def fails(message, target, folder, run, images):
    """Assert that storing fails with this message, at once, and leaves nothing behind but what was there."""
    before = left(folder / "ckpt")
    with pytest.raises(InputError, match=message):
        stored(target, folder, run, images)
    assert left(target.parent) == [] and left(folder / "ckpt") == before


@pytest.mark.parametrize("step", [STEPS[0], STEPS[1], STEPS[-1]])
@pytest.mark.parametrize("damage", ["gone", "truncated", "flipped", "another"])
def test_damaged_checkpoint_is_named(target, folder, run, images, step, damage):
    """The next one is read before it is needed."""
    path = run.path(folder, step)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    elif damage == "another":
        weights.save(path, networks.build("small_cnn", 1, 8, 5, 0).state_dict())
    else:
        path.write_bytes(content[: len(content) // (2 if damage == "truncated" else 1)])
    fails(rf"^{path}", target, folder, run, images)


def test_weights_that_are_not_finite_are_named(target, folder, run, images):
    path = run.path(folder, 3)
    found = weights.load(path)
    found["body.0.weight"][0, 0, 0, 0] = torch.nan
    weights.save(path, found)
    fails(rf"^{path}: 1 non-finite values in body.0.weight", target, folder, run, images)


@pytest.mark.parametrize("last", [0, 2, 4])
def test_error_of_the_writer_is_the_error(monkeypatch, target, folder, run, images, last):
    append, seen, threads = predictions.Recorder.append_roots, [], threading.active_count()

    def failing(self, roots, t):
        seen.append(t)
        if len(seen) > last:
            with files.writing(self.path):
                raise OSError(errno.ENOSPC, "No space left on device")
        append(self, roots, t)

    monkeypatch.setattr(predictions.Recorder, "append_roots", failing)
    fails(f"^cannot write {target}: No space left on device", target, folder, run, images)
    assert len(seen) == last + 1  # nothing was written behind it
    gc.collect()  # of the traceback, which keeps what it went through
    assert threading.active_count() == threads


def test_error_of_the_writer_in_several_processes(monkeypatch, target, folder, run, images):
    def failing(self, roots, t):
        raise InputError(f"cannot write {self.path}")

    monkeypatch.setattr(predictions.Recorder, "append_roots", failing)
    here = Processes(1, 2)
    here.any = lambda flag: flag
    with pytest.raises(InputError, match=f"^cannot write {run.path(folder, 1, '.h5')}"):
        store.store_checkpoints(target, folder, run, store.Imprinter(images, here), here)
    assert parts_of(folder) == [] and left(target.parent) == []


def test_part_of_other_samples_is_refused(target, folder, run, images):
    roots = np.full((90, 6), np.sqrt(1 / 6), np.float16)
    others = data.TensorImages(images.pixels, images.labels[::-1], 6, [0.0], [1.0])
    store.write_part(folder, run, 3, roots, store.Imprinter(others, Processes()))
    part = run.path(folder, 3, ".h5")
    fails(
        f"^{part} holds other samples or another quantity than {target} is to hold; delete it",
        target,
        folder,
        run,
        images,
    )


@pytest.mark.parametrize("keep", [0, 0.5])
def test_damaged_part_is_named(target, folder, run, images, keep):
    store.write_part(folder, run, 3, np.full((90, 6), np.sqrt(1 / 6), np.float16), store.Imprinter(images, Processes()))
    part = run.path(folder, 3, ".h5")
    part.write_bytes(part.read_bytes()[: int(keep * part.stat().st_size)])
    fails(f"^{part} is not a complete trajectory file", target, folder, run, images)


def test_images_of_other_class_folders_are_refused(target, folder, run, images):
    images.root = "/data/val"
    fails(
        "digits_mine was trained on other class folders than those in /data/val",
        target,
        folder,
        dataclasses.replace(run, class_names=["a", "b"]),
        images,
    )


def test_class_without_samples_is_refused(target, folder, run, images):
    keep = images.labels != 4
    without = data.TensorImages(images.pixels[torch.from_numpy(keep)], images.labels[keep], 6, [0.0], [1.0])
    fails("1 of 6 classes have no samples to imprint", target, folder, run, without)


def test_no_room_is_said_before_imprinting(monkeypatch, target, folder, run, images):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    store.check_space(target, 10**9)
    with pytest.raises(InputError, match=r"needs up to 4\.0 GB, 1\.0 GB free"):
        store.check_space(target, 4 * 10**9)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 5 * 90 * 6 - 1))
    fails(f"cannot write {target}: needs up to", target, folder, run, images)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 5 * 90 * 6))
    assert stored(target, folder, run, images).shape == (5, 90, 6)


def test_predictions_that_are_there_are_compared(target, folder, run, images):
    stored(target, folder, run, images)
    imprinter = store.Imprinter(images, Processes())
    store.check_same(target, run, folder, imprinter)
    store.check_same(target, None, folder, imprinter)  # nothing is known of the run any more
    for changed in (
        dataclasses.replace(run, seed=5),
        with_config(run, learning_rate=0.2),
        dataclasses.replace(run, task=Task("mine", "digits", (1, 2, 4))),
        dataclasses.replace(run, variant="wide"),
    ):
        with pytest.raises(InputError, match=f"{target} was made from a run with other settings than {folder}"):
            store.check_same(target, changed, folder, imprinter)
    with pytest.raises(InputError, match="was made from a run with other settings"):
        store.check_same(target, run, folder, store.Imprinter(images, Processes(), head=True))
    begun = dataclasses.replace(run, start={"run": "digits_all", "checkpoint": "2_0.pth", "sha256": "1f"})
    stored(target, folder, begun, images)
    store.check_same(target, begun, folder, imprinter)
    with pytest.raises(InputError, match="was made from a run with other settings"):
        store.check_same(target, dataclasses.replace(begun, start={**begun.start, "sha256": "2e"}), folder, imprinter)
    images.labels = images.labels[::-1]
    with pytest.raises(InputError, match=f"{target} holds predictions of other samples than the data here"):
        store.check_same(target, run, folder, store.Imprinter(images, Processes()))


# Other models than checkpoints, other predictions than imprinted ones


def test_models_on_a_line_between_two_networks(target, folder, run, images):
    """Weights, networks and files are predicted alike, and t is what the caller says."""
    ends = [weights.load(run.path(folder, step)) for step in (0, 10)]
    imprinter = store.Imprinter(images, Processes())
    imprinter.prepare(run)

    def between(s):
        return {key: torch.lerp(x, ends[1][key], s) if x.is_floating_point() else x for key, x in ends[0].items()}

    def models():
        yield -1.0, run.path(folder, 0)
        for s in (0.0, 0.5):
            yield s, between(s)
        network = networks.build("small_cnn", 1, 8, 3, seed=9)
        network.load_state_dict(between(0.5))
        yield 7.0, network

    store.store(target, run, models(), imprinter, t_name="line", what="a line")
    found = predictions.open_trajectory(target)
    assert found.t.tolist() == [-1, 0, 0.5, 7] and found.attributes["t_name"] == "line"
    assert found.attributes["what"] == "a line" and ": sound" in predictions.check(target)
    stored = data_of(target)
    assert np.array_equal(stored[0], stored[1]) and np.array_equal(stored[2], stored[3])
    assert np.abs(stored[1] - stored[2]).max() > 0.1
    del ends[0]["head.bias"]
    with pytest.raises(InputError, match=rf"^{target}, t = 0.5 does not fit the network: missing \['head.bias'\]"):
        store.store(target, run, [(0.5, ends[0])], imprinter)


@pytest.mark.parametrize("there", [(), (0, 7)])
def test_predictions_of_the_head(target, folder, run, images, there):
    """The softmax of its logits at the classes of the task, and 0 elsewhere; parts of imprinting are not taken."""
    plain = store.Imprinter(images, Processes())
    plain.prepare(run)
    for step in there:
        path = run.path(folder, step)
        store.write_part(folder, run, step, plain.roots(weights.load(path), path), plain)
    imprinter = store.Imprinter(images, Processes(), head=True)
    store.store_checkpoints(target, folder, run, imprinter, Processes())
    found = predictions.open_trajectory(target)
    assert found.attributes["predicted_by"] == "head" and ": sound" in predictions.check(target)
    assert parts_of(folder) == [run.path(folder, step, ".h5").name for step in there]
    network = networks.build("small_cnn", 1, 8, 3, 0).eval()
    for step, roots in zip(STEPS, found.roots()):
        network.load_state_dict(weights.load(run.path(folder, step)))
        with torch.inference_mode():
            expected = network(next(images.batches(data.evaluation_plan(90, 90)))).softmax(dim=1)
        np.testing.assert_allclose(roots[:, [1, 2, 5]] ** 2, expected, atol=1e-3)
        assert not roots[:, [0, 3, 4]].any()


def test_predictions_of_a_head_that_is_not_there(target, folder, run, images):
    imprinter = store.Imprinter(images, Processes(), head=True)
    with pytest.raises(InputError, match="digits_mine: its networks have no head; leave out --head to imprint them"):
        store.store_checkpoints(target, folder, dataclasses.replace(run, outputs=0), imprinter, Processes())


# One run after the other in a process


def test_features_are_computed_once_for_all_ways_of_imprinting_a_run(tmp_path, folder, run, images, monkeypatch):
    seen, compute = [], store.imprint.features
    monkeypatch.setattr(store.features, "KEPT", store.features.Features())
    monkeypatch.setattr(store.imprint, "features", lambda *given: seen.append(given) or compute(*given))

    def way(name, run=run, **how):
        seen.clear()
        training = images if how else None
        imprinter = store.Imprinter(images, Processes(), how=Imprinting(**how), training=training)
        store.store_checkpoints(tmp_path / name / "preds_4.h5", folder, run, imprinter, Processes())
        return data_of(tmp_path / name / "preds_4.h5"), len(seen)

    plain, count = way("plain")
    assert count == len(STEPS)
    fitted, count = way("fitted", temperature=None)
    assert count == 0 and not np.array_equal(fitted, plain)  # training images are the same ones here
    assert np.array_equal(way("again")[0], plain)
    moved = {key: value * 2 for key, value in weights.load(run.path(folder, STEPS[1])).items()}
    weights.save(run.path(folder, STEPS[1]), moved)
    changed, count = way("changed")
    assert count == 1 and [np.array_equal(a, b) for a, b in zip(changed, plain)] == [True, False, True, True, True]
    assert way("other", dataclasses.replace(run, seed=5))[1] == len(STEPS)
    assert way("back")[1] == len(STEPS)  # of one run at a time
    images.pixels[0] += 1
    assert way("images")[1] == len(STEPS)


@pytest.mark.parametrize("room", [0, 2 * 90 * 64 * 4, 4 * 90 * 64])
def test_memory_for_images_and_features_is_bounded(target, folder, run, images, monkeypatch, room):
    expected = data_of(stored(target, folder, run, images).path)
    monkeypatch.setattr(store.features, "KEPT_BYTES", room)
    monkeypatch.setattr(store.features, "KEPT", store.features.Features())
    assert np.array_equal(data_of(stored(target.with_name("preds_0.h5"), folder, run, images).path), expected)
    assert sum(found.nbytes for found in store.features.KEPT._found.values()) <= room
