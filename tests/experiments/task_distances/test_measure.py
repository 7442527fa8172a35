"""The command that measures distances between tasks: missing files, what make asks for, and all of it quickly."""

import functools
import os
import shlex
import shutil
import subprocess

import pytest

from experiments.task_distances import measure
from experiments.task_distances.choosing.claims import CLAIMS as CHOOSING
from experiments.task_distances.reaching.claims import CLAIMS as REACHING
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.vectors.claims import CLAIMS as VECTORS
from info_geometry.files import ROOT
from learning import grids
from tests.support.commands import made, run_here

with_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
FOLDERS = {"checkpoints": "c", "predictions": "p", "plots": "plots"}
PARTS = "vectors", "reaching", "choosing"
run = functools.partial(run_here, measure.main)


@pytest.mark.parametrize("words, target", [((), "tasks"), (("--quick", "--seeds", 10), "tasks-quick")])
def test_missing_runs_are_named(monkeypatch, capsys, tmp_path, words, target):
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *folders, *words)
    assert code == 1 and err.count("error: ") == 1
    assert f"{tmp_path}/" in err and "is missing" in err and f"`make {target}` makes" in err
    assert not list((tmp_path / "plots").glob("*.md"))


def test_seeds_that_give_no_verdict(monkeypatch, capsys, tmp_path):
    """All that is said of seeds: tests/learning/test_measuring.py."""
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *folders, "--seeds", 10)
    assert code == 1 and "verdicts need two seeds or more" in err and err.count("error: ") == 1


@with_make
@pytest.mark.parametrize("target, size", [("tasks", FULL), ("tasks-quick", QUICK)])
def test_make_trains_what_it_measures(target, size):
    *sweeps, last, said = made(target)
    place = target.replace("-", "_")
    for part, sweep in zip(PARTS, sweeps, strict=True):
        words, name = shlex.split(sweep), f"experiments/task_distances/{place.replace('tasks', part)}.yaml"
        assert words[1:4] == ["-m", "learning.sweep", name]
        given = dict(zip(words[4::2], words[5::2]))
        folders = {"--checkpoints-folder": f"checkpoints/{place}", "--predictions": f"predictions/{place}"}
        assert given == {"--jobs": "2", **folders}
        for grid in grids.read(ROOT / name):
            assert list(map(int, grid.seed)) == (measure.SEEDS if size is FULL else [10]), grid.name
            assert grid.config.startswith(f"{size.dataset}_"), grid.name
    assert said.endswith(f'plots/{place}/claims.md"')
    asked = shlex.split(last.split("experiments.task_distances.measure")[1])
    if size is FULL:
        assert not asked and measure.SEEDS == [10, 11, 12]  # as they are by default, as are folders
    else:
        folders = {f"--{folder}": f"{folder}/{place}" for folder in FOLDERS}
        assert asked[0] == "--quick" and dict(zip(asked[1::2], asked[2::2])) == {"--seeds": "10", **folders}


@with_make
def test_make_clean_removes_what_it_made():
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "clean"], cwd=ROOT, env=usual, capture_output=True, text=True, check=True)
    assert all(f"{folder}/{name}" in done.stdout.split() for folder in FOLDERS for name in ("tasks", "tasks_quick"))


@with_make
@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make tasks-quick` does: all runs on digits, the tables, the figures and the pages."""
    *sweeps, last, _ = made("tasks-quick")

    def moved(line):
        for name, short in FOLDERS.items():
            line = line.replace(f"{name}/tasks_quick", str(tmp_path / short))
        return line

    usual = {**os.environ, "OMP_NUM_THREADS": "1"}
    for sweep in sweeps:
        done = subprocess.run(["sh", "-c", moved(sweep)], cwd=ROOT, env=usual, capture_output=True, text=True)
        assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    words = shlex.split(moved(last).split("experiments.task_distances.measure")[1])
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0, err
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert table.strip() in out and "Seeds 10; " in table and "**holds**" not in table
    every = *VECTORS, *REACHING, *CHOOSING
    assert table.count("**not asked (quick)**") == len(every) == len({claim.number for claim in every})
    assert all(f"\n| {claim.number}. {claim.sentence} |" in table for claim in every)
    names = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert names == {path.stem for path in (tmp_path / "plots").glob("*.pdf")} and len(names) > 10
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0 and "skipped (already complete" in out
