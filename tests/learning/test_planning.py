"""What a stage says of runs that it would train, and trains none: held against data sets and against networks."""

import json

import pytest
import torch

from info_geometry.files import InputError
from learning import config, data, networks, planning
from learning.config import Config
from learning.networks.zoo import NETWORKS
from learning.runs import run as runs
from learning.tasks import facts
from tests.support.runs import TINY, folder_of
from tests.support.stages import TRAIN, done


@pytest.mark.parametrize("name", ["digits", "fashion", "sloppy", "flat", "isotropic"])
def test_numbers_of_images_are_those_of_the_data(name, tmp_path):
    known = facts(name)
    try:
        splits = [data.load(name, split, tmp_path) for split in ("train", known.evaluation_split)]
    except InputError as error:
        pytest.skip(str(error))
    assert known.images == tuple(len(split.labels) for split in splits)
    assert all((split.channels, split.size) == (known.channels, known.size) for split in splits)


@pytest.mark.parametrize("network", ["small_cnn", "fc", "vit", "wide_resnet", "small_cct"])
def test_bytes_are_those_of_the_weights(network):
    assert network in NETWORKS
    state = networks.build(network, 3, 32, 7, 0).state_dict()
    expected = sum(len(value.contiguous().numpy().tobytes()) for value in state.values())
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert planning._bytes(Config("cifar10", network, 1, 10, 0.1, warmup_epochs=0), 7) == expected
    assert torch.equal(torch.get_rng_state(), before)


def test_bytes_are_those_of_a_perceptron_of_200_inputs():
    """(200 + 1) 512 + (512 + 1) 512 + (512 + 1) 5 numbers of 4 bytes; running means and variances; two counts of 8."""
    config = Config("sloppy", "fc", 1, 10, 0.1, widths="512-512", warmup_epochs=0)
    weights = 201 * 512 + 513 * 512 + 513 * 5
    assert planning._bytes(config, 5) == 4 * (weights + 2 * 2 * 512) + 2 * 8


def test_a_plan_is_written_and_nothing_else(tmp_path):
    told = tmp_path / "plan.jsonl"
    words = ["--task", "even", "evn", "--seed", 0, 1, "--plan", told, "--variant", "mine"]
    assert done(TRAIN, tmp_path, "digits", *words, **TINY) == ""
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [line["run"] for line in lines] == [["digits_even_mine", 0], ["digits_even_mine", 1], None, None]
    assert all("no task 'evn'" in line["error"] for line in lines[2:]) and not any(line["error"] for line in lines[:2])
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("optimiser, states", [("sgd", 1), ("adam", 2), ("adamw", 2)])
def test_an_optimiser_keeps_so_many_numbers_a_weight(optimiser, states, tmp_path):
    """last.pth holds the weights and those numbers; running statistics have none, and files hold names besides."""
    changes = {} if optimiser == "sgd" else {"optimiser": optimiser}
    done(TRAIN, tmp_path, "digits", **{**TINY, "network": "mlp", **changes})
    folder = tmp_path / "checkpoints" / "digits_all" / "seed_0"
    weights = (folder / "ckpt" / "0_0.pth").stat().st_size
    assert planning.STATES[optimiser] == states
    assert (folder / "last.pth").stat().st_size == pytest.approx((1 + states) * weights, rel=0.02)


@pytest.mark.parametrize("task, changes", [("all", {}), ("even", {}), ("all", {"batch_size": 5000})])
def test_the_extent_is_that_of_the_run(tmp_path, task, changes):
    """Of digits, of whose classes some have a few images more than others."""
    done(TRAIN, tmp_path, "digits", "--task", task, **{**TINY, **changes})
    there = runs.read(folder_of(tmp_path, f"digits_{task}"))
    found = planning.extent(config.of_run(there.config), len(there.task.classes))
    assert found.samples == pytest.approx(there.samples, rel=0.02)
    assert (found.steps_per_epoch, list(found.schedule)) == (there.steps_per_epoch, there.schedule)
