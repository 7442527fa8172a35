"""Fine-tuning: it begins where the first task ended, changes only what it should, and answers what cannot be."""

import shutil
import signal

import numpy as np
import pytest
import torch

from experiments.fine_tuning import continuation
from info_geometry import predictions
from info_geometry.files import InputError
from learning import networks, tasks
from learning.config import Config
from learning.runs import weights
from tests.support import stages
from tests.support.stages import STORE, Stage, done, run, until

TUNE = "experiments/fine_tuning/01_training/train_fine_tuned.py"
FAST = {"epochs": 1, "warmup_epochs": 0.25, "batch_size": 8, "checkpoints": 8}
LOW = ("digits", "--start", "all", "--task", "low")


def folder_of(folder, name="digits_low_from_all"):
    return folder / "checkpoints" / name / "seed_0"


def opened(folder, name):
    return predictions.open_trajectory(folder / "predictions" / name / "preds_0.h5")


def test_the_path_begins_at_the_model_of_the_first_task(copied):
    assert "training: 1 done" in done(TUNE, copied, *LOW, **FAST)
    assert "imprinting: 1 done" in done(STORE, copied, "digits_low_from_all")
    first, tuned = opened(copied, "digits_all"), opened(copied, "digits_low_from_all")
    assert np.array_equal(tuned.model(0)[0], first.model(first.shape[0] - 1)[0])
    assert tuned.shape == (8, 599, 10) and tuned.t[0] == 0 and tuned.t[-1] == 1
    assert tuned.attributes["task"] == "low" and ": sound" in predictions.check(tuned.path)
    low = tuned.labels < 5
    accuracy = (tuned.roots().argmax(axis=2) == tuned.labels)[:, low].mean(axis=1)
    assert accuracy[-1] >= accuracy[0] - 0.02 and not np.array_equal(tuned.model(7)[0], tuned.model(0)[0])


def test_from_a_checkpoint_on_the_way(copied):
    done(TUNE, copied, *LOW, "--checkpoint", 3, **FAST)
    done(STORE, copied, "digits_low_from_all_at_3")
    first, tuned = opened(copied, "digits_all"), opened(copied, "digits_low_from_all_at_3")
    assert np.array_equal(tuned.model(0)[0], first.model(3)[0])


def test_only_the_body_is_taken_over(undisturbed, tmp_path):
    path = folder_of(undisturbed, "digits_all") / "ckpt" / "0_0.pth"
    network, fresh = (networks.build("small_cnn", 1, 8, 5, seed=3) for _ in range(2))
    continuation.start_from(path, network)
    there = weights.load(path)
    weights.save(tmp_path / "wrapped.pth", {f"module.{key}": value for key, value in there.items()})
    twin = networks.build("small_cnn", 1, 8, 5, seed=4)
    continuation.start_from(tmp_path / "wrapped.pth", twin)
    assert all(torch.equal(value, twin.body.state_dict()[key]) for key, value in network.body.state_dict().items())
    assert all(torch.equal(value, there[f"body.{key}"]) for key, value in network.body.state_dict().items())
    assert all(torch.equal(value, fresh.head.state_dict()[key]) for key, value in network.head.state_dict().items())
    with pytest.raises(InputError, match="does not fit the network"):
        continuation.start_from(path, networks.build("wrn_16_4", 1, 32, 5, seed=3))
    weights.save(tmp_path / "list.pth", [torch.zeros(3)])
    with pytest.raises(InputError, match="holds no weights; expected a dictionary of tensors"):
        continuation.start_from(tmp_path / "list.pth", network)


def test_a_name_is_that_of_the_tasks_however_they_are_written():
    low, settings = tasks.load("digits", "low"), Config("digits", "small_cnn", 2, 8, 0.1)
    found = continuation.Continuation("4,1", 3).name(low, settings)
    assert found == "digits_low_from_classes_1-4_at_3"
    assert continuation.Continuation("all").name(low, settings) == "digits_low_from_all"


def test_the_same_command_again_skips_and_changed_settings_are_refused(copied):
    done(TUNE, copied, *LOW, **FAST)
    before = stages.times(copied / "checkpoints")
    assert "1 skipped (already complete)" in done(TUNE, copied, *LOW, **FAST)
    assert stages.times(copied / "checkpoints") == before
    code, text = run(TUNE, copied, *LOW, **{**FAST, "learning_rate": 0.5})
    assert code == 1 and "was trained with other settings (learning_rate 0.005 -> 0.5)" in text


def test_a_first_task_that_was_trained_anew_is_noticed(copied):
    done(TUNE, copied, *LOW, **FAST)
    done(STORE, copied, "digits_low_from_all")
    last = folder_of(copied, "digits_all") / "ckpt" / "2_0.pth"
    content = weights.load(last)
    content["body.0.weight"] += 0.1
    weights.save(last, content)
    code, text = run(TUNE, copied, *LOW, **FAST)
    assert code == 1 and "was trained with other settings (start" in text
    shutil.rmtree(folder_of(copied))
    done(TUNE, copied, *LOW, **FAST)
    code, text = run(STORE, copied, "digits_low_from_all")
    assert code == 1 and "preds_0.h5 was made from a run with other settings than" in text and "delete it" in text


def test_a_complete_run_does_not_need_the_first_task_any_more(copied):
    done(TUNE, copied, *LOW, **FAST)
    shutil.rmtree(folder_of(copied, "digits_all"))
    assert "1 skipped (already complete)" in done(TUNE, copied, *LOW, **FAST)
    assert "imprinting: 1 done" in done(STORE, copied, "digits_low_from_all")
    (folder_of(copied) / "ckpt" / "1_0.pth").unlink()
    code, text = run(TUNE, copied, *LOW, **FAST)
    assert code == 1 and "no such checkpoint, from which digits_low_from_all starts; train digits_all again" in text


def test_a_run_that_cannot_begin_does_not_stop_the_others(copied):
    code, text = run(TUNE, copied, *LOW, "--seed", 1, 0, **FAST)
    assert code == 1 and "seed_1 holds no run to start from" in text
    assert "training: 1 done, 0 skipped (already complete), 1 failed" in text
    for part, counts in ((0, "0 done, 0 skipped (already complete), 1 failed"), (1, "0 done, 1 skipped")):
        assert counts in run(TUNE, copied, *LOW, "--seed", 1, 0, "--part", f"{part}/2", **FAST)[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(copied, tmp_path, number):
    """To the same bytes as without interruption."""
    whole, folder = shutil.copytree(copied, tmp_path / "whole"), folder_of(copied)
    done(TUNE, whole, *LOW, **FAST)
    stage = Stage(TUNE, copied, *LOW, **FAST)
    until(lambda: len(list(folder.glob("ckpt/*.pth"))) >= 4)
    stages.interrupt(stage, number, folder)
    done(TUNE, copied, *LOW, **FAST)
    expected = stages.contents(folder_of(whole), "ckpt/*.pth")
    assert len(expected) == 8 and stages.contents(folder, "ckpt/*.pth") == expected
    assert stages.log_lines(folder) == stages.log_lines(folder_of(whole))
    one, other = (weights.load(path / "last.pth")["network"] for path in (folder, folder_of(whole)))
    assert all(torch.equal(one[key], other[key]) for key in other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("digits", "--start", "odd", "--task", "low"),
            "digits_odd/seed_0 holds no run to start from; train it with "
            "python -m supervised_imagenet.01_training.train_imagenet digits --task odd --seed 0 --checkpoints-folder ",
        ),
        (("digits", "--start", "all", "--task", "low", "--checkpoint", "99"), "has the checkpoints 0 to 11"),
        (("digits", "--start", "all", "--task", "low", "--checkpoint", "-1"), "has the checkpoints 0 to 11"),
        (("digits", "--start", "nothing", "--task", "low"), "digits has no task 'nothing'"),
        (("digits", "--start", "all", "--task", "low", "--seed", "5"), "seed_5 holds no run to start from"),
        (("digits", "--task", "low"), "--start"),
        (("digits", "--start", "all", "--task", "low", "--network", "wrn_16_4"), "does not fit the network"),
    ],
)
def test_what_cannot_be_started_from(copied, arguments, message):
    code, text = run(TUNE, copied, *arguments)
    assert code in (1, 2) and message in text


def test_missing_checkpoints(copied):
    code, text = run(STORE, copied, "digits_low_from_all_at_3")
    assert (
        code == 1
        and (
            "train it with python -m experiments.fine_tuning.01_training.train_fine_tuned digits --task low "
            "--start all --checkpoint 3 --seed 0 "
        )
        in text
    )
    (folder_of(copied, "digits_all") / "ckpt" / "2_0.pth").unlink()
    code, text = run(TUNE, copied, *LOW, **FAST)
    assert code == 1 and "2_0.pth: no such checkpoint" in text
