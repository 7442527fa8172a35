"""The command that measures the manifold: seeds, missing runs, partial sweeps, and what it writes."""

import dataclasses
import functools
import json
import shutil

from experiments.manifold import claims, measure, planned
from experiments.manifold.planned import SPEED
from info_geometry.files import write_text
from tests.experiments.manifold import generated
from tests.experiments.manifold.made_up_measured import measured
from tests.support.commands import run_here

FOLDERS = ("checkpoints", "predictions", "plots")
run = functools.partial(run_here, measure.main)


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    for words, target, name in (((), "manifold", "fashion"), (("--quick",), "manifold-quick", "digits")):
        code, _, err = run(monkeypatch, capsys, *folders, *words)
        assert code == 1 and err.count("error: ") == 1
        assert f"{tmp_path}/predictions/{name}_all_" in err and "-wd0" in err
        assert f"is missing, and all others of the grid; `make {target}` trains them" in err
    assert not list((tmp_path / "plots").glob("*.md"))


def test_seeds_that_give_no_verdict(monkeypatch, capsys, tmp_path):
    """All that is said of seeds: tests/learning/test_measuring.py."""
    folders = [word for name in FOLDERS for word in (f"--{name}", tmp_path / name)]
    code, _, err = run(monkeypatch, capsys, *folders, "--seeds", 10, 11)
    assert code == 1 and "verdicts need three seeds or more" in err and err.count("error: ") == 1


def test_the_table_of_networks():
    found = measured(3)
    head, line, *rows = measure.networks(found)
    assert len(rows) == 6 and line.count("|") == head.count("|") == rows[0].count("|")
    assert rows[0] == "| fc | adam | 12 | 10.0 +- 0.1 | 10.0 +- 0.1 | 0.80 +- 0.00 | 0.80 +- 0.00 |"
    assert not measure.networks(dataclasses.replace(found, pictures=None))


def test_all_of_a_small_sweep(study, monkeypatch, capsys, tmp_path):
    """Tables are written, and not again; without verdicts where it was to be quick; rules and nulls are numbers."""
    monkeypatch.setattr(measure, "QUICK", study.size)
    seen, of = [], measure.measure
    monkeypatch.setattr(measure, "measure", lambda results: seen.append(of(results)) or seen[-1])
    folders = study.folders.checkpoints, study.folders.predictions, tmp_path / "plots"
    words = ["--quick", "--seeds", *generated.SEEDS]
    words += [word for name, folder in zip(FOLDERS, folders) for word in (f"--{name}", folder)]
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0, err
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert all(f"| {claim.number}. " in table and f"| {claim.number}. " in out for claim in claims.CLAIMS)
    assert table.count("not asked (quick)") == len(claims.CLAIMS) and "nan" not in table
    assert "Of the grid, all 24 runs ended with an error of at most 0.35; progress common to all: 0." in table
    assert "Seeds 10, 11; " in table and table.count("\n| fc 16-16 | ") == 2 and "Left out" not in table
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0 and "skipped (already complete" in out and len(seen) == 1
    other = [90 if word == generated.SEEDS[0] else 91 if word == generated.SEEDS[1] else word for word in words]
    code, _, err = run(monkeypatch, capsys, *other)
    assert code == 1 and "--seeds 90 91: no run of these seeds is there: " in err and "preds_90.h5 is missing" in err
    assert (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8") == table  # though Gaussian inputs are there
    found = dataclasses.replace(seen[0], missing={SPEED: "no file is there"}, widths=None)
    monkeypatch.setattr(measure, "measure", lambda results: found)
    code, out, _ = run(monkeypatch, capsys, *words, "--redo")
    assert code == 0 and "| L7. " not in out and "Left out: L7, L7b, of widths. No file is there." in out


def test_what_was_measured_depends_on_configurations_and_on_what_diverged(tmp_path, monkeypatch):
    """A stamp of the same files, by other settings or after a run diverged, is that of another measurement."""
    found, seen = generated.of(tmp_path), []
    monkeypatch.setattr(measure, "QUICK", found.size)
    monkeypatch.setattr(measure, "once", lambda stamp, inputs, produce, redo: seen.append(json.dumps(inputs)))
    folders = found.folders.checkpoints, found.folders.predictions, tmp_path / "plots"
    words = [str(word) for name, folder in zip(FOLDERS, folders) for word in (f"--{name}", folder)]
    words += ["--quick", "--seeds", "10", "11"]
    measure.main(words)
    measure.main(words)
    write_text(found.folders.run(generated.USUAL, 10) / "diverged.json", '{"step": 3, "error": "it diverged"}')
    measure.main(words)
    configs = shutil.copytree(planned.FOLDER / "01_training", tmp_path / "01_training") / "configs"
    monkeypatch.setattr(planned, "FOLDER", tmp_path)
    text = (configs / "digits_manifold.yaml").read_text(encoding="utf-8")
    (configs / "digits_manifold.yaml").write_text(text.replace("epochs: 8", "epochs: 9"), encoding="utf-8")
    measure.main(words)
    assert seen[0] == seen[1] and len(set(seen)) == 3
