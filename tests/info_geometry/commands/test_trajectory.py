"""trajectory.py: what it writes and prints."""

import csv
import re

import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.commands import trajectory
from info_geometry.trajectory import summarise
from tests.support.commands import TRAJECTORY_FIGURES, figures
from tests.support.synthetic import write_runs


@pytest.mark.usefixtures("undrawn")
def test_trajectory(tmp_path, folder, command):
    labels = write_runs(folder)
    code, out, _ = command(trajectory)
    assert code == 0
    with open(tmp_path / "plots" / "toy" / "lengths.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seed"], row["checkpoints"]) for row in rows] == [
        ("toy_all", "0", "6"),
        ("toy_all", "1", "6"),
        ("toy_even", "0", "6"),
        ("toy_even", "1", "6"),
    ]
    opened = predictions.open_trajectory(folder / "toy_even" / "preds_1.h5")
    summary = summarise(opened, labels)
    assert float(rows[3]["riemann_length"]) == pytest.approx(summary.length, rel=1e-6)
    assert float(rows[3]["final_progress"]) == pytest.approx(summary.progress[-1], rel=1e-6)
    assert float(rows[3]["final_accuracy"]) == pytest.approx(summary.accuracy[-1])
    mean = np.mean([float(row["riemann_length"]) for row in rows[2:]])
    assert re.search(rf"^toy_even +2 .* {mean:.3f} \+- ", out, re.M)
    with open(tmp_path / "plots" / "toy" / "trajectories.csv", newline="", encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    assert {(row["run_a"], row["run_b"]) for row in curve} == {("toy_all", "toy_even")}
    assert all(float(row["distance"]) > 0 for row in curve)
    assert all((tmp_path / "plots" / "toy" / name).exists() and name in out for name in figures(*TRAJECTORY_FIGURES))
    other = command(trajectory, "--objective", "bhattacharyya")
    assert other[0] == 0 and "skipped" not in other[1]


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_no_spread(folder, command):
    write_runs(folder)
    code, out, _ = command(trajectory, "--seeds", "0")
    assert code == 0 and re.search(r"^toy_all +1 .*\d \+- +- .*\d \+- +- .*\d \+- +-$", out, re.M), out
