"""Benchmarks run, small, on any machine, and the tiny ImageNet goes through every stage by the commands of a user."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from info_geometry.files import ROOT
from tests.support import stages

IMAGENET = "benchmarks/imagenet.py"


def run(*arguments, timeout=900):
    """Return the output of a Python command, which must succeed."""
    found = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.slow
def test_tiny_imagenet_goes_through_every_stage():
    """That runs are the same after a kill, and predictions with and without --imprint-as-you-go, is checked there."""
    text = run("benchmarks/smoke_imagenet.py")
    assert text.count("# SIGKILL") == 2 and text.count("# 4 checkpoints are the same after a kill") == 2
    assert "# predictions are the same with and without --imprint-as-you-go" in text and "all of it holds" in text


@pytest.mark.slow
def test_every_stage_is_measured():
    text = run(IMAGENET, "--small")
    rows = re.findall(r"^\| ([a-z][^|]*) \| ([\d,]+) \| [^|]+ \| ([\d,]+) \| ([\d.]+) \|$", text, re.M)
    assert [name.split(",")[0] for name, *_ in rows if name != "measured"] == [
        "packing",
        "loader alone",
        "training with the loader",
        "loader alone",
        "training with the loader",
        "imprinting",
    ]
    for _, rate, best, ratio in rows:
        rate, best = (float(number.replace(",", "")) for number in (rate, best))
        assert rate > 0 and best > 0 and abs(float(ratio) - rate / best) < 0.05 + 0.6 / best
    assert re.search(r"3 checkpoints x 48 images imprinted in [\d.]+ s", text)
    assert re.search(r"peak memory: [\d.]+ GiB", text)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--classes", "1"], "--classes takes 2 to 1000"),
        (["--checkpoints", "0"], "positive numbers"),
        (["--classes", "1001"], "--classes takes 2 to 1000"),
        (["--device", "cuda:99"], "no CUDA GPU"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, words):
    found = subprocess.run([sys.executable, IMAGENET, "--small", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode and words in found.stderr and "Traceback" not in found.stderr


def test_memory_of_an_image_grows_with_its_area():
    memory = stages.script("benchmarks/memory.py")
    network = memory.networks.build("small_cnn", 3, 8, 10, 0).train()
    few, many, large = (memory.kept(network, 4, side) - memory.kept(network, 2, side) for side in (16, 16, 32))
    assert few == many > 0 and 3.5 < large / few < 4.5
    found = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "memory.py", "--images", "2", "--resolutions", "64"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0 and re.search(r"25\.6 million weights, 0\.31 GB.*\n.*\n.*\n\| 64 \| \d", found.stdout)


def test_images_have_the_spectrum_of_natural_ones(tmp_path):
    """Power falls as 1/f^2.4, averaged over directions and images, and files are as large as photographs are."""
    module = stages.script(IMAGENET)
    module.write_class(tmp_path, "n0", 3, 6, 500)
    paths, power = sorted((tmp_path / "n0").glob("*.JPEG")), 0
    assert len(paths) == 6 and 80e3 < np.mean([path.stat().st_size for path in paths]) < 140e3
    for path in paths:
        with Image.open(path) as image:
            assert image.size == (500, 375)
            pixels = np.asarray(image.convert("L"), dtype=float)[:, :375]
        window = np.hanning(375)
        power = power + abs(np.fft.fft2((pixels - pixels.mean()) * np.outer(window, window))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(375), np.fft.fftfreq(375)))
    inside = (frequency > 0.02) & (frequency < 0.2)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power[inside]), 1)[0]
    assert -2.8 < slope < -2.0
    assert len({path.read_bytes() for path in paths}) == 6


@pytest.mark.slow
def test_the_geometry_is_measured(tmp_path):
    """All tables, small, and nothing kept of that; a ratio is that of two times in its row."""
    text = run("benchmarks/report.py", "--quick", "--results", tmp_path)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Distances of all pairs, from files",
        "## Precision",
        "## Whole commands",
        "## Progress",
        "## Embedding",
        "## Storage",
    ]
    number = r"([\d.]+)"
    pattern = rf"^\| [AB] \(.*\) \| (\S+ ?\S*) \| {number} \| {number} \(\d+\) \| {number} \|.*\| (\S+) \| \S+ \|$"
    rows = re.findall(pattern, text, re.M)
    assert len(rows) == 8
    for way, ours, theirs, ratio, largest in rows:
        assert min(float(ours), float(theirs), float(ratio)) >= 0
        assert float(largest) < {"float64": 1e-12, "bfloat16": 5e-3}.get(way, 1e-6)
    parts = re.findall(r"^\| [AB] \([^|]*\)((?: \| [\d.]+){7}) \| \d+% \|$", text, re.M)
    assert len(parts) == 2
    for command in ("inpca.py", "trajectory.py"):
        assert float(re.search(rf"^\| {command} \| ([\d.]+) \|", text, re.M)[1]) > 0.5
    assert re.search(r"^\| float32 \| [1-9]e-0[89] \|", text, re.M)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_analysis_of_many_configurations_is_measured(tmp_path, monkeypatch):
    """Small, in processes of their own; what was generated is the network's first of all, and seeds count little."""
    sizes = ("--trajectories", 40, "--models", 12, "--samples", 100, "--landmarks", 80)
    text = run("benchmarks/manifold.py", tmp_path, *sizes)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    steps = stages.script("benchmarks/manifold_steps.py").STEPS
    rows = re.findall(r"^\| ([a-z][^|]*) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([^|]+) \|$", text, re.M)
    assert [name for name, *_ in rows] == list(steps)
    assert all(0.05 < float(peak) < 3 for *_, peak, _ in rows)
    said = {name: words for name, *_, words in rows}
    assert re.match(r"14 objects; network [6-9]\d%", said["importance, settings"])
    assert "13 tubes" in said["tubes"] and (tmp_path / "inpca.html").exists()
    assert float(said["training and evaluation"].split()[3].rstrip(",")) > 0.9
    again = run("benchmarks/manifold.py", tmp_path, *sizes, "--steps", "tubes")
    assert again.count("\n| ") == 3 and said["tubes"] in again


def test_generated_runs_follow_from_their_number():
    generated = stages.script("benchmarks/manifold_data.py")
    rows = [{name: int(x[i]) for name, x in generated.table(60).items()} for i in range(60)]
    P, t, labels = generated.run(4, rows[4], 9, 50)
    same, _, _ = generated.run(4, rows[4], 9, 50)
    np.testing.assert_array_equal(P, same)
    np.testing.assert_allclose(P.sum(axis=2), 1, rtol=1e-5)
    right = P[:, np.arange(50), labels].mean(axis=1)
    assert right[0] == pytest.approx(0.1, abs=0.01) and right[-1] > 0.9 and (np.diff(t) > 0).all()
    assert (
        len({(row["network"], row["optimiser"], row["batch"], row["augmentation"], row["rate"]) for row in rows}) == 20
    )
    bad = generated.run(49, rows[49], 9, 50)[0]
    assert (bad[-1].argmax(axis=1) != labels).mean() > 0.1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--steps", "dance"], "--steps 'dance' is not one of 'writing the files'"),
        (["--models", "2"], "expected --trajectories of 6 or more"),
        (["--steps", "tubes"], "kept.npy is not there: run the step 'outliers, common progress' first"),
    ],
)
def test_steps_that_cannot_be_run_get_a_sentence(tmp_path, arguments, words):
    found = subprocess.run(
        [sys.executable, "benchmarks/manifold.py", tmp_path, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode and words in found.stderr and "Traceback" not in found.stderr
