"""The command that measures subspaces: missing files, and all of it on networks that are trained for it."""

import os
import subprocess
import sys

import pytest

from experiments.subspaces import claims, measure
from info_geometry.files import ROOT
from learning.data import sets
from tests.support.commands import run_here


def run(monkeypatch, capsys, tmp_path, *arguments):
    words = ["--predictions", tmp_path / "p", "--checkpoints", tmp_path / "c", "--plots", tmp_path / "plots"]
    return run_here(measure.main, monkeypatch, capsys, *words, *arguments)


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, tmp_path)
    assert code == 1 and "fashion_all_line_ln0_head/preds_10.h5 is missing; `make subspaces` makes it" in err


def test_seeds_that_give_no_verdict(monkeypatch, capsys, tmp_path):
    """All that is said of seeds: tests/learning/test_measuring.py."""
    code, _, err = run(monkeypatch, capsys, tmp_path, "--seeds", 10)
    assert code == 1 and "verdicts need two seeds or more" in err


@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make subspaces-quick` does: every kind through both stages, the tables, the figures and the page."""
    if not (sets.DEBIAN_FASHION.exists() or (ROOT / "supervised_imagenet" / "data" / "FashionMNIST").exists()):
        pytest.skip("Fashion-MNIST is not here (Debian: apt-get install dataset-fashion-mnist)")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    quick = makefile.split("subspaces-quick: install")[1].replace("\\\n", " ")
    few = quick.split("--set ")[1].splitlines()[0].split()
    folders = ["--checkpoints-folder", tmp_path / "c", "--predictions", tmp_path / "p"]
    sweep = [
        "learning.sweep",
        "experiments/subspaces/runs.yaml",
        "--jobs",
        2,
        "--seeds",
        10,
        11,
        "--set",
        *few,
        *folders,
    ]
    levels = ["fashion_all_point_ln0", "fashion_all_point_ln0.4"]
    sample = ["experiments.subspaces.02_sampling.sample_subspace", *levels, "--seed", 10, 11, *folders]
    for words in (sweep, [*sample, "--average", "soup"], [*sample, "--average", "between"]):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    code, out, _ = run(monkeypatch, capsys, tmp_path, "--quick", "--seeds", 10, 11)
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert code == 0 and table.strip() in out
    assert table.count("not asked (quick)") == len(claims.CLAIMS) and "**holds**" not in table
    assert all(f"\n| {claim.number}. {claim.sentence} |" in table for claim in claims.CLAIMS)
    for name in ("path_ln0", "path_ln0.4", "path_under", "simplex", "noise", "dynamics", "recalibration", "corruption"):
        assert (tmp_path / "plots" / f"{name}.png").exists()
    assert all((tmp_path / "plots" / name).exists() for name in ("kinds.pdf", "picture.png", "inpca.html"))
    assert "skipped (already complete" in run(monkeypatch, capsys, tmp_path, "--quick", "--seeds", 10, 11)[1]
