"""The configurations of CIFAR-10 and CIFAR-100, of every method, on made-up images of the right shape.

Each trains a few steps of the paper's sub-tasks with the network it names, and its predictions are stored.  Only
numbers that say how long and on how many images are smaller.
"""

import numpy as np
import pytest
import torch

from info_geometry import predictions
from info_geometry.files import ROOT
from learning.data import TensorImages, sets
from tests.support import stages

SHORT = {"epochs": 1, "warmup_epochs": 0.5, "checkpoints": 3}
METHODS = {  # of each: its script, what is smaller, and what the names of its runs end with
    "supervised": (stages.TRAIN, {**SHORT, "batch_size": 10}, ""),
    "simclr": ("experiments/contrastive/01_training/train_contrastive.py", {**SHORT, "batch_size": 10}, "_simclr"),
    "barlow": ("experiments/contrastive/01_training/train_contrastive.py", {**SHORT, "batch_size": 10}, "_barlow"),
    "fixmatch": (
        "experiments/semi_supervised/01_training/train_fixmatch.py",
        {**SHORT, "batch_size": 4, "unlabelled_ratio": 2, "labelled": 10},
        "_fixmatch",
    ),
    "episodes": (
        "experiments/meta_learning/01_training/train_prototypical.py",
        {"epochs": 3, "warmup_epochs": 1, "checkpoints": 3, "ways": 2, "shots": 1, "queries": 2},
        "_2way",
    ),
    "fine-tuning": (
        "experiments/fine_tuning/01_training/train_fine_tuned.py",
        {**SHORT, "batch_size": 10},
        "_from_all",
    ),
}
# the paper's sub-tasks of CIFAR-10: animals, vehicles and parts of them; of CIFAR-100, which states no synsets, ids
TASKS = {
    "cifar10": {"animal": "animal", "vehicle": "vehicle", "mammal": "mammal", "1,9": "classes_1-9"},
    "cifar100": {"8,13,48,58,90": "classes_8-13-48-58-90", "even": "even"},
}
CASES = [(dataset, task) for dataset, tasks in TASKS.items() for task in tasks]


def images(known, split):
    """Return images of 32 x 32 pixels in three colours, five of each class to train on and two to evaluate."""
    labels = np.tile(np.arange(known.classes), 5 if split == "train" else 2)
    pixels = torch.randint(
        0, 256, (len(labels), 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return TensorImages(pixels, labels, known.classes, known.mean, known.std)


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    for dataset in TASKS:
        monkeypatch.setitem(sets.LOADERS, dataset, lambda known, split, folder: images(known, split))


def run(folder, path, *words, **settings):
    """Run a stage in this process."""
    where = ["--checkpoints-folder", folder / "checkpoints", "--predictions", folder / "predictions"]
    pairs = [word for key, value in settings.items() for word in (f"--{key}", value)]
    assert stages.script(path).main([str(word) for word in (*words, *where, *pairs)]) == 0


def config_of(method, dataset):
    """Return the name of the configuration of a method for a data set."""
    folder = (ROOT / METHODS[method][0]).parent / "configs"
    named = f"{dataset}_{method}"
    return named if (folder / f"{named}.yaml").exists() else dataset


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dataset", "task"), CASES)
def test_every_method_on_every_sub_task(tmp_path, method, dataset, task):
    path, smaller, ending = METHODS[method]
    name = f"{dataset}_{TASKS[dataset][task]}{ending}"
    more = ["--start", "all"] if method == "fine-tuning" else []
    if dataset == "cifar100":  # of which a few steps have to do
        if task != "even" and method not in ("supervised", "episodes"):
            pytest.skip("the same code as for the other task")
        smaller = {key: 100 if key == "batch_size" else value for key, value in smaller.items()}
        smaller = {**smaller, **({"labelled": 50, "batch_size": 25} if method == "fixmatch" else {})}
    if more:
        run(tmp_path, stages.TRAIN, dataset, **METHODS["supervised"][1] | {"batch_size": smaller["batch_size"]})
    run(tmp_path, path, config_of(method, dataset), "--task", task, *more, **smaller)
    run(tmp_path, stages.STORE, name)
    found = tmp_path / "predictions" / name / "preds_0.h5"
    classes = 10 if dataset == "cifar10" else 100
    x = predictions.open_trajectory(found)
    assert ": sound" in predictions.check(found) and x.shape[1:] == (2 * classes, classes) and x.shape[0] >= 2
    assert x.attributes["config"]["network"] == "wrn_16_4"
    assert np.abs(np.diff(x.roots(), axis=0)).max() > 0  # it learned something


def test_every_method_has_a_configuration_of_both():
    for method, (path, *_) in METHODS.items():
        for dataset in TASKS:
            assert ((ROOT / path).parent / "configs" / f"{config_of(method, dataset)}.yaml").exists()
