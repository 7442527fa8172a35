"""Training on tasks under conditions: what batches hold, where networks start, and how runs go on."""

import signal

import numpy as np
import pytest
import torch

from experiments.task_distances import training
from experiments.task_distances.config import TaskConfig
from experiments.task_distances.training import Learning
from info_geometry.files import InputError
from learning import data, tasks
from learning.deficits import blurred, random_labels
from learning.distributed import Processes
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders
from tests.support import stages
from tests.support.runs import folder_of, same_runs
from tests.support.stages import Stage, done, until

TRAIN = "experiments/task_distances/01_training/train_task.py"
USUAL = {"dataset": "digits", "network": "mlp_small", "batch_size": 20, "learning_rate": 0.03, "width": 16}
USUAL |= {"training_images": 100, "epochs": 3, "schedule": "epochs", "dense_epochs": 0, "warmup_epochs": 0.0}


def job_of(folder, task="all", start=None, also=None, **changes):
    """Return a method and a Job on digits, as the stage makes it: 5 steps an epoch, 10 of two tasks."""
    config, method = TaskConfig(**{**USUAL, **changes}), Learning(start, also)
    images, task, folders = data.load("digits", "train", ""), tasks.load("digits", task), Folders(checkpoints=folder)
    described = describe(task, 3, images, config, method.name(task, config))
    return method, Job(method.describe(described, images, config, folders), config, images, folders, Processes())


def trained(folder, **changes):
    method, job = job_of(folder, **changes)
    method.train(job)
    return job


def last(job):
    """Return the weights of the last checkpoint."""
    return weights.load(job.run.path(job.folder, job.run.schedule[-1]))


def all_batches(job, also=None):
    own = training.parts(job.run.task, also, job.images, job.config)
    found = list(training.batches(job, own, 0))
    return torch.cat([x for x, *_ in found]), torch.cat([y for *_, y in found])


@pytest.mark.parametrize("condition", ["plain", "blur3", "flip", "permuted_labels", "random_labels"])
def test_every_batch_has_the_condition(tmp_path, condition):
    _, job = job_of(tmp_path, "even", condition=condition, epochs=2)
    x, y = all_batches(job)
    own = training.parts(job.run.task, None, job.images, job.config)[0]
    plan = list(data.whole_plan(own.indices, job.config, 3, 0))
    indices = torch.cat([batch.indices for batch in plan])
    pixels = torch.cat(list(job.images.batches(plan)))
    outputs = torch.from_numpy(job.images.labels[indices] // 2)
    expected = {
        "plain": lambda: (pixels, outputs),
        "blur3": lambda: (blurred(pixels, 3), outputs),
        "flip": lambda: (pixels.flip(2), outputs),
        "permuted_labels": lambda: (pixels, (outputs + 1) % 5),
        "random_labels": lambda: (pixels, random_labels(indices, 5)),
    }[condition]()
    assert torch.equal(x, expected[0]) and torch.equal(y, expected[1])


def test_two_tasks_have_outputs_of_their_own_and_an_image_counts_in_both(tmp_path):
    _, job = job_of(tmp_path, "all", also="even:flip", epochs=1)
    assert job.run.classes == 15 and job.run.samples == 200 and job.run.steps_per_epoch == 10
    assert job.run.name == "digits_all_plain_and_even_flip"
    x, y = all_batches(job, "even:flip")
    first, second = training.parts(job.run.task, "even:flip", job.images, job.config)
    assert len(np.intersect1d(first.indices, second.indices))
    for part, mine in ((first, y < 10), (second, y >= 10)):
        pixels = next(job.images.batches([data.Batch(torch.from_numpy(part.indices), torch.arange(100))]))
        pixels = pixels.flip(2) if part is second else pixels
        found = {(k.item(), image.numpy().tobytes()) for k, image in zip(y[mine], x[mine])}
        classes = np.searchsorted(part.task.classes, job.images.labels[part.indices]) + part.first
        assert mine.sum() == 100 and found == {(k, image.numpy().tobytes()) for k, image in zip(classes, pixels)}


def test_plain_task_is_learned_as_any_other(tmp_path):
    """A step is that of a direct loop."""
    job = trained(tmp_path, epochs=1)
    network = job.network()
    optimiser = torch.optim.SGD(network.parameters(), 0.03, 0.9, weight_decay=5e-4, nesterov=True)
    x, y = all_batches(job)
    for group in optimiser.param_groups:
        group["params"] = [p for p in network.parameters() if p.ndim > 1]
    optimiser.add_param_group({"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0})
    for step in range(5):
        for group in optimiser.param_groups:
            group["lr"] = job.config.learning_rate_at((step + 0.5) / 5)
        part = slice(20 * step, 20 * step + 20)
        loss = torch.nn.functional.cross_entropy(network(x[part]), y[part])
        optimiser.zero_grad(), loss.backward(), optimiser.step()
    for name, value in last(job).items():
        torch.testing.assert_close(value, network.state_dict()[name], rtol=1e-4, atol=1e-6)


PLAIN_STEP = {"momentum": 0.0, "nesterov": False}
VARIATIONAL = {"beta": 0.5, "optimiser": "adam"}


@pytest.mark.parametrize("changes", [PLAIN_STEP, VARIATIONAL])
def test_each_of_two_tasks_has_a_softmax_of_its_own(tmp_path, changes):
    """A step is that of a direct evaluation, in which images of a task have the outputs of this task alone."""
    usual = {"training_images": 20, "epochs": 1, "batch_size": 40, "weight_decay": 0.0}
    job = trained(tmp_path, task="even", also="odd:flip", **usual, **changes)
    model = training.network_of(job.images, job.run)
    own = training.parts(job.run.task, "odd:flip", job.images, job.config)
    images, of, outputs = next(training.batches(job, own, 0))
    noise = [int(np.random.SeedSequence([3, 0, 0, training.NOISE]).generate_state(1)[0])] if job.config.beta else []
    logits = model(images, *noise)
    losses = [
        torch.nn.functional.cross_entropy(logits[of == k][:, part], outputs[of == k] - 5 * k, reduction="sum")
        for k, part in enumerate((slice(0, 5), slice(5, 10)))
    ]
    loss = sum(losses) / 40
    if job.config.beta:
        loss = loss + 0.5 / 40 * sum(model.kl().values())
    loss.backward()
    begun, rate = weights.load(job.run.path(job.folder, 0)), job.config.learning_rate_at(0.5)
    for name, p in model.named_parameters():
        torch.testing.assert_close(begun[name], p.detach())
        step = p.grad / (p.grad.abs() + 1e-8) if job.config.beta else p.grad  # Adam's first one
        if job.config.beta and ".mean." not in name:
            step = step * job.config.variance_rate / job.config.learning_rate
        torch.testing.assert_close(last(job)[name] - begun[name], -rate * step, rtol=2e-3, atol=1e-5)


def test_body_is_that_of_the_start_and_the_head_is_new(tmp_path):
    first = trained(tmp_path, task="all", condition="blur3")
    job = trained(tmp_path, task="even", start="digits_all_blur3")
    assert job.run.name == "digits_even_plain_from_all_blur3"
    begun, end = weights.load(job.run.path(job.folder, 0)), last(first)
    assert all(torch.equal(value, end[name]) for name, value in begun.items() if name.startswith("body."))
    assert torch.equal(begun["head.weight"], job.network().head.weight)


def test_start_that_is_not_there_says_how_to_train_it(tmp_path):
    with pytest.raises(InputError, match=r"no run to start from; train it with .* --condition flip .*--seed 3"):
        job_of(tmp_path, start="digits_all_flip")
    trained(tmp_path, condition="flip", width=8)
    with pytest.raises(InputError, match="shape"):
        trained(tmp_path, start="digits_all_flip")


GROWING = {"grow_from": 0, "grow_until": 1}


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"condition": "blur8"}, "factor is 8, which leaves one pixel of images of 8 pixels"),
        ({"task": "randomlab"}, "say the condition random_labels of a task that has labels"),
        ({"also": "all:rotated"}, "condition is 'rotated'"),
        ({"also": "allx"}, "digits has no task 'allx'; did you mean all?"),
        ({"training_images": 5000}, "training_images is 5000"),
        ({"condition": "blur3", "evaluation_resolution": 16}, "images have 8, 16 pixels in training and evaluation"),
        ({"also": "even:blur3", "resolution": 16}, "condition is blur3, but images have 8, 16 pixels"),
        (
            {"condition": "blur3", "resolution": 32, "evaluation_resolution": 32, "final_resolution": 64, **GROWING},
            "images have 32, 64 pixels .* set resolution and evaluation_resolution to one number, and final_resolution",
        ),
        ({"also": "all:flip", "label_smoothing": 0.1}, "label_smoothing is 0.1, .* set label_smoothing: 0"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, changes, told):
    with pytest.raises(InputError, match=told.replace("?", r"\?")):
        job_of(tmp_path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": "blur3", "resolution": 16, "evaluation_resolution": 16},
        {"condition": "flip", "evaluation_resolution": 16, "network": "plain_cnn", "width": 4},
        {"label_smoothing": 0.1},
        {"also": "all:flip"},
    ],
)
def test_what_does_fit(tmp_path, changes):
    """Each part of what is refused, alone; what is learned is finite."""
    job = trained(tmp_path, epochs=1, **changes)
    assert all(value.isfinite().all() for value in last(job).values())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed(tmp_path, number):
    one, other, name = tmp_path / "one", tmp_path / "other", "digits_all_blur3_and_even_flip"
    words, settings = ("digits_tasks", "--also", "even:flip"), {"condition": "blur3", "epochs": 40}
    done(TRAIN, one, *words, **settings)
    stage = Stage(TRAIN, other, *words, **settings)
    until(lambda: len(stages.log_lines(folder_of(other, name))) >= 5)
    stages.interrupt(stage, number, folder_of(other, name))
    done(TRAIN, other, *words, **settings)
    same_runs(one, other)
