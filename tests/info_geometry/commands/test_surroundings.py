"""Commands where not all is as usual: settings of the user's matplotlib, names in other encodings, other devices."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from info_geometry.commands import inpca, trajectory
from info_geometry.files import ROOT
from info_geometry.storage import embeddings, runs
from tests.support.synthetic import write_runs


def inpca_in(folder, *words, **environment):
    """Run inpca.py in a process of its own; return (exit code, output) with all bytes as they were printed."""
    command = [
        sys.executable,
        ROOT / "info_geometry" / "inpca.py",
        "--predictions",
        folder,
        "--plots",
        folder / "plots",
    ]
    done = subprocess.run(
        [*map(os.fsencode, command), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def pixels(path):
    """Return the size and the pixels of an image: its file also holds the command line."""
    with Image.open(path) as image:
        return image.size, image.tobytes()


def test_settings_of_a_latex_user_and_the_backend_of_a_notebook_do_not_matter(tmp_path):
    settings = tmp_path / "matplotlibrc"
    settings.write_text("text.usetex: True\nfont.family: no such font\nsavefig.bbox: tight\nsavefig.dpi: 10\n")
    write_runs(tmp_path / "a", seeds=(0,), tasks=("all", "odd"), T=3)
    environment = {"MATPLOTLIBRC": str(settings), "MPLBACKEND": "module://ipympl.backend_nbagg"}
    theirs = inpca_in(tmp_path / "a", **environment)
    plots = tmp_path / "a" / "plots" / "toy"
    first = {path.name: pixels(path) for path in plots.glob("*.png")}
    usual = inpca_in(tmp_path / "a", "--redo")
    assert theirs[0] == usual[0] == 0, theirs[1]
    assert first and first == {path.name: pixels(path) for path in plots.glob("*.png")}


@pytest.mark.parametrize(
    "script",
    [
        "info_geometry/inpca.py",
        "info_geometry/trajectory.py",
        "experiments/task_tree/tree.py",
        "experiments/claims/verdicts.py",
    ],
)
def test_every_command_that_draws_starts_with_an_unknown_backend(script):
    environment = {**os.environ, "MPLBACKEND": "widget_that_is_not_there"}
    done = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_folder_whose_name_is_not_utf8_on_a_terminal_of_ascii(tmp_path):
    try:
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/donn\xe9es"))
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    write_runs(folder, seeds=(0,), tasks=("all", "odd"), T=3)
    for _ in range(2):  # made, then found to be there
        code, text = inpca_in(folder, PYTHONIOENCODING="ascii")
        assert code == 0 and "Traceback" not in text and "inpca.html" in text, text
    assert "skipped (already complete" in text
    code, text = inpca_in(folder, "--name", "other", PYTHONIOENCODING="ascii")
    assert code == 1 and "donn\\udce9es has no run of data set 'other'" in text


@pytest.mark.usefixtures("undrawn")
def test_predictions_that_cannot_be_written(tmp_path, folder, command):
    """The embedding goes beside the figures, is said to before anything is computed, and is found there again."""
    write_runs(folder, T=3)
    (folder / "embedding").write_text("a file where the folder would be")
    code, out, err = command(inpca)
    instead = tmp_path / "plots" / "toy" / "embedding.npz"
    assert code == 0 and err.startswith("warning: cannot write ") and f"the embedding goes to {instead}" in err
    assert instead.exists() and "plots/toy/embedding.npz" in out and "skipped" in command(inpca)[1]
    assert embeddings.find(folder, tmp_path / "plots", "toy") == instead
    asked = tmp_path / "mine" / "e.npz"
    assert command(inpca, "--embedding", asked)[0] == 0 and asked.exists()
    assert command(inpca, "--embedding", tmp_path / "of.v1")[0] == 0 and (tmp_path / "of.v1.npz").exists()
    (tmp_path / "f.npz").mkdir()
    code, out, err = command(inpca, "--embedding", tmp_path / "f.npz")
    assert code == 1 and f"--embedding: cannot write {tmp_path}/f.npz: Is a directory" in err


@pytest.mark.parametrize("module", [inpca, trajectory])
def test_plots_that_cannot_be_written(tmp_path, folder, command, module, monkeypatch):
    write_runs(folder, T=3)
    (tmp_path / "plots").write_text("a file where the folder would be")
    monkeypatch.setattr(runs, "identity", None)  # nothing is computed
    code, _, err = command(module)
    assert code == 1 and re.search(r"error: cannot write .*plots/toy/.*; say --plots FOLDER", err)


def test_one_model_is_no_picture(tmp_path, folder, command):
    write_runs(folder, tasks=("all",), seeds=(0,), T=1)
    code, _, err = command(inpca)
    assert code == 1 and "is one model; a picture shows distances of two or more" in err
    assert not (folder / "embedding").exists()


@pytest.mark.parametrize("device", ["mps", "xpu", "meta", "cuda", "nonsense"])
def test_device_that_is_not_there(folder, command, device):
    import torch

    if device != "meta" and device != "nonsense" and getattr(torch, device).is_available():
        pytest.skip(f"there is {device}")
    write_runs(folder, seeds=(0,), tasks=("all", "odd"), T=3)
    code, _, err = command(inpca, "--device", device)
    assert code == 1 and err.startswith(f"error: device '{device}': ") and "; leave it out to use the CPU" in err
