"""Stage 2: stored predictions are means over draws of weights, put together by hand."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from experiments.weight_information.config import VariationalConfig
from info_geometry import predictions
from learning import data, networks
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.split import split
from learning.variational import Variational
from tests.support import stages
from tests.support.runs import folder_of
from tests.support.stages import TRAIN as SUPERVISED
from tests.support.stages import done, run

TRAIN = "experiments/weight_information/01_training/train_variational.py"
PREDICT = "experiments/weight_information/02_predicting/store_variational.py"
FAST = {"epochs": 4, "kl_warmup": 2, "training_images": 200, "batch_size": 10, "checkpoints": 4, "draws": 3}
NAME = "digits_all_variational"
BETAS = 10.0, 0.01, 0.5  # as they are trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the runs of a sweep, and others."""
    found = tmp_path_factory.mktemp("trained")
    for beta in BETAS:
        done(TRAIN, found, "digits_variational", "--variant", f"beta{beta:g}-ln1", beta=beta, label_noise=0.6, **FAST)
    done(TRAIN, found, "digits_variational", "--task", "odd", **{**FAST, "training_images": 100})
    for beta in (0.1, 1):
        settings = {**FAST, "epochs": 2 + int(beta)}
        done(TRAIN, found, "digits_variational", "--variant", f"beta{beta}-differ", beta=beta, **settings)
    done(SUPERVISED, found, "digits", epochs=1, warmup_epochs=0, batch_size=400, checkpoints=2)
    return found


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))


def stored(folder, name):
    return predictions.open_trajectory(folder / "predictions" / name / "preds_0.h5")


def by_hand(folder, name, number, pixels, draws=3):
    """Return the mean probabilities (N, classes of the task) of draws of the weights in a checkpoint."""
    there = runs.read(folder_of(folder, name))
    network = networks.build("mlp_small", 1, 8, there.classes, 9)
    model, found = Variational(network), 0
    path = there.path(folder_of(folder, name), there.schedule[number])
    weights.fit(weights.load(path), model, path)
    for i in range(draws):
        network.load_state_dict(model.draw(int(np.random.SeedSequence([0, 1905, i]).generate_state(1)[0])))
        with torch.no_grad():
            found = found + network(pixels).softmax(dim=1) / draws
    return found.numpy()


def all_of(images):
    return next(images.batches([data.Batch(torch.arange(len(images.labels)), None)]))


def test_along_training(folder):
    assert "predicting: 1 done" in done(PREDICT, folder, "digits_odd_variational")
    there, test = stored(folder, "digits_odd_variational_head"), data.load("digits", "test", "")
    assert there.shape == (4, 599, 10) and there.attributes["t_name"] == "epoch" and there.attributes["draws"] == 3
    assert there.attributes["split"] == "test" and np.array_equal(there.labels, test.labels)
    assert there.t.tolist() == [step / 10 for step in runs.read(folder_of(folder, "digits_odd_variational")).schedule]
    roots = there.roots()
    for i in range(4):
        expected = by_hand(folder, "digits_odd_variational", i, all_of(test))
        np.testing.assert_allclose(roots[i][:, 1::2], np.sqrt(expected), atol=1e-3)
    assert not roots[:, :, ::2].any() and ": sound" in predictions.check(there.path)


def test_more_draws_begin_with_the_same_ones(copied):
    done(PREDICT, copied, "digits_odd_variational", "--draws", 5)
    there = stored(copied, "digits_odd_variational_head")
    expected = by_hand(copied, "digits_odd_variational", -1, all_of(data.load("digits", "test", "")), 5)
    np.testing.assert_allclose(there.roots()[-1][:, 1::2], np.sqrt(expected), atol=1e-3)
    code, text = run(PREDICT, copied, "digits_odd_variational")
    assert code == 1 and "preds_0.h5 was stored with other draws; delete it to store these" in text


def test_a_sweep_is_in_the_order_of_beta(folder):
    assert f"{NAME}_ln1_by_beta seed 0: stored" in done(PREDICT, folder, f"{NAME}_beta*-ln1", "--sweep")
    there, betas = stored(folder, f"{NAME}_ln1_by_beta_head"), sorted(BETAS)
    said = there.attributes
    assert there.t.tolist() == pytest.approx([math.log(beta) for beta in betas]) and said["t_name"] == "log_beta"
    assert said["betas"] == betas and said["runs"] == [f"{NAME}_beta{beta:g}-ln1" for beta in betas]
    assert said["variant"] == "ln1" and "beta" not in said["config"] and said["config"]["label_noise"] == 0.6
    pixels = all_of(data.load("digits", "test", ""))
    for i, name in enumerate(said["runs"]):
        line = stages.log_lines(folder_of(folder, name))[-1]
        for key in ("kl", "cross_entropy", "cross_entropy_of_draws", "training_accuracy"):
            assert said[key][i] == pytest.approx(line[key], rel=1e-5)
        np.testing.assert_allclose(there.roots()[i], np.sqrt(by_hand(folder, name, -1, pixels)), atol=1e-3)
    assert said["kl"][0] > said["kl"][2]
    assert "0 done, 1 skipped" in done(PREDICT, folder, f"{NAME}_beta*-ln1", "--sweep")
    code, text = run(PREDICT, folder, f"{NAME}_beta10-ln1", f"{NAME}_beta0.5-ln1", "--sweep")
    assert code == 1 and "preds_0.h5 was stored with other runs, betas; delete it to store these" in text


@pytest.mark.parametrize("words", [(), ("--sweep",)])
def test_images_of_training_with_the_labels_that_are_learned(folder, words):
    name = f"{NAME}_beta0.01-ln1"
    pattern = f"{NAME}_beta*-ln1" if words else name
    done(PREDICT, folder, pattern, "--images", "training", *words)
    there = stored(folder, f"{NAME}_ln1_by_beta_training_head" if words else f"{name}_training_head")
    train, config = data.load("digits", "train", ""), VariationalConfig(**runs.read(folder_of(folder, name)).config)
    own = split(train.labels, range(10), config)
    assert there.shape[1] == 200 and there.attributes["split"] == "training"
    assert np.array_equal(there.labels, noisy(train.labels, own, 10, 0.6)[own.training])
    expected = by_hand(folder, name, -1, all_of(train.part(own.training)))
    np.testing.assert_allclose(there.roots()[0 if words else -1], np.sqrt(expected), atol=1e-3)


def test_as_many_images_of_evaluation_as_a_run_says(tmp_path):
    done(TRAIN, tmp_path, "digits_variational", **FAST, evaluation_images=50)
    done(PREDICT, tmp_path, NAME)
    assert np.bincount(stored(tmp_path, f"{NAME}_head").labels).tolist() == [5] * 10


def test_the_same_command_again(copied):
    done(PREDICT, copied, f"{NAME}_beta*-ln1", "--sweep")
    before = stages.contents(copied, "predictions/*/*.h5")
    (path,) = copied.glob("predictions/*/*.h5")
    path.unlink()
    done(PREDICT, copied, f"{NAME}_beta*-ln1", "--sweep")
    assert stages.contents(copied, "predictions/*/*.h5") == before
    path = folder_of(copied, f"{NAME}_beta0.01-ln1") / "run.json"
    record = json.loads(path.read_text())
    record["config"]["draws"] = 4
    path.write_text(json.dumps(record))
    code, text = run(PREDICT, copied, f"{NAME}_beta*-ln1", "--sweep")
    assert code == 1 and f"{NAME}_beta0.01-ln1 and {NAME}_beta0.5-ln1 differ in draws; expected beta alone" in text


@pytest.mark.parametrize(
    "words, message",
    [
        (("digits_all",), "digits_all/seed_0 holds no variational networks; store its predictions with python -m sup"),
        ((f"{NAME}_beta10-ln1", "--seed", 7), "seed_7 holds no run; train it with python -m experiments.weight_info"),
        ((f"{NAME}_beta10-ln1", "--draws", -1), "--draws is -1, expected at least 1; leave it out"),
        ((f"{NAME}_beta10-ln1", "--sweep"), f"{NAME}_ln1_by_beta: its runs have beta 10; expected several different"),
        (("digits_odd_variational", "--sweep"), "its variant '' does not say beta; name those of a sweep such as"),
        ((f"{NAME}_beta*-differ", "--sweep"), "differ in epochs; expected beta alone"),
        ((f"{NAME}_bet",), f"did you mean {NAME}"),
    ],
)
def test_what_cannot_be_predicted(folder, words, message):
    code, text = run(PREDICT, folder, *words)
    assert code == 1 and message in text


def test_a_run_that_is_not_complete(copied):
    (folder_of(copied, f"{NAME}_beta10-ln1") / "ckpt" / "0_0.pth").unlink()
    code, text = run(PREDICT, copied, f"{NAME}_beta*-ln1", "--sweep")
    assert code == 1 and "1 of 4 checkpoints missing (0_0.pth, ...)" in text and "go on with python -m exp" in text
