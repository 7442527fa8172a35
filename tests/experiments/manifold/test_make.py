"""make manifold and make manifold-quick: they train what is measured, all of it, and clean removes what they made."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.manifold import claims, measure
from experiments.manifold.parts import PARTS
from experiments.manifold.planned import FULL, QUICK, SYNTHETIC
from experiments.manifold.results import Results
from info_geometry.files import ROOT
from learning import grids
from learning.runs.run import Folders
from tests.support.commands import made

FOLDERS = "checkpoints", "predictions", "plots"
FEW = [10, 11]
with_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@with_make
@pytest.mark.parametrize("target, size", [("manifold", FULL), ("manifold-quick", QUICK)])
def test_make_trains_what_it_measures(target, size):
    sweep, last, said = made(target)
    place, words = target.replace("-", "_"), shlex.split(sweep)
    assert words[0].startswith(str(Path(sys.executable).parent))
    assert words[1:4] == ["-m", "learning.sweep", str(size.runs.relative_to(ROOT))] and size.target == target
    given = dict(zip(words[4::2], words[5::2]))
    folders = {"--checkpoints-folder": f"checkpoints/{place}", "--predictions": f"predictions/{place}"}
    assert given == {"--jobs": "2", **folders}
    assert said.endswith(f'plots/{place}/claims.md and plots/{place}/inpca.html"')
    asked = shlex.split(last.split("experiments.manifold.measure")[1])
    if size is FULL:
        assert not asked and measure.SEEDS == [10, 11, 12]  # as they are by default, as are folders
    else:
        assert asked[:4] == ["--quick", "--seeds", *map(str, FEW)]
        assert dict(zip(asked[4::2], asked[5::2])) == {f"--{folder}": f"{folder}/{place}" for folder in FOLDERS}
    every, seeds = grids.read(size.runs), measure.SEEDS if size is FULL else FEW
    images = [grid for grid in every if not grid.name.startswith("Gaussian")]
    assert all(list(map(int, grid.seed)) == seeds for grid in images)
    results = Results(Folders(), tuple(seeds), size)
    runs = {(run.name, seed) for own in results.planned.values() for run in own for seed in run.seeds}
    assert len(runs) == sum(len(grid.runs()) for grid in every)
    if size is FULL:  # what was asked for
        assert sum(len(grid.runs()) for grid in every if grid.name.startswith("the grid")) >= 288
        assert sum(len(run.seeds) for run in results.planned[SYNTHETIC]) == 240


@with_make
def test_make_clean_removes_what_it_made():
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "clean"], cwd=ROOT, env=usual, capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert all(f"{folder}/{name}" in words for folder in FOLDERS for name in ("manifold", "manifold_quick"))


@with_make
@pytest.mark.slow
def test_all_of_it_quickly(tmp_path):
    """What `make manifold-quick` does: runs, tables, figures and the page."""
    *commands, _ = made("manifold-quick")
    there = {f"{name}/manifold_quick": str(tmp_path / name) for name in FOLDERS}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for line in commands:
        for old, new in there.items():
            line = line.replace(old, new)
        done = subprocess.run(["sh", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert all(f"| {claim.number}. " in table for claim in claims.CLAIMS) and "nan" not in table
    assert all(which in table for which in PARTS) and "Left out" not in table
    for name in ("picture.png", "dendrogram.png", "tubes.png", "inpca.html"):
        assert (tmp_path / "plots" / name).stat().st_size > 1000
    assert (tmp_path / "plots" / "left_out.csv").read_text(encoding="utf-8") == "run,why\n"
