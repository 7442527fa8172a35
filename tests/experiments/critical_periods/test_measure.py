"""The command that measures critical periods: missing files, what make asks for, and all of it quickly."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.critical_periods import claims, figures, measure
from experiments.critical_periods.results import FULL, QUICK, Results
from info_geometry.files import ROOT
from learning import grids
from tests.experiments.critical_periods.made_up_measured import measured
from tests.support.commands import made, run_here

with_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
FOLDERS = {"checkpoints": "c", "predictions": "p", "plots": "plots"}
GRIDS = ROOT / "experiments" / "critical_periods"
FEW = [10, 11, 12]
run = functools.partial(run_here, measure.main)


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    for words, target, name in (((), "periods", "fashion"), (("--quick",), "periods-quick", "digits")):
        code, _, err = run(monkeypatch, capsys, *folders, *words)
        assert code == 1 and err.count("error: ") == 1
        assert f"{tmp_path}/predictions/{name}_all_clean_layers/preds_10.h5 is missing; `make {target}` makes" in err
    assert not list((tmp_path / "plots").glob("*.md"))


def test_seeds_that_give_no_verdict(monkeypatch, capsys, tmp_path):
    """All that is said of seeds: tests/learning/test_measuring.py."""
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *folders, "--seeds", 10, 11)
    assert code == 1 and "verdicts need three seeds or more" in err and err.count("error: ") == 1


def test_sources_of_the_fisher_information_are_inputs(monkeypatch, capsys, tmp_path):
    """What is measured follows from them: other ones, other inputs."""
    given = []
    monkeypatch.setattr(measure, "once", lambda stamp, inputs, *_, **__: given.append(inputs))
    measure.main(["--predictions", str(tmp_path), "--plots", str(tmp_path)])
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "learning" / "fisher").glob("*.py")]
    assert len(texts) > 3 and set(texts) <= {each for each in given[0] if isinstance(each, str)}


def test_the_table_of_conditions():
    found = measured(4)
    head, line, *rows = measure.conditions(found)
    assert len(rows) == len(found.conditions) == 61 and line.count("|") == head.count("|")
    assert all(row.count("|") == head.count("|") for row in rows) and not any("nan" in row for row in rows)
    blurred = "| begins again | blur, factor 7 | 0 to 80 | 76.50 +- 0.04 | +4.5 +- 0.0 | 7.0 +- 0.0 | 18.0 +- 0.0 |"
    assert any(row.startswith(blurred) for row in rows)
    one = measure.conditions(measured(1, tubes={}))
    assert not any("nan" in row or "+-" in row for row in one)


@with_make
@pytest.mark.parametrize("target, name, size", [("periods", "runs", FULL), ("periods-quick", "quick", QUICK)])
def test_make_trains_what_it_measures(target, name, size):
    sweep, last, said = made(target)
    place, words = target.replace("-", "_"), shlex.split(sweep)
    assert words[0].startswith(str(Path(sys.executable).parent))
    assert words[1:4] == ["-m", "learning.sweep", f"experiments/critical_periods/{name}.yaml"]
    given = dict(zip(words[4::2], words[5::2]))
    assert given == {
        "--jobs": "2",
        "--checkpoints-folder": f"checkpoints/{place}",
        "--predictions": f"predictions/{place}",
    }
    assert said.endswith(f'plots/{place}/claims.md"')
    asked = shlex.split(last.split("experiments.critical_periods.measure")[1])
    if size is FULL:
        assert not asked and measure.SEEDS == [10, 11, 12, 13]  # as they are by default, as are folders
    else:
        assert asked[:5] == ["--quick", "--seeds", *map(str, FEW)]
        folders = {f"--{folder}": f"{folder}/{place}" for folder in FOLDERS}
        assert dict(zip(asked[5::2], asked[6::2])) == folders
    seeds = measure.SEEDS if size is FULL else FEW
    every = grids.read(GRIDS / f"{name}.yaml")
    assert all(list(map(int, grid.seed)) == seeds for grid in every)


@with_make
def test_make_clean_removes_what_it_made():
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "clean"], cwd=ROOT, env=usual, capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert all(f"{folder}/{name}" in words for folder in FOLDERS for name in ("periods", "periods_quick"))


@with_make
@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make periods-quick` does: all runs on digits, the tables, the figures and the page."""
    sweep, last, _ = made("periods-quick")
    there = {f"{name}/periods_quick": str(tmp_path / short) for name, short in FOLDERS.items()}

    def moved(line):
        for old, new in there.items():
            line = line.replace(old, new)
        return line

    done = subprocess.run(
        ["sh", "-c", moved(sweep)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    words, found = shlex.split(moved(last).split("experiments.critical_periods.measure")[1]), []
    of = Results.measured
    monkeypatch.setattr(Results, "measured", lambda results: found.append(of(results)) or found[-1])
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0, err
    _all_is_written(tmp_path / "plots", out)
    _all_is_measured(found[0])
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0 and "skipped (already complete" in out and len(found) == 1
    code, _, err = run(monkeypatch, capsys, *words, "--redo")
    assert code == 0 and len(found) == 2
    _what_is_missing_is_named(tmp_path / "p", lambda: run(monkeypatch, capsys, *words))


def _all_is_written(plots, out):
    table = (plots / "claims.md").read_text(encoding="utf-8")
    assert all(f"| {claim.number}. " in table and f"| {claim.number}. " in out for claim in claims.CLAIMS)
    assert table.count("not asked (quick)") == len(claims.CLAIMS) and "Seeds 10, 11, 12; " in table
    assert table.count("\n| begins again | ") == 11 and "nan" not in table
    names = {path.stem for path in plots.glob("*.png")}
    assert names == {path.stem for path in plots.glob("*.pdf")} and len(names) == len(figures.FIGURES) + 1
    assert "picture" in names and (plots / "inpca.html").exists()


def _all_is_measured(found):
    """All values are numbers; distances to controls of other seeds are positive."""
    for key, x in found.conditions.items():
        for what, values in x.known.items():
            assert values.shape == (3, len(x.epochs)), (key, what)
            assert np.isfinite(values[:, 1:]).all(), (key, what)
        assert np.isfinite(x.shares).all() and x.shares.sum(axis=2) == pytest.approx(1)
    assert all((x.ratio > 0).all() and (x.ratio_cooled > 0).all() for x in found.ends.values())
    assert found.tubes and all(np.isfinite(x.excess).any() for x in found.tubes.values())


def _what_is_missing_is_named(folder, measured):
    """A file that the last of what is read comes from."""
    place = folder / "digits_all_blur4_2to5_window_constant_layers" / "preds_12.h5"
    place.unlink()
    Results.open.cache_clear()  # which another process does not have
    code, _, err = measured()
    assert code == 1 and err.count("error: ") == 1 and f"{place} is missing; `make periods-quick` makes it" in err
