"""A small TinyImageNet goes through both stages with its configuration, smaller."""

import numpy as np
import pytest

from info_geometry import predictions
from learning.runs import run as runs
from tests.support import tiny_imagenet
from tests.support.runs import folder_of
from tests.support.stages import STORE, TRAIN, done, run

SMALLER = {"epochs": 2, "warmup_epochs": 1, "batch_size": 6, "checkpoints": 3, "network": "small_cnn"}


@pytest.fixture
def folder(tmp_path):
    tiny_imagenet.write(tmp_path / "data" / "tiny-imagenet-200", per_class=6)
    return tmp_path


def test_both_stages(folder):
    words = ["--data", folder / "data"]
    text = done(TRAIN, folder, "tinyimagenet", "--task", "all", "mammal", *words, **SMALLER)
    assert "training: 2 done" in text
    found = runs.read(folder_of(folder, "tinyimagenet_mammal"))
    assert found.class_names == tiny_imagenet.CLASSES and found.task.classes == (1, 2) and found.samples == 12
    assert found.config["augmentation"] == "crop_flip"
    assert "imprinting: 2 done" in done(STORE, folder, "tinyimagenet*", *words)
    for task in ("all", "mammal"):
        path = folder / "predictions" / f"tinyimagenet_{task}" / "preds_0.h5"
        x = predictions.open_trajectory(path)
        assert ": sound" in predictions.check(path) and x.shape[1:] == (18, 3)
        assert np.array_equal(x.labels, np.repeat(np.arange(3), 6))
        assert x.attributes["dataset"] == "tinyimagenet" and x.attributes["split"] == "val"
    assert "2 skipped" in done(TRAIN, folder, "tinyimagenet", "--task", "all", "mammal", *words, **SMALLER)


def test_predictions_follow_val_when_it_is_sorted_later(folder):
    words = ["--data", folder / "data"]
    done(TRAIN, folder, "tinyimagenet", *words, **SMALLER)
    done(STORE, folder, "tinyimagenet_all", *words)
    path = folder / "predictions" / "tinyimagenet_all" / "preds_0.h5"
    before = predictions.open_trajectory(path).roots()
    path.unlink()
    tiny_imagenet.sort_val(folder / "data" / "tiny-imagenet-200")
    done(STORE, folder, "tinyimagenet_all", *words)
    assert np.array_equal(predictions.open_trajectory(path).roots(), before)


def test_other_classes_than_it_was_trained_on_are_refused(folder):
    words = ["--data", folder / "data"]
    done(TRAIN, folder, "tinyimagenet", *words, **SMALLER)
    tiny_imagenet.write(folder / "less" / "tiny-imagenet-200", classes=tiny_imagenet.CLASSES[:2])
    code, text = run(STORE, folder, "tinyimagenet_all", "--data", folder / "less")
    assert code == 1 and f"other class folders than those in {folder}/less/tiny-imagenet-200/val" in text


def test_without_the_data_it_says_where_to_put_them(tmp_path):
    code, text = run(TRAIN, tmp_path, "tinyimagenet", "--data", tmp_path)
    assert code == 1 and text.startswith(f"error: {tmp_path}/train: no such folder, and TinyImageNet is not downloaded")
