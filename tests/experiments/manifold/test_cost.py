"""What a grid takes: operations counted by hand, and a table whose lines add up."""

import dataclasses
import itertools

import pytest

from experiments.manifold import cost
from experiments.manifold.config import ManifoldConfig
from info_geometry.files import ROOT, InputError

USUAL = {"dataset": "digits", "network": "fc", "epochs": 3, "batch_size": 50, "learning_rate": 0.1, "warmup_epochs": 0}


def test_operations_of_perceptrons_by_hand():
    """A linear map of n to m numbers: 2 n m forward, as many for its weights, and for its inputs but of pixels."""
    widths = [64, 20, 30, 10]
    maps = [n * m for n, m in itertools.pairwise(widths)]
    forward, backward = 2 * sum(maps), 2 * sum(maps) + 2 * sum(maps[1:])
    config = ManifoldConfig(**USUAL, widths="20-30", training_images=200, checkpoints=5, predicted_images=100)
    found, total = cost.of_run(config, 10)
    assert found == (sum((n + 1) * m for n, m in itertools.pairwise(widths)), forward + backward, forward)
    assert total == 3 * 200 * (forward + backward) + 5 * (100 + 599) * forward  # digits have 599 others
    _, few = cost.of_run(dataclasses.replace(config, training_images=20, checkpoints=2), 10)
    assert few == 3 * 20 * (forward + backward) + 2 * (100 + 599) * forward  # an epoch is one batch, a small one


def test_operations_of_a_convolution_by_hand():
    """Four convolutions of 3 x 3, of which two subsample, and a head."""
    planes = [(1, 8, 28), (8, 8, 14), (8, 12, 14), (12, 12, 7)]
    forward = sum(2 * 9 * a * b * side**2 for a, b, side in planes) + 2 * 12 * 10
    found = cost.of_network("all_cnn_norm", (("width", 8),), 1, 28, 10)
    assert found.prediction == forward
    assert found.training == 3 * forward - 2 * 9 * 8 * 28**2  # pixels want no gradients


def test_the_table_adds_up_and_the_disk_is_said(capsys):
    cost.main([str(ROOT / "experiments" / "manifold" / "published.yaml"), "--tflops", "20"])
    *lines, disk = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[1:]]
    assert [row[-4 if row[0] != "all" else -3] for row in rows] == ["360"] * 6 + ["2160"]
    hours = [float(row[-1]) for row in rows]
    assert sum(hours[:-1]) == pytest.approx(hours[-1], rel=0.01)
    assert float(rows[-1][-2]) * 1e15 * 2160 / 20e12 / 3600 == pytest.approx(hours[-1], rel=0.01)
    assert disk.startswith("2160 runs") and "GB of predictions" in disk


def test_mistakes_are_named(tmp_path):
    with pytest.raises(InputError, match=r"--tflops is 0\.0, expected a positive number"):
        cost.main([str(ROOT / "experiments" / "manifold" / "quick.yaml"), "--tflops", "0"])
    stage = "experiments.manifold.01_training.train_manifold"
    (tmp_path / "grid.yaml").write_text(f"{{stage: {stage}, config: digits_manifold, settings: {{depth: 3}}}}")
    with pytest.raises(InputError, match="digits_all: depth is 3, but fc has only its own"):
        cost.main([str(tmp_path / "grid.yaml")])
