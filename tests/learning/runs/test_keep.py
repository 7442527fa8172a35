"""Predictions as a run goes, instead of weights, are those of the second stage; and accuracy is logged on the way."""

import os
import random
import shutil
import signal
import time

import numpy as np
import pytest

from info_geometry import files, predictions
from learning.runs import diverged, weights
from tests.support import stages
from tests.support.runs import (
    AS_YOU_GO,
    EPOCHS,
    TINY,
    all_done,
    direct_accuracy,
    equal,
    folder_of,
    interrupted,
    mtimes,
    parts,
    same_predictions,
    together,
)
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until


def test_predictions_as_it_goes_are_those_of_the_second_stage(undisturbed, tmp_path):
    assert "training: 1 done, 0 skipped" in done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, tmp_path)
    folder, twin = folder_of(tmp_path), folder_of(undisturbed)
    assert stages.log_lines(folder) == stages.log_lines(twin) and parts(tmp_path) == []
    equal(*(weights.load(path / "last.pth")["network"] for path in (folder, twin)))
    before = mtimes(tmp_path)
    assert "0 done, 1 skipped (already complete)" in done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    assert "0 done, 1 skipped (already complete)" in done(STORE, tmp_path, "digits")
    assert mtimes(tmp_path) == before


def test_killed_as_it_goes_and_resumed(undisturbed, tmp_path):
    rng, target = random.Random(8), tmp_path / "predictions"
    moments = [lambda n=n: len(stages.log_lines(folder_of(tmp_path))) >= n for n in (0, 1, 4, 7, 10, 12)]
    for moment in (*moments, lambda: list(target.glob("*/.*.tmp"))):
        stage = Stage(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
        until(lambda moment=moment, stage=stage: moment() or not stage.process.is_alive())
        time.sleep(rng.random() * 0.03)
        stage.send(signal.SIGKILL)
        stage.wait()
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, tmp_path)
    assert stages.log_lines(folder_of(tmp_path)) == stages.log_lines(folder_of(undisturbed))


@pytest.mark.parametrize("first, second", [([AS_YOU_GO], [AS_YOU_GO]), ([AS_YOU_GO], []), ([], [AS_YOU_GO])])
def test_interrupted_as_it_goes_and_resumed(undisturbed, tmp_path, first, second):
    """With weights or predictions left behind before, and weights or predictions after."""
    assert interrupted(tmp_path, *first) == (75, "")
    left = parts(tmp_path)
    assert 4 <= len(left) < 12 and all(name.endswith(".h5" if first else ".pth") for name in left)
    assert not list(tmp_path.glob("predictions/*/*.h5"))
    code, text = run(STORE, tmp_path, "digits")
    assert code == 1 and f"{12 - len(left)} of 12 checkpoints missing" in text
    done(TRAIN, tmp_path, "digits", *second, **SMALL)
    if not second:
        assert len(parts(tmp_path)) == 12 and {name.split(".")[1] for name in parts(tmp_path)} == {"h5", "pth"}
        done(STORE, tmp_path, "digits")
    assert not [name for name in parts(tmp_path) if name.endswith(".h5")]
    same_predictions(undisturbed, tmp_path)


def test_what_was_trained_before_is_imprinted_as_well(undisturbed, copied):
    shutil.rmtree(copied / "predictions")
    weights = stages.contents(folder_of(copied) / "ckpt")
    assert "training: 1 done" in done(TRAIN, copied, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, copied)
    assert stages.contents(folder_of(copied) / "ckpt") == weights


def test_changed_settings_are_refused_as_it_goes(tmp_path):
    changed = {**TINY, "learning_rate": 0.5}
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
    before = mtimes(tmp_path)
    code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, **changed)
    assert code == 1 and "was made from a run with other settings than" in text and mtimes(tmp_path) == before
    assert interrupted(tmp_path / "half", AS_YOU_GO)[0] == 75
    before = mtimes(tmp_path / "half")
    for arguments in ([AS_YOU_GO], []):
        code, text = run(TRAIN, tmp_path / "half", "digits", *arguments, **{**SMALL, "learning_rate": 0.5})
        assert code == 1 and "was trained with other settings (learning_rate 0.01 -> 0.5)" in text
    assert mtimes(tmp_path / "half") == before


@pytest.mark.parametrize("as_you_go", [True, False])
def test_predictions_that_are_not_finite_are_of_a_run_that_diverged(tmp_path, as_you_go):
    """The weights are, after one step at this rate, but not what they give: with and without these it diverged."""
    words = [AS_YOU_GO] if as_you_go else []
    for _ in range(2):
        code, text = run(TRAIN, tmp_path, "digits", *words, **{**TINY, "learning_rate": 1e30})
        assert code == 1 and text.endswith("training: 0 done, 0 skipped (already complete), 0 failed, 1 diverged\n")
        noted = diverged.found(folder_of(tmp_path))
        assert noted["step"] and f"at step {noted['step']}" in noted["error"] and noted["error"] in text
    if as_you_go:
        assert "the predictions of 599 of 599 images are not finite; training diverged at step" in text


def test_damaged_part_is_named(undisturbed, copied):
    shutil.rmtree(copied / "predictions")
    assert interrupted(copied / "half", AS_YOU_GO)[0] == 75
    for part in (folder_of(copied / "half") / "ckpt").iterdir():
        shutil.move(part, folder_of(copied) / "ckpt")
    part = folder_of(copied) / "ckpt" / "0_1.h5"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"error: {part}" in text and len(parts(copied)) > 12
    assert [path.name for path in (copied / "predictions" / "digits_all").iterdir()] == [".preds_0.lock"]
    part.write_bytes(whole)
    done(STORE, copied, "digits")
    same_predictions(undisturbed, copied)


def test_full_disk_as_it_goes(tmp_path):
    """First there is no room for a part, then for the state, at last for all predictions in one file."""
    folder, target = folder_of(tmp_path), tmp_path / "predictions" / "digits_all" / "preds_0.h5"

    def no_room(size, where):
        code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, file_size=size, **TINY)
        assert code == 1 and text.startswith(f"error: cannot write {where}: ") and text.count("error") == 1
        assert not list(tmp_path.glob("**/*.tmp")) and not target.exists()

    no_room(3000, folder / "ckpt" / "0_0.h5")
    no_room(60000, folder / "last.pth")
    with files.lock(target.parent / ".preds_0.lock", "it"):
        code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
        assert code == 1 and f"{target} is being written by pid {os.getpid()}" in text
    no_room(10000, target)
    assert parts(tmp_path) == ["0_0.h5", "0_1.h5", "1_0.h5"]
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
    assert predictions.open_trajectory(target).shape == (3, 599, 10) and parts(tmp_path) == []


def test_accuracy_is_logged_between_checkpoints_too(tmp_path):
    settings = {"epochs": 4, "batch_size": 100, "warmup_epochs": 1, "checkpoints": 5}
    for folder, more in (("a", {}), ("b", {"evaluate_every": 1})):
        done(TRAIN, tmp_path / folder, "digits", **settings, **more)
    assert [line["epoch"] for line in stages.log_lines(folder_of(tmp_path / "b")) if "evaluation_accuracy" in line] == [
        1,
        2,
        3,
        4,
    ]
    assert stages.contents(tmp_path / "a", "**/ckpt/*") == stages.contents(tmp_path / "b", "**/ckpt/*") != {}


def test_run_whose_predictions_were_kept_refuses_other_settings(tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    before = mtimes(tmp_path)
    code, text = run(TRAIN, tmp_path, "digits", learning_rate=0.5, **TINY)
    assert code == 1 and "learning_rate" in text and "trained with other settings" in text
    assert mtimes(tmp_path) == before


def test_published_labels_are_checked_as_it_goes(tmp_path):
    (tmp_path / "predictions" / "labels").mkdir(parents=True)
    np.save(tmp_path / "predictions" / "labels" / "digits_test_labels.npy", np.arange(599) % 10)
    code, text = run(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    assert code == 1 and "digits_test_labels.npy: 599 labels of 10 classes" in text


def test_parts_that_are_no_longer_needed_are_removed(tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    part = folder_of(tmp_path) / "ckpt" / "0_0.h5"
    for arguments in ((TRAIN, "--imprint-as-you-go"), (STORE,)):
        part.write_bytes(b"left by a process that was killed before it removed them")
        assert "skipped" in done(arguments[0], tmp_path, "digits", *arguments[1:], **TINY) and not part.exists()


def test_accuracy_on_evaluation_images_is_logged(tmp_path):
    tasks = ["--task", "even", "randomlab"]
    done(TRAIN, tmp_path, "digits", *tasks, **EPOCHS, evaluate_every=2, evaluation_batch_size=7)
    done(TRAIN, tmp_path / "without", "digits", *tasks, **EPOCHS)
    folder = folder_of(tmp_path, "digits_even")
    found = {
        line["epoch"]: line["evaluation_accuracy"] for line in stages.log_lines(folder) if "evaluation_accuracy" in line
    }
    assert found == {epoch: direct_accuracy(folder / "ckpt" / f"{epoch}_0.pth", [0, 2, 4, 6, 8]) for epoch in (2, 4, 5)}
    assert found[5] > 0.4
    lines = stages.log_lines(folder_of(tmp_path, "digits_randomlab"))
    assert lines[-1]["epoch"] == 5 and not any("evaluation_accuracy" in line for line in lines)
    for name in ("digits_even", "digits_randomlab"):  # training does not notice
        folders = [folder_of(one, name) for one in (tmp_path, tmp_path / "without")]
        assert stages.contents(folders[0] / "ckpt") == stages.contents(folders[1] / "ckpt") != {}
        for line in (logs := [stages.log_lines(folder) for folder in folders])[0]:
            line.pop("evaluation_accuracy", None)
        assert logs[0] == logs[1]


@pytest.mark.slow
def test_two_processes_evaluate_together(tmp_path):
    options = {**EPOCHS, "evaluate_every": 5, "evaluation_batch_size": 7}
    all_done(together(tmp_path, "digits", AS_YOU_GO, **options))
    all_done(together(tmp_path / "weights", "digits", **options))
    last = [stages.log_lines(folder_of(folder))[-1] for folder in (tmp_path, tmp_path / "weights")]
    accuracy = direct_accuracy(folder_of(tmp_path / "weights") / "ckpt" / "5_0.pth", list(range(10)))
    assert last[0] == last[1] and last[0]["evaluation_accuracy"] == accuracy > 0.3
