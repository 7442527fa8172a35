"""Training of stitches: steps are those of a direct evaluation, what does not learn stays, and runs go on exactly."""

import hashlib
import json
import shutil
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.symmetries import halves, stitches, stitching, trained, training
from experiments.symmetries.config import SENDERS, StitchConfig
from experiments.symmetries.training import parents as parents_of
from info_geometry.files import InputError
from learning import data
from learning.networks.recalibration import recalibrate
from learning.runs import run as runs
from learning.runs import weights
from learning.split import split
from tests.experiments.symmetries.stitch_runs import TRAIN_STITCH, checkpoint, copy_of
from tests.experiments.symmetries.stitch_runs import trained as run_of
from tests.support import stages
from tests.support.runs import all_done, folder_of, same_runs, together
from tests.support.stages import TRAIN, Stage, done, run, until


@pytest.fixture
def folder(parents, tmp_path):
    """A folder of networks, where stitches can be trained."""
    return copy_of(parents, tmp_path / "runs")


def log_of(job):
    return stages.log_lines(job.folder)


def pixels(indices):
    images = data.load("digits", "train", "")
    return next(images.batches([data.Batch(torch.from_numpy(indices), None)])), torch.from_numpy(images.labels[indices])


# What runs leave


def test_what_a_run_and_its_log_say(folder):
    text = done(TRAIN_STITCH, folder, "digits_stitch", "--task", "all", epochs=3)
    assert "digits_all_plus1_full seed 0: trained" in text
    place = folder_of(folder, "digits_all_plus1_full")
    record, log = runs.read(place), stages.log_lines(place)
    assert record.schedule == [0, 4, 8, 12] and record.samples == 600 and record.outputs is None
    assert (record.config["network"], record.config["width"], record.config["layers"]) == ("small_cnn", 0, "2,5,8")
    assert {key: (each["run"], each["seed"]) for key, each in record.start.items()} == {
        "sender": ("digits_all", 0),
        "receiver": ("digits_all", 1),
    }
    for each in record.start.values():
        path = folder_of(folder, each["run"], each["seed"]) / "ckpt" / each["checkpoint"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each["sha256"] and path.stem == "4_0"
    assert [line["step"] for line in log] == record.schedule and log[0]["loss"] is None
    assert [line["images"] for line in log] == [0, 500, 500, 500]
    for line in log:
        assert list(line["validation"]) == ["2", "5", "8"] and "saturation" not in line
    assert log[-1]["loss"] < log[1]["loss"] and log[-1]["validation"]["8"] > 0.9 > 0.5 > log[0]["validation"]["8"]
    before = stages.times(folder / "checkpoints")
    text = done(TRAIN_STITCH, folder, "digits_stitch", epochs=3)
    assert "1 skipped (already complete)" in text
    code, text = run(TRAIN_STITCH, folder, "digits_stitch", epochs=3, layers="2")
    assert code == 1 and "was trained with other settings (layers '2,5,8' -> '2'" in text
    assert stages.times(folder / "checkpoints") == before


@pytest.mark.parametrize("kind", StitchConfig.CHOICES["kind"])
def test_each_kind_is_trained_or_there_at_once(folder, kind):
    job = run_of(folder, kind=kind, layers="5", epochs=4, learning_rate=0.03)
    log, own = log_of(job), job.config
    assert len(log) == len(job.run.schedule) == (5 if own.trains else 1)
    state = checkpoint(job)
    assert len(state) == {"low_rank": 2, "g_relu": 2, "gumbel_sinkhorn": 2}.get(kind, 1)
    assert all(key.startswith("0.") for key in state)
    ends = [line["validation"]["5"] for line in (log[0], log[-1])]
    if own.trains:
        assert ends[1] > ends[0]
    if kind in ("g_relu", "gumbel_sinkhorn"):
        assert log[-1]["validation_soft"]["5"] > 0.7 and 32**-0.5 - 1e-3 < log[-1]["saturation"]["5"] <= 1
    assert ("sparsity" in log[-1]) == (kind == "lasso")


@pytest.mark.parametrize("sender", SENDERS)
def test_each_sender(folder, sender):
    job = run_of(folder, sender=sender, kind="lasso", epochs=4, layers="8", learning_rate=0.1)
    start = job.run.start
    assert start["receiver"]["run"] == "digits_all" and start["receiver"]["seed"] == (0 if job.config.alone else 1)
    assert ("sender" in start) == (not job.config.alone)
    if "sender" in start:
        name = {"random_labels": "digits_randomlab"}.get(sender, "digits_all")
        assert (start["sender"]["run"], start["sender"]["seed"]) == (name, 0)
        assert (start["sender"]["checkpoint"] == "0_0.pth") == (sender == "untrained")
    if sender not in ("untrained", "random_labels"):
        assert log_of(job)[-1]["validation"]["8"] > 0.85


def test_planted_and_self_are_the_receiver(folder):
    for changes in ({"sender": "planted", "kind": "matched"}, {"sender": "self", "kind": "identity"}):
        job = run_of(folder, **changes)
        matrix = checkpoint(job)["1.matrix"]
        own = parents_of(job.run, job.config, job.folders)
        images, _ = pixels(split(job.images.labels, range(10), job.config).validation)
        fronts = halves.build(job.config, own, ["2", "5", "8"], 0, images)[0]
        for front, layer, key in zip(fronts, ("2", "5", "8"), range(3)):
            there = stitching.features(stitching.cut(own.receiver, layer)[0], images)
            found = stitches.apply(checkpoint(job)[f"{key}.matrix"], stitching.features(front, images))
            assert torch.allclose(found, there, atol=1e-4)
        assert (matrix == torch.eye(32)).all() == (changes["sender"] == "self")


# Steps


def test_a_step_by_hand(folder):
    """SGD on the sum of the losses of layers: each matrix by the gradient of its own."""
    changes = {"optimiser": "sgd", "momentum": 0.0, "learning_rate": 0.5, "layers": "2,8", "epochs": 1}
    job = run_of(folder, receiver=-1, seed=1, training_images=125, validation_images=200, **changes)
    assert job.run.schedule == [0, 1]
    own = split(job.images.labels, range(10), job.config)
    sender, receiver = (trained.network("digits_all", seed, folders=job.folders) for seed in (1, 0))
    images, labels = pixels(own.training)
    before, after = checkpoint(job, 0), checkpoint(job, 1)
    rate, losses = job.config.learning_rate_at(0.5), []
    for number, layer in enumerate(("2", "8")):
        front, back = stitching.cut(sender, layer)[0], stitching.cut(receiver, layer)[1]
        matrix = before[f"{number}.weight"].clone().requires_grad_()
        for norm in back.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.train()  # averages over the batch
        loss = F.cross_entropy(back(stitches.apply(matrix, front(images).detach())), labels)
        loss.backward()
        moved = (before[f"{number}.weight"] - after[f"{number}.weight"]) / rate
        torch.testing.assert_close(moved, matrix.grad, rtol=1e-3, atol=1e-5)
        losses.append(loss.item())
    assert log_of(job)[-1]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_accuracies_on_images_held_out_are_those_of_a_stitched_network(folder):
    job = run_of(folder, kind="g_relu", layers="2", epochs=1, learning_rate=0.05, spread=0.5)
    own = split(job.images.labels, range(10), job.config)
    sender, receiver = (trained.network("digits_all", seed, folders=job.folders) for seed in (0, 1))
    front, back = stitching.cut(sender, "2")[0], stitching.cut(receiver, "2")[1]
    made = stitches.Monomial(16, 0)
    weights.fit({key[2:]: value for key, value in checkpoint(job).items()}, made, "")
    few, (held, labels) = pixels(own.recalibration)[0], pixels(own.validation)
    for key, matrix in (("validation", made.hard()), ("validation_soft", made.soft())):
        with torch.no_grad():
            recalibrate(back, [stitches.apply(matrix, front(few))])
            right = back(stitches.apply(matrix, front(held))).argmax(dim=1) == labels
        assert log_of(job)[-1][key]["2"] == pytest.approx(right.double().mean().item(), abs=0.006)
    assert log_of(job)[-1]["saturation"]["2"] == pytest.approx(made.saturation())


@pytest.mark.parametrize("kind", ["full", "g_relu"])
def test_layers_learn_each_by_itself_in_any_order(folder, kind):
    each = [copy_of(folder, folder.parent / name) for name in ("both", "alone", "turned")]
    both, alone, turned = (
        run_of(place, kind=kind, layers=at, training_images=300) for place, at in zip(each, ("2,5", "5", "5,2"))
    )
    for number in range(3):
        a, b, c = (checkpoint(job, number) for job in (both, alone, turned))
        for key in b:
            torch.testing.assert_close(a[key.replace("0.", "1.", 1)], b[key], rtol=1e-4, atol=1e-5)
        assert all(torch.equal(a[key], c[key]) for key in a)
    assert both.run.config["layers"] == turned.run.config["layers"] == "2,5"


def test_networks_of_a_run_stay_as_they_are(folder, parents):
    for changes in ({"kind": "low_rank"}, {"learns": "rest", "kind": "random_permutation"}):
        run_of(folder, **changes)
    for name in ("digits_all/seed_0", "digits_all/seed_1"):
        one, other = (stages.contents(x / "checkpoints" / name, "**/*.pth") for x in (folder, parents))
        assert one == other != {}


def test_the_temperature_in_the_log_is_that_after_the_step(folder):
    job = run_of(folder, kind="gumbel_sinkhorn", layers="2", epochs=3, learning_rate=0.1)
    for number, line in enumerate(log_of(job)):
        made = stitches.GumbelSinkhorn(16, 0)
        weights.fit({key[2:]: value for key, value in checkpoint(job, number).items()}, made, "")
        made.cool(number / 3)
        assert line["saturation"]["2"] == pytest.approx(made.saturation(), rel=1e-5)


# The rest of a network


def test_the_rest_learns_behind_a_matrix_that_stays(folder):
    job = run_of(folder, learns="rest", kind="identity", layers="1,7", epochs=2, learning_rate=0.001)
    network = trained.network("digits_all", 0, folders=job.folders)
    first, last = (checkpoint(job, number) for number in (0, -1))
    assert torch.equal(last["stitches.0.matrix"], torch.eye(16))
    original = stitching.cut(network, "1")[1].state_dict()
    assert all(torch.equal(value, first[f"backs.0.{key}"]) for key, value in original.items())
    assert not torch.equal(first["backs.0.1.weight"], last["backs.0.1.weight"])
    ends = [log_of(job)[number]["validation"] for number in (0, -1)]
    assert all(after >= before - 0.02 and before > 0.95 for before, after in zip(ends[0].values(), ends[1].values()))
    assert not [key for key in last if key.startswith("backs.1.") and "weight" in key and last[key].ndim == 4]


def test_behind_a_random_matrix_much_is_learned_again(folder):
    job = run_of(folder, learns="rest", kind="random_rotation", layers="4", epochs=6)
    ends = [log_of(job)[number]["validation"]["4"] for number in (0, -1)]
    assert ends[1] > ends[0] + 0.2 and ends[1] > 0.8
    first, last = (checkpoint(job, number)["stitches.0.matrix"] for number in (0, -1))
    assert torch.equal(first, last) and torch.allclose(first @ first.T, torch.eye(32), atol=1e-5)


# Going on, and together

INTERRUPTED = {  # name of a run: configuration and settings
    "digits_all_plus1_full": ("digits_stitch", {}),
    "digits_all_plus1_g_relu": ("digits_g_relu", {"alpha": 0.1, "start": "matched", "momentum": 0.9}),
    "digits_all_plus1_gumbel_sinkhorn": ("digits_stitch", {"kind": "gumbel_sinkhorn"}),
    "digits_all_retrained_random_g_relu": ("digits_transformed", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", INTERRUPTED)
def test_interrupted_and_resumed(parents, tmp_path, name, number):
    """To the same bits as without interruption."""
    config, settings = INTERRUPTED[name]
    settings = {**settings, "epochs": 20, "warmup_epochs": 1, "batch_size": 60}
    whole, cut = copy_of(parents, tmp_path / "whole"), copy_of(parents, tmp_path / "cut")
    done(TRAIN_STITCH, whole, config, **settings)
    stage = Stage(TRAIN_STITCH, cut, config, **settings)
    until(lambda: len(stages.log_lines(folder_of(cut, name))) >= 4)
    stages.interrupt(stage, number, folder_of(cut, name))
    done(TRAIN_STITCH, cut, config, **settings)
    assert len(stages.contents(folder_of(cut, name), "ckpt/*.pth")) == 21
    same_runs(whole, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_all_plus1_full", "digits_all_retrained_random_g_relu"])
def test_two_processes_take_nearly_the_steps_of_one(parents, tmp_path, name):
    """Norm layers average over the images of their own process."""
    config, settings = INTERRUPTED[name][0], {"epochs": 4, "warmup_epochs": 0.5, "batch_size": 120}
    one, two = copy_of(parents, tmp_path / "one"), copy_of(parents, tmp_path / "two")
    done(TRAIN_STITCH, one, config, **settings)
    all_done(together(two, config, script=TRAIN_STITCH, **settings))
    a, b = (stages.log_lines(folder_of(place, name)) for place in (one, two))
    assert [line["images"] for line in a] == [line["images"] for line in b]
    assert a[0]["validation"] == b[0]["validation"]
    for layer, value in a[-1]["validation"].items():
        assert b[-1]["validation"][layer] == pytest.approx(value, abs=0.1)
    assert b[-1]["loss"] == pytest.approx(a[-1]["loss"], rel=0.2)
    states = [weights.load(folder_of(place, name) / "ckpt" / "4_0.pth") for place in (one, two)]
    for key in states[0]:
        if states[0][key].ndim > 1:
            assert (states[0][key] - states[1][key]).norm() < 0.2 * states[0][key].norm()


@pytest.mark.slow
def test_two_processes_leave_what_is_fitted_as_one_does(parents, tmp_path):
    one, two = copy_of(parents, tmp_path / "one"), copy_of(parents, tmp_path / "two")
    done(TRAIN_STITCH, one, "digits_stitch", kind="procrustes")
    all_done(together(two, "digits_stitch", script=TRAIN_STITCH, kind="procrustes"))
    same_runs(one, two)
    for stage in together(two, "digits_stitch", script=TRAIN_STITCH, batch_size=125):
        code, text = stage.wait()
        assert code == 1 and "batches of 125 images cannot be divided evenly among 2 processes" in text
        assert "Traceback" not in text


def test_networks_that_were_trained_anew_are_noticed(parents, tmp_path):
    folder = copy_of(parents, tmp_path / "runs")
    job = run_of(folder, kind="identity")
    path = folder_of(folder, "digits_all", 1) / "ckpt" / "4_0.pth"
    there = weights.load(path)
    weights.save(path, {**there, "head.bias": there["head.bias"] + 0.01})
    with pytest.raises(InputError, match=r"4_0\.pth is not what digits_all_plus1_identity was stitched from; delete"):
        parents_of(job.run, job.config, job.folders)
    code, text = run(TRAIN_STITCH, folder, "digits_stitch", kind="identity", epochs=2, recalibration_images=300)
    assert code == 1 and "was trained with other settings" in text and "start" in text
    assert json.loads((job.folder / "run.json").read_text())["start"] == job.run.start


def test_networks_that_were_trained_for_other_epochs_are_noticed(parents, tmp_path):
    folder = copy_of(parents, tmp_path / "runs")
    job = run_of(folder, kind="identity")
    shutil.rmtree(folder_of(folder, "digits_all", 1))
    done(TRAIN, folder, "digits", "--seed", 1, epochs=1, checkpoints=2, warmup_epochs=0)
    with pytest.raises(InputError, match=r"4_0\.pth, which digits_all_plus1_identity was stitched from, is gone; del"):
        parents_of(job.run, job.config, job.folders)


def test_features_that_do_not_fit_memory(folder, monkeypatch):
    monkeypatch.setattr(training, "free_memory", lambda: 10**6)
    with pytest.raises(InputError, match=r"need 0.0 GB of memory, 0.0 are free; lower --training_images, or name"):
        run_of(folder, kind="full")
