"""This machine: names that can be part of a path, threads, memory, versions."""

import sys

import numpy as np
import pytest

from info_geometry import files
from info_geometry.files import InputError, machine


@pytest.mark.parametrize("name", ["a", "digits_all", "preds_0.h5", "n01471682", "_x", "A-1", 10])
def test_valid_names(name):
    assert files.valid_name(name, "run") == str(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "a b", "-a", ".a", "a\n", "ä", "a\0", "a;b", "$(a)"])
def test_names_that_cannot_be_part_of_a_path(name):
    with pytest.raises(InputError, match="can be part of a path"):
        files.valid_name(name, "run")


def test_versions_of_what_is_installed():
    assert files.versions("numpy", "no-such-package") == {"numpy": np.__version__}
    assert {"torch", "numpy", "h5py"} <= set(files.versions())


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("2,4", 2), ("0", None), ("many", None), ("", None)])
def test_threads_are_those_that_were_asked_for(monkeypatch, asked, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert files.threads() == (expected or files.threads()) and files.threads() > 0


def test_free_memory_is_some():
    assert 1 << 20 < files.free_memory() < 1 << 50


def test_the_cpu_needs_no_torch(monkeypatch):
    """Where there is no driver, torch is not imported to ask it; where it is not installed, it is not missed."""
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    monkeypatch.setattr(machine, "_driver", lambda: False)
    assert machine.accelerator(None) is None and machine.accelerator("cpu") is None
    monkeypatch.setattr(machine, "_driver", lambda: True)
    assert machine.accelerator(None) is None
    with pytest.raises(InputError, match=r"device 'cuda': it takes torch, which is not here .*; pip install torch"):
        machine.accelerator("cuda")


def test_a_driver_alone_is_no_gpu(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(machine, "_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.accelerator(None) is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(machine, "device_of", lambda torch, asked, kind: torch.device("cuda"))
    assert machine.accelerator(None).type == "cuda" and machine.accelerator("cpu") is None


def test_gpus_that_are_hidden_are_not_looked_for(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: None)  # every library is there
    assert machine._driver()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not machine._driver()
