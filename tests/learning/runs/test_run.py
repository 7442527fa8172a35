"""Runs: a schedule, names of checkpoints, and run.json, which says what was trained; also that of version 0.1."""

import dataclasses
import itertools
import json

import h5py
import pytest

from info_geometry.files import ROOT, InputError
from learning import config, tasks
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.run import Run
from tests.support import stages
from tests.support.runs import folder_of, mtimes, same_runs
from tests.support.stages import SMALL, STORE, TRAIN, done, run

CONFIGS = ROOT / "supervised_imagenet" / "01_training" / "configs"
DIGITS = config.read(CONFIGS / "digits.yaml")


@pytest.mark.parametrize(
    "epochs, steps, number",
    [(20, 37, 40), (1, 1, 40), (3, 5, 40), (5, 480, 40), (100, 250, 60), (20, 37, 2), (40, 763, 100)],
)
def test_geometric_schedule(epochs, steps, number):
    settings = dataclasses.replace(DIGITS, epochs=epochs, checkpoints=number, warmup_epochs=0.5)
    found = runs.schedule(settings, steps)
    total = epochs * steps
    assert found[0] == 0 and found[-1] == total and found == sorted(set(found))
    assert abs(len(found) - min(number, total + 1)) <= 2
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert all(b >= a - 1 for a, b in itertools.pairwise(gaps[:-1]))  # they grow, but for rounding
    if len(found) > 4:
        assert found[1] <= max(1, total / 5) and gaps[-2] >= gaps[0]


def test_schedule_of_digits_is_dense_early():
    found = runs.schedule(DIGITS, 37)
    assert 38 <= len(found) <= 42 and found[:6] == [0, 1, 2, 3, 4, 5] and sum(step <= 37 for step in found) >= 15


def test_schedule_of_imagenet_is_the_published_one():
    found = runs.schedule(config.read(CONFIGS / "imagenet_rn50.yaml"), 763)
    assert len(found) == 61 and found[0] == 0 and found[-1] == 40 * 763
    for epoch in range(5):
        inside = [step for step in found if epoch * 763 < step <= (epoch + 1) * 763]
        assert len(inside) == 5 and inside[-1] == (epoch + 1) * 763
        assert max(abs(step - (epoch + i / 5) * 763) for i, step in enumerate(inside, 1)) <= 0.5
    assert found[25:] == [epoch * 763 for epoch in range(5, 41)]


@pytest.mark.parametrize("epochs, steps", [(1, 1), (2, 3), (3, 100), (5, 4)])
def test_schedule_of_short_runs(epochs, steps):
    whole = config.read(CONFIGS / "imagenet_rn50.yaml")
    found = runs.schedule(dataclasses.replace(whole, epochs=epochs, warmup_epochs=0.5), steps)
    assert found[0] == 0 and found[-1] == epochs * steps and found == sorted(set(found))
    assert {epoch * steps for epoch in range(epochs + 1)} <= set(found)


def described(**changes):
    """Return the Run of all digits, with changes."""
    task = tasks.load("digits", "all")
    values = {"samples": 1198, "class_names": None, "steps_per_epoch": 37, "schedule": [0, 1], **changes}
    return Run("digits_all", task, **{"seed": 0, "config": vars(DIGITS), **values})


def test_names_are_distinct_and_say_epoch_and_batch(tmp_path):
    run = described()
    assert run.path(tmp_path, 0) == tmp_path / "ckpt" / "0_0.pth"
    assert run.path(str(tmp_path), 75, ".h5") == tmp_path / "ckpt" / "2_1.h5"
    paths = {run.path(tmp_path, step, suffix) for step in range(500) for suffix in (".pth", ".h5")}
    assert len(paths) == 1000


def test_checkpoint_is_there_as_weights_or_as_predictions(tmp_path):
    run = described(steps_per_epoch=4, schedule=[0, 1, 4, 8])
    assert run.missing(tmp_path) == [0, 1, 4, 8]
    (tmp_path / "ckpt").mkdir()
    for name in ("0_1.pth", "1_0.h5", "0_0.txt", "2_0.pth.tmp", ".2_0.h5.7.tmp"):
        (tmp_path / "ckpt" / name).touch()
    assert run.missing(tmp_path) == [0, 8] and run.missing(tmp_path, (".pth",)) == [0, 4, 8]


# run.json


def test_what_is_read_is_what_was_written(tmp_path):
    start = {"run": "digits_all", "checkpoint": "2_0.pth", "sha256": "1f"}
    every = described(t_name="episode", outputs=0, start=start, variant="wide", trained_by=("module", "digits"))
    for number, one in enumerate((described(), every, described(seed=2**32 - 1, class_names=["a", "b"]))):
        runs.start(tmp_path / str(number), one)
        assert runs.read(tmp_path / str(number)) == one
    assert described().classes == 10 and every.classes == 0 and every.time(37) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        every.seed = 1


def test_settings_that_changed_are_named(tmp_path):
    run = described(versions={"torch": "1"})
    runs.start(tmp_path, run)
    weights.save(tmp_path / "ckpt" / "0_0.pth", {})
    before = stages.times(tmp_path)
    runs.start(tmp_path, dataclasses.replace(run, versions={"torch": "2"}, trained_by=("other", "words")))
    assert runs.read(tmp_path) == run and stages.times(tmp_path) == before
    other = dataclasses.replace(run, config=vars(dataclasses.replace(DIGITS, epochs=7, learning_rate=0.5)))
    with pytest.raises(InputError) as raised:
        runs.start(tmp_path, other)
    assert "epochs 20 -> 7; learning_rate 0.01 -> 0.5" in str(raised.value) and stages.times(tmp_path) == before


def test_settings_can_change_until_something_was_trained(tmp_path):
    runs.start(tmp_path, described())
    runs.start(tmp_path, described(seed=1))
    assert runs.read(tmp_path).seed == 1
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / ".0_0.pth.123.tmp").touch()  # of a process that was killed while it wrote the first one
    runs.start(tmp_path, described(seed=2))
    assert runs.read(tmp_path).seed == 2
    (tmp_path / "ckpt" / "0_0.h5").touch()
    with pytest.raises(InputError, match="seed 2 -> 3"):
        runs.start(tmp_path, described(seed=3))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", "{}", "null", '{"config": {}, "schedule": [], "seed": 0, "steps_per_epoch": 1, "task": {}}'],
)
def test_run_that_cannot_be_read(tmp_path, text):
    assert runs.read(tmp_path) is None
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json: not readable"):
        runs.read(tmp_path)


# Version 0.1

OLD_CONFIG = {
    "dataset": "digits",
    "network": "small_cnn",
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
    "base_batch_size": 0,
    "micro_batch_size": 0,
    "warmup_epochs": 0.5,
    "momentum": 0.9,
    "weight_decay": 0.0005,
    "label_smoothing": 0.0,
    "augmentation": "none",
    "schedule": "geometric",
    "checkpoints": 12,
    "dense_epochs": 5,
    "per_epoch": 5,
    "precision": "float32",
    "compile": False,
    "resolution": 0,
    "final_resolution": 0,
    "grow_from": 0,
    "grow_until": 0,
    "evaluation_resolution": 0,
    "evaluation_batch_size": 500,
    "evaluation_precision": "float32",
    "evaluate_every": 0,
}
OLD = {  # what version 0.1 wrote for the run that the tests share
    "name": "digits_all",
    "task": {
        "name": "all",
        "dataset": "digits",
        "classes": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "synset": None,
        "random_labels": False,
    },
    "seed": 0,
    "config": OLD_CONFIG,
    "samples": 1198,
    "class_names": None,
    "steps_per_epoch": 149,
    "schedule": [0, 1, 2, 3, 6, 10, 17, 31, 54, 95, 169, 298],
    "versions": {"torch": "2.14.1", "torchvision": "0.29.1", "numpy": "2.4.6"},
}


@pytest.fixture
def of_version_0_1(copied):
    """A folder with a run of digits as version 0.1 would have left it; the folder of the run, its predictions."""
    folder, target = folder_of(copied), copied / "predictions" / "digits_all" / "preds_0.h5"
    assert runs.read(folder).schedule == OLD["schedule"]
    (folder / "run.json").write_text(json.dumps(OLD, indent=1))
    with h5py.File(target, "r+") as file:
        file.attrs["config"] = json.dumps(OLD_CONFIG, sort_keys=True)
        del file.attrs["predicted_by"]
    return copied, folder, target


def test_run_of_version_0_1_is_complete(of_version_0_1):
    copied, folder, _ = of_version_0_1
    before = mtimes(copied)
    later = {"width": 0, "depth": 0, "widths": "", "patch": 0, "heads": 0, "initialisation": "default"}
    later |= {"annealing": "linear", "optimiser": "sgd", "nesterov": True, "decay": "matrices"}
    assert runs.read(folder).config == {**OLD_CONFIG, **later}
    assert "0 done, 1 skipped (already complete)" in done(TRAIN, copied, "digits", **SMALL)
    for words in (["digits"], ["digits_all"], ["digits_*", "--seed", 0]):
        assert "0 done, 1 skipped (already complete)" in done(STORE, copied, *words)
    assert mtimes(copied) == before


def test_run_of_version_0_1_is_gone_on_with(undisturbed, of_version_0_1):
    copied, folder, target = of_version_0_1
    with h5py.File(target) as file:
        digest = file.attrs["data_sha256"]
    target.unlink()
    (folder / "ckpt" / "2_0.pth").unlink()
    code, text = run(STORE, copied, "digits_all")
    assert code == 1 and "go on with python -m supervised_imagenet.01_training.train_imagenet digits --task all" in text
    code, text = run(TRAIN, copied, "digits", **SMALL, optimiser="adam")
    assert code == 1 and "(optimiser 'sgd' -> 'adam')" in text
    assert "training: 1 done" in done(TRAIN, copied, "digits", **SMALL)
    assert "imprinting: 1 done" in done(STORE, copied, "digits_all")
    same_runs(undisturbed, copied)
    assert json.loads((folder / "run.json").read_text()) == OLD  # which is left as it was
    with h5py.File(target) as file:
        assert file.attrs["data_sha256"] == digest
