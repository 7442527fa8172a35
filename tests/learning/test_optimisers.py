"""Optimisers: those of the papers, on the parameters they should see; runs with any of them go on exactly."""

import itertools
import math
import signal

import numpy as np
import pytest
import torch
from torch import nn

from info_geometry.files import ROOT, InputError
from learning import networks, optimisers
from learning.config import Config, read
from tests.support import stages
from tests.support.runs import folder_of, same_runs
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until

DECAYS = "matrices", "all_but_bn"
START = np.array([[0.5, -1.0, 2.0]])


def config(**changes):
    return Config("digits", "small_cnn", 3, 32, 0.1, **changes)


def taken(settings, steps=5, rate=0.1):
    """Return a weight after steps of gradient 2 w + 1, each with its learning rate."""
    model = nn.Linear(3, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(START))
    optimiser = optimisers.build(model, settings)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate / (1 + step)
        optimiser.zero_grad()
        (model.weight.square() + model.weight).sum().backward()
        optimiser.step()
    return model.weight.detach().numpy()


def by_hand(name, decay, momentum=0.0, nesterov=False, steps=5, rate=0.1):
    """The same, from the papers."""
    w, m, v = START.copy(), 0.0, 0.0
    for step, lr in enumerate(rate / (1 + step) for step in range(steps)):
        g = 2 * w + 1 + (0 if name == "adamw" else decay * w)
        if name == "sgd":
            m = g if step == 0 else momentum * m + g
            w = w - lr * (g + momentum * m if nesterov else m)
            continue
        if name == "adamw":
            w = w * (1 - lr * decay)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - lr * (m / (1 - 0.9 ** (step + 1))) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
    return w


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, {"name": "sgd", "momentum": 0.9, "nesterov": True}),
        ({"nesterov": False}, {"name": "sgd", "momentum": 0.9}),
        ({"momentum": 0.0}, {"name": "sgd"}),
        ({"optimiser": "adam"}, {"name": "adam"}),
        ({"optimiser": "adamw"}, {"name": "adamw"}),
    ],
)
def test_steps_are_those_of_the_papers(settings, expected, decay):
    found = taken(config(weight_decay=decay, **settings))
    np.testing.assert_allclose(found, by_hand(decay=decay, **expected), rtol=1e-10)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_normalisation_and_biases_do_not_decay(name):
    network = networks.build("wrn_16_4", 3, 32, 10, 0)
    decaying, others = optimisers.build(network, config(optimiser=name, weight_decay=0.1)).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    expected = {id(module.weight) for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))}
    assert {id(parameter) for parameter in decaying["params"]} == expected
    assert {id(p) for p in network.parameters()} - expected == {id(parameter) for parameter in others["params"]}


def test_what_decays_in_the_published_code():
    """All but norm layers that are called bn: nine tensors more than matrices."""
    network = networks.build("resnet50_blurpool", 3, 64, 1000, 0)
    groups = {decay: optimisers.build(network, config(weight_decay=0.1, decay=decay)).param_groups for decay in DECAYS}
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    ours, theirs = ({names[id(p)] for p in groups[decay][0]["params"]} for decay in DECAYS)
    stages = [f"body.layer{i}.0.downsample.1.{kind}" for i in (1, 2, 3, 4) for kind in ("weight", "bias")]
    assert theirs - ours == {*stages, "head.bias"} and ours < theirs
    assert sum(len(group["params"]) for group in groups["all_but_bn"]) == len(names)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_everything_decays(name):
    network = networks.build("wrn_16_4", 3, 32, 10, 0)
    settings = config(optimiser=name, weight_decay=0.1, decay="everything")
    decaying, others = optimisers.build(network, settings).param_groups
    assert {id(p) for p in decaying["params"]} == {id(p) for p in network.parameters()} and not others["params"]
    assert decaying["weight_decay"] == 0.1


def test_where_everything_decays_weights_without_a_gradient_become_smaller():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    before = [p.detach().clone() for p in model.parameters()]
    optimiser = optimisers.build(model, config(weight_decay=0.1, decay="everything", momentum=0.0))
    optimiser.param_groups[0]["lr"] = 0.5
    (0 * model(torch.ones(4, 3, dtype=torch.float64)).sum()).backward()
    optimiser.step()
    for p, old in zip(model.parameters(), before):
        torch.testing.assert_close(p.detach(), 0.95 * old)


def test_the_imagenet_recipe_is_the_published_one():
    found = read(ROOT / "supervised_imagenet" / "01_training" / "configs" / "imagenet_rn50.yaml")
    assert (found.momentum, found.nesterov, found.weight_decay, found.decay) == (0.9, False, 1e-4, "all_but_bn")


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_keys_that_an_optimiser_does_not_use_are_refused(name):
    for key, value in (("momentum", 0.5), ("nesterov", False)):
        with pytest.raises(InputError, match=f"{key} is {value}, but the optimiser is {name}; leave it out"):
            config(optimiser=name, **{key: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0, "annealing": "cosine", "augmentation": "full", "initialisation": "kaiming"},
        {"annealing": "constant", "network": "conv_mixer", "width": 8, "depth": 1, "weight_decay": 0.001},
    ],
    ids=["plain", "nesterov"],
)
def test_a_run_of_any_annealing_goes_on_to_the_same_bits(tmp_path, settings):
    settings = {**SMALL, "learning_rate": 0.05, **settings}
    done(TRAIN, tmp_path / "whole", "digits", **settings)
    folder = folder_of(tmp_path / "halted")
    stage = Stage(TRAIN, tmp_path / "halted", "digits", **settings)
    until(lambda: len(stages.log_lines(folder)) >= 5)
    stages.interrupt(stage, signal.SIGTERM, folder)
    done(TRAIN, tmp_path / "halted", "digits", **settings)
    for one in ("whole", "halted"):
        done(STORE, tmp_path / one, "digits_all")
    same_runs(tmp_path / "whole", tmp_path / "halted")
    for line in stages.log_lines(folder)[1:]:
        epoch = line["epoch"] - 0.5 / 149  # the middle of the last step
        fall = (1 + math.cos(math.pi * (epoch - 0.5) / 1.5)) / 2 if settings["annealing"] == "cosine" else 1
        assert line["learning_rate"] == pytest.approx(0.05 * (epoch / 0.5 if epoch < 0.5 else fall), rel=1e-6)
    assert stages.log_lines(folder)[-1]["accuracy"] > 0.3  # of ten classes
    code, text = run(TRAIN, tmp_path / "halted", "digits", **{**settings, "annealing": "linear"})
    assert code == 1 and f"annealing '{settings['annealing']}' -> 'linear'" in text


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_interrupted_and_resumed(tmp_path, name):
    """To the same bits as without interruption, the state of the optimiser included; the learning rate is scheduled."""
    settings = {**SMALL, "optimiser": name, "learning_rate": 0.01}
    words = ["digits", "--variant", name]
    done(TRAIN, tmp_path / "whole", *words, **settings)
    folder = folder_of(tmp_path / "halted", f"digits_all_{name}")
    stage = Stage(TRAIN, tmp_path / "halted", *words, **settings)
    until(lambda: len(stages.log_lines(folder)) >= 5)
    stages.interrupt(stage, signal.SIGTERM, folder)
    done(TRAIN, tmp_path / "halted", *words, **settings)
    for one in ("whole", "halted"):
        done(STORE, tmp_path / one, f"digits_all_{name}")
    same_runs(tmp_path / "whole", tmp_path / "halted")
    lines = stages.log_lines(folder)
    rates = [line["learning_rate"] for line in lines]
    assert lines[-1]["accuracy"] > 0.9 and rates[0] == 0 and max(rates) > 0.008 and rates[-1] < 1e-4
    assert all(a < b for a, b in itertools.pairwise(rates[: rates.index(max(rates)) + 1]))
    code, text = run(TRAIN, tmp_path / "halted", *words, **{**settings, "optimiser": "sgd"})
    assert code == 1 and f"(optimiser '{name}' -> 'sgd')" in text
