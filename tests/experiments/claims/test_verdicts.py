"""The command verdicts.py: its table and figures on made-up runs, missing files, and all of it on trained runs."""

import subprocess
import sys

import pytest

from experiments.claims import runs as claimed
from experiments.claims import verdicts
from info_geometry import files
from info_geometry.files import ROOT
from learning.data import sets
from tests.experiments.claims.synthetic import detour, write


def run(monkeypatch, capsys, tmp_path, *arguments):
    """Run the command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(files.log, "handlers", [])
    words = ["--predictions", tmp_path / "p", "--plots", tmp_path / "plots", *arguments]
    with pytest.raises(SystemExit) as raised:
        files.command(lambda: verdicts.main([str(word) for word in words]))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return raised.value.code, captured.out, captured.err


def test_the_table_and_a_figure_a_claim(monkeypatch, capsys, tmp_path):
    again = [*claimed.TASKS, *claimed.NEAR]
    again += [f"{task}_{method}" for task in claimed.SUB_TASKS for method in claimed.CONTRASTIVE]
    names = [*again, *(f"{name}_fitted" for name in again), *claimed.EPISODIC, *claimed.EPISODIC.values()]
    names += ["classes_{}-{}".format(*pair) for pair in claimed.PAIRS]
    names += [f"{task}_from_all_at_{start}" for task in claimed.SUB_TASKS for start in (0, 5)] + ["all_from_all_at_5"]
    names = [f"fashion_{name}" for name in names]
    for i, name in enumerate(names):
        for seed in (5, 6):
            write(tmp_path / "p", name, seed, detour(i), final=0.0 if "randomlab" in name else 6.0)
    arguments = "--seeds", 5, 6, "--starts", 0, 5, "--quick"
    code, out, _ = run(monkeypatch, capsys, tmp_path, *arguments)
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert code == 0 and table.strip() in out
    for number in range(1, 10):
        assert f"\n| {number}. " in table and (tmp_path / "plots" / "claims" / f"claim_{number}.png").exists()
    assert table.count("not asked (quick)") == 9 and "holds" not in table and "torch" in table
    assert "skipped (already complete" in run(monkeypatch, capsys, tmp_path, *arguments)[1]


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, tmp_path)
    assert code == 1 and "fashion_all/preds_10.h5; `make claims` makes them" in err


@pytest.mark.slow
def test_all_of_it_quickly(tmp_path, monkeypatch, capsys):
    """What `make claims-quick` does: every method through both stages, and the table."""
    if not (sets.DEBIAN_FASHION.exists() or (ROOT / "supervised_imagenet" / "data" / "FashionMNIST").exists()):
        pytest.skip("Fashion-MNIST is not here (Debian: apt-get install dataset-fashion-mnist)")
    words = ["--seeds", 5, "--jobs", 2, "--set", "epochs=1", "warmup_epochs=0.5", "checkpoints=4", "checkpoint=0,3"]
    words += ["--checkpoints-folder", tmp_path / "c", "--predictions", tmp_path / "p"]
    done = subprocess.run(
        [sys.executable, "-m", "learning.sweep", "experiments/claims/runs.yaml", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    code, out, _ = run(monkeypatch, capsys, tmp_path, "--seeds", 5, "--starts", 0, 3, "--quick")
    assert code == 0 and all(f"\n| {number}. " in out for number in range(1, 10))
