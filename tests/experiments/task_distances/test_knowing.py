"""Stage 2 of tasks: what files say of networks, computed directly from checkpoints."""

import math
import shutil

import numpy as np
import pytest
import torch

from experiments.task_distances import training
from experiments.task_distances.config import of_run
from info_geometry import predictions
from learning import data, fisher, imprint, networks
from learning.data import normalise
from learning.deficits import blurred, random_labels
from learning.imprinting import evenly
from learning.runs import run as runs
from learning.runs import weights
from tests.support.runs import folder_of
from tests.support.stages import TRAIN as SUPERVISED
from tests.support.stages import done, run

TRAIN = "experiments/task_distances/01_training/train_task.py"
STORE = "experiments/task_distances/02_predicting/store_known.py"
FAST = {"epochs": 3, "training_images": 60, "batch_size": 20, "width": 4}
FEW = ("--images", 150, "--last", 200, "--fisher", 20)
PLAIN, BLURRED, RANDOM = "digits_all_plain", "digits_even_blur3_from_all_plain", "digits_low_random_labels"
BOTH, VARIATIONAL = "digits_all_plain_and_odd_flip", "digits_all_plain_and_all_plain_beta1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs of each kind, of which all is stored; for reading only."""
    found = tmp_path_factory.mktemp("known")
    done(TRAIN, found, "digits_tasks", **FAST)
    done(TRAIN, found, "digits_tasks", "--task", "even", "--start", PLAIN, condition="blur3", **FAST)
    done(TRAIN, found, "digits_tasks", "--task", "low", condition="random_labels", **FAST)
    done(TRAIN, found, "digits_tasks", "--also", "odd:flip", **FAST)
    done(TRAIN, found, "digits_tasks_variational", "--also", "all", epochs=2, kl_warmup=1, training_images=60, width=4)
    assert "inspecting: 5 done, 0 skipped" in done(STORE, found, "*", *FEW)
    return found


def stored(folder, name):
    return predictions.open_trajectory(folder / "predictions" / f"{name}_known" / "preds_0.h5")


def network_of(folder, name, step=None):
    """Return the Run, and its network at a step, by default the last."""
    where = folder_of(folder, name)
    its, images = runs.read(where), data.load("digits", "train", "")
    found = networks.of_config(of_run(its.config), images, its.classes, its.seed)
    path = its.path(where, its.schedule[-1] if step is None else step)
    found.load_state_dict(weights.unwrapped(weights.load(path), path))
    return its, found.eval()


def images_of(split, classes, count):
    """Return pixels, labels and numbers of images of some classes, of each as many."""
    images = data.load("digits", split, "")
    among = np.flatnonzero(np.isin(images.labels, classes))
    chosen = torch.from_numpy(among[evenly(images.labels[among], count)])
    pixels = normalise(images.pixels[chosen], images._mean, images._std)
    return pixels, images.labels[chosen.numpy()], chosen


class Among(torch.nn.Module):
    """Some outputs of a network."""

    def __init__(self, network, outputs):
        super().__init__()
        self.network, self.outputs = network, outputs

    def forward(self, x):
        return self.network(x)[:, self.outputs]


def of_condition(name, pixels, classes, indices):
    """Return pixels and outputs as the run of this name has them."""
    if name == BLURRED:
        return blurred(pixels, 3), torch.from_numpy(classes // 2)
    if name == RANDOM:
        return pixels, random_labels(indices, 5)
    return pixels, torch.from_numpy(classes)


@pytest.mark.parametrize("name, classes", [(PLAIN, range(10)), (BLURRED, range(0, 10, 2)), (RANDOM, range(5))])
def test_own_head_is_scored_on_the_own_task_under_its_condition(folder, name, classes):
    attributes = stored(folder, name).attributes
    for split, count, said in (
        ("test", 150, {key: x[-1] for key, x in attributes["known"].items()}),
        ("test", 200, attributes["end"]),
        ("train", 60, {key.removeprefix("training_"): x[-1] for key, x in attributes["known"].items() if "tra" in key}),
    ):
        _, network = network_of(folder, name)
        x, y = of_condition(name, *images_of(split, classes, count))
        with torch.no_grad():
            logits = network(x).double()
        assert said["accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item(), abs=1e-9)
        expected = torch.nn.functional.cross_entropy(logits, y).item()
        assert said["cross_entropy"] == pytest.approx(expected, rel=1e-6)


def test_of_two_tasks_each_is_asked_among_its_own_outputs(folder):
    _, network = network_of(folder, BOTH)
    right = []
    for classes, outputs, flip in ((range(10), slice(0, 10), False), (range(1, 10, 2), slice(10, 15), True)):
        x, y, _ = images_of("test", classes, 200)
        with torch.no_grad():
            logits = network(x.flip(2) if flip else x)[:, outputs]
        right.append((logits.argmax(1).numpy() == np.searchsorted(np.array(classes), y)).mean())
    end = stored(folder, BOTH).attributes["end"]
    assert end["accuracies"] == pytest.approx(right, abs=1e-9)
    assert end["accuracy"] == pytest.approx(np.mean(right), abs=1e-9)


def test_predictions_are_imprinted_in_the_labels_of_all_classes(folder):
    found = stored(folder, BLURRED)
    _, network = network_of(folder, BLURRED)
    x, y, _ = images_of("test", range(10), 150)
    features = imprint.features(network.body, [x])
    expected = imprint.probabilities(features, imprint.prototypes(features, torch.from_numpy(y), 10), "cosine", 10.0)
    assert found.shape == (4, 150, 10) and list(found.labels) == list(y) and found.attributes["samples"] == 60
    np.testing.assert_allclose(found.select([3]).roots()[0] ** 2, expected.numpy(), atol=2e-3)
    assert found.attributes["predicted_by"] == "imprinting, cosine, scale 10"


@pytest.mark.parametrize("name", [PLAIN, BLURRED, BOTH])
def test_information_is_that_of_its_formula(folder, name):
    """Directly: 1/2 [|w - centre|^2 / lambda^2 + sum log(1 + lambda^2 sum_tasks N F)], of the body."""
    its, network = network_of(folder, name)
    images = data.load("digits", "train", "")
    config = of_run(its.config)
    first = networks.of_config(config, images, its.classes, its.seed)
    _, begun = network_of(folder, name, 0)
    parts = training.parts(its.task, "odd:flip" if name == BOTH else None, images, config)
    NF = 0
    for part in parts:
        labels = images.labels[part.indices]
        chosen = part.indices[evenly(labels, 20)]
        x = normalise(images.pixels[torch.from_numpy(chosen)], images._mean, images._std)
        x = blurred(x, 3) if name == BLURRED else x.flip(2) if part.condition.kind == "flip" else x
        outputs = slice(part.first, part.first + part.classes)
        F = fisher.diagonal(Among(network, outputs), x, layers=["network.body"])
        F = {key.removeprefix("network."): value for key, value in F.items()}
        NF = {key: 60 * F[key] + (NF[key] if NF else 0) for key in F}
    weights_of = [dict(each.named_parameters()) for each in (network, begun)]
    found = dict.fromkeys(("norm", "conditional_norm", "determinant"), 0.0)
    for layer, lambda2 in fisher.prior_variances(first).items():
        for key in (f"{layer}.weight", f"{layer}.bias"):
            if not key.startswith("head"):
                w, w1 = (each[key].detach().double() for each in weights_of)
                found["norm"] += w.square().sum().item() / lambda2 / 2
                found["conditional_norm"] += (w - w1).square().sum().item() / lambda2 / 2
                found["determinant"] += torch.log(1 + lambda2 * NF[key]).sum().item() / 2
    said = stored(folder, name).attributes["information"]
    assert said["samples"] == 60 * len(parts)
    assert said["conditional_determinant"] == said["determinant"] > 0
    for key, value in found.items():
        assert said[key] == pytest.approx(value, rel=1e-5), key


def test_centre_of_the_prior_is_the_body_of_the_start(folder):
    """The first checkpoint of a run that begins with another one has its last body."""
    _, begun = network_of(folder, BLURRED, 0)
    _, start = network_of(folder, PLAIN)
    for a, b in zip(begun.body.parameters(), start.body.parameters()):
        assert torch.equal(a, b)
    said = stored(folder, BLURRED).attributes["information"]
    assert 0 < said["conditional_norm"] < said["norm"] < math.inf


def test_variational_network_is_its_mean_and_says_what_its_weights_hold(folder):
    found = stored(folder, VARIATIONAL)
    where = folder_of(folder, VARIATIONAL)
    its = runs.read(where)
    model = training.network_of(data.load("digits", "train", ""), its)
    path = its.path(where, its.schedule[-1])
    model.load_state_dict(weights.unwrapped(weights.load(path), path))
    x, y, _ = images_of("test", range(10), 200)
    with torch.no_grad():
        logits = model.eval()(x)  # without noise: of the mean weights
    right = [(logits[:, own].argmax(1).numpy() == y).mean() for own in (slice(10), slice(10, 20))]
    assert found.attributes["end"]["accuracies"] == pytest.approx(right, abs=1e-9)
    assert "information" not in found.attributes
    expected = {name: layer.kl().item() for name, layer in model.layers.items()}
    assert found.attributes["kl_of_layers"] == pytest.approx(expected, rel=1e-6)
    assert all(nats > 0 for nats in expected.values())


def test_what_is_there_is_skipped_and_other_choices_are_said(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert "inspecting: 0 done, 5 skipped" in done(STORE, copy, "*", *FEW)
    code, text = run(STORE, copy, PLAIN, "--images", 150, "--last", 200, "--fisher", 21)
    assert code == 1 and "was stored with other fisher; delete it to store these" in text
    code, text = run(STORE, copy, PLAIN, "--images", 140, "--last", 200, "--fisher", 20)
    assert code == 1 and "was stored with other images; delete it to store these" in text
    code, text = run(STORE, copy, PLAIN, "--images", 0)
    assert code == 1 and "--images is 0, expected at least 1" in text


def test_runs_that_do_not_fit_are_said(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("predictions"))
    done(SUPERVISED, copy, "digits", epochs=1, warmup_epochs=0, batch_size=400, checkpoints=2, width=4)
    code, text = run(STORE, copy, "digits_all", *FEW)
    assert code == 1 and "was not trained by experiments.task_distances.01_training.train_task" in text
    its, _ = network_of(copy, PLAIN)
    its.path(folder_of(copy, PLAIN), its.schedule[1]).unlink()
    code, text = run(STORE, copy, PLAIN, *FEW)
    assert code == 1 and "1 of 4 checkpoints missing" in text and "train_task" in text
    code, text = run(STORE, copy, "digits_low_random_labels", "--seed", 7, *FEW)
    assert code == 1 and "holds no run; train it with" in text
