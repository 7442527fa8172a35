"""Storing predictions of runs by their names: of any method and variant, by imprinting or by the network's own head."""

import json
import shutil

import numpy as np

from info_geometry import predictions
from learning.runs import run as runs
from learning.runs.run import Folders
from tests.support import stages
from tests.support.runs import TINY, folder_of, mtimes, same_predictions
from tests.support.stages import SMALL, STORE, TRAIN, done, run


def stored(folder):
    return {f"{path.parent.name}/{path.stem}" for path in folder.glob("predictions/*/*.h5")}


def test_a_run_by_its_name_is_that_by_its_configuration(undisturbed, copied):
    shutil.rmtree(copied / "predictions")
    assert "imprinting: 1 done" in done(STORE, copied, "digits_all")
    same_predictions(undisturbed, copied)
    before = mtimes(copied)
    for words in (["digits_all"], ["digits_all", "--seed", 0], ["digits*"], ["digits"]):
        assert "imprinting: 0 done, 1 skipped (already complete)" in done(STORE, copied, *words)
    assert mtimes(copied) == before


def test_runs_of_all_methods_in_one_command(tmp_path):
    done(TRAIN, tmp_path, "digits", "--seed", 0, 3, **TINY)
    small = {"epochs": 10, "warmup_epochs": 1, "checkpoints": 3, "ways": 2}
    done("experiments/meta_learning/01_training/train_prototypical.py", tmp_path, "digits", **small)
    assert "imprinting: 2 done" in done(STORE, tmp_path, "digits_*", "--seed", 0)
    assert stored(tmp_path) == {"digits_all/preds_0", "digits_all_2way/preds_0"}
    assert "imprinting: 1 done, 2 skipped" in done(STORE, tmp_path, "digits_*")
    path = tmp_path / "predictions" / "digits_all_2way" / "preds_0.h5"
    assert predictions.open_trajectory(path).attributes["t_name"] == "episode"


def test_variants_live_side_by_side(tmp_path):
    done(TRAIN, tmp_path, "digits", **TINY)
    done(TRAIN, tmp_path, "digits", "--variant", "slow", **TINY, learning_rate=0.001)
    assert "1 skipped" in done(TRAIN, tmp_path, "digits", "--variant", "slow", **TINY, learning_rate=0.001)
    code, text = run(TRAIN, tmp_path, "digits", "--variant", "slow", **TINY)
    assert code == 1 and "was trained with other settings (learning_rate 0.001 -> 0.01)" in text
    assert "or --variant" in text
    assert "imprinting: 1 done" in done(STORE, tmp_path, "digits", "--variant", "slow")
    assert "imprinting: 1 done, 1 skipped" in done(STORE, tmp_path, "digits_all*")
    found = runs.read(folder_of(tmp_path, "digits_all_slow"))
    assert (found.name, found.variant, found.task.name) == ("digits_all_slow", "slow", "all")
    one, other = (
        predictions.open_trajectory(tmp_path / "predictions" / name / "preds_0.h5")
        for name in ("digits_all", "digits_all_slow")
    )
    assert "variant" not in one.attributes and other.attributes["variant"] == "slow"
    assert np.array_equal(one.roots()[0], other.roots()[0]) and not np.array_equal(one.roots()[-1], other.roots()[-1])


def test_messages_say_the_command_that_trained_a_run(copied):
    folder = folder_of(copied)
    (copied / "predictions" / "digits_all" / "preds_0.h5").unlink()
    (folder / "ckpt" / "2_0.pth").unlink()
    code, text = run(STORE, copied, "digits_all")
    words = " ".join(f"--{key} {value}" for key, value in SMALL.items())
    assert code == 1 and f"train_imagenet digits {words} --task all --seed 0 --checkpoints-folder {copied}/" in text
    values = json.loads((folder / "run.json").read_text())
    del values["trained_by"]
    (folder / "run.json").write_text(json.dumps(values))
    assert "train_imagenet digits --task all --seed 0 --checkpoints-folder" in run(STORE, copied, "digits_all")[1]


def test_runs_that_are_not_there(copied):
    for name, message in (
        ("digits_even", "digits_even/seed_0 holds no run; train it with python -m supervised_imagenet.01_training."),
        ("digits_al", "there is no run 'digits_al', nor a configuration; did you mean digits_all?"),
        ("fashion_*", "has no run 'fashion_*'; there are digits_all"),
    ):
        code, text = run(STORE, copied, name)
        assert code == 1 and message in text and text.startswith("error: ")


def test_predictions_of_the_head(undisturbed, copied):
    before = stages.contents(copied, "predictions/**/*.h5")
    assert "imprinting: 1 done" in done(STORE, copied, "digits_all", "--head")
    assert stored(copied) == {"digits_all/preds_0", "digits_all_head/preds_0"}
    path = copied / "predictions" / "digits_all_head" / "preds_0.h5"
    found = predictions.open_trajectory(path)
    assert found.attributes["predicted_by"] == "head" and ": sound" in predictions.check(path)
    last = stages.log_lines(folder_of(copied))[-1]
    accuracy = (found.roots()[-1].argmax(axis=1) == found.labels).mean()
    assert accuracy > 0.9 and abs(accuracy - last["accuracy"]) < 0.05
    assert stages.contents(copied, "predictions/digits_all/*.h5") == before
    assert "0 done, 1 skipped (already complete)" in done(STORE, copied, "digits_all", "--head")


def test_predictions_of_the_head_need_weights(tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    code, text = run(STORE, tmp_path, "digits_all", "--head")
    assert code == 1 and "3 of 3 checkpoints missing" in text


def test_a_file_that_is_in_the_place_of_another_one_is_refused(copied):
    target = copied / "predictions" / "digits_all_head"
    shutil.copytree(copied / "predictions" / "digits_all", target)
    code, text = run(STORE, copied, "digits_all", "--head")
    assert code == 1 and f"{target}/preds_0.h5 was made from a run with other settings" in text


def test_default_folders_are_those_of_the_repository():
    assert Folders().run("digits_all", 0) == Folders.checkpoints / "digits_all" / "seed_0"
    assert Folders().file("digits_all", 3) == Folders.predictions / "digits_all" / "preds_3.h5"
