"""Contrastive learning: losses are those of the papers, labels are never seen, and runs go on exactly."""

import math
import signal

import numpy as np
import pytest
import torch

from experiments.contrastive import objectives
from experiments.contrastive.config import ContrastiveConfig
from info_geometry import predictions
from info_geometry.files import InputError
from learning import data, networks, tasks
from learning.distributed import Processes
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders
from tests.support import stages
from tests.support.stages import STORE, Stage, done, run, until

TRAIN = "experiments/contrastive/01_training/train_contrastive.py"
FAST = {"epochs": 6, "warmup_epochs": 1, "batch_size": 64, "checkpoints": 10}  # 108 steps
LOSSES = {
    "simclr": lambda a, b: objectives.nt_xent(a, b, 0.3),
    "barlow": lambda a, b: objectives.barlow_twins(a, b, 0.1),
}
EACH = pytest.mark.parametrize("objective", LOSSES)


def vectors(B=7, D=5, seed=0):
    """Return vectors (B, D) of two views that are alike, in float64."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(B, D, dtype=torch.float64, generator=generator)
    return a, 3 * a + torch.randn(B, D, dtype=torch.float64, generator=generator) + 1


def folder_of(folder, objective, task="all"):
    return folder / "checkpoints" / f"digits_{task}_{objective}" / "seed_0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of each objective, trained and imprinted."""
    folder = tmp_path_factory.mktemp("trained")
    for objective in LOSSES:
        assert "training: 1 done" in done(TRAIN, folder, f"digits_{objective}", **FAST)
        assert "imprinting: 1 done" in done(STORE, folder, f"digits_all_{objective}")
    return folder


# Losses


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_that_of_the_paper(temperature):
    a, b = vectors()
    z = np.concatenate([a, b])

    def exponential(i, k):
        return math.exp(z[i] @ z[k] / math.sqrt(z[i] @ z[i]) / math.sqrt(z[k] @ z[k]) / temperature)

    losses = [
        -math.log(exponential(i, (i + 7) % 14) / sum(exponential(i, k) for k in range(14) if k != i)) for i in range(14)
    ]
    assert float(objectives.nt_xent(a, b, temperature)) == pytest.approx(sum(losses) / 14, rel=1e-12)


@pytest.mark.parametrize("off_diagonal", [0.0, 0.005, 1.0])
def test_barlow_twins_is_that_of_the_paper(off_diagonal):
    a, b = vectors(B=40)
    x, y = (
        [[(v - np.mean(column)) / math.sqrt(np.var(column) + 1e-5) for v in column] for column in z.T.numpy()]
        for z in (a, b)
    )
    expected = 0.0
    for i in range(5):
        for j in range(5):
            correlation = sum(x[i][n] * y[j][n] for n in range(40)) / 40
            assert correlation == pytest.approx(np.corrcoef(a[:, i], b[:, j])[0, 1], abs=1e-4)
            expected += (1 - correlation) ** 2 if i == j else off_diagonal * correlation**2
    assert float(objectives.barlow_twins(a, b, off_diagonal)) == pytest.approx(expected, rel=1e-12)


@EACH
def test_losses_do_not_tell_the_views_apart_nor_the_order_of_images(objective):
    (a, b), loss = vectors(), LOSSES[objective]
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(a, b), loss(b, a))
    torch.testing.assert_close(loss(a, b), loss(a[order], b[order]))
    assert not torch.isclose(loss(a, b), loss(a, b[order]), rtol=0.01)


def test_nt_xent_sees_directions_alone():
    a, b = vectors()
    lengths = torch.linspace(0.1, 9, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(objectives.nt_xent(a * lengths, b * lengths.flip(0), 0.3), objectives.nt_xent(a, b, 0.3))


def test_perfect_pairs_of_different_images_leave_nothing_as_the_temperature_falls():
    a, _ = vectors()
    losses = [float(objectives.nt_xent(a, 2 * a, temperature)) for temperature in (1, 0.1, 0.01, 0.001)]
    assert losses == sorted(losses, reverse=True) and losses[0] > 0.5 and 0 <= losses[-1] < 1e-6
    same = torch.ones(7, 5, dtype=torch.float64)  # of all images: each is found by chance among 13
    assert float(objectives.nt_xent(same, same, 0.1)) == pytest.approx(math.log(13))


def test_barlow_twins_is_zero_where_components_are_uncorrelated():
    a = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert float(objectives.barlow_twins(a, 5 * a + 2, 1.0)) == pytest.approx(0, abs=1e-8)
    assert float(objectives.barlow_twins(a, a.flip(1), 1.0)) == pytest.approx(4, rel=1e-4)
    assert float(objectives.barlow_twins(a, -a, 1.0)) == pytest.approx(8, rel=1e-4)


@EACH
def test_gradients_reach_both_views(objective):
    a, b = (x.requires_grad_() for x in vectors())
    assert torch.autograd.gradcheck(LOSSES[objective], (a, b))
    LOSSES[objective](a, b).backward()
    assert all((x.grad.abs().sum(dim=1) > 0).all() for x in (a, b))


def test_share_of_partners_found():
    a = torch.eye(4)
    assert objectives.partner_accuracy(a, 3 * a) == 1
    assert objectives.partner_accuracy(a, a.roll(1, dims=0)) == 0
    swapped = a[[1, 0, 2, 3]]
    assert objectives.partner_accuracy(a, swapped) == 0.5


# Runs


@EACH
def test_run_leaves_networks_without_head_and_a_sound_prediction_file(trained, objective):
    folder = folder_of(trained, objective)
    record = runs.read(folder)
    assert record.name == f"digits_all_{objective}" and record.outputs == 0
    assert all(key.startswith("body.") for key in weights.load(folder / "ckpt" / "6_0.pth"))
    there = predictions.open_trajectory(trained / "predictions" / f"digits_all_{objective}" / "preds_0.h5")
    assert there.shape == (10, 599, 10) and there.t[0] == 0 and there.t[-1] == 6
    assert ": sound" in predictions.check(there.path) and there.attributes["config"]["objective"] == objective


@EACH
def test_first_checkpoint_holds_the_initial_weights(trained, objective):
    initial = networks.build("small_cnn", 1, 8, 0, seed=0).state_dict()
    there = weights.load(folder_of(trained, objective) / "ckpt" / "0_0.pth")
    assert there.keys() == initial.keys() and all(torch.equal(there[key], initial[key]) for key in there)


@EACH
def test_partners_are_found_and_losses_fall(trained, objective):
    lines = stages.log_lines(folder_of(trained, objective))
    assert lines[0]["loss"] is None and lines[1]["accuracy"] < 0.35
    assert lines[-1]["accuracy"] > lines[1]["accuracy"] + 0.1 and lines[-1]["loss"] < 0.9 * lines[1]["loss"]
    assert sum(line["images"] for line in lines) == 108 * 64


@EACH
def test_the_same_command_again_skips_and_changed_settings_are_refused(trained, objective):
    before = stages.times(trained / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, trained, f"digits_{objective}", **FAST)
    assert "1 skipped (already complete)" in done(STORE, trained, f"digits_all_{objective}")
    assert stages.times(trained / "checkpoints") == before
    code, text = run(TRAIN, trained, f"digits_{objective}", **FAST, hidden=32)
    assert code == 1 and "was trained with other settings (hidden 128 -> 32)" in text


def test_imprinting_as_it_goes_gives_the_same_predictions(trained, tmp_path):
    done(TRAIN, tmp_path, "digits_simclr", "--imprint-as-you-go", **FAST)
    one, other = (
        predictions.open_trajectory(folder / "predictions" / "digits_all_simclr" / "preds_0.h5")
        for folder in (trained, tmp_path)
    )
    assert np.array_equal(one.roots(), other.roots())


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(trained, tmp_path, objective, number):
    """To the same bytes as without interruption, of the projector too."""
    stage = Stage(TRAIN, tmp_path, f"digits_{objective}", **FAST)
    until(lambda: len(stages.log_lines(folder_of(tmp_path, objective))) >= 5)
    folder = folder_of(tmp_path, objective)
    stages.interrupt(stage, number, folder)
    done(TRAIN, tmp_path, f"digits_{objective}", **FAST)
    one, other = folder_of(trained, objective), folder
    expected = stages.contents(one, "ckpt/*.pth")
    assert len(expected) == 10 and stages.contents(other, "ckpt/*.pth") == expected
    assert stages.log_lines(other) == stages.log_lines(one)
    states = [weights.load(path / "last.pth") for path in (one, other)]
    assert {key.split(".")[0] for key in states[0]["network"]} == {"0", "1"}  # network and projector
    assert all(torch.equal(value, states[1]["network"][key]) for key, value in states[0]["network"].items())
    for mine, its in zip(*(state["optimiser"]["state"].values() for state in states)):
        assert torch.equal(mine["momentum_buffer"], its["momentum_buffer"])


# Labels and their absence


def learned(folder, images, task="low", objective="simclr", **more):
    """Return the weights after two epochs of images in memory."""
    config = ContrastiveConfig(
        **{
            "dataset": "digits",
            "network": "small_cnn",
            "epochs": 2,
            "batch_size": 64,
            "learning_rate": 0.1,
            "checkpoints": 2,
            "objective": objective,
            **more,
        }
    )
    folders, task = Folders(checkpoints=folder), tasks.load("digits", task)
    described = describe(task, 0, images, config, objectives.name(task, config))
    job = Job(objectives.describe(described, images, config, folders), config, images, folders, Processes())
    objectives.train(job)
    return weights.load(job.run.path(job.folder, job.run.schedule[-1]))


@EACH
def test_labels_are_never_seen(tmp_path, objective):
    images = [data.load("digits", "train", "") for _ in range(3)]
    low = np.flatnonzero(images[0].labels < 5)
    images[1].labels[low] = np.random.default_rng(0).permutation(images[0].labels[low])
    others = np.flatnonzero(images[0].labels >= 5)
    images[2].pixels[others] = 0  # what is not of the task does not count either
    first, *rest = (learned(tmp_path / str(i), x, objective=objective) for i, x in enumerate(images))
    for other in rest:
        assert all(torch.equal(other[key], first[key]) for key in first)
    everything = learned(tmp_path / "all", images[0], "all", objective)
    assert not torch.equal(everything["body.0.weight"], first["body.0.weight"])


@EACH
def test_the_global_random_numbers_do_not_matter(tmp_path, objective):
    images = data.load("digits", "train", "")
    torch.manual_seed(1)
    first = learned(tmp_path / "first", images, objective=objective)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    second = learned(tmp_path / "second", images, objective=objective)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(torch.random.get_rng_state(), state)


# What is refused


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"objective": "moco"}, "objective is 'moco', expected one of simclr, barlow"),
        ({"evaluate_every": 1}, "evaluate_every is 1, but there is no head that could answer; leave it out"),
        ({"label_smoothing": 0.1}, "label_smoothing is 0.1, but labels are never seen"),
        ({"micro_batch_size": 8}, "micro_batch_size is 8, but every image of a batch is compared with all others"),
        ({"augmentation": "crop_flip"}, "augmentation is 'crop_flip', but views are random already"),
        ({"batch_size": 1}, "batch_size is 1, expected at least 2"),
        ({"temperature": 0}, "temperature is 0.0, expected a positive number"),
        ({"projected": 0}, "projected is 0, expected a positive number"),
        ({"off_diagonal": -1}, "off_diagonal is -1.0, expected a finite number that is not negative"),
        ({"off_diagonal": 0.1}, "off_diagonal is 0.1, but the objective is simclr; leave it out"),
        ({"objective": "barlow", "temperature": 0.1}, "temperature is 0.1, but the objective is barlow; leave it out"),
        ({"task": "randomlab"}, "task randomlab: labels are never seen, so this is the task all; choose another one"),
    ],
)
def test_settings_that_mean_nothing(tmp_path, overrides, message):
    code, text = run(TRAIN, tmp_path, "digits_simclr", **overrides)
    assert code == 1 and message in text and not (tmp_path / "checkpoints").exists()


def test_a_single_image(tmp_path):
    images = data.load("digits", "train", "")
    images.pixels, images.labels = images.pixels[:1], images.labels[:1]
    with pytest.raises(InputError, match="digits_all_simclr: 1 training images; an image is compared with others"):
        learned(tmp_path, images, "all")


def test_missing_checkpoints(tmp_path):
    code, text = run(STORE, tmp_path, "digits_all_barlow")
    assert code == 1
    assert (
        "train it with python -m experiments.contrastive.01_training.train_contrastive digits_barlow "
        "--task all --seed 0" in text
    )
