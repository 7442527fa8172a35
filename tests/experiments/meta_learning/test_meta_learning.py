"""Meta-learning: the loss is Snell's, episodes are fair and follow from the seed, and runs are as sound as others."""

import signal
from itertools import pairwise

import numpy as np
import pytest
import torch

from experiments.meta_learning import prototypical
from experiments.meta_learning.config import MetaConfig
from info_geometry import predictions
from learning import data, networks, tasks
from learning.runs import run as runs
from learning.runs import weights
from tests.support import stages
from tests.support.runs import load_weights
from tests.support.stages import STORE, Stage, done, run, until

TRAIN = "experiments/meta_learning/01_training/train_prototypical.py"
FAST = {"epochs": 60, "warmup_epochs": 5, "ways": 3, "checkpoints": 12}
SIZES = [(2, 1, 1), (5, 3, 4), (3, 5, 2)]


def config(**changes):
    return MetaConfig(dataset="digits", network="small_cnn", epochs=100, learning_rate=0.1, **changes)


def folder_of(folder, name="digits_all_3way"):
    return folder / "checkpoints" / name / "seed_0"


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", "train", "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of digits, trained and imprinted."""
    folder = tmp_path_factory.mktemp("trained")
    assert "training: 1 done" in done(TRAIN, folder, "digits", **FAST)
    assert "imprinting: 1 done" in done(STORE, folder, "digits_all_3way")
    return folder


def slow_loss(features, ways, shots):
    """Return the loss and right answers of an episode by the definition, one number at a time."""
    each = len(features) // ways
    prototypes = [sum(features[k * each : k * each + shots]) / shots for k in range(ways)]
    losses, right = [], 0
    for k in range(ways):
        for query in features[k * each + shots : (k + 1) * each]:
            squares = [sum((a - b) ** 2 for a, b in zip(query, prototype)) for prototype in prototypes]
            losses.append(squares[k] + np.log(sum(np.exp(-square) for square in squares)))
            right += squares[k] == min(squares)
    return np.mean(losses), right


@pytest.mark.parametrize(("ways", "shots", "queries"), SIZES)
def test_the_loss_is_that_of_the_definition(ways, shots, queries):
    features = np.random.default_rng(0).normal(size=(ways * (shots + queries), 6))
    expected, right = slow_loss(features, ways, shots)
    value, found = prototypical.loss(torch.from_numpy(features), ways, shots)
    assert float(value) == pytest.approx(expected, rel=1e-12) and int(found) == right
    # classes in another order, all features moved: nothing changes, and hardly anything in float32
    moved = features.reshape(ways, -1, 6)[::-1].reshape(-1, 6) + 100
    value, found = prototypical.loss(torch.tensor(moved.copy(), dtype=torch.float32), ways, shots)
    assert float(value) == pytest.approx(expected, rel=1e-3) and int(found) == right


def test_the_loss_has_the_gradient_of_the_definition():
    features = np.random.default_rng(1).normal(size=(12, 3))
    tensor = torch.tensor(features, requires_grad=True)
    prototypical.loss(tensor, 3, 2)[0].backward()
    for place in ((0, 0), (3, 2), (6, 1)):  # of support and of queries
        step = np.zeros_like(features)
        step[place] = 1e-5
        slope = (slow_loss(features + step, 3, 2)[0] - slow_loss(features - step, 3, 2)[0]) / 2e-5
        assert float(tensor.grad[place]) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(("ways", "shots", "queries"), SIZES)
def test_an_episode_holds_what_it_should(digits, ways, shots, queries):
    settings, task = config(ways=ways, shots=shots, queries=queries), tasks.load("digits", "low")
    there = prototypical.members(task, digits, settings)
    for number in range(50):
        indices = prototypical.episode(there, settings, 3, number).indices.numpy()
        assert len(np.unique(indices)) == len(indices) == ways * (shots + queries)  # support and queries do not overlap
        labels = digits.labels[indices].reshape(ways, shots + queries)
        assert (labels == labels[:, :1]).all() and len(set(labels[:, 0])) == ways
        assert set(labels[:, 0]) <= set(task.classes)


def test_episodes_follow_from_seed_and_number(digits):
    there = prototypical.members(tasks.load("digits", "all"), digits, config())
    batches = {
        (seed, number): prototypical.episode(there, config(), seed, number) for seed in (0, 1) for number in (0, 1, 7)
    }
    again = {key: prototypical.episode(there, config(), *key) for key in reversed(batches)}
    assert all(
        torch.equal(batches[key].indices, again[key].indices) and batches[key].key == again[key].key for key in batches
    )
    assert len({tuple(batch.indices.tolist()) for batch in batches.values()}) == len(batches)
    assert len({batch.key for batch in batches.values()}) == len(batches)


def test_classes_and_images_are_drawn_evenly(digits):
    """By chi-square tests, which random draws pass in all but one of 10,000 cases."""
    from scipy.stats import chisquare

    settings = config(ways=2, shots=1, queries=1)
    there = prototypical.members(tasks.load("digits", "low"), digits, settings)
    drawn = np.stack([prototypical.episode(there, settings, 0, number).indices.numpy() for number in range(5000)])
    assert chisquare(np.bincount(digits.labels[drawn[:, 0]])).pvalue > 1e-4  # the first class is one like any other
    for place in (0, 1):  # support and queries
        first = drawn[digits.labels[drawn[:, 0]] == 0, place]
        assert chisquare(np.bincount(np.searchsorted(there[0], first), minlength=len(there[0]))).pvalue > 1e-4


def test_random_labels_count_as_classes(digits):
    task = tasks.load("digits", "randomlab")
    wanted = tasks.targets(True, digits)
    for k, found in enumerate(prototypical.members(task, digits, config())):
        assert np.array_equal(found, np.flatnonzero(wanted == k))


def test_training_begins_at_the_initial_weights_and_learns(trained):
    there = weights.load(folder_of(trained) / "ckpt" / "0_0.pth")
    initial = networks.build("small_cnn", 1, 8, 0, seed=0).state_dict()
    assert there.keys() == initial.keys() and all(torch.equal(there[key], initial[key]) for key in there)
    log = stages.log_lines(folder_of(trained))
    assert [line["images"] for line in log] == [0, *(45 * (b["step"] - a["step"]) for a, b in pairwise(log))]
    assert log[-1]["accuracy"] > 0.95 > log[1]["accuracy"] and log[-1]["loss"] < log[1]["loss"] / 3


def test_time_counts_episodes_and_predictions_are_those_of_the_features(trained):
    trajectory = predictions.open_trajectory(trained / "predictions" / "digits_all_3way" / "preds_0.h5")
    described = runs.read(folder_of(trained))
    assert trajectory.shape == (12, 599, 10) and ": sound" in predictions.check(trajectory.path)
    assert trajectory.attributes["t_name"] == "episode" and trajectory.t.tolist() == described.schedule
    assert trajectory.t[-1] == 60 and described.config["ways"] == 3 and described.outputs == 0
    images = data.load("digits", "test", "")
    network = networks.build("small_cnn", 1, 8, 0, seed=9)
    load_weights(folder_of(trained) / "ckpt" / "60_0.pth", network)
    with torch.no_grad():
        features = network.eval()(next(images.batches(data.evaluation_plan(599, 599)))).double().numpy()
    prototypes = np.stack([features[images.labels == k].mean(axis=0) for k in range(10)])
    expected = torch.from_numpy(-np.square(features[:, None] - prototypes).sum(axis=2)).softmax(dim=1).sqrt().numpy()
    assert np.abs(trajectory.roots()[-1] - expected).max() < 2e-3  # of float16


def test_the_same_command_again_skips_and_changed_settings_are_refused(trained):
    before = stages.times(trained / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, trained, "digits", **FAST)
    assert "1 skipped (already complete)" in done(STORE, trained, "digits_*way")
    assert stages.times(trained / "checkpoints") == before
    code, text = run(TRAIN, trained, "digits", "--shots", 4, **FAST)
    assert code == 1 and "was trained with other settings (shots 5 -> 4)" in text
    assert "60.00 of 60" in done(TRAIN, trained, "--status")


def test_predictions_instead_of_weights(trained, tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **FAST)
    one, other = (
        predictions.open_trajectory(folder / "predictions" / "digits_all_3way" / "preds_0.h5")
        for folder in (trained, tmp_path)
    )
    assert one.attributes == other.attributes and np.array_equal(one.roots(), other.roots())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(tmp_path, number):
    """To the same bytes as without interruption, augmentation included."""
    settings = {**FAST, "augmentation": "crop_flip"}
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    done(TRAIN, whole, "digits", **settings)
    stage = Stage(TRAIN, halted, "digits", **settings)
    until(lambda: len(list(folder_of(halted).glob("ckpt/*.pth"))) >= 6)
    stages.interrupt(stage, number, folder_of(halted))
    done(TRAIN, halted, "digits", **settings)
    expected = stages.contents(folder_of(whole), "ckpt/*.pth")
    assert len(expected) == 12 and stages.contents(folder_of(halted), "ckpt/*.pth") == expected
    assert stages.log_lines(folder_of(halted)) == stages.log_lines(folder_of(whole))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ways", 1), "ways is 1, expected at least 2"),
        (("--shots", 0), "shots is 0, expected at least 1"),
        (("--queries", -1), "queries is -1, expected at least 1"),
        (("--ways", 11), "ways is 11, but task all has 10 classes; lower --ways"),
        (("--task", "low", "--ways", 6), "ways is 6, but task low has 5 classes; lower --ways"),
        (("--shots", 200), "training images, but an episode takes 200 shots + 15 queries of a class; lower them"),
        (("--batch_size", 10), "batch_size is 10, but an episode has 5 ways * 15 queries = 75; leave batch_size out"),
        (("--evaluate_every", 5), "evaluate_every is 5, but there is no head that could answer; leave it out"),
        (("--schedule", "epochs"), "schedule is 'epochs', but an episode is a step"),
        (("--label_smoothing", 0.1), "label_smoothing is 0.1, but the loss of an episode has none"),
        (("--micro_batch_size", 5), "micro_batch_size is 5, but queries are compared with all of the support"),
        (("--epochs", 50), "warmup_epochs is 50.0, expected less than epochs (50)"),
        (("--way", 5), "unknown key --way; did you mean --ways?"),
        (
            ("--augmentation", "random_resized_crop"),
            "is for images decoded when needed; use none, crop_flip or full here",
        ),
    ],
)
def test_wrong_inputs(tmp_path, arguments, message):
    code, text = run(TRAIN, tmp_path, "digits", *arguments)
    errors = [line for line in text.splitlines() if "error: " in line]
    assert code == 1 and len(errors) == 1 and message in errors[0]


def test_a_task_of_too_few_classes_does_not_stop_the_others(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", "--task", "low", "all", **{**FAST, "ways": 6})
    assert code == 1 and "error: ways is 6, but task low has 5 classes" in text
    assert "training: 1 done, 0 skipped (already complete), 1 failed" in text


def test_missing_runs(tmp_path):
    code, text = run(STORE, tmp_path, "digits_all_4way")
    assert code == 1
    assert (
        "train it with python -m experiments.meta_learning.01_training.train_prototypical digits --task all --ways 4 "
        in text
    )
