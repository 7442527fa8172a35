"""Both stages on image folders: a stand-in for ImageNet and for ImageNet-C, and TinyImageNet as it is distributed."""

import shutil

import numpy as np
import pytest

from experiments.subspaces.config import SubspaceConfig
from info_geometry import predictions
from learning.noise import noisy
from learning.split import split
from tests.support import stages, tiny_imagenet
from tests.support.stages import done, run

TRAIN = "experiments/subspaces/01_training/train_subspace.py"
SAMPLE = "experiments/subspaces/02_sampling/sample_subspace.py"
CLASSES = ("n01440764", "n01443537", "n02084071")
SMALL = {
    "network": "small_cnn", "epochs": 2, "batch_size": 8, "warmup_epochs": 0.5, "checkpoints": 3,
    "recalibration_images": 12, "evaluation_batch_size": 6,
}  # fmt: skip


def opened(folder, run_name):
    return predictions.open_trajectory(folder / "predictions" / run_name / "preds_0.h5")


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A folder with data, and a line trained on it."""
    folder = tmp_path_factory.mktemp("imagenet")
    for part, seed in (("train", 0), ("val", 1)):
        stages.write_images(folder / "data" / part, CLASSES, per_class=8, size=40, seed=seed)
    for kind, seed in (("fog", 2), ("snow", 3)):
        stages.write_images(folder / "data" / "imagenet-c" / kind / "2", CLASSES, per_class=8, size=40, seed=seed)
    done(TRAIN, folder, "imagenet_line", "--data", folder / "data", **SMALL, resolution=32, evaluation_resolution=32)
    return folder


def sample(folder, *words):
    return run(SAMPLE, folder, "imagenet_all_line", "--data", folder / "data", *words)


def test_a_line_of_image_files(imagenet):
    code, _ = sample(imagenet)
    x = opened(imagenet, "imagenet_all_line_head")
    assert code == 0 and x.shape == (11, 24, 3) and x.attributes["split"] == "val"
    assert np.array_equal(x.labels, np.repeat(np.arange(3), 8))
    line = stages.log_lines(imagenet / "checkpoints" / "imagenet_all_line" / "seed_0")[-1]
    assert line["d_B"] >= 0 and 0 <= line["squared_cosine"] <= 1


def test_corruptions_are_read_where_imagenet_c_lies(imagenet):
    assert sample(imagenet, "--corruption", "fog", "--severity", "2", "--positions", "0", "1")[0] == 0
    x, clean = (opened(imagenet, f"imagenet_all_line_{name}") for name in ("fog2_head", "head"))
    assert x.shape == (2, 24, 3) and np.array_equal(x.labels, clean.labels)
    assert not np.array_equal(x.roots()[0], clean.roots()[0])
    elsewhere = imagenet / "elsewhere"
    if not elsewhere.exists():
        shutil.copytree(imagenet / "data" / "imagenet-c", elsewhere)
    words = "--corruption", "fog", "--severity", "2", "--positions", "0", "1", "--corrupted", elsewhere
    assert "1 skipped" in sample(imagenet, *words)[1]


def test_corrupted_images_that_are_not_those_of_evaluation_are_refused(imagenet):
    code, text = sample(imagenet, "--corruption", "fog", "--severity", "3")
    assert code == 1 and f"{imagenet}/data/imagenet-c/fog/3" in text
    code, text = sample(imagenet, "--corruption", "frost", "--severity", "2")
    assert code == 1 and "fog" in text and "snow" in text
    next((imagenet / "data" / "imagenet-c" / "snow" / "2" / CLASSES[0]).iterdir()).unlink()
    code, text = sample(imagenet, "--corruption", "snow", "--severity", "2")
    assert code == 1 and "snow/2: 23 images, but 24 of evaluation" in text


def test_wrong_labels_of_image_files_are_those_learned(imagenet):
    words = "--data", imagenet / "data", "--variant", "wrong"
    settings = {**SMALL, "resolution": 32, "evaluation_resolution": 32, "label_noise": 0.5, "validation_images": 6}
    done(TRAIN, imagenet, "imagenet_point", *words, **settings)
    for images in ("training", "validation"):
        done(SAMPLE, imagenet, "imagenet_all_point_wrong", "--data", imagenet / "data", "--images", images)
    x, held = (opened(imagenet, f"imagenet_all_point_wrong_{name}_head") for name in ("training", "validation"))
    labels = np.repeat(np.arange(3), 8)
    own = split(labels, range(3), SubspaceConfig(**x.attributes["config"]))
    learned = noisy(labels, own, 3, 0.5)
    assert x.attributes["split"] == "training" and np.array_equal(x.labels, learned[np.sort(own.training)])
    assert np.array_equal(held.labels, learned[own.validation]) and (learned != labels).sum() >= 4


def test_tiny_imagenet_as_it_is_distributed(tmp_path):
    tiny_imagenet.write(tmp_path / "data" / "tiny-imagenet-200", per_class=6)
    words = "--data", tmp_path / "data"
    done(TRAIN, tmp_path, "tinyimagenet_simplex", "--task", "mammal", *words, **SMALL)
    done(SAMPLE, tmp_path, "tinyimagenet_mammal_simplex3", *words, "--steps", "2", "--imprint")
    x = opened(tmp_path, "tinyimagenet_mammal_simplex3")
    assert x.shape == (4 + 3 + 6, 18, 3) and ": sound" in predictions.check(x.path)
