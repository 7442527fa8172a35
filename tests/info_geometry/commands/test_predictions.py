"""The command `python -m info_geometry.predictions`: check, convert, fetch."""

import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import ROOT
from tests.support.hosting import serving
from tests.support.prediction_files import LABELS, names, opened, write_each_quantity
from tests.support.synthetic import labels_of, random_models, write_runs

EIGHT = "fourth_root_8bit"


@pytest.fixture
def folder(tmp_path, models):
    """A folder with toy_all/preds_3.h5 of each quantity and a published file, in folders of their names."""
    write_each_quantity(tmp_path, models)
    return tmp_path


@pytest.fixture
def server():
    with serving() as server:
        yield server


def run(*arguments, **environment):
    """Run `python -m info_geometry.predictions` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "info_geometry.predictions", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "no_proxy": "*", **environment},
    )


def test_check_command(tmp_path, path):
    write_runs(tmp_path, seeds=(0,), tasks=("all",))
    good, bad = tmp_path / "toy_all" / "preds_0.h5", tmp_path / "bad.h5"
    bad.write_bytes(path.read_bytes())
    with h5py.File(bad, "r+") as file:
        file["data"][1] = file["data"][0]
    result = run("check", good, path)
    assert result.returncode == 0 and result.stderr == "" and result.stdout.endswith("2 sound, 0 not\n")
    assert f"{good}: sound\n    6 models x 60 samples x 5 classes, sqrt_probability" in result.stdout
    assert re.search(r"dataset toy, task all, seed 0, step 1 to 32, labels [0-9a-f]{8}\n", result.stdout)
    assert re.search(r"accuracy 0\.\d{3} at the first, [01]\.\d{3} at the last model", result.stdout)
    result = run("check", bad, tmp_path / "nowhere.h5", good)
    assert result.returncode == 1 and result.stdout.endswith("1 sound, 2 not\n")
    assert result.stderr == (
        f"error: {bad}: data do not match their fingerprint; replace the file\n"
        f"error: {tmp_path}/nowhere.h5: no such file\n"
    )


def test_command_turns_files(folder):
    predictions.write(
        folder / EIGHT / "toy_all" / "preds_4.h5", opened(folder).roots()[::-1].astype(float) ** 2, labels=LABELS
    )
    sources = [folder / EIGHT / "toy_all" / f"preds_{seed}.h5" for seed in (3, 4)]
    result = run("convert", *sources, folder / "new", "--compact", "--compression", "gzip")
    assert result.returncode == 0 and result.stdout.endswith("2 converted, 0 not\n"), result.stderr
    for source in sources:
        found = predictions.open_trajectory(folder / "new" / "toy_all" / source.name)
        assert found.quantity == EIGHT
        with h5py.File(found.path) as file:
            assert file["data"].compression == "gzip"
    result = run("convert", *sources, folder / "new", "--compact")
    assert result.returncode == 0 and result.stdout.count("skipped (already complete") == 2


def test_what_cannot_be_turned_is_said_and_the_others_are(folder):
    (folder / "text" / "toy_all").mkdir(parents=True)
    (folder / "text" / "toy_all" / "preds_5.h5").write_text("no")
    good, bad = opened(folder).path, folder / "text" / "toy_all" / "preds_5.h5"
    published = opened(folder, "published").path
    (folder / "published" / "labels" / "toy_val_labels.npy").unlink()
    moved = published.rename(published.with_name("preds_6.h5"))
    result = run("convert", bad, moved, good, opened(folder, EIGHT).path, folder / "new")
    assert result.returncode == 1 and result.stdout.endswith("1 converted, 3 not\n")
    lines = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]  # of random models
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines), result.stderr
    assert "preds_5.h5 is not a complete trajectory file" in lines[0]
    assert "carries no labels, and" in lines[1] and "say --labels FILE" in lines[1]
    assert "would have the same name" in lines[2]
    assert names(folder / "new" / "toy_all") == [".preds_3.lock", "preds_3.h5"]
    np.save(folder / "mine.npy", LABELS)
    np.save(folder / "fewer.npy", LABELS[1:])
    assert run("convert", moved, folder / "new", "--labels", folder / "mine.npy").returncode == 0
    result = run("convert", moved, folder / "other", "--labels", folder / "fewer.npy")
    assert result.returncode == 1 and "expected 50 labels, whole numbers, one for each sample" in result.stderr
    assert "no such file" in run("convert", moved, folder / "new", "--labels", folder / "none.npy").stderr


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_conversion_leaves_nothing_half_written(tmp_path, end):
    models = random_models(np.random.default_rng(0), 1, 2000, 200)
    source = tmp_path / "toy_all" / "preds_0.h5"
    predictions.write(source, [models[0]] * 60, labels=labels_of(2000, 200))  # seconds to compress
    command = [
        sys.executable,
        "-m",
        "info_geometry.predictions",
        "convert",
        source,
        tmp_path / "new",
        "--compact",
        "--compression",
        "gzip",
    ]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "new").glob("toy_all/.preds_0.h5.*.tmp")) and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, end)
    assert process.wait() != 0
    assert "preds_0.h5" not in names(tmp_path / "new" / "toy_all")
    assert run("convert", source, tmp_path / "new", "--compact").returncode == 0
    assert names(tmp_path / "new" / "toy_all") == [".preds_0.lock", "preds_0.h5"]
    assert ": sound" in predictions.check(tmp_path / "new" / "toy_all" / "preds_0.h5")


def test_command_lists_what_there_is(tmp_path):
    done = run("fetch", "--to", tmp_path)
    assert done.returncode == 0 and f"{tmp_path}/cifar100_<task>/preds_<seed>.h5" in done.stdout
    assert "444 MB" in done.stdout and "imagenet" in done.stdout
    done = run("fetch", "cifar1000", "--to", tmp_path)
    assert done.returncode == 1 and "nothing called 'cifar1000'" in done.stderr and "444 MB" in done.stderr
    done = run("fetch", "imagenet", "--to", tmp_path)
    assert done.returncode == 1 and f"{tmp_path}/labels/imagenet_val_labels.npy" in done.stderr
    assert "predictions/README.md" in done.stderr and names(tmp_path) == []


def test_command_asks_the_hub_for_the_published_files(server, tmp_path):
    labels = tmp_path / "labels.npy"
    np.save(labels, np.arange(5000) % 100)
    done = run("fetch", "cifar100", "--to", tmp_path / "to", "--labels", labels, HF_ENDPOINT=server.address)
    address = "/rahul13ramesh/picture_of_space_of_tasks/resolve/main/taskA_preds.npy"
    assert server.asked == [[address, None, 0]]
    assert done.returncode == 1 and done.stderr.startswith(f"error: {server.address}{address}: the server answers 404")
