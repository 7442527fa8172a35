"""FixMatch: its loss is the one of the paper, labels that were not given are not used, runs go on exactly."""

import dataclasses
import math
import signal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.semi_supervised import fixmatch
from experiments.semi_supervised.config import FixMatchConfig
from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, distributed, networks, tasks
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders
from tests.support import stages
from tests.support.stages import STORE, Stage, done, run, until

TRAIN = "experiments/semi_supervised/01_training/train_fixmatch.py"
# A run of digits that takes about a second: 74 steps in 2 epochs, 10 checkpoints.
SMALL = {"epochs": 2, "warmup_epochs": 0.5, "batch_size": 8, "unlabelled_ratio": 4, "labelled": 100, "checkpoints": 10}


def folder_of(folder, name="digits_all_fixmatch", seed=0):
    return folder / "checkpoints" / name / f"seed_{seed}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of digits, trained and imprinted."""
    folder = tmp_path_factory.mktemp("trained")
    assert "training: 1 done" in done(TRAIN, folder, "digits", **SMALL)
    assert "imprinting: 1 done" in done(STORE, folder, "digits_all_fixmatch")
    return folder


# The loss


def slow_loss(logits_labelled, labels, logits_weak, logits_strong, threshold, weight):
    """The definition, image by image, in float64."""

    def softmax(logits):
        powers = [math.exp(x - max(logits)) for x in logits]
        return [power / sum(powers) for power in powers]

    supervised = sum(-math.log(softmax(row)[y]) for row, y in zip(logits_labelled, labels)) / len(labels)
    unlabelled = 0.0
    for weak, strong in zip(logits_weak, logits_strong):
        guess = max(range(len(weak)), key=weak.__getitem__)
        if softmax(weak)[guess] >= threshold:
            unlabelled -= math.log(softmax(strong)[guess])
    return supervised + weight * unlabelled / len(logits_weak)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.integers(1, 20),
    st.integers(2, 12),
    st.sampled_from([0.2, 0.5, 0.8, 0.95]),
    st.sampled_from([0.0, 0.5, 1.0, 10.0]),
)
def test_loss_is_the_direct_evaluation(seed, few, many, classes, threshold, weight):
    rng = np.random.default_rng(seed)
    first, weak, strong = (rng.normal(0, 3, (n, classes)) for n in (few, many, many))
    labels = rng.integers(0, classes, few)
    found = fixmatch.loss(*map(torch.from_numpy, (first, labels, weak, strong)), threshold, weight)
    expected = slow_loss(first.tolist(), labels.tolist(), weak.tolist(), strong.tolist(), threshold, weight)
    assert found.dtype == torch.float64 and math.isclose(float(found), expected, rel_tol=1e-12)


def random_logits(few=5, many=9, classes=4):
    generator = torch.Generator().manual_seed(0)
    first, weak, strong = (4 * torch.randn(n, classes, generator=generator) for n in (few, many, many))
    return first, torch.randint(classes, (few,), generator=generator), weak, strong


def test_where_nothing_is_sure_enough_or_weighs_it_is_the_supervised_loss():
    first, labels, weak, strong = random_logits()
    supervised = torch.nn.functional.cross_entropy(first, labels)
    assert fixmatch.loss(first, labels, weak, strong, 1.01, 1.0) == supervised
    assert fixmatch.loss(first, labels, weak, strong, 0.3, 0.0) == supervised
    assert fixmatch.loss(first, labels, weak, strong, 0.3, 1.0) > supervised


def test_no_gradient_flows_through_pseudo_labels_nor_from_images_that_are_not_sure():
    first, labels, weak, strong = random_logits()
    for each in (first, weak, strong):
        each.requires_grad_()
    fixmatch.loss(first, labels, weak, strong, 0.9, 1.0).backward()
    sure = weak.detach().softmax(dim=1).amax(dim=1) >= 0.9
    assert weak.grad is None and first.grad.abs().sum(dim=1).all()
    assert 0 < sure.sum() < len(sure) and torch.equal(strong.grad.abs().sum(dim=1) > 0, sure)


# The images with labels


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 10), st.data())
def test_the_labelled_subset_is_stratified(seed, number, draw):
    rng = np.random.default_rng(seed)
    labels, classes = rng.permutation(np.repeat(np.arange(10), 20)), np.sort(rng.permutation(10)[:number])
    count = draw.draw(st.integers(number, 20 * number))
    found = fixmatch.labelled(labels, classes, count, seed)
    assert len(found) == count and (np.diff(found) > 0).all() and np.isin(labels[found], classes).all()
    numbers = np.bincount(labels[found], minlength=10)[classes]
    assert numbers.max() - numbers.min() <= 1
    assert np.array_equal(found, fixmatch.labelled(labels, classes, count, seed))


def test_other_seeds_choose_other_images():
    labels = np.repeat(np.arange(10), 20)
    chosen = [fixmatch.labelled(labels, range(10), 55, seed) for seed in range(6)]
    assert len({tuple(each) for each in chosen}) == 6
    assert len({tuple(np.bincount(labels[each])) for each in chosen}) > 1  # also which classes have one more


def test_not_enough_images():
    labels = np.repeat([0, 1, 2], [5, 50, 50])
    for count, message in (
        (2, "labelled is 2, expected 3 .* to 105"),
        (106, "labelled is 106, expected 3 .* to 105"),
        (30, "class 0 has only 5 images of 10"),
    ):
        with pytest.raises(InputError, match=message):
            fixmatch.labelled(labels, (0, 1, 2), count, 0)


def prepared(task="all", folder=None, **changes):
    """Return a Job that trains on digits."""
    config = FixMatchConfig("digits", "small_cnn", learning_rate=0.02, **{**SMALL, **changes})
    images, task, folders = data.load("digits", "train", ""), tasks.load("digits", task), Folders(checkpoints=folder)
    described = describe(task, 0, images, config, fixmatch.name(task, config))
    return Job(fixmatch.describe(described, images, config, folders), config, images, folders, distributed.Processes())


def trained_in(folder, job):
    """Train a run in this process; return the weights of its last checkpoint."""
    job = dataclasses.replace(job, folders=Folders(checkpoints=folder))
    fixmatch.train(job)
    return weights.load(job.run.path(job.folder, job.run.schedule[-1]))


def test_labels_that_were_not_given_are_not_used(tmp_path, monkeypatch):
    job = prepared("low", labelled=50, epochs=1)
    images, classes = job.images, job.run.task.classes
    few = fixmatch.labelled(images.labels, classes, 50, 0)
    first = trained_in(tmp_path / "a", job)
    hidden = np.setdiff1d(np.flatnonzero(np.isin(images.labels, classes)), few)
    true, images.labels = images.labels, images.labels.copy()
    images.labels[hidden] = np.random.default_rng(0).permutation(true[hidden])
    assert (images.labels != true).sum() > 300
    monkeypatch.setattr(fixmatch, "labelled", lambda *_: few)  # they were chosen by their labels, before
    same = trained_in(tmp_path / "b", job)
    assert all(torch.equal(same[key], first[key]) for key in first)
    images.labels[few] = np.random.default_rng(0).permutation(true[few])
    other = trained_in(tmp_path / "c", job)
    assert not torch.equal(other["head.weight"], first["head.weight"])


# The order of images


def test_a_step_takes_labelled_images_and_all_images_of_the_task():
    job = prepared("even", labelled=20, unlabelled_ratio=3)
    run, images = job.run, job.images
    few = fixmatch.labelled(images.labels, run.task.classes, 20, 0)
    batches = [batch.indices.numpy() for batch in fixmatch.plan(run, images.labels, job.config, 0)]
    inside = np.flatnonzero(images.labels % 2 == 0)
    steps = len(inside) // 24
    assert run.steps_per_epoch == steps and run.schedule[-1] == len(batches) == 2 * steps
    assert {len(batch) for batch in batches} == {8 + 24}
    for epoch in (batches[:steps], batches[steps:]):
        seen = np.concatenate([batch[8:] for batch in epoch])
        assert len(np.unique(seen)) == len(seen) == 24 * steps and np.isin(seen, inside).all()
    with_labels = np.concatenate([batch[:8] for batch in batches])
    for start in range(0, len(with_labels) - 20, 20):  # all of them, before one comes again
        assert np.array_equal(np.sort(with_labels[start : start + 20]), few)


def test_a_batch_may_hold_all_labelled_images_several_times():
    batches = fixmatch.repeated(np.array([3, 5, 8]), 7, seed=0, first=0)
    assert np.bincount(next(batches), minlength=9)[[3, 5, 8]].tolist() in ([2, 2, 3], [2, 3, 2], [3, 2, 2])


def test_order_and_views_follow_from_seed_and_step():
    job = prepared()
    whole = list(fixmatch.views_of(job, 0))
    torch.manual_seed(1)
    for first in (1, 36, 37, 73):
        rest = list(fixmatch.views_of(job, first))
        assert len(rest) == len(whole) - first
        assert all(torch.equal(a, b) for one, other in zip(rest, whole[first:]) for a, b in zip(one, other))
    pixels, outputs = whole[0]
    assert pixels.shape == (8 + 32 + 32, 1, 8, 8) and outputs.shape == (8,)
    assert not torch.equal(pixels[8:40], pixels[40:]) and not torch.equal(pixels, whole[1][0])


# Runs


def test_run_leaves_what_it_says(trained):
    folder = folder_of(trained)
    record, lines = runs.read(folder), stages.log_lines(folder)
    assert record.config["labelled"] == 100 and record.config["threshold"] == 0.95
    assert record.schedule[-1] == 74 and [line["step"] for line in lines] == record.schedule
    assert sum(line["images"] for line in lines) == 74 * 8 and lines[-1]["epoch"] == 2
    found = predictions.open_trajectory(trained / "predictions" / "digits_all_fixmatch" / "preds_0.h5")
    assert found.shape == (10, 599, 10) and found.t[0] == 0 and found.t[-1] == 2
    assert found.attributes["task"] == "all" and found.attributes["config"] == record.config
    assert ": sound" in predictions.check(found.path)


def test_first_checkpoint_holds_the_initial_weights(trained):
    found = weights.load(folder_of(trained) / "ckpt" / "0_0.pth")
    expected = networks.build("small_cnn", 1, 8, 10, seed=0).state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_same_command_again_skips_and_changed_settings_are_refused(trained):
    before = stages.times(trained / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, trained, "digits", **SMALL)
    code, text = run(TRAIN, trained, "digits", **{**SMALL, "labelled": 50})
    assert code == 1 and "was trained with other settings (labelled 100 -> 50)" in text
    assert stages.times(trained / "checkpoints") == before


def test_predictions_as_it_goes_and_accuracy_are_those_of_any_method(trained, tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **SMALL, evaluate_every=1)
    one, other = (
        predictions.open_trajectory(folder / "predictions" / "digits_all_fixmatch" / "preds_0.h5")
        for folder in (trained, tmp_path)
    )
    assert np.array_equal(one.roots(), other.roots())
    found = {
        line["epoch"]: line["evaluation_accuracy"]
        for line in stages.log_lines(folder_of(tmp_path))
        if "evaluation_accuracy" in line
    }
    assert list(found) == [1, 2] and all(0 < accuracy <= 1 for accuracy in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(trained, tmp_path, number):
    """To the same bytes as without interruption."""
    folder = folder_of(tmp_path)
    stage = Stage(TRAIN, tmp_path, "digits", **SMALL)
    until(lambda: len(list(folder.glob("ckpt/*.pth"))) >= 6)
    stages.interrupt(stage, number, folder)
    done(TRAIN, tmp_path, "digits", **SMALL)
    expected = stages.contents(folder_of(trained), "ckpt/*.pth")
    assert len(expected) == 10 and stages.contents(folder, "ckpt/*.pth") == expected
    assert stages.log_lines(folder) == stages.log_lines(folder_of(trained))


@pytest.mark.slow
def test_images_without_labels_help(tmp_path):
    """With 40 labels of digits, by more than a point in the mean of these two seeds."""
    accuracy = {}
    for weight in (0, 1):
        done(
            TRAIN,
            tmp_path / str(weight),
            "digits",
            "--seed",
            0,
            1,
            epochs=20,
            evaluate_every=20,
            unlabelled_weight=weight,
        )
        accuracy[weight] = np.mean(
            [
                stages.log_lines(folder_of(tmp_path / str(weight), seed=seed))[-1]["evaluation_accuracy"]
                for seed in (0, 1)
            ]
        )
    assert accuracy[1] > accuracy[0] + 0.01 and accuracy[1] > 0.85


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labelled", "1199"), "labelled is 1199, expected 10 (the number of classes) to 1198 (of images)"),
        (("--labelled", "9"), "labelled is 9, expected 10 (the number of classes) to 1198 (of images)"),
        (("--labelled", "1198"), "images of 120; lower it"),
        (("--labelled", "0"), "labelled is 0, expected a positive number"),
        (("--unlabelled_ratio", "0"), "unlabelled_ratio is 0, expected a positive number"),
        (("--unlabelled_weight", "-1"), "unlabelled_weight is -1.0, expected a finite number that is not negative"),
        (("--threshold", "0"), "threshold is 0.0, expected a positive number"),
        (("--threshold", "1.5"), "threshold is 1.5, expected at most 1"),
        (("--augmentation", "crop_flip"), "augmentation is 'crop_flip', but views are random already; leave it out"),
        (("--label_smoothing", "0.1"), "label_smoothing is 0.1, but the loss of FixMatch has none"),
        (("--task", "randomlab"), "task randomlab: random labels say nothing of images without labels"),
    ],
)
def test_mistakes_are_answered(tmp_path, arguments, message):
    code, text = run(TRAIN, tmp_path, "digits", *arguments)
    assert code == 1 and message in text.splitlines()[0] and text.startswith("error: ") and text.count("error: ") == 1
    assert not (tmp_path / "checkpoints").exists()


def test_what_was_not_trained_cannot_be_imprinted(tmp_path):
    code, text = run(STORE, tmp_path, "digits_low_fixmatch")
    assert code == 1
    assert (
        "train it with python -m experiments.semi_supervised.01_training.train_fixmatch digits --task low --seed 0"
        in text
    )
