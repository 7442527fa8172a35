"""Seeds that are trained at once end as each does alone, and ways of packing runs are measured on any machine."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from info_geometry.files import ROOT, InputError
from learning import data, networks
from learning.config import Config
from learning.runs import weights
from learning.tasks.datasets import facts
from tests.support import stages

PACKING = "benchmarks/packing.py"
SETTINGS = {"epochs": 1, "batch_size": 60, "learning_rate": 0.05, "warmup_epochs": 0.2, "checkpoints": 4}
debian = pytest.mark.skipif(
    not (data.sets.DEBIAN_FASHION).is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)


@pytest.fixture(scope="module")
def at_once():
    return stages.script("benchmarks/seeds_at_once.py")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", "train", "")


@pytest.mark.parametrize(
    "own",
    [
        {"network": "linear", "decay": "everything", "weight_decay": 0.1},
        {"network": "fc", "widths": "16-12"},  # whose running statistics are part of what is compared
        {"network": "fc", "widths": "16-12", "nesterov": False, "label_smoothing": 0.1},
        {"network": "fc", "widths": "16-12", "momentum": 0.0},
        {"network": "plain_cnn", "width": 4},
        {"network": "all_cnn", "width": 4},
        {"network": "vit", "patch": 4, "width": 16},
    ],
    ids=lambda own: "-".join(map(str, own.values())),
)
def test_each_seed_ends_as_it_does_alone(at_once, digits, tmp_path, own):
    """The oracle is stage 1, which trains one seed after the other; no seed may be taken for another one."""
    settings = {**SETTINGS, **own}
    said = {key: str(value).lower() for key, value in settings.items()}
    stages.done(stages.TRAIN, tmp_path / "alone", "digits", "--task", "all", "--seed", "0", "3", **said)
    (group,) = at_once.train(digits, Config(dataset="digits", **settings), [[0, 3]], tmp_path / "together")
    for number, seed in enumerate((0, 3)):
        folder = next((tmp_path / "alone").rglob(f"seed_{seed}"))
        ends = [weights.load(folder / "ckpt" / name) for name in ("0_0.pth", "1_0.pth")]
        paths = sorted((tmp_path / "together" / f"seed_{seed}" / "ckpt").iterdir(), key=lambda path: int(path.stem))
        assert len(paths) == len(list((folder / "ckpt").iterdir())) == 4
        assert far(weights.load(paths[0]), ends[0], ends[1]) == 0
        for found in (weights.load(paths[-1]), group.of(number)):
            assert far(found, ends[1], ends[0]) < 1e-4
        assert far(group.of(1 - number), ends[1], ends[0]) > 0.1


def far(one, other, before):
    """Return how far two states are from each other, beside how far each tensor moved; counts must be the same.

    Biases before a norm layer, whose gradient is 0 but for rounding, hardly move: 1e-3 is taken instead.
    """
    assert one.keys() == other.keys()
    counts = [key for key in one if not one[key].is_floating_point()]
    assert all(torch.equal(one[key], other[key]) for key in counts)
    return max(
        (one[key] - other[key]).abs().max().item() / max(1e-3, (before[key] - other[key]).abs().max().item())
        for key in one.keys() - set(counts)
    )


def test_groups_that_take_turns_do_not_touch_each_other(at_once, digits, tmp_path):
    config = Config(dataset="digits", network="fc", widths="16-12", **SETTINGS)
    (joint,) = at_once.train(digits, config, [[0, 3]], tmp_path / "joint")
    apart = at_once.train(digits, config, [[0], [3]], tmp_path / "apart")
    for number, seed in enumerate((0, 3)):
        before = weights.load(tmp_path / "joint" / f"seed_{seed}" / "ckpt" / "0.pth")
        assert far(apart[number].of(0), joint.of(number), before) < 1e-4


def test_a_step_says_what_a_direct_evaluation_does(at_once):
    config = Config(dataset="digits", network="fc", widths="16-12", **SETTINGS)
    found = [networks.build("fc", 1, 8, 10, seed, widths="16-12").train() for seed in range(3)]
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 20, 1, 8, 8, generator=generator)
    outputs = torch.randint(10, (3, 20), generator=generator)
    outcome = at_once.Together(found, config).step(pixels, outputs)
    for row, network, x, y in zip(outcome, found, pixels, outputs):
        logits = network(x)
        assert row.tolist() == pytest.approx(
            [20 * F.cross_entropy(logits, y).item(), (logits.argmax(dim=1) == y).sum().item(), 20], rel=1e-5
        )


def test_other_optimisers_are_refused(at_once):
    config = Config(dataset="digits", network="linear", optimiser="adam", **SETTINGS)
    with pytest.raises(InputError, match="optimiser is adam; seeds are trained at once with sgd alone"):
        at_once.Together([networks.build("linear", 1, 8, 10, 0)], config)


@debian
def test_the_first_images_are_a_data_set_of_their_own(tmp_path):
    stages.script(PACKING).write_images(tmp_path / "data", 50)
    for split in ("train", facts("fashion").evaluation_split):
        few, all_ = (data.load("fashion", split, folder) for folder in (tmp_path / "data", tmp_path))
        assert torch.equal(few.pixels, all_.pixels[:50]) and np.array_equal(few.labels, all_.labels[:50])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--images", "0"], "whole numbers from 1"),
        (["--images", "100", "--batches", "200"], "--batches 200: there are 100 images"),
        (["--ways", "worker 1"], "no way is called worker 1; there are command, workers 1, workers 2"),
        pytest.param(
            ["--device", "cuda"],
            "torch finds no CUDA GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, words):
    found = subprocess.run([sys.executable, PACKING, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode and words in found.stderr and "Traceback" not in found.stderr


@debian
@pytest.mark.slow
@pytest.mark.parametrize("clock", ["wall", "cpu"])
def test_all_ways_are_measured(clock):
    command = [sys.executable, PACKING, "--small", "--clock", clock, "--networks", "linear"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert found.returncode == 0, found.stderr
    titles, rows = (
        re.findall(r"^\| (network.*) \|$", found.stdout, re.M),
        re.findall(r"^\| (linear.*) \|$", found.stdout, re.M),
    )
    (row,) = (dict(zip(titles[0].split(" | "), each.split(" | "))) for each in rows)
    workers = max(float(row[f"workers {jobs}"]) for jobs in (1, 2, 4))
    assert workers > float(row["command"]) > 0  # which imports torch for each run
    assert float(row["workers / command"]) == pytest.approx(workers / float(row["command"]), rel=0.01, abs=0.1)
    assert float(row["at once / workers"]) == pytest.approx(float(row["at once 2"]) / workers, rel=0.01, abs=0.06)


@debian
@pytest.mark.slow
def test_steps_are_measured():
    command = [sys.executable, PACKING, "--steps", "--small", "--networks", "linear", "fc"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert found.returncode == 0, found.stderr
    number = r"([\d.]+)"
    gain = rf"{number} \({number} to {number}\)"
    rows = re.findall(rf"^\| (linear|fc) \| 50 \| {number} \| {gain} \| {gain} \|$", found.stdout, re.M)
    assert [name for name, *_ in rows] == ["linear", "fc"]
    for _, *numbers in rows:
        took, four, least, most, *_ = map(float, numbers)
        assert took > 0 and 0 < least <= four <= most
