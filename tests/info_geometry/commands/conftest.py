"""For the tests of commands: run them in this process, without drawing."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from info_geometry import files
from tests.support.synthetic import training


@pytest.fixture(autouse=True)
def no_handlers_left(monkeypatch):
    """Let commands that run in this process set up their log for the one test only."""
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(files.log, "level", files.log.level)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "predictions"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command in this process: (exit code, stdout, stderr)."""

    def run(module, *arguments):
        places = ["--predictions", tmp_path / "predictions", "--plots", tmp_path / "plots"]
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, [*arguments, *places])])
        with pytest.raises(SystemExit) as raised:
            files.command(module.main)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return raised.value.code, captured.out, captured.err

    return run


@pytest.fixture
def undrawn(monkeypatch):
    """Do all but draw: figures take most of the time, and have tests of their own."""
    monkeypatch.setattr(Figure, "savefig", lambda self, target, **options: Path(target).write_text("a figure"))


@pytest.fixture
def published(folder):
    """Write two runs in the published layout, with labels in the published place; return the labels."""
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (pip install hdf5plugin)")
    labels = np.repeat(np.arange(10), 8)
    for i, task in enumerate(("all", "vert")):
        (folder / f"imagenet_{task}").mkdir(parents=True)
        models = np.round(training(np.random.default_rng(i), labels, 10, T=5), 5).astype(np.float16)
        with h5py.File(folder / f"imagenet_{task}" / "preds_0.h5", "w") as file:
            file.create_dataset("data", data=models, chunks=(1, 80, 10), **hdf5plugin.LZ4())
    (folder / "labels").mkdir()
    np.save(folder / "labels" / "imagenet_val_labels.npy", labels)
    return labels
