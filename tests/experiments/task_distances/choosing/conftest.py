"""Small networks that learned digits, and others that went on from them with few labels."""

import dataclasses
import importlib

import pytest

from experiments.task_distances.sizes import QUICK
from info_geometry.files import ROOT
from learning.runs.run import Folders

TRAIN = "experiments.task_distances.01_training.train_task"
SCORE = "experiments.task_distances.02_predicting.store_scores"
SIZE = dataclasses.replace(QUICK, targets=("even", "0,1", "0,7"), sources=("all", "low", "all:flip"), widths=(12,))


def call(module, *words, folders):
    """Run a stage in this process, and return its exit code."""
    places = ("--checkpoints-folder", str(folders.checkpoints), "--predictions", str(folders.predictions))
    return importlib.import_module(module).main([*map(str, words), *places])


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Return folders with sources of seed 0, and with what went on from them, scored; SIZE says which."""
    root = tmp_path_factory.mktemp("choosing")
    found = Folders(ROOT / "supervised_imagenet" / "data", root / "checkpoints", root / "predictions")

    def train(*words):
        assert call(TRAIN, "digits_tasks", *words, "--schedule", "geometric", "--checkpoints", 2, folders=found) == 0

    few = "--validation_images", 100, "--batch_size", 10, "--epochs", 30, "--variant", "few"
    train("--task", "all", "low", "--epochs", 8)
    train("--task", "all", "--epochs", 8, "--condition", "flip")
    train("--task", "all", "--epochs", 8, "--width", 12, "--variant", "width12")
    starts = "digits_all_plain", "digits_low_plain", "digits_all_flip", "digits_all_plain_width12", None
    for start in starts:
        more = () if start is None else ("--start", start)
        more += ("--width", 12) if start == "digits_all_plain_width12" else ()
        train("--task", "0,1", "0,7", "--training_images", 2 * SIZE.few, *few, *more)
        train("--task", "even", "--training_images", 5 * SIZE.few, *few, *more)
    assert call(SCORE, "digits_*_few", "--seed", 0, folders=found) == 0
    return found
