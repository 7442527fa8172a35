"""trajectory.py: what it writes and prints."""

import csv
import re

import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.commands import inpca, trajectory
from info_geometry.storage import tables
from info_geometry.trajectory import summarise
from tests.support.commands import TRAJECTORY_FIGURES, figures
from tests.support.synthetic import labels_of, random_models, training, write_runs


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
    assert float(rows[3]["final_progress_bhattacharyya"]) == pytest.approx(summary.other[-1], rel=1e-6)
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


def write_stretch(folder, run, start, stop, seeds=(0, 1)):
    """Write the checkpoints start..stop of a training of 12."""
    labels = labels_of(60, 5)
    for seed in seeds:
        models = training(np.random.default_rng([seed, *run.encode()]), labels, 5, T=12)[start:stop]
        predictions.write(folder / f"mine_{run}" / f"preds_{seed}.h5", models, labels=labels)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_runs_without_progress_in_common(tmp_path, folder, command):
    for run, start, stop in (("whole", 0, 12), ("early", 0, 3), ("late", 9, 12)):
        write_stretch(folder, run, start, stop)
    code, out, err = command(trajectory)
    assert code == 0 and "1 of 3 pairs of runs have no progress in common" in err
    assert re.search(
        r"mine_early and mine_late\. What .*: mine_early 0\.\d+ to 0\.\d+, mine_late 0\.\d+ to 0\.\d+\.", err
    )
    assert "compared at equal progress from " in out
    rows = {(row["run_a"], row["run_b"]): row for row in table(tmp_path / "plots" / "mine" / "integrals.csv")}
    apart = rows["mine_early", "mine_late"]
    assert [value for key, value in apart.items() if key not in ("run_a", "run_b")] == [""] * (len(apart) - 2)
    found = rows["mine_early", "mine_whole"]
    width = float(found["to_progress"]) - float(found["from_progress"])
    assert float(found["mean_distance"]) == pytest.approx(float(found["integral"]) / width, rel=1e-6)
    means, curves = tables.read_distances(
        tmp_path / "plots" / "mine", ["mine_early", "mine_late", "mine_whole"], "mine"
    )
    assert np.isnan(means["mine_early", "mine_late"]) and curves["mine_early", "mine_late"] == {}
    assert means["mine_early", "mine_whole"] == pytest.approx(float(found["mean_distance"]), rel=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_nothing_to_compare_at_all(folder, command):
    """Seeds that started apart: what all of them reached is nothing."""
    for run in "ab":
        write_stretch(folder, run, 0, 3, seeds=(0,))
        write_stretch(folder, run, 9, 12, seeds=(1,))
    code, out, err = command(trajectory)
    assert code == 0 and "mine_a none that all of them reached, mine_b none" in err and "compared at" not in out


@pytest.mark.parametrize("module", [inpca, trajectory])
def test_one_sample_is_not_drawn_anew(folder, command, module):
    for seed in (0, 1):
        models = random_models(np.random.default_rng(seed), 4, 1, 5)
        predictions.write(folder / "mine_a" / f"preds_{seed}.h5", models, labels=[2])
    code, _, err = command(module, "--bootstrap")
    assert code == 1 and "--bootstrap draws samples anew, and there is only one" in err


@pytest.mark.usefixtures("undrawn")
def test_one_seed_has_no_spread(folder, command):
    write_runs(folder)
    code, out, _ = command(trajectory, "--seeds", "0")
    cells = r"^toy_all +1( +\d\.\d{3} \+- \.\.\.){2} +\(\d\.\d{3}\) +\d\.\d{3} \+- \.\.\. *$"
    assert code == 0 and re.search(cells, out, re.M), out
    assert "+- ...: one seed has no spread" in out
