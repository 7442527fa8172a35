"""The choices of imprinting: their names, what is refused, which training images are taken, and stage 2 with them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from info_geometry.storage import runs
from learning import data
from learning.imprinting import USUAL, Imprinting, evenly
from tests.support import stages


@pytest.mark.parametrize(
    ("how", "name", "said"),
    [
        (USUAL, "", "imprinting"),
        (Imprinting("normalised"), "normalised", "imprinting, normalised, scale 1"),
        (Imprinting("cosine", 8), "cosine_x8", "imprinting, cosine, scale 8"),
        (Imprinting(temperature=0.5), "t0.5", "imprinting, temperature 0.5"),
        (Imprinting(temperature=None), "fitted", "imprinting, temperature fitted, at most 10000 training images"),
        (
            Imprinting(prototypes="training", training_images=50),
            "training_n50",
            "imprinting, prototypes of training images, at most 50 training images",
        ),
        (Imprinting(over="0,3"), "on_0-3", "imprinting, over the classes of 0,3"),
        (Imprinting(over="some/mine.json"), "on_mine", "imprinting, over the classes of some/mine.json"),
    ],
)
def test_names(how, name, said):
    assert how.name == name and str(how) == said


def test_names_tell_choices_apart():
    used = [
        Imprinting(rule, scale, T, prototypes, over, n)
        for rule in ("squared_distance", "normalised", "cosine")
        for scale in ((1.0,) if rule == "squared_distance" else (1.0, 2.0))
        for T in (1.0, 2.0, None)
        for prototypes in ("evaluation", "training")
        for over in ("", "even")
        for n in ((10_000, 100) if T is None or prototypes == "training" else (10_000,))
    ]
    assert len({x.name for x in used}) == len({str(x) for x in used}) == len(set(used))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rule": "euclid"}, "rule is 'euclid', expected one of squared_distance, normalised, cosine"),
        ({"prototypes": "test"}, "prototypes is 'test'"),
        ({"rule": "cosine", "scale": 0}, "--scale is 0, expected a positive number"),
        ({"temperature": float("nan")}, "--temperature is nan"),
        ({"scale": 2.0}, "--scale is of normalised and cosine"),
        ({"temperature": None, "training_images": 0}, "--training-images is 0"),
        ({"training_images": 500}, "--training-images is of --temperature fitted and --prototypes training"),
    ],
)
def test_refused(values, message):
    with pytest.raises(InputError, match=message):
        Imprinting(**values)


def test_of_each_class_as_many():
    labels = np.repeat([3, 0, 7], [50, 20, 5])
    for count, expected in ((9, [3, 3, 3]), (10, None), (60, [20, 35, 5]), (75, [20, 50, 5]), (500, [20, 50, 5])):
        found = evenly(labels, count)
        assert (np.diff(found) > 0).all() and len(found) == min(count, 75)
        counts = [(labels[found] == k).sum() for k in (0, 3, 7)]
        assert counts == expected if expected else sorted(counts) == [3, 3, 4]
    assert np.array_equal(evenly(labels, 30), evenly(labels, 30))


def test_part_of_images_in_memory_and_in_files(tmp_path):
    images = data.load("digits", "test", tmp_path)
    chosen = np.array([4, 5, 90])
    part = images.part(chosen)
    assert part.labels.tolist() == images.labels[chosen].tolist() and part.classes == 10 and len(images.labels) == 599
    stages.write_images(tmp_path / "val", ["n01484850", "n01514668"], per_class=3, size=40)
    stages.write_images(tmp_path / "train", ["n01484850", "n01514668"], per_class=3, size=40)
    files = data.load("imagenet", "val", tmp_path)
    some = files.part(np.array([1, 4]))
    plan = list(data.evaluation_plan(6, 6, 32))
    whole = next(files.batches(plan))
    assert (next(some.batches(list(data.evaluation_plan(2, 2, 32)))) == whole[[1, 4]]).all()
    assert some.labels.tolist() == [0, 1] and some.source.name(1) == files.source.name(4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    stages.done(stages.TRAIN, folder, "digits", epochs=2, warmup_epochs=1, checkpoints=4)
    return folder


def stored(folder, name, *words):
    stages.done(stages.STORE, folder, "digits_all", *words)
    path = folder / "predictions" / f"digits_all{name}" / "preds_0.h5"
    assert ": sound" in predictions.check(path)
    return predictions.open_trajectory(path)


def test_stage_two_says_which_imprinting(trained):
    usual, fitted = stored(trained, ""), stored(trained, "_fitted", "--temperature", "fitted")
    assert usual.attributes["predicted_by"] == "imprinting" and "temperatures" not in usual.attributes
    assert fitted.attributes["predicted_by"] == "imprinting, temperature fitted, at most 10000 training images"
    assert "predicted by imprinting, temperature fitted" in predictions.check(fitted.path)
    T = fitted.attributes["temperatures"]
    assert len(T) == 4 and min(T) > 0
    # another temperature is a power of the probabilities, made to sum to 1
    i = int(np.argmax(T))
    P = usual.roots(dtype=np.float64)[i] ** (2 / T[i])
    expected = P / P.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.roots(dtype=np.float64)[i] ** 2, expected, atol=0.005 / min(T[i], 1))
    assert np.abs(usual.roots()[i] ** 2 - expected).max() > 0.1
    assert "1 skipped" in stages.done(stages.STORE, trained, "digits_all", "--temperature", "fitted")


def test_over_the_classes_of_another_task(trained):
    found = stored(trained, "_on_even", "--over", "even")
    labels = data.load("digits", "test", trained).labels
    assert found.shape[2] == 5 and np.array_equal(found.labels, labels[labels % 2 == 0] // 2)
    assert found.attributes["predicted_by"] == "imprinting, over the classes of even"


@pytest.mark.slow
def test_processes_and_parts_give_the_same_temperatures(trained):
    expected = stored(trained, "_fitted", "--temperature", "fitted")
    two, module = trained / "two", "supervised_imagenet.02_imprinting.store_predictions"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", module]
    words = ["digits_all", "--temperature", "fitted", "--checkpoints-folder", trained / "checkpoints"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, *map(str, words), "--predictions", str(two)], cwd=ROOT, env=environment, check=True)
    found = predictions.open_trajectory(two / "digits_all_fitted" / "preds_0.h5")
    assert found.attributes["temperatures"] == pytest.approx(expected.attributes["temperatures"])
    np.testing.assert_allclose(found.roots(), expected.roots(), atol=2e-3)
    assert not list(trained.glob("checkpoints/**/*.h5"))


def test_mixed_ways_are_said_and_refused_within_a_run(trained, caplog):
    stored(trained, "_t2", "--temperature", "2")
    stored(trained, "")
    folder = trained / "predictions"
    with caplog.at_level("WARNING"):
        runs.find(folder, ["digits_all", "digits_all_t2"])
    assert "predictions were made in different ways" in caplog.text
    assert "imprinting (digits_all); imprinting, temperature 2 (digits_all_t2)" in caplog.text
    mixed = trained / "mixed" / "digits_all"
    mixed.mkdir(parents=True)
    (mixed / "preds_0.h5").write_bytes((folder / "digits_all" / "preds_0.h5").read_bytes())
    (mixed / "preds_1.h5").write_bytes((folder / "digits_all_t2" / "preds_0.h5").read_bytes())
    with pytest.raises(InputError, match="seeds of one run have to be alike"):
        runs.find(trained / "mixed")


def test_head_and_imprinting_exclude_each_other(trained):
    for words, message in (
        (("--head", "--temperature", "fitted"), "--head is no imprinting"),
        (("--temperature", "warm"), "--temperature is 'warm', expected a number or `fitted`"),
        (("--over", "evn"), "digits has no task 'evn'; did you mean even?"),
    ):
        code, text = stages.run(stages.STORE, trained, "digits_all", *words)
        assert code == 1 and message in text
