"""Training of variational networks: steps are those of a direct evaluation, and runs go on exactly."""

import copy
import dataclasses
import math
import shutil
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.weight_information import training
from experiments.weight_information.config import VariationalConfig
from experiments.weight_information.training import Variation
from info_geometry.files import InputError
from learning import data, networks, tasks
from learning.distributed import Processes
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders
from learning.split import split
from learning.variational import Variational
from tests.support import stages
from tests.support.runs import folder_of, same_runs
from tests.support.stages import STORE, Stage, done, run, until
from tests.support.stages import TRAIN as SUPERVISED

TRAIN = "experiments/weight_information/01_training/train_variational.py"
FAST = {"epochs": 4, "kl_warmup": 2, "training_images": 200, "batch_size": 10, "checkpoints": 6}
NAME = "digits_all_variational"


def job_of(folder, seed=3, task="all", start=None, **changes):
    """Return a Job on digits, as the stage makes it."""
    usual = {"dataset": "digits", "network": "mlp_small", "epochs": 2, "batch_size": 20, "learning_rate": 2e-3}
    usual |= {"training_images": 100, "checkpoints": 6, "beta": 0.5, "kl_warmup": 1, "width": 16, "draws": 3}
    config, method = VariationalConfig(**{**usual, **changes}), Variation(start)
    images, task, folders = data.load("digits", "train", ""), tasks.load("digits", task), Folders(checkpoints=folder)
    described = describe(task, seed, images, config, method.name(task, config))
    return Job(method.describe(described, images, config, folders), config, images, folders, Processes())


def trained(folder, **changes):
    job = job_of(folder, **changes)
    Variation(job.run.start and job.run.start["run"]).train(job)
    return job


def checkpoint(job, number=-1):
    """Return the variational network in a checkpoint of a job."""
    model = Variational(job.network())
    path = job.run.path(job.folder, job.run.schedule[number])
    weights.fit(weights.load(path), model, path)
    return model


def pixels_of(job, indices):
    return next(job.images.batches([data.Batch(torch.as_tensor(indices), None)]))


def flat(state):
    return torch.cat([value.flatten() for value in state.values()])


# Steps


@pytest.mark.parametrize("network", ["mlp_small", "plain_cnn"])
def test_steps_by_hand(tmp_path, network):
    """Adam with two rates on the mean cross entropy plus beta / N times KL, with beta that rises."""
    job = trained(tmp_path, network=network, label_noise=0.4, width=4, variance_rate=3e-2)
    model = checkpoint(job, 0)
    means = [p for name, p in model.named_parameters() if ".mean." in name]
    others = [p for name, p in model.named_parameters() if ".mean." not in name]
    optimiser = torch.optim.Adam([{"params": means, "lr": 2e-3}, {"params": others, "lr": 3e-2}])
    own = split(job.images.labels, range(10), job.config)
    outputs, step = torch.from_numpy(noisy(job.images.labels, own, 10, 0.4)), 0
    for epoch in range(2):
        for batch, chosen in enumerate(np.split(np.random.default_rng([3, epoch]).permutation(own.training), 5)):
            key = int(np.random.SeedSequence([3, epoch, batch, training.NOISE]).generate_state(1)[0])
            loss = F.cross_entropy(model(pixels_of(job, chosen), key), outputs[chosen])
            beta = 0.5 * min(1, (step + 0.5) / 5)
            optimiser.zero_grad()
            (loss + beta / 100 * sum(layer.kl() for layer in model.layers.values())).backward()
            optimiser.step()
            step += 1
    assert job.run.schedule[-1] == step == 10 and job.run.samples == 100
    found = checkpoint(job)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_it_begins_as_a_network_of_the_seed(tmp_path):
    job = trained(tmp_path, initial_log_variance=-8.0)
    model, network = checkpoint(job, 0), networks.build("mlp_small", 1, 8, 10, 3, 16)
    assert all(torch.equal(w, network.state_dict()[name]) for name, w in model.mean_network().items())
    for layer in model.layers.values():
        assert all((x == -8).all() for x in layer.log_variance.values())
        assert torch.equal(layer.log_prior, layer.best_log_prior())


def test_with_tiny_beta_and_variance_it_is_ordinary_training(tmp_path):
    job = trained(tmp_path, beta=1e-9, initial_log_variance=-40.0, variance_rate=1e-9, epochs=10)
    network = networks.build("mlp_small", 1, 8, 10, 3, 16)
    start = flat(network.state_dict())
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    own = split(job.images.labels, range(10), job.config)
    for epoch in range(10):
        for chosen in np.split(np.random.default_rng([3, epoch]).permutation(own.training), 5):
            optimiser.zero_grad()
            F.cross_entropy(network(pixels_of(job, chosen)), torch.from_numpy(job.images.labels)[chosen]).backward()
            optimiser.step()
    end = flat(network.state_dict())
    assert (flat(checkpoint(job).mean_network()) - end).norm() < 0.01 * (end - start).norm()


def test_a_larger_beta_leaves_less_information(tmp_path):
    lines = {}
    for beta in (0.001, 0.1, 100.0):
        settings = {"beta": beta, "epochs": 40, "kl_warmup": 10, "learning_rate": 5e-3}
        lines[beta] = stages.log_lines(trained(tmp_path / str(beta), **settings).folder)[-1]
    small, middle, large = lines.values()
    assert small["kl"] > 1.5 * middle["kl"] > 20 * large["kl"]
    assert small["training_accuracy"] >= middle["training_accuracy"] > 0.8 > 0.3 > large["training_accuracy"]
    assert large["cross_entropy_of_draws"] == pytest.approx(math.log(10), abs=0.05)


def test_what_the_log_says(tmp_path):
    job = trained(tmp_path, label_noise=1.0, epochs=20)
    line, model = stages.log_lines(job.folder)[-1], checkpoint(job)
    own = split(job.images.labels, range(10), job.config)
    outputs = torch.from_numpy(noisy(job.images.labels, own, 10, 1.0))[own.training]
    pixels, found, network = pixels_of(job, own.training), [], copy.deepcopy(job.network())
    with torch.no_grad():
        assert line["cross_entropy"] == pytest.approx(float(F.cross_entropy(model(pixels), outputs)), rel=1e-5)
        for i in range(3):
            seed = int(np.random.SeedSequence([3, 1905, i]).generate_state(1)[0])
            network.load_state_dict(model.draw(seed))
            found.append(network(pixels).log_softmax(dim=1))
    losses = [float(F.nll_loss(each, outputs)) for each in found]
    assert line["cross_entropy_of_draws"] == pytest.approx(sum(losses) / 3, rel=1e-5)
    right = torch.stack(found).exp().mean(dim=0).argmax(dim=1) == outputs
    assert line["training_accuracy"] == pytest.approx(float(right.double().mean()))
    assert line["kl_of_layers"] == pytest.approx({name: float(x.detach()) for name, x in model.kl().items()})
    assert line["kl"] == pytest.approx(sum(line["kl_of_layers"].values()) / 100) and line["images"] > 0
    priors = {name: math.exp(float(x.log_prior.detach()) / 2) for name, x in model.layers.items()}
    assert line["lambdas"] == pytest.approx(priors)


def test_noise_of_batches_follows_from_seed_epoch_and_batch(tmp_path):
    job = job_of(tmp_path)
    own, outputs = split(job.images.labels, range(10), job.config), torch.from_numpy(job.images.labels)
    whole, late = (list(training.batches(job, own, outputs, first)) for first in (0, 7))
    assert len(whole) == 10 and len({key for _, key, _ in whole}) == 10
    for (pixels, key, y), (other, other_key, other_y) in zip(whole[7:], late, strict=True):
        assert key == other_key and torch.equal(pixels, other) and torch.equal(y, other_y)


# Going on


def two_steps(job):
    """Train until a run was told to end in its second step from now on."""
    taken, stop = [], []

    def advance(steps):
        taken.append(steps)
        if len(taken) == 3:  # the first says where the run stands
            stop.append(True)

    try:
        Variation().train(dataclasses.replace(job, advance=advance, stop=stop))
    except SystemExit as end:
        assert end.code == 75


def test_a_run_that_stops_after_every_few_steps_ends_with_the_same_bits(tmp_path):
    usual = {"label_noise": 0.5, "epochs": 3}
    one = trained(tmp_path / "one", **usual)
    job = job_of(tmp_path / "other", **usual)
    for _ in range(9):
        two_steps(job)
    assert stages.contents(one.folder, "ckpt/*") == stages.contents(job.folder, "ckpt/*") != {}
    assert stages.log_lines(one.folder) == stages.log_lines(job.folder)
    states = [weights.load(x / "last.pth") for x in (one.folder, job.folder)]
    assert states[0]["step"] == states[1]["step"] == 15
    for a, b in zip(*(state["optimiser"]["state"].values() for state in states)):
        assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(tmp_path, number):
    """To the same bits as without interruption."""
    one, other = tmp_path / "one", tmp_path / "other"
    settings = {**FAST, "epochs": 12, "checkpoints": 20}
    done(TRAIN, one, "digits_variational", **settings)
    stage = Stage(TRAIN, other, "digits_variational", **settings)
    until(lambda: len(stages.log_lines(folder_of(other, NAME))) >= 5)
    stages.interrupt(stage, number, folder_of(other, NAME))
    done(TRAIN, other, "digits_variational", **settings)
    same_runs(one, other)


# The stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a variational run, and two ordinary ones: of a perceptron, and of another task."""
    found = tmp_path_factory.mktemp("trained")
    assert f"{NAME} seed 0: trained" in done(TRAIN, found, "digits_variational", **FAST)
    ordinary = {"network": "mlp_small", "epochs": 2, "warmup_epochs": 1, "checkpoints": 3}
    done(SUPERVISED, found, "digits", "--task", "all", "low", **ordinary)
    return found


def test_what_a_run_leaves(folder):
    there = runs.read(folder_of(folder, NAME))
    assert there.samples == 200 and there.stored_by == training.STORED_BY and there.start is None
    assert len(there.schedule) == 6 and there.schedule[-1] == 80
    before = stages.times(folder / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, folder, "digits_variational", **FAST)
    code, text = run(TRAIN, folder, "digits_variational", **FAST, beta=2)
    assert code == 1 and "beta 1.0 -> 2.0" in text
    code, text = run(STORE, folder, NAME)
    told = "python -m experiments.weight_information.02_predicting.store_variational digits_all_variational --seed 0"
    assert code == 1 and told in text
    assert stages.times(folder / "checkpoints") == before


@pytest.mark.parametrize("start", [NAME, "digits_all"])
def test_a_run_starts_from_the_last_mean_weights_of_another(folder, tmp_path, start):
    place = shutil.copytree(folder, tmp_path / "copy")
    assert f"{NAME}_warm seed 0: trained" in done(TRAIN, place, "digits_variational", "--start", start, **FAST)
    there, first = runs.read(folder_of(place, f"{NAME}_warm")), runs.read(folder_of(place, start))
    path = first.path(folder_of(place, start), first.schedule[-1])
    assert there.start["run"] == start and there.start["checkpoint"] == path.name
    model = Variational(networks.build("mlp_small", 1, 8, 10, 0))
    weights.fit(weights.load(there.path(folder_of(place, f"{NAME}_warm"), 0)), model, "")
    saved = weights.load(path)
    if start == NAME:
        saved = {key.replace("network.", "").replace(".mean.", "."): w for key, w in saved.items() if ".mean." in key}
    assert all(torch.equal(w, saved[name]) for name, w in model.mean_network().items())
    assert all((x == -9).all() for layer in model.layers.values() for x in layer.log_variance.values())
    shutil.rmtree(folder_of(place, start))
    assert "1 skipped" in done(TRAIN, place, "digits_variational", "--start", start, **FAST)


@pytest.mark.parametrize(
    "words, changes, message",
    [
        (("--start", "digits_nothing"), {}, "digits_nothing/seed_0 holds no run to start from; train it with python"),
        (("--start", "digits_low"), {}, "--start digits_low has learned digits low, not digits all"),
        (("--start", NAME), {"label_noise": 0.5}, f"--start {NAME} has learned other images or labels (label_noise)"),
        (("--start", NAME), {"training_images": 100}, "other images or labels (training_images); start from one that"),
        (("--start", NAME), {"width": 32}, "does not fit the network: missing none, unexpected none, other shapes"),
        (("--variant", "x"), {"network": "small_cnn"}, "small_cnn has BatchNorm2d (body.1), but variational networks"),
        (("--variant", "x"), {"beta": 0}, "beta is 0.0, expected a positive number"),
        (("--variant", "x"), {"training_images": 5000}, "training_images is 5000 and validation_images 0, but the"),
        (("--variant", "x", "--imprint-as-you-go"), {}, "stage 2 draws from weights; leave out --imprint-as-you-go"),
        (("--task", "randomlab"), {}, "task randomlab: all labels are random; say --label_noise 1 of a task"),
    ],
)
def test_what_cannot_be_trained(folder, words, changes, message):
    code, text = run(TRAIN, folder, "digits_variational", *words, **{**FAST, **changes})
    assert code == 1 and message in text
    assert {path.parts[-3] for path in folder.glob("checkpoints/*/*/run.json")} == {NAME, "digits_all", "digits_low"}


def test_names_of_runs():
    task = tasks.load("digits", "low")
    assert Variation().name(task, None) == "digits_low_variational"
    assert Variation("digits_low").name(task, None) == "digits_low_variational_warm"


def test_of_a_task_of_few_classes_and_held_out_images(tmp_path):
    job = trained(tmp_path, task="odd", validation_images=50, label_noise=0.5)
    own = split(job.images.labels, (1, 3, 5, 7, 9), job.config)
    outputs = training.learned(job.run, own, job.images.labels, job.config)
    assert job.run.classes == 5 and set(outputs[own.training].tolist()) == set(range(5))
    assert not set(own.training) & set(own.validation) and len(own.training) == 100
    assert checkpoint(job).network.head.mean.out_features == 5


def test_a_checkpoint_that_is_gone_is_said(tmp_path):
    job = trained(tmp_path)
    warm = job_of(tmp_path, start=NAME)
    shutil.rmtree(job.folder)
    with pytest.raises(InputError, match=f"no such checkpoint, from which {NAME}_warm starts; train {NAME} again"):
        Variation(NAME).train(warm)
