"""Training of subspaces: steps are those of a direct evaluation, and runs go on exactly."""

import copy
import dataclasses
import math
import shutil
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.subspaces import coefficients, training
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.subspace import Subspace
from info_geometry import predictions
from learning import data, networks, tasks
from learning.distributed import Processes
from learning.networks.recalibration import recalibrate
from learning.noise import noisy
from learning.runs import run as runs
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders
from learning.split import split
from tests.support import stages
from tests.support.runs import all_done, folder_of, same_runs, together
from tests.support.stages import STORE, Stage, done, run, until

TRAIN = "experiments/subspaces/01_training/train_subspace.py"
FAST = {"epochs": 2, "warmup_epochs": 0.5, "batch_size": 8, "checkpoints": 10, "recalibration_images": 100}
KINDS = {  # name of a run: its configuration and settings
    "line": ("digits_line", {}),
    "layerwise_simplex3": ("digits_simplex", {"layerwise": "true", "draws": 2, "label_noise": 0.2}),
    "point": ("digits_point", {"dropout": 0.3, "label_noise": 0.4}),
}
EACH = pytest.mark.parametrize("kind", KINDS)
VERTICES = {"line": 2, "layerwise_simplex3": 3, "point": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of each kind, trained without interruption."""
    folder = tmp_path_factory.mktemp("trained")
    for name, (config, settings) in KINDS.items():
        assert f"digits_all_{name} seed 0: trained" in done(TRAIN, folder, config, **FAST, **settings)
    return folder


def job_of(folder, here=None, seed=3, task="all", **changes):
    """Return a Job on digits, as the stage makes it."""
    usual = {"dataset": "digits", "network": "small_cnn", "epochs": 1, "batch_size": 20, "learning_rate": 0.5}
    usual |= {"warmup_epochs": 0, "training_images": 100, "checkpoints": 6, "recalibration_images": 50}
    config = SubspaceConfig(**{**usual, **changes})
    images, task, folders = data.load("digits", "train", ""), tasks.load("digits", task), Folders(checkpoints=folder)
    described = describe(task, seed, images, config, training.name(task, config))
    return Job(training.describe(described, images, config, folders), config, images, folders, here or Processes())


def checkpoint(job, number):
    """Return the subspace in a checkpoint of a job."""
    space = training.initial(job.run, job.config, job.images)
    path = job.run.path(job.folder, job.run.schedule[number])
    weights.fit(weights.load(path), training.held(space), path)
    return space


# What runs leave


@EACH
def test_checkpoints_hold_all_vertices(trained, kind):
    folder = folder_of(trained, f"digits_all_{kind}")
    record, m = runs.read(folder), VERTICES[kind]
    assert record.config["vertices"] == m and record.samples == 998 and record.outputs is None
    states = [weights.load(record.path(folder, step)) for step in record.schedule]
    assert len(states) == 10 and record.schedule[-1] == 2 * 124
    seeds = [0, *(int(np.random.SeedSequence([0, i]).generate_state(1)[0]) for i in range(1, m))]
    for i, seed in enumerate(seeds):
        start = f"vertices.{i}." if m > 1 else ""
        initial = networks.build("small_cnn", 1, 8, 10, seed).state_dict()
        for key, value in initial.items():
            assert torch.equal(states[0][start + key], value)
            if value.is_floating_point() and "running" not in key:
                assert not torch.equal(states[-1][start + key], value)
        assert len(states[0]) == m * len(initial)


@EACH
def test_what_the_log_says(trained, kind):
    lines = stages.log_lines(folder_of(trained, f"digits_all_{kind}"))
    assert sum(line["images"] for line in lines) == 2 * 124 * 8 and lines[0]["loss"] is None
    assert lines[-1]["loss"] < lines[1]["loss"] and lines[-1]["accuracy"] > lines[1]["accuracy"] + 0.1
    for line in lines:
        assert (kind == "point") == ("d_B" not in line) == ("l2" not in line) == ("squared_cosine" not in line)
    if kind != "point":
        assert lines[0]["squared_cosine"] < 0.01 and all(line["l2"] > 5 and 0 < line["d_B"] < 5 for line in lines)


def test_distance_of_ends_in_the_log(tmp_path):
    """-mean log sum sqrt(p q) of recalibrated ends, on the images that they are recalibrated on, in equal batches."""
    job = job_of(tmp_path, kind="curve", evaluation_batch_size=20)
    training.train(job)
    line, space = stages.log_lines(job.folder)[-1], checkpoint(job, -1)
    own = split(job.images.labels, range(10), job.config)
    assert len(own.recalibration) == 50
    images = [
        next(job.images.batches([data.Batch(torch.from_numpy(x), None)])) for x in np.split(own.recalibration, [17, 34])
    ]
    p, q = (
        torch.cat([recalibrate(space.vertices[i], images)(x).double().softmax(dim=1) for x in images]) for i in (0, 2)
    )
    expected = -(p * q).sqrt().sum(dim=1).log().mean().item()
    assert line["d_B"] == pytest.approx(expected, rel=1e-3) and line["d_B"] > 1e-3
    assert {key: line[key] for key in ("squared_cosine", "l2")} == pytest.approx(space.geometry())


def test_a_point_is_a_single_network(trained):
    assert "imprinting: 1 done" in done(STORE, trained, "digits_all_point", "--head")
    folder = folder_of(trained, "digits_all_point")
    there = predictions.open_trajectory(trained / "predictions" / "digits_all_point_head" / "preds_0.h5")
    assert there.shape == (10, 599, 10) and ": sound" in predictions.check(there.path)
    network, digits = networks.build("small_cnn", 1, 8, 10, 0), data.load("digits", "test", "")
    record = runs.read(folder)
    path = record.path(folder, record.schedule[-1])
    weights.fit(weights.load(path), network, path)
    pixels = torch.cat(list(digits.batches(data.evaluation_plan(599, 599))))
    with torch.inference_mode():
        found = network.eval()(pixels).softmax(dim=1).sqrt().numpy()
    np.testing.assert_allclose(there.roots()[-1], found, atol=1e-3)


def test_names_of_runs():
    task = tasks.load("digits", "low")
    usual = ("digits", "small_cnn", 3, 32, 0.1)
    names = {
        "digits_low_line": {},
        "digits_low_curve": {"kind": "curve"},
        "digits_low_point": {"kind": "point"},
        "digits_low_simplex2": {"kind": "simplex"},
        "digits_low_layerwise_simplex5": {"kind": "simplex", "vertices": 5, "layerwise": True},
        "digits_low_layerwise_line": {"layerwise": True},
    }
    assert [training.name(task, SubspaceConfig(*usual, **changes)) for changes in names.values()] == list(names)


# Steps


@pytest.mark.parametrize("changes", [{"momentum": 0.9, "nesterov": True}, {"label_noise": 0.4, "label_smoothing": 0.1}])
def test_training_a_point_is_training_a_network(tmp_path, changes):
    job = job_of(tmp_path, kind="point", epochs=2, weight_decay=0.1, **changes)
    training.train(job)
    own = split(job.images.labels, range(10), job.config)
    network = networks.build("small_cnn", 1, 8, 10, 3).train()
    optimiser = torch.optim.SGD(
        network.parameters(), lr=1, momentum=0.9, weight_decay=0.1, nesterov=changes.get("nesterov", False)
    )
    outputs = torch.from_numpy(noisy(job.images.labels, own, 10, changes.get("label_noise", 0)))
    step = 0
    for epoch in range(2):
        for chosen in torch.from_numpy(np.random.default_rng([3, epoch]).permutation(own.training)).split(20):
            optimiser.param_groups[0]["lr"] = 0.5 * (1 + math.cos(math.pi * (step + 0.5) / 10)) / 2
            loss = F.cross_entropy(
                network(next(job.images.batches([data.Batch(chosen, None)]))),
                outputs[chosen],
                label_smoothing=changes.get("label_smoothing", 0.0),
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    found = weights.load(job.run.path(job.folder, 10))
    for key, value in network.state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4)
    assert step == job.run.schedule[-1] == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"beta": 0.0},
        {"beta": 5.0},
        {"kind": "curve", "beta": 0.0, "draws": 2},
        {"kind": "simplex", "vertices": 4, "beta": 5.0, "draws": 4},
        {"kind": "simplex", "vertices": 3, "beta": 5.0, "layerwise": True, "draws": 2},
    ],
)
def test_the_step_of_each_vertex_by_hand(tmp_path, changes):
    """Minus the rate times: the mean over parts of c_i times the gradient of the point, and beta that of cos^2."""
    job = job_of(tmp_path, momentum=0.0, weight_decay=0.0, **changes)
    training.train(job)
    before, after = checkpoint(job, 0), checkpoint(job, 1)
    assert job.run.schedule[1] == 1
    m, config, count = len(before), job.config, job.config.draws
    layers = before.layers if config.layerwise else [""]
    own = split(job.images.labels, range(10), config)
    first = torch.from_numpy(np.random.default_rng([3, 0]).permutation(own.training)[:20])
    c = coefficients.draws(config.kind, m, count, len(layers), 3, 0, 0)
    expected = [{name: torch.zeros_like(p) for name, p in vertex.named_parameters()} for vertex in before.vertices]
    for part, chosen in enumerate(first.chunk(count)):
        point = copy.deepcopy(before.vertices[0]).train()
        shares = {}
        with torch.no_grad():
            for name, parameter in point.named_parameters():
                layer = layers.index(name.rpartition(".")[0]) if config.layerwise else 0
                shares[name] = c[part, layer]
                own_weights = [vertex.get_parameter(name) for vertex in before.vertices]
                parameter.copy_(sum(float(share) * w for share, w in zip(shares[name], own_weights)))
        logits = point(next(job.images.batches([data.Batch(chosen, None)])))
        (F.cross_entropy(logits, torch.from_numpy(job.images.labels)[chosen]) / count).backward()
        for i, gradients in enumerate(expected):
            for name, parameter in point.named_parameters():
                gradients[name] += float(shares[name][i]) * parameter.grad
    pair = coefficients.pair(m, 3, 0, 0)
    penalised = Subspace([copy.deepcopy(vertex) for vertex in before.vertices])
    (config.beta * penalised.squared_cosine(*pair)).backward()
    rate = config.learning_rate_at(0.5 / 5)
    for i in range(m):
        for name, w in before.vertices[i].named_parameters():
            extra = penalised.vertices[i].get_parameter(name).grad
            gradient = expected[i][name] + (0 if extra is None else extra)
            moved = (w - after.vertices[i].get_parameter(name)).detach() / rate
            torch.testing.assert_close(moved, gradient, rtol=1e-3, atol=2e-6)
            assert extra is None or not config.beta or i not in pair or (extra.abs() > 1e-5).any()


def test_the_penalty_keeps_vertices_apart(tmp_path):
    found = {}
    for beta in (0.0, 1.0, 10.0):
        job = job_of(tmp_path / str(beta), epochs=8, beta=beta)
        training.train(job)
        found[beta] = stages.log_lines(job.folder)[-1]
    cosines = [line["squared_cosine"] for line in found.values()]
    assert cosines[0] > 1.5 * cosines[1] > 2 * cosines[2]
    assert all(line["accuracy"] > 0.5 for line in found.values())


def parts_of(job, first=0, layers=1, count=None):
    own = split(job.images.labels, job.run.task.classes, job.config)
    found = training.batches(job, own, layers, 64, first)
    return [part for part, _ in zip(found, range(count or 10**6))]


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other):
        assert all((x is None and y is None) or torch.equal(x, y) for x, y in zip(a, b))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "line", "draws": 2}, {"kind": "simplex", "vertices": 3, "layerwise": True}, {"kind": "point"}],
)
def test_what_is_drawn_follows_from_seed_epoch_and_batch(tmp_path, changes):
    job = job_of(tmp_path, epochs=3, dropout=0.25, label_noise=0.4, **changes)
    layers, draws = (7, job.config.draws) if job.config.layerwise else (1, job.config.draws)
    whole = parts_of(job, layers=layers)
    assert len(whole) == 15 * draws
    same(parts_of(job, first=7, layers=layers), whole[7 * draws :])
    for number, (pixels, c, mask, _) in enumerate(whole):
        (epoch, batch), part = divmod(number // draws, 5), number % draws
        expected = coefficients.draws(job.config.kind, job.config.vertices, draws, layers, 3, epoch, batch)[part]
        assert np.array_equal(c, expected if job.config.layerwise else expected[0])
        assert mask.shape == (20 // draws, 64) and len(pixels) == 20 // draws
    masks = torch.stack([mask for _, _, mask, _ in whole])
    kept = np.float32(1 / 0.75)
    assert set(masks.unique().tolist()) == {0.0, float(kept)}
    assert masks.mean() == pytest.approx(1, abs=5 / math.sqrt(3 * masks.numel()))
    assert len({mask.numpy().tobytes() for mask in masks}) == len(masks)


def test_processes_divide_what_is_drawn(tmp_path):
    """With as many draws as processes each has a part of the whole; else each has its images, with one draw."""
    for draws in (1, 2):
        changes = {"epochs": 2, "draws": draws, "dropout": 0.5, "label_noise": 0.2}
        whole = parts_of(job_of(tmp_path, **changes))
        ranks = [parts_of(job_of(tmp_path, Processes(rank=rank, world=2), **changes)) for rank in (0, 1)]
        if draws == 2:
            same(ranks[0], whole[::2])
            same(ranks[1], whole[1::2])
            continue
        for rank, own in enumerate(ranks):
            same(own, [(x[rank::2], c, mask[rank::2], y[rank::2]) for x, c, mask, y in whole])


def test_wrong_labels_are_learned_and_the_same_for_all_seeds(tmp_path):
    seen = []
    for seed in (3, 4):
        pixels, _, _, outputs = map(
            list, zip(*parts_of(job_of(tmp_path, seed=seed, task="low", label_noise=0.5, training_images=100)))
        )
        seen.append(dict(zip(map(tuple, torch.cat(pixels).flatten(1).tolist()), torch.cat(outputs).tolist())))
    assert seen[0] == seen[1] and len(seen[0]) == 100 and set(seen[0].values()) == set(range(5))
    job = job_of(tmp_path, task="low", training_images=100)
    right = {}
    for pixels, _, _, outputs in parts_of(job):
        right |= dict(zip(map(tuple, pixels.flatten(1).tolist()), outputs.tolist()))
    wrong = sum(seen[0][image] != output for image, output in right.items())
    assert 25 < wrong <= 50 and seen[0].keys() == right.keys()


# Going on


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(trained, tmp_path, kind, number):
    """To the same bits as without interruption."""
    config, settings = KINDS[kind]
    folder = folder_of(tmp_path, f"digits_all_{kind}")
    stage = Stage(TRAIN, tmp_path, config, **FAST, **settings)
    until(lambda: len(stages.log_lines(folder)) >= 5)
    stages.interrupt(stage, number, folder)
    done(TRAIN, tmp_path, config, **FAST, **settings)
    assert len(stages.contents(folder, "ckpt/*.pth")) == 10
    one, other = tmp_path / "one", tmp_path / "other"  # with the run of this kind alone
    shutil.copytree(folder, folder_of(one, folder.parent.name))
    shutil.copytree(folder_of(trained, folder.parent.name), folder_of(other, folder.parent.name))
    same_runs(one, other)


@EACH
def test_the_same_command_again_skips_and_changed_settings_are_refused(trained, kind):
    config, settings = KINDS[kind]
    before = stages.times(trained / "checkpoints")
    assert "1 skipped (already complete)" in done(TRAIN, trained, config, **FAST, **settings)
    code, text = run(TRAIN, trained, config, **{**FAST, **settings, "label_noise": 0.5})
    changed = f"label_noise {settings.get('label_noise', 0.0)} -> 0.5"
    assert code == 1 and f"was trained with other settings ({changed}" in text
    assert stages.times(trained / "checkpoints") == before


def test_two_processes_take_the_steps_of_one(tmp_path):
    """With a draw for each, whose images norm layers average over."""
    settings = {**FAST, "epochs": 1, "batch_size": 100, "checkpoints": 4, "draws": 2, "dropout": 0.2, "beta": 5}
    words = ("digits_simplex", "--layerwise", "true")
    alone, both = tmp_path / "alone", tmp_path / "both"
    done(TRAIN, alone, *words, **settings)
    all_done(together(both, *words, script=TRAIN, **settings))
    one, other = (folder_of(folder, "digits_all_layerwise_simplex3") for folder in (alone, both))
    for a, b in zip(stages.log_lines(one)[1:], stages.log_lines(other)[1:]):
        assert a == pytest.approx(b, rel=1e-2, abs=1e-4)
    paths = sorted(path.name for path in (one / "ckpt").glob("*"))
    assert paths == sorted(path.name for path in (other / "ckpt").glob("*")) and len(paths) == 4
    for path in paths:
        a, b = (weights.load(folder / "ckpt" / path) for folder in (one, other))
        for key in a:
            torch.testing.assert_close(a[key], b[key], rtol=1e-2, atol=1e-3, msg=f"{path} {key}")


# What is refused


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (("digits_line", "--task", "randomlab"), {}, "task randomlab: all labels are random"),
        (
            ("digits_line", "--imprint-as-you-go"),
            {},
            "digits_all_line: stage 2 takes networks from weights; leave out --imprint-as-you-go",
        ),
        (("digits_point", "--imprint-as-you-go"), {}, "digits_all_point: stage 2 takes networks from weights"),
        (("digits_line",), {"evaluate_every": 1}, "evaluate_every is 1, but networks are evaluated by stage 2"),
        (("digits_line",), {"training_images": 999}, "training_images is 999 and validation_images 200, but the task"),
        (("digits_line",), {"rate": "snapshot"}, "which needs a checkpoint each epoch; add `schedule: epochs`"),
        (("digits_simplex",), {"vertices": 1}, "vertices is 1, but a simplex has at least 2"),
        (("digits_line",), {"betta": 1}, "unknown key --betta; did you mean --beta?"),
        (
            ("digits_line",),
            {"training_images": 15, "draws": 2},
            "digits_all_line: batches of 15 images cannot be divided evenly among 1 processes and 2 draws",
        ),
        (("digits_line",), {"training_images": 16, "draws": 2}, "16 training images do not fill a batch for 2 draws"),
    ],
)
def test_what_cannot_be_trained(tmp_path, words, settings, message):
    code, text = run(TRAIN, tmp_path, *words, **settings)
    assert code == 1 and message in text and not list(tmp_path.glob("checkpoints/*/*/run.json"))


def test_as_many_images_as_processes_can_divide(tmp_path):
    for stage in together(tmp_path, "digits_line", script=TRAIN, training_images=15):
        code, text = stage.wait()
        assert code == 1 and "batches of 15 images cannot be divided evenly among 2 processes and 1 draws" in text
        assert "Traceback" not in text


def test_vertices_have_the_width_of_the_configuration(tmp_path):
    job = job_of(tmp_path, width=4)
    assert [vertex.head.in_features for vertex in training.initial(job.run, job.config, job.images).vertices] == [
        16,
        16,
    ]
    older = {key: value for key, value in job.run.config.items() if key != "width"}  # a run.json of before
    network = training.single(dataclasses.replace(job.run, config=older), job.images, 0)
    assert network.head.in_features == 64


def test_each_draw_is_in_one_process(tmp_path):
    for stage in together(tmp_path, "digits_line", script=TRAIN, batch_size=36, draws=3):
        code, text = stage.wait()
        assert code == 1 and "among 2 processes and 3 draws, of which each is in one process" in text
