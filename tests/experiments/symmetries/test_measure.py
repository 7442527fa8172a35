"""The command that measures symmetries: missing files, what make asks for, and all of it on networks trained for it."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.symmetries import claims, figures, measure
from experiments.symmetries.results import LINES, WIDTHS
from info_geometry.files import ROOT
from learning import grids
from tests.support.commands import made, run_here

with_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
FOLDERS = {"checkpoints": "c", "predictions": "p", "plots": "plots"}
run = functools.partial(run_here, measure.main)


def lines_between(commands):
    """Return the names, seeds and ways of the command that stores lines."""
    (found,) = (line for line in commands if "store_lines" in line)
    ways, words = found.split("; do ")[0], shlex.split(found.split("store_lines")[1])
    seeds = words[words.index("--seed") + 1 : words.index("$way")]
    return words[: words.index("--seed")], [int(seed) for seed in seeds], shlex.split(ways)[3:]


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    words = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *words)
    assert code == 1 and err.count("error: ") == 1
    assert "fashion_all_width48/seed_10 holds no run; `make symmetries` trains it" in err
    assert not list((tmp_path / "plots").glob("*.md"))


@with_make
@pytest.mark.parametrize(
    ("target", "dataset", "seeds"), [("symmetries", "fashion", [10, 12, 14]), ("symmetries-quick", "digits", [10])]
)
def test_make_takes_the_lines_that_are_measured(target, dataset, seeds):
    runs, of, ways = lines_between(made(target))
    assert of == seeds
    assert runs == [*(f"{dataset}_all_width{w}" for w in WIDTHS), *(f"{dataset}_all_{x}" for x in ("plain", "resnet")),
                    "digits_all_cct"]  # fmt: skip
    expected = {f"--matching {x.matching}" for x in LINES.values() if x.correction == "recalibration"}
    expected |= {f"--correction {x.correction}" for x in LINES.values() if x.correction != "recalibration"}
    assert set(ways) == expected and len(ways) == len(LINES)


@with_make
def test_make_measures_what_it_trains():
    (last,) = (line for line in made("symmetries") if line.endswith("experiments.symmetries.measure"))
    assert last.startswith(str(Path(sys.executable).parent)) and measure.SEEDS == [10, 12, 14]  # as they are by default
    every = grids.read(ROOT / "experiments" / "symmetries" / "runs.yaml")
    networks = {seed for grid in every if "networks" not in grid.arguments for seed in map(int, grid.seed)}
    assert networks == {seed + more for seed in measure.SEEDS for more in (0, 1)}
    for grid in every:
        if "networks" in grid.arguments:
            other = grid.arguments.get("receiver") == ("-1",)
            assert list(map(int, grid.seed)) == [seed + other for seed in measure.SEEDS], grid.name


@with_make
@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make symmetries-quick` does: all runs on digits, the tables, the figures and the page."""
    *before, last, _ = made("symmetries-quick")
    there = {f"{name}/symmetries_quick": str(tmp_path / short) for name, short in FOLDERS.items()}

    def moved(line):
        for old, new in there.items():
            line = line.replace(old, new)
        return line

    for line in before:
        done = subprocess.run(
            ["sh", "-c", moved(line)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    words, found = shlex.split(moved(last).split("experiments.symmetries.measure")[1]), []
    of = measure.measure
    monkeypatch.setattr(measure, "measure", lambda results: found.append(of(results)) or found[-1])
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0, err
    _all_is_written(tmp_path / "plots", out)
    _all_is_measured(found[0])
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0 and "skipped (already complete" in out and len(found) == 1
    _what_is_missing_is_named(tmp_path / "p", lambda: run(monkeypatch, capsys, *words))


def _all_is_written(plots, out):
    table = (plots / "claims.md").read_text(encoding="utf-8")
    assert table.strip() in out
    assert table.count("**not asked (quick)**") == len(claims.CLAIMS) and "**holds**" not in table
    assert all(f"\n| {claim.number}. {claim.sentence} |" in table for claim in claims.CLAIMS)
    names = {path.stem for path in plots.glob("*.png")}
    assert names == {path.stem for path in plots.glob("*.pdf")} and len(names) == len(figures.FIGURES) + 1
    assert "picture" in names and (plots / "inpca.html").exists()


def _all_is_measured(found):
    nans = {"nearest", "nearest_own"}  # there are no other networks
    for name, x in vars(found).items():
        assert _finite(x) or name in nans | {"alphas", "published", "strengths"}, name
    for sweep, key in ((found.alphas, "saturation"), (found.published, "saturation"), (found.strengths, "sparsity")):
        assert _finite(sweep.penalty) and _finite(getattr(sweep, key)) and (getattr(sweep, key) <= 1).all()
    for claim in claims.CLAIMS:
        one = claim.measure(found)
        assert one.verdict in ("holds", "does not hold", "undecided"), claim.number
        assert one.value and one.null and (claim.number == "P2" or "nan" not in one.value + one.null), claim.number
    verdicts = {claim.number: claim.measure(found).verdict for claim in claims.CLAIMS}
    assert {verdicts[number] for number in ("Y1", "Y2", "Y3", "Y4", "Y6", "Y11", "A1")} == {"holds"}
    assert verdicts["P2"] == "undecided"


def _finite(x):
    """Return whether all numbers in nested dicts and dataclasses are finite."""
    if isinstance(x, dict):
        return all(map(_finite, x.values()))
    if hasattr(x, "__dataclass_fields__"):
        return all(map(_finite, vars(x).values()))
    return bool(np.isfinite(x).all()) if isinstance(x, np.ndarray) else x is not None


def _what_is_missing_is_named(folder, measured):
    """A file that the last of what is read comes from."""
    place = folder / "digits_all_resnet_plus1_full_head" / "preds_10.h5"
    place.unlink()
    code, _, err = measured()
    assert code == 1 and err.count("error: ") == 1 and f"{place} is missing; `make symmetries` makes it" in err


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ("--seeds", 10),
            "--seeds 10: verdicts need two pairs or more; add seeds, or --quick",
        ),
        (("--seeds", 10, 11), "a pair is a seed and the next one; expected seeds of which none follows another"),
    ],
)
def test_seeds_that_give_no_verdict(monkeypatch, capsys, words, message):
    code, _, err = run(monkeypatch, capsys, *words)
    assert code == 1 and message in err
