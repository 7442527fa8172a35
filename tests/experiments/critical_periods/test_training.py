"""Training with a deficit: steps are those of a direct loop, runs go on exactly, evaluation is clean."""

import dataclasses
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.critical_periods import training
from experiments.critical_periods.config import PeriodsConfig
from info_geometry import predictions
from learning import data, networks, tasks
from learning.deficits import KINDS, blurred, random_labels, white_noise
from learning.distributed import Processes
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders, geometric, schedule
from learning.split import split
from tests.support import stages
from tests.support.runs import all_done, folder_of, main, same_runs, together
from tests.support.stages import STORE, Stage, done, run, until

TRAIN = "experiments/critical_periods/01_training/train_periods.py"
INFORMATION = "experiments/weight_information/02_predicting/store_information.py"
BLUR = {"deficit": "blur", "end": 3}
NAME = "digits_all_blur4_0to3"


def job_of(folder, seed=3, task="all", here=None, **changes):
    """Return a Job on digits, as the stage makes it: 5 steps an epoch."""
    usual = {"dataset": "digits", "network": "mlp_small", "batch_size": 20, "learning_rate": 0.03, "width": 16}
    usual |= {"training_images": 100, "checkpoints": 6, "clean_epochs": 2}
    config = PeriodsConfig(**{**usual, **changes})
    images, task, folders = data.load("digits", "train", ""), tasks.load("digits", task), Folders(checkpoints=folder)
    described = describe(task, seed, images, config, training.name(task, config))
    return Job(training.describe(described, images, config, folders), config, images, folders, here or Processes())


def trained(folder, **changes):
    job = job_of(folder, **changes)
    training.train(job)
    return job


def checkpoint(job, step):
    """Return the network in the checkpoint of a step."""
    network, path = job.network(), job.run.path(job.folder, step)
    weights.fit(weights.load(path), network, path)
    return network


def seen(kind, pixels, outputs, chosen, epoch):
    """Return images and outputs with a deficit, as a test sees it."""
    places = torch.from_numpy(chosen)
    found = {
        "blur": lambda: blurred(pixels, 4),
        "flip": lambda: torch.flip(pixels, [2]),
        "noise": lambda: white_noise(pixels.shape, places, epoch, 3),
        "constant": lambda: pixels * 0,
    }
    labels = {"permuted_labels": lambda: (outputs + 1) % 10, "random_labels": lambda: random_labels(places, 10)}
    return found.get(kind, lambda: pixels)(), labels.get(kind, lambda: outputs)()


# Steps


@pytest.mark.parametrize("network", ["mlp_small", "plain_cnn"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_by_hand(tmp_path, kind, network):
    """SGD with momentum, all weights decaying; the deficit from step 5 to 15; the rate falls from there on."""
    window = {} if kind == "none" else {"deficit": kind, "onset": 1}
    job = trained(tmp_path, **window, end=3, network=network, width=8, label_noise=0.3)
    model = networks.build(network, 1, 8, 10, 3, 8).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-4)
    own = split(job.images.labels, range(10), job.config)
    outputs, step = torch.from_numpy(noisy(job.images.labels, own, 10, 0.3)), 0
    for epoch in range(5):
        for chosen in np.split(np.random.default_rng([3, epoch]).permutation(own.training), 5):
            pixels = next(job.images.batches([data.Batch(torch.from_numpy(chosen), None)]))
            right = outputs[chosen]
            if 5 <= step < 15:
                pixels, right = seen(kind, pixels, right, chosen, epoch)
            optimiser.param_groups[0]["lr"] = 0.03 * (0.97 if epoch == 4 else 1)
            optimiser.zero_grad()
            F.cross_entropy(model(pixels), right).backward()
            optimiser.step()
            step += 1
    assert job.run.schedule[-1] == step == 25 and job.run.samples == 100
    for name, value in checkpoint(job, 25).state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_checkpoints_are_also_where_the_deficit_begins_and_ends(tmp_path):
    job = job_of(tmp_path, deficit="flip", onset=0.7, end=3, clean_epochs=40)
    again = {15 + step for step in geometric(200, 3)}  # after the removal, half as many
    assert job.run.schedule == sorted({*schedule(job.config, 5), 3, 15, *again}) and job.run.schedule[-1] == 215
    assert again == {15, 16, 215}
    epochs = job_of(tmp_path, **BLUR, schedule="epochs", dense_epochs=1, per_epoch=2)
    assert epochs.run.schedule == [0, 2, 5, 10, 15, 20, 25] and job_of(tmp_path).run.schedule[0] == 0
    assert not job.run.stored_by and job.run.start is None


def test_before_the_onset_a_run_is_the_clean_one(tmp_path):
    usual = {"end": 4, "schedule": "epochs", "dense_epochs": 0}
    clean, late = trained(tmp_path, **usual), trained(tmp_path, **usual, deficit="noise", onset=2)
    for step in (0, 5, 10, 15):
        one, other = (checkpoint(job, step).state_dict() for job in (clean, late))
        assert all(torch.equal(one[key], other[key]) for key in one) == (step <= 10)


@pytest.mark.parametrize("micro", [0, 5])
def test_batches_that_are_gone_on_with_or_cut_are_the_same(tmp_path, micro):
    job = job_of(tmp_path, deficit="noise", onset=0.5, end=3, augmentation="crop_flip")
    own = split(job.images.labels, range(10), job.config)
    whole = list(training.batches(job, own, 0))
    cut = dataclasses.replace(job, config=dataclasses.replace(job.config, micro_batch_size=micro))
    late = list(training.batches(cut, own, 7))
    for k in (0, 1):
        one, other = (torch.cat([part[k] for part in parts]) for parts in (whole[7:], late))
        assert torch.equal(one, other) and len(whole) == 25


# Going on


@pytest.mark.parametrize("kind", ["blur", "noise", "random_labels"])
def test_a_run_that_stops_after_every_few_steps_ends_with_the_same_bits(tmp_path, kind):
    usual = {"deficit": kind, "onset": 0.5, "end": 3, "clean_epochs": 1}
    one, job = trained(tmp_path / "one", **usual), job_of(tmp_path / "other", **usual)
    for _ in range(8):
        taken, stop = [], []

        def advance(steps, taken=taken, stop=stop):
            taken.append(steps)
            if len(taken) == 4:  # the first says where the run stands
                stop.append(True)

        try:
            training.train(dataclasses.replace(job, advance=advance, stop=stop))
        except SystemExit as end:
            assert end.code == 75
    assert stages.contents(one.folder, "ckpt/*") == stages.contents(job.folder, "ckpt/*") != {}
    assert stages.log_lines(one.folder) == stages.log_lines(job.folder)
    states = [weights.load(x / "last.pth") for x in (one.folder, job.folder)]
    assert states[0]["step"] == states[1]["step"] == 20
    for a, b in zip(*(state["optimiser"]["state"].values() for state in states)):
        assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_in_the_middle_of_a_deficit_and_resumed(tmp_path, number):
    one, other, name = tmp_path / "one", tmp_path / "other", "digits_all_noise_1to39"
    settings = {"deficit": "noise", "onset": 1, "end": 39, "checkpoints": 40}
    done(TRAIN, one, "digits_periods", **settings)
    stage = Stage(TRAIN, other, "digits_periods", **settings)
    until(lambda: len(stages.log_lines(folder_of(other, name))) >= 12)
    stages.interrupt(stage, number, folder_of(other, name))
    assert not runs.read(folder_of(other, name)).path(folder_of(other, name), 39 * 10).exists()
    done(TRAIN, other, "digits_periods", **settings)
    same_runs(one, other)


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    settings = {"deficit": "noise", "end": 2, "clean_epochs": 1}
    done(TRAIN, one, "digits_periods", **settings)
    all_done(together(two, "digits_periods", script=TRAIN, **settings))
    name = "digits_all_noise_0to2"
    there = runs.read(folder_of(one, name))
    states = [weights.load(there.path(folder_of(x, name), there.schedule[-1])) for x in (one, two)]
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-3, atol=1e-4)


# The stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("trained")
    assert f"{NAME} seed 0: trained" in done(TRAIN, found, "digits_periods", **BLUR, evaluate_every=7)
    return found


def test_evaluation_is_clean_and_the_usual_second_stage_stores_it(folder):
    assert "imprinting: 1 done" in done(STORE, folder, NAME, "--head")
    there, record = (
        predictions.open_trajectory(folder / "predictions" / f"{NAME}_head" / "preds_0.h5"),
        runs.read(folder_of(folder, NAME)),
    )
    assert ": sound" in predictions.check(there.path) and there.shape == (len(record.schedule), 599, 10)
    assert 30 in record.schedule and record.schedule[-1] == 70 and there.attributes["config"]["deficit"] == "blur"
    digits = data.load("digits", "test", "")
    pixels = torch.cat(list(digits.batches(data.evaluation_plan(599, 599))))
    for step in (30, 70):
        network, path = networks.build("mlp_small", 1, 8, 10, 0), record.path(folder_of(folder, NAME), step)
        weights.fit(weights.load(path), network, path)
        with torch.inference_mode():
            found = network.eval()(pixels).softmax(dim=1)
        np.testing.assert_allclose(there.roots()[record.schedule.index(step)], found.sqrt().numpy(), atol=1e-3)
    right = float((found.argmax(dim=1).numpy() == digits.labels).mean())
    line = stages.log_lines(folder_of(folder, NAME))[-1]
    assert line["evaluation_accuracy"] == pytest.approx(right, abs=2e-3) and right > 0.5


def test_what_is_known_of_the_weights_is_stored(folder):
    assert "1 done" in done(INFORMATION, folder, NAME, images=20, determinant=10)
    there = predictions.open_trajectory(folder / "predictions" / f"{NAME}_information" / "preds_0.h5")
    record = runs.read(folder_of(folder, NAME))
    assert len(there.attributes["known"]["moved"]) == len(record.schedule) == there.shape[0]


def test_what_a_run_leaves(folder):
    there = runs.read(folder_of(folder, NAME))
    assert there.samples == 200 and there.steps_per_epoch == 10 and there.config["epochs"] == 7
    before = stages.times(folder / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, folder, "digits_periods", **BLUR, evaluate_every=7)
    code, text = run(TRAIN, folder, "digits_periods", **BLUR, clean_epochs=5)
    assert code == 1 and "clean_epochs 4 -> 5" in text and "--variant" in text
    assert stages.times(folder / "checkpoints") == before


@pytest.mark.parametrize(
    "words, settings, message",
    [
        (("--task", "randomlab"), BLUR, "task randomlab: all labels are random; say --label_noise 1 of a task"),
        (
            (),
            {**BLUR, "factor": 8},
            "factor is 8, which leaves one pixel of images of 8 pixels",
        ),
        ((), {**BLUR, "training_images": 5000}, "training_images is 5000 and validation_images 0, but the task has"),
        ((), {"deficit": "flip"}, "deficit is flip, but it has no window; say end"),
        ((), {**BLUR, "onset": 3}, "end is 3, expected more than onset (3)"),
        ((), {**BLUR, "onset": 2.99}, "the window is 2.99 to 3, in which the middle of no step is; an epoch has 10"),
        ((), {**BLUR, "protocol": "window"}, "epochs is missing: the protocol window has as many in all"),
        ((), {"deficits": "blur"}, "unknown key --deficits; did you mean --deficit?"),
    ],
)
def test_what_cannot_be_trained(tmp_path, words, settings, message):
    code, text = run(TRAIN, tmp_path, "digits_periods", *words, **settings)
    assert code == 1 and message in text and not list(tmp_path.glob("checkpoints/*/*/run.json"))


def test_as_many_images_as_processes_can_divide(tmp_path):
    for stage in together(tmp_path, "digits_periods", script=TRAIN, batch_size=15):
        code, text = stage.wait()
        assert code == 1 and "batches of 15 images cannot be divided evenly among 2 processes" in text


def test_names_of_runs():
    task, usual = tasks.load("digits", "low"), {"dataset": "digits", "network": "mlp", "batch_size": 2}
    window = {"protocol": "window", "rate": "annealed", "epochs": 9}
    names = {
        "digits_low_clean": {},
        "digits_low_blur4_0to3": BLUR,
        "digits_low_clean_window": window,
        "digits_low_noise_0.5to3_window": {**window, "deficit": "noise", "onset": 0.5, "end": 3.0},
    }
    for name, changes in names.items():
        assert training.name(task, PeriodsConfig(**usual, learning_rate=0.1, **changes)) == name


# Configurations


def coloured(known, split, folder):
    """Return images of 32 x 32 pixels in three colours, four of each class."""
    labels = np.tile(np.arange(known.classes), 4)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 3, 32, 32)).astype(np.uint8)
    return data.TensorImages(torch.from_numpy(pixels), labels, known.classes, known.mean, known.std)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["cifar10_periods", "cifar10_periods_resnet18", "cifar10_window"])
def test_configurations_for_gpus_train_on_made_up_images(tmp_path, monkeypatch, config):
    monkeypatch.setitem(data.sets.LOADERS, "cifar10", coloured)
    length = {"epochs": 2} if config.endswith("window") else {"clean_epochs": 1}
    few = {"deficit": "blur", "end": 1, "batch_size": 20, "checkpoints": 3, "evaluate_every": 1, **length}
    code, _, error = main(monkeypatch, TRAIN, tmp_path, config, **few)
    assert code == 0, error
    name = f"cifar10_all_blur4_0to1{'_window' if config.endswith('window') else ''}"
    found, line = runs.read(folder_of(tmp_path, name)), stages.log_lines(folder_of(tmp_path, name))[-1]
    assert found.config["augmentation"] == "crop_flip" and line["step"] == 4 and "evaluation_accuracy" in line
