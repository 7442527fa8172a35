"""What installs the software: make, in whatever there is of Python; and the package alone, in a folder of one's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from info_geometry.files import ROOT, machine

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
STUB = """#!/bin/sh
# A Python that knows no more than what it is asked here
case "$*" in
    *version_info*) exit {old};;
    *ensurepip*) exit {bare};;
    *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; touch .venv/bin/activate;;
    *"pip install"*) test -e .venv/bin/activate && echo "$*" >> pip.log;;
    *samefile*) echo {here};;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """Return the folder of a clone that holds no more than what make reads, and a function that calls make there."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def make(*words, **environment):
        usual = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
        done = subprocess.run(
            ["make", *words], cwd=tmp_path, capture_output=True, text=True, env={**usual, **environment}
        )
        return done.returncode, done.stdout + done.stderr

    return tmp_path, make


def stub(path, old=0, bare=0, here=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STUB.format(old=old, bare=bare, here=here))
    path.chmod(0o755)
    return path


def test_python_that_is_not_there_or_too_old(clone):
    folder, make = clone
    code, text = make("install", "PYTHON=python3.99")
    assert code and "error: there is no python3.99 here; name another with make PYTHON=" in text
    code, text = make("install", f"PYTHON={stub(folder / 'old', old=1)}")
    assert code and f"error: {folder}/old is older than 3.10" in text and not (folder / ".venv").exists()


def test_python_without_venv_as_on_debian(clone):
    """Nothing is left on which the next try would fail."""
    folder, make = clone
    for _ in range(2):
        code, text = make("install", f"PYTHON={stub(folder / 'bare', bare=1)}")
        assert code and "apt-get install python3-venv" in text and not (folder / ".venv").exists()
    assert make("install", f"PYTHON={stub(folder / 'whole')}")[0] == 0
    assert "install --disable-pip-version-check -e .[train,published]" in (folder / "pip.log").read_text()
    assert "up to date" in make(".venv/installed", f"PYTHON={folder}/whole")[1]


def test_half_an_environment_is_made_again(clone):
    folder, make = clone
    stub(folder / ".venv" / "bin" / "python")
    code, text = make("install", f"PYTHON={stub(folder / 'whole')}")
    assert code == 0 and "-m venv --clear .venv" in text and (folder / ".venv" / "installed").exists()


@pytest.mark.parametrize("kind", ["CONDA_PREFIX", "VIRTUAL_ENV"])
def test_an_active_environment_is_used_where_it_has_this_software(clone, kind):
    folder, make = clone
    theirs = stub(folder / "theirs" / "bin" / "python", here="yes").parents[1]
    other = stub(folder / "other" / "bin" / "python").parents[1]
    python = f"PYTHON={stub(folder / 'whole')}"
    assert make("install", python, **{kind: str(theirs)})[0] == 0 and not (folder / ".venv").exists()
    assert f"{theirs}/bin/python -m learning.sweep" in make("-n", "picture", python, **{kind: str(theirs)})[1]
    assert ".venv/bin/python -m learning.sweep" in make("-n", "picture", python, **{kind: str(other)})[1]
    assert make("install", python, **{kind: str(other)})[0] == 0 and (folder / ".venv" / "installed").exists()


def test_what_is_installed_is_the_library_alone():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
    with open(ROOT / "pyproject.toml", "rb") as file:
        tools = tomllib.load(file)["tool"]["setuptools"]
    assert tools["packages"]["find"]["include"] == ["info_geometry*"]
    data = tools["package-data"]
    assert all(package.startswith("info_geometry") for package in data)
    for package, patterns in data.items():
        assert all(list(ROOT.joinpath(*package.split(".")).glob(pattern)) for pattern in patterns)
    files = {x.suffix for x in (ROOT / "info_geometry").rglob("*") if x.is_file() and "__pycache__" not in x.parts}
    assert files <= {".py", ".html", ".js", ".typed", ".sh"}, "files of another kind have to be named in package-data"


def test_default_folders_are_those_of_the_clone_or_of_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert machine.root(ROOT / "info_geometry") == ROOT == machine.ROOT
    assert machine.root(Path(sys.prefix) / "lib" / "info_geometry") == tmp_path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the Python of a new environment in which the wheel is installed, and nothing that trains."""
    folder = tmp_path_factory.mktemp("alone")
    python = folder / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    if subprocess.run([*pip, "install", "tqdm"], capture_output=True, cwd=folder).returncode:
        pytest.skip("the package index cannot be reached")
    source = folder / "source"  # building leaves folders behind
    shutil.copytree(ROOT / "info_geometry", source / "info_geometry", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "learning", source / "learning", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source], check=True, cwd=folder)
    subprocess.run([*pip, "install", *folder.glob("*.whl")], check=True, cwd=folder)
    return python


@pytest.mark.slow
def test_arrays_become_a_page_without_torch(alone, tmp_path):
    (tmp_path / "arrays.py").write_text("""
import importlib.util, sys, time
started = time.monotonic()
import numpy as np
from info_geometry import distance, inpca, predictions
seconds = time.monotonic() - started
packages = "torch", "torchvision", "sklearn", "learning", "claims", "experiments"
assert not [name for name in packages if importlib.util.find_spec(name)]
rng = np.random.default_rng(0)
labels = rng.integers(0, 5, 40)
for run in "ab":
    for seed in range(2):
        predictions.write(f"predictions/mine_{run}/preds_{seed}.h5", rng.dirichlet(np.ones(5), (4, 40)), labels=labels)
runs = [predictions.open_trajectory(f"predictions/mine_{run}/preds_0.h5") for run in "ab"]
ways = [distance.pairwise(runs, fast=fast, precision="float64") for fast in (False, True)]
assert abs(ways[0] - ways[1]).max() < 1e-12
try:
    distance.pairwise(runs, device="cuda")
except Exception as error:
    print(error)
print(f"imported in {seconds:.1f} s")
""")
    said, clean = "", {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for words in (["arrays.py"], ["-m", "info_geometry.inpca"], ["-m", "info_geometry.trajectory"]):
        done = subprocess.run([alone, *words], cwd=tmp_path, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert "it takes torch, which is not here" in said
    assert float(said.split("imported in ")[1].split()[0]) < 5  # 0.4 on a quiet machine
    plots = tmp_path / "plots" / "mine"
    assert (plots / "inpca.html").exists() and (plots / "trajectories.png").exists()
    assert (tmp_path / "predictions" / "embedding" / "mine.npz").exists()
