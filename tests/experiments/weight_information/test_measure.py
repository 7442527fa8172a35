"""The command that measures information in the weights: missing files, what make asks for, and all of it quickly."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.weight_information import claims, figures, measure
from experiments.weight_information.results import FULL, QUICK, Results
from info_geometry.files import ROOT
from learning import grids
from tests.support.commands import made, run_here

with_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
FOLDERS = {"checkpoints": "c", "predictions": "p", "plots": "plots"}
GRIDS = ROOT / "experiments" / "weight_information"
run = functools.partial(run_here, measure.main)


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    for words, target, name in (
        ((), "information", "fashion_all_variational_beta0.001-ln0"),
        (("--quick",), "information-quick", "digits_all_variational_beta0.01"),
    ):
        code, _, err = run(monkeypatch, capsys, *folders, *words)
        assert code == 1 and err.count("error: ") == 1
        assert f"{tmp_path}/predictions/{name}" in err
        assert f"_information/preds_10.h5 is missing; `make {target}` makes it" in err
    assert not list((tmp_path / "plots").glob("*.md"))


def test_seeds_that_give_no_verdict(monkeypatch, capsys, tmp_path):
    """All that is said of seeds: tests/learning/test_measuring.py."""
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *folders, "--seeds", 10)
    assert code == 1 and "verdicts need two seeds or more" in err and err.count("error: ") == 1


@with_make
@pytest.mark.parametrize("target, name, size", [("information", "runs", FULL), ("information-quick", "quick", QUICK)])
def test_make_trains_what_it_measures(target, name, size):
    sweep, last, said = made(target)
    place, words = target.replace("-", "_"), shlex.split(sweep)
    assert words[0].startswith(str(Path(sys.executable).parent))
    assert words[1:4] == ["-m", "learning.sweep", f"experiments/weight_information/{name}.yaml"]
    given = dict(zip(words[4::2], words[5::2]))
    assert given == {
        "--jobs": "2",
        "--checkpoints-folder": f"checkpoints/{place}",
        "--predictions": f"predictions/{place}",
    }
    assert said.endswith(f'plots/{place}/claims.md"')
    asked = shlex.split(last.split("experiments.weight_information.measure")[1])
    if size is FULL:
        assert not asked and measure.SEEDS == [10, 11, 12]  # as they are by default, as are folders
    else:
        folders = {f"--{folder}": f"{folder}/{place}" for folder in FOLDERS}
        assert asked[0] == "--quick" and dict(zip(asked[1::2], asked[2::2])) == {"--seeds": "10", **folders}
    seeds = measure.SEEDS if size is FULL else [10]
    every = grids.read(GRIDS / f"{name}.yaml")
    assert all(list(map(int, grid.seed)) == seeds for grid in every)
    assert all(grid.config.startswith(f"{size.dataset}_") for grid in every)


@with_make
def test_make_clean_removes_what_it_made():
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-n", "clean"], cwd=ROOT, env=usual, capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert all(f"{folder}/{name}" in words for folder in FOLDERS for name in ("information", "information_quick"))


@with_make
@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make information-quick` does: all runs on digits, the tables, the figures and the page."""
    sweep, last, _ = made("information-quick")
    there = {f"{name}/information_quick": str(tmp_path / short) for name, short in FOLDERS.items()}

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
    words, found = shlex.split(moved(last).split("experiments.weight_information.measure")[1]), []
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
    assert table.strip() in out
    assert table.count("**not asked (quick)**") == len(claims.CLAIMS) and "**holds**" not in table
    assert all(f"\n| {claim.number}. {claim.sentence} |" in table for claim in claims.CLAIMS)
    assert table.startswith("| ") and "Seeds 10; " in table
    for name in ("right", "random"):
        assert f"Variational networks of 200 images with {name} labels, by beta." in table
    for row in measure.ROWS:
        assert table.count(f"\n| {row} |") == 2
    names = {path.stem for path in plots.glob("*.png")}
    assert names == {path.stem for path in plots.glob("*.pdf")} and len(names) == len(figures.FIGURES) + 1
    assert "picture" in names and (plots / "inpca.html").exists()


def _all_is_measured(found):
    """All values are numbers; where a network knows nothing, there is no temperature of one entropy."""
    sweeps = {**found.conditions, **found.posteriors}
    sweeps |= {
        f"{what} {key}": x for what in ("again", "bounded", "nuisances") for key, x in getattr(found, what).items()
    }
    for where, x in sweeps.items():
        for key, values in x.known.items():
            assert values.shape == (1, len(x.beta)), (where, key)
            assert np.isfinite(values).all() or "at_entropy" in key or key in ("moved", "noise", "bits", "fineness")
            assert not np.isnan(values).all() or key == "moved", (where, key)
    for x in (found.course, *found.batches.values(), *found.ordinary.values()):
        for key, values in x.known.items():
            assert values.shape == (1, len(x.epochs)), key
            assert np.isfinite(values[:, 1:]).all(), key
        assert np.isfinite(x.steps).all() and (x.length > 0).all()
    for claim in claims.CLAIMS:
        one = claim.measure(found)
        assert one.verdict in ("holds", "does not hold", "undecided"), claim.number
        assert one.value and one.null, claim.number
    cheap, dear = (found.by_noise[0]["kl"][0, k] for k in (0, -1))
    assert cheap > 10 * dear > 0


def _what_is_missing_is_named(folder, measured):
    """A file that the last of what is read comes from."""
    place = folder / "digits_all_point_ti200-ln1_information" / "preds_10.h5"
    place.unlink()
    Results.open.cache_clear()  # which another process does not have
    code, _, err = measured()
    assert code == 1 and err.count("error: ") == 1 and f"{place} is missing; `make information-quick` makes it" in err
