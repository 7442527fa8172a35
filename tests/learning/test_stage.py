"""The stages: what is complete is skipped, one run that fails stops no other, and what does not fit is refused."""

import json
import os
import shutil
import socket

import numpy as np
import pytest
import torch

from info_geometry import files, predictions
from learning import data, networks
from learning.runs import run as runs
from learning.runs import weights
from tests.support.runs import (
    TINY,
    folder_of,
    main,
    module,
    mtimes,
    same_runs,
)
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until


def test_what_is_complete_is_skipped(copied):
    before = mtimes(copied)
    assert "training: 0 done, 1 skipped (already complete), 0 failed" in done(TRAIN, copied, "digits", **SMALL)
    assert "imprinting: 0 done, 1 skipped (already complete), 0 failed" in done(STORE, copied, "digits", **SMALL)
    assert mtimes(copied) == before


def test_predictions_do_not_need_their_checkpoints(copied):
    shutil.rmtree(copied / "checkpoints")
    assert "1 skipped" in done(STORE, copied, "digits")


def test_second_process_is_refused_or_waits(tmp_path):
    for script, lock in (
        (TRAIN, folder_of(tmp_path) / ".lock"),
        (STORE, tmp_path / "predictions" / "digits_all" / ".preds_0.lock"),
    ):
        with files.lock(lock, "it"):
            code, text = run(script, tmp_path, "digits", **TINY)
            assert code == 1 and f"is being written by pid {os.getpid()} on host {socket.gethostname()}" in text
            stage = Stage(script, tmp_path, "digits", "--wait", **TINY)
            until(lambda stage=stage: "waiting for pid" in stage.text)
        assert stage.wait()[0] == 0 and ": 1 done" in stage.text


def test_parts_are_a_partition_of_the_runs(tmp_path):
    arguments = ["digits", "--task", "all", "even", "odd", "--seed", "0", "1"]
    code, text = run(STORE, tmp_path, *arguments)  # every run is asked for, and none is there
    assert code == 1 and "0 done, 0 skipped (already complete), 6 failed" in text and text.count("holds no run") == 6
    every, named = set(text.splitlines()[:6]), []
    for part in range(4):
        text = run(STORE, tmp_path, *arguments, "--part", f"{part}/4")[1]
        named += [line for line in text.splitlines() if "holds no run" in line]
    assert len(named) == 6 and set(named) == every


def test_changed_settings_are_named(copied):
    before = mtimes(copied)
    code, text = run(TRAIN, copied, "digits", **{**SMALL, "learning_rate": 0.5, "epochs": 3})
    assert code == 1 and "epochs 2 -> 3; learning_rate 0.01 -> 0.5" in text and mtimes(copied) == before


def test_predictions_of_other_settings_are_refused(copied):
    shutil.rmtree(copied / "checkpoints")
    done(TRAIN, copied, "digits", **{**SMALL, "learning_rate": 0.5})
    before = mtimes(copied)
    code, text = run(STORE, copied, "digits")
    assert code == 1 and "was made from a run with other settings than" in text and mtimes(copied) == before


def test_predictions_of_other_samples_are_refused(copied):
    path = copied / "predictions" / "digits_all" / "preds_0.h5"
    trajectory = predictions.open_trajectory(path)
    attributes = {key: trajectory.attributes[key] for key in ("dataset", "task", "seed", "config", "classes", "t_name")}
    predictions.write(path, trajectory.roots() ** 2, labels=trajectory.labels[::-1], t=trajectory.t, **attributes)
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"{path} holds predictions of other samples than the data here" in text


def test_missing_run(tmp_path):
    code, text = run(STORE, tmp_path, "digits", "--task", "even", "--seed", "3")
    assert code == 1 and f"holds no run; train it with python -m {module(TRAIN)} digits --task even --seed 3 " in text
    assert f"--checkpoints-folder {tmp_path}/checkpoints --predictions {tmp_path}/predictions\n" in text


def test_incomplete_checkpoints_are_named(copied):
    (copied / "predictions" / "digits_all" / "preds_0.h5").unlink()
    folder = folder_of(copied)
    record = runs.read(folder)
    for step in record.schedule[3:5]:
        record.path(folder, step).unlink()
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"2 of {len(record.schedule)} checkpoints missing (0_" in text


@pytest.mark.parametrize("damage", ["truncated", "flipped", "another"])
def test_damaged_checkpoint_is_named(copied, damage):
    target = copied / "predictions" / "digits_all"
    (target / "preds_0.h5").unlink()
    path = sorted((folder_of(copied) / "ckpt").iterdir())[4]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "another":
        weights.save(path, networks.build("small_cnn", 1, 8, 5, 0).state_dict())
    else:
        path.write_bytes(content[: len(content) // (2 if damage == "truncated" else 1)])
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"error: {path}" in text and "1 failed" in text
    assert [name.name for name in target.iterdir()] == [".preds_0.lock"]


def test_one_run_that_fails_does_not_stop_the_others(tmp_path):
    folder = folder_of(tmp_path, "digits_even")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    code, text = run(TRAIN, tmp_path, "digits", "--task", "all", "even", "odd", **TINY)
    assert code == 1 and f"error: {folder}/run.json: not readable" in text
    assert "training: 2 done, 0 skipped (already complete), 1 failed" in text


def test_class_without_training_images(monkeypatch, tmp_path, capsys):
    digits = data.load("digits", "train", "")
    keep = torch.from_numpy(digits.labels != 4)
    without = data.TensorImages(digits.pixels[keep], digits.labels[keep.numpy()], 10, [0.0], [1.0])
    code, _, error = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "even", images={"train": without}, **TINY)
    assert code == 1 and "1 of 5 classes have no training images" in error
    assert not list(tmp_path.glob("**/run.json"))  # for the table of --status
    code, out, _ = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "even", images={"train": digits}, **TINY)
    assert code == 0 and "1 done" in out  # the failure left nothing in the way
    with_none = {"test": data.TensorImages(without.pixels, without.labels, 10, [0.0], [1.0])}
    code, _, error = main(monkeypatch, STORE, tmp_path, "digits", "--task", "even", images=with_none)
    assert code == 1 and "1 of 10 classes have no samples to imprint (the first is class 4)" in error
    assert not list(tmp_path.glob("**/*.h5")) and not list(tmp_path.glob("**/*.tmp"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["digits", "--task", "evn"], "digits has no task 'evn'; did you mean even?"),
        (["digits", "--dataset", "mnist"], "unknown data set 'mnist'"),
        (["digits", "--network", "cnn"], "unknown network 'cnn'"),
        (["digits", "--augmentation", "random_resized_crop"], "augmentation random_resized_crop is for images decoded"),
        (
            ["sloppy", "--augmentation", "crop_flip"],
            "augmentation crop_flip is for images, not for inputs of one pixel",
        ),
        (["sloppy", "--network", "vit", "--widths", ""], "patch is 4; vit wants a divisor of 1"),
        (["digits", "--device", "nonsense"], "device 'nonsense': "),
        (["imagenet_rn50", "--data", "/nowhere"], "/nowhere/train: no such folder"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path, arguments, words):
    code, text = run(TRAIN, tmp_path, *arguments)
    assert code == 1 and words in text and text.startswith("error: ")


@pytest.mark.parametrize("network", ["fc", "linear", "mlp", "small_cnn"])
def test_inputs_that_are_no_images_go_through_both_stages(network, tmp_path):
    """Two steps on 3 of 5 classes; predictions are of all 5, for 1,000 samples of which the files know the labels."""
    own = {"network": network, **({} if network == "fc" else {"widths": ""})}
    words = ["flat", "--task", "even", "--variant", "x"]
    assert "1 done" in done(TRAIN, tmp_path, *words, **{**TINY, **own, "evaluate_every": 1})
    assert "1 done" in done(STORE, tmp_path, "flat_even_x")
    found = predictions.open_trajectory(tmp_path / "predictions" / "flat_even_x" / "preds_0.h5")
    assert np.array_equal(found.labels, data.load("flat", "test", "").labels)
    assert found.shape[1:] == (1000, 5) and np.allclose((found.roots() ** 2).sum(axis=-1), 1, atol=1e-2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there(tmp_path):
    for script in (TRAIN, STORE):
        code, text = run(script, tmp_path, "digits", "--device", "cuda")
        assert code == 1 and "device 'cuda': no CUDA GPU is visible" in text


def test_full_disk_in_imprinting(undisturbed, copied):
    target = copied / "predictions" / "digits_all"
    whole = (target / "preds_0.h5").stat().st_size
    (target / "preds_0.h5").unlink()
    for size in (1000, whole // 3, whole - 100):
        code, text = run(STORE, copied, "digits", file_size=size)
        assert code == 1 and f"cannot write {target / 'preds_0.h5'}: " in text
        assert [path.name for path in target.iterdir()] == [".preds_0.lock"]
    done(STORE, copied, "digits")
    same_runs(undisturbed, copied)


def test_task_of_a_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"labels": [2, 7, 5]}))
    for script in (TRAIN, STORE):
        assert ": 1 done" in done(script, tmp_path, "digits", "--task", tmp_path / "mine.json", **TINY)
    assert runs.read(folder_of(tmp_path, "digits_mine")).task.classes == (2, 5, 7)
    assert (tmp_path / "predictions" / "digits_mine" / "preds_0.h5").exists()
