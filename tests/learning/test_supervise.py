"""What a network learns: its task, of the images of that alone; in parts of batches as in whole ones."""

import copy
import os
import signal
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from learning import data, distributed, networks, supervise, tasks
from learning.runs import run as runs
from learning.runs import weights
from tests.support import stages
from tests.support.runs import (
    TINY,
    equal,
    folder_of,
    load_weights,
    main,
    same_runs,
    shades,
    together_environments,
)
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until


def test_output_k_stands_for_class_k_of_the_task(monkeypatch, tmp_path):
    images = shades(np.arange(600) % 10)
    code, _, error = main(
        monkeypatch,
        TRAIN,
        tmp_path,
        "digits",
        "--task",
        "8,1,4",
        images={"train": images},
        epochs=8,
        warmup_epochs=2,
        batch_size=20,
        checkpoints=2,
        learning_rate=0.05,
    )
    assert code == 0, error
    folder = folder_of(tmp_path, "digits_classes_1-4-8")
    record = runs.read(folder)
    assert record.task.classes == (1, 4, 8) and record.samples == 180
    network = networks.build("small_cnn", 1, 8, 3, 0)
    load_weights(folder / "ckpt" / "8_0.pth", network)
    test = shades(np.repeat([1, 4, 8], 20), seed=1)
    with torch.inference_mode():
        answers = network.eval()(next(test.batches(data.evaluation_plan(60, 60)))).argmax(dim=1)
    assert (answers == torch.arange(3).repeat_interleave(20)).float().mean() > 0.95


def test_only_images_of_the_task_are_seen(monkeypatch, tmp_path):
    """Images of other classes may change as they like."""
    images, others = shades(np.arange(300) % 10), shades(np.arange(300) % 10)
    others.pixels[others.labels % 2 == 1] = 255
    for folder, train in (("a", images), ("b", others)):
        arguments = "digits", "--task", "even"
        assert main(monkeypatch, TRAIN, tmp_path / folder, *arguments, images={"train": train}, **TINY)[0] == 0
    same_runs(tmp_path / "a", tmp_path / "b")


def test_random_labels_are_the_same_for_all_seeds(monkeypatch, tmp_path):
    seen = {}

    def update(model, optimiser, parts, share, config):
        pixels, outputs = next(parts)
        assert len(outputs) == share
        seen.update(zip(map(tuple, pixels.flatten(1).tolist()), outputs.tolist()))
        return torch.zeros(3, dtype=torch.float64)

    found = []
    monkeypatch.setattr(supervise, "update", update)
    for seed in (0, 1):
        seen.clear()
        code, *_ = main(
            monkeypatch, TRAIN, tmp_path, "digits", "--task", "randomlab", "--seed", seed, **{**TINY, "batch_size": 599}
        )
        assert code == 0
        found.append(dict(seen))
    digits = data.load("digits", "train", "")
    pixels = next(digits.batches(data.evaluation_plan(1198, 1198))).flatten(1).tolist()
    expected = dict(zip(map(tuple, pixels), tasks.random_labels(1198, 10).tolist()))
    assert found[0] == found[1] == expected
    assert 0.05 < (tasks.random_labels(1198, 10) == digits.labels).mean() < 0.15


def test_random_labels_say_nothing_of_the_images(tmp_path):
    done(TRAIN, tmp_path, "digits", "--task", "randomlab", epochs=2, warmup_epochs=0.5, checkpoints=6)
    lines = stages.log_lines(folder_of(tmp_path, "digits_randomlab"))
    assert abs(lines[-1]["loss"] - np.log(10)) < 0.3 and lines[-1]["accuracy"] < 0.25  # chance: 0.1


def linear(channels, size, outputs):
    return networks.Network(torch.nn.Flatten(), channels * size**2, outputs).double()


def step_by_hand(network, batches, rate, smoothing, decay=0.0):
    """Return the weights after steps of gradient descent on the mean cross-entropy of each batch, in closed form.

    decay: half of what |W|^2 is times that is added to it.
    """
    W, b = (parameter.detach().numpy().copy() for parameter in network.head.parameters())
    for pixels, outputs in batches:
        x = pixels.flatten(1).numpy()
        logits = x @ W.T + b
        answers = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers /= answers.sum(axis=1, keepdims=True)
        wanted = (1 - smoothing) * np.eye(len(b))[outputs] + smoothing / len(b)
        difference = (answers - wanted) / len(x)
        W, b = W - rate * (difference.T @ x + decay * W), b - rate * difference.sum(axis=0)
    return W, b


def linear_training(update, here, micro, model=lambda network: network):
    """Return a linear network trained for four steps of 24 digits, its network before, and what update returned."""
    digits, config = data.load("digits", "train", ""), SimpleNamespace(label_smoothing=0.1, precision="float32")
    network = networks.build("linear", 1, 8, 10, seed=0)
    before, trained = copy.deepcopy(network), model(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    plan = list(data.training_plan(np.arange(96), 24, 0, 0, rank=here.rank, world=here.world, micro=micro))
    loaded = (
        (pixels.double(), torch.from_numpy(digits.labels)[batch.indices])
        for batch, pixels in zip(plan, digits.batches(plan))
    )
    outcomes = [update(trained, optimiser, loaded, 24 // here.world, config) for _ in range(4)]
    assert next(loaded, None) is None
    return network, before, torch.stack(outcomes)


def linear_oracle(before, decay=0.0):
    digits = data.load("digits", "train", "")
    plan = list(data.training_plan(np.arange(96), 24, 0, 0))
    batches = [
        (pixels.double(), torch.from_numpy(digits.labels)[batch.indices])
        for batch, pixels in zip(plan, digits.batches(plan))
    ]
    return step_by_hand(before, batches, 0.05, 0.1, decay)


@pytest.mark.parametrize("micro", [0, 1, 5, 12, 24, 100])
def test_parts_of_a_batch_give_the_step_of_the_whole(monkeypatch, micro):
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)
    update = supervise.update
    network, before, outcomes = linear_training(update, distributed.Processes(), micro)
    for found, expected in zip(network.head.parameters(), linear_oracle(before)):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=2e-7)  # the loss is in float32
    assert not torch.equal(network.head.weight, before.head.weight)
    whole = linear_training(update, distributed.Processes(), 0)[2]
    torch.testing.assert_close(outcomes, whole, rtol=1e-6, atol=0)
    assert outcomes.dtype == torch.float64 and outcomes[:, 2].tolist() == [24] * 4


@pytest.mark.parametrize("micro", [0, 5, 12])
def test_a_penalty_is_added_once_a_step_and_not_to_the_losses(monkeypatch, micro):
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)
    asked = []

    def update(model, *rest):
        def penalty():
            asked.append(model)
            return 3 * model.head.weight.square().sum()

        return supervise.update(model, *rest, penalty)

    network, before, outcomes = linear_training(update, distributed.Processes(), micro)
    for found, expected in zip(network.head.parameters(), linear_oracle(before, decay=6.0)):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=2e-7)
    without = linear_training(supervise.update, distributed.Processes(), micro)[2]
    assert len(asked) == 4 and outcomes[0].tolist() == without[0].tolist()


def test_what_else_a_model_takes_comes_between_images_and_outputs():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = linear(1, 8, 3)

        def forward(self, pixels, scale, shift):
            return self.network(pixels * scale[:, None, None, None] + shift)

    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(12, 1, 8, 8, generator=generator).double()
    scale, shift, outputs = torch.rand(12, generator=generator).double(), torch.tensor(0.5), torch.arange(12) % 3
    one, config = Scaled(), SimpleNamespace(label_smoothing=0.0, precision="float32")
    other = copy.deepcopy(one.network)
    parts = {
        one: [(pixels[:8], scale[:8], shift, outputs[:8]), (pixels[8:], scale[8:], shift, outputs[8:])],
        other: [(pixels * scale[:, None, None, None] + shift, outputs)],
    }
    found = [
        supervise.update(model, torch.optim.SGD(model.parameters(), lr=0.1), iter(own), 12, config)
        for model, own in parts.items()
    ]
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(one.network.head.weight, other.head.weight)


def train_linear(environment, micro, path):
    """Train a linear network in one of several processes; save what comes of it."""
    os.environ.update(environment)
    networks.NETWORKS["linear"] = linear
    with distributed.processes("cpu") as here:
        parallel = torch.nn.parallel.DistributedDataParallel
        network, before, outcomes = linear_training(supervise.update, here, micro, parallel)
        torch.save([network.head.state_dict(), before.head.state_dict(), here.sum(outcomes)], path)


def test_parts_in_two_processes_give_the_step_of_the_whole(monkeypatch, tmp_path):
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)
    environments = together_environments(2)
    group = [
        stages.start(train_linear, environment, 5, tmp_path / f"{rank}.pth")
        for rank, environment in enumerate(environments)
    ]
    for process in group:
        process.join(60)
        assert process.exitcode == 0
    *both, whole = [weights.load(tmp_path / f"{rank}.pth") for rank in (0, 1)] + [
        linear_training(supervise.update, distributed.Processes(), 0)
    ]
    equal(both[0][0], both[1][0])
    for found, expected in zip(both[0][0].values(), linear_oracle(whole[1])):
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-7)
    torch.testing.assert_close(both[0][2], whole[2], rtol=1e-6, atol=0)


def normalised(channels, size, outputs):
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(channels * size**2), torch.nn.ReLU())
    return networks.Network(body, channels * size**2, outputs).double()


def train_normalised(environment, path):
    """Take four steps of 24 images in parts of 6, in one of several processes or alone; save the network."""
    os.environ.update(environment)
    networks.NETWORKS["linear"] = normalised
    with distributed.processes("cpu") as here:
        model = torch.nn.parallel.DistributedDataParallel if here.world > 1 else lambda network: network
        network, _, _ = linear_training(supervise.update, here, 6, model)
        for buffer in network.buffers():
            here.broadcast(buffer)
        torch.save(network.state_dict(), path)


def test_statistics_of_norm_layers_do_not_depend_on_the_number_of_processes(tmp_path):
    """They are those of the first part of each step, which one GPU of the published runs sees."""
    alone = [stages.start(train_normalised, {}, tmp_path / "alone.pth")]
    group = [
        stages.start(train_normalised, environment, tmp_path / f"{rank}.pth")
        for rank, environment in enumerate(together_environments(2))
    ]
    for process in [*alone, *group]:
        process.join(60)
        assert process.exitcode == 0
    expected, *both = (weights.load(tmp_path / f"{name}.pth") for name in ("alone", 0, 1))
    for found in both:
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-6, atol=1e-9, msg=name)


def test_statistics_are_those_of_the_first_part(monkeypatch):
    monkeypatch.setitem(networks.NETWORKS, "linear", normalised)
    network, before, _ = linear_training(supervise.update, distributed.Processes(), 6)
    digits = data.load("digits", "train", "")
    plan = list(data.training_plan(np.arange(96), 24, 0, 0, micro=6))
    norm = before.body[1].train()
    for pixels in list(digits.batches(plan))[::4]:  # what is normalised are the images themselves
        norm(pixels.double().flatten(1))
    torch.testing.assert_close(network.body[1].running_mean, norm.running_mean)
    torch.testing.assert_close(network.body[1].running_var, norm.running_var)
    assert network.body[1].track_running_stats and network.body[1].num_batches_tracked == 4


@pytest.mark.slow
def test_run_in_parts_of_batches_goes_on_exactly(tmp_path):
    options = {**SMALL, "epochs": 1, "micro_batch_size": 3}
    done(TRAIN, tmp_path / "a", "digits", **options)
    done(STORE, tmp_path / "a", "digits")
    stage = Stage(TRAIN, tmp_path / "b", "digits", **options)
    until(lambda: len(stages.log_lines(folder_of(tmp_path / "b"))) >= 4)
    stage.send(signal.SIGTERM)
    assert stage.wait() == (75, "")
    code, text = run(TRAIN, tmp_path / "b", "digits", **{**options, "micro_batch_size": 0})
    assert code == 1 and "(micro_batch_size 3 -> 0)" in text
    done(TRAIN, tmp_path / "b", "digits", **options)
    done(STORE, tmp_path / "b", "digits")
    same_runs(tmp_path / "a", tmp_path / "b")
    lines = stages.log_lines(folder_of(tmp_path / "a"))
    assert [line["images"] for line in lines[1:]] == [8 * (b["step"] - a["step"]) for a, b in pairwise(lines)]
