"""The claims: measures on trajectories made so that a claim holds, or does not, and the command on files."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from experiments.claims import measures, verdicts
from info_geometry import files, predictions
from info_geometry.files import ROOT
from learning.data import sets
from tests.support.synthetic import labels_of, training

N, C = 120, 10
LABELS = labels_of(N, C)


def write(folder, run, seed, direction, T=6, final=6.0, only=None):
    """Write a trajectory towards the labels, for the classes `only`; or towards nothing (final=0)."""
    models = training(np.random.default_rng([seed, len(run)]), LABELS, C, T, final=final, direction=direction)
    if only is not None:  # the other samples stay where training began
        models[:, ~np.isin(LABELS, only)] = models[:1, ~np.isin(LABELS, only)]
    path = folder / run / f"preds_{seed}.h5"
    predictions.write(path, models, labels=LABELS, t=np.arange(T))
    return predictions.open_trajectory(path)


def detour(number):
    return 2 * np.random.default_rng(number).standard_normal((N, C))


@pytest.fixture
def runs(tmp_path):
    """Supervised runs of three seeds; random labels go nowhere."""
    found = {}
    for i, task in enumerate(verdicts.TASKS):
        final = 0.0 if task == "randomlab" else 6.0
        found[task] = [
            write(tmp_path, f"fashion_{task}", seed, 0 * detour(0) if task == "randomlab" else detour(i), final=final)
            for seed in (5, 6, 7)
        ]
    return found


@pytest.mark.parametrize(
    ("holds", "fails", "expected"),
    [(True, False, "holds"), (False, True, "does not hold"), (False, False, "undecided")],
)
def test_verdicts(holds, fails, expected):
    assert measures.decide(holds, fails) == expected


def test_permuted_correlation_is_exact():
    assert measures.permuted_correlation([1, 2, 3, 4], [1, 2, 3, 4]) == (pytest.approx(1), 1 / 24)
    assert measures.permuted_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == (pytest.approx(-1), 1)
    found, p = measures.permuted_correlation([1, 2, 3, 4, 5], [2, 1, 2, 5, 4])
    slow = [np.corrcoef([1, 2, 3, 4, 5], order)[0, 1] for order in itertools.permutations([2.5, 1, 2.5, 5, 4])]
    assert found == pytest.approx(np.corrcoef([1, 2, 3, 4, 5], [2.5, 1, 2.5, 5, 4])[0, 1])
    assert p == pytest.approx(np.mean(np.array(slow) >= found - 1e-12))
    assert np.isnan(measures.permuted_correlation([1, 2, 3], [1, 1, 1])).all()


def test_trajectories_on_one_way_are_low_dimensional_and_permuted_ones_less_so(tmp_path):
    same = {name: [write(tmp_path, f"fashion_{name}", seed, detour(0), T=9) for seed in (5, 6)] for name in "abc"}
    found = measures.low_dimensional(same, draws=3)
    stress, null = found.shown["stress"], found.shown["null"]
    assert found.verdict == "holds" and all(stress[2] > values[:, 2].max() for values in null.values())
    assert set(found.shown["embedding"].index["run"]) == set("abc") and all(len(v) == 3 for v in null.values())
    apart = {
        name: [write(tmp_path, f"fashion_{name}", seed, 4 * detour([i, seed]), T=9, final=0) for seed in (5, 6)]
        for i, name in enumerate("abcdefgh")
    }
    assert measures.low_dimensional(apart, draws=3).verdict == "does not hold"


def test_progress_on_classes_never_seen(runs):
    found = measures.progress_on_others(runs, "fashion")
    found = found.shown["tasks"]
    assert set(found) == set(verdicts.TASKS) - {"all", "randomlab"}
    assert all(value > 0.5 and null < 0.1 for (value, _), (null, _), *_ in found.values())
    assert found["shirt"][2:] == (2, 1) and found["clothing"][2] == 6


def test_no_progress_on_classes_never_seen(tmp_path, runs):
    for i, task in enumerate(("clothing", "garment", "footwear", "shirt", "shoe", "3rd")):
        classes = measures.tasks.load("fashion", task).classes
        runs[task] = [write(tmp_path, f"fashion_{task}", seed, detour(i), only=classes) for seed in (5, 6, 7)]
    assert measures.progress_on_others(runs, "fashion").verdict == "does not hold"


def test_arrangement_of_tasks(runs):
    found = measures.follows_wordnet(runs, "fashion")
    assert "6 tasks" in found.value and "720 permutations" in found.null
    assert found.verdict == measures.decide(
        *(bool(x) for x in (float(found.value.split("p = ")[1].split()[0]) <= 0.05, found.shown["correlation"] <= 0))
    )
    null = np.array(found.shown["null"])
    assert len(null) == 720 and null[0] == pytest.approx(found.shown["correlation"])  # of the identity
    assert np.mean(null >= null[0] - 1e-12) == pytest.approx(float(found.value.split("p = ")[1].split()[0]), rel=0.05)


def test_a_way_with_a_detour_is_longer(tmp_path, runs):
    for i, task in enumerate(verdicts.TASKS[1:]):  # which end elsewhere
        runs[task] = [write(tmp_path, f"fashion_{task}", seed, detour(i), only=range(i + 1)) for seed in (5, 6, 7)]
    for name in verdicts.EPISODIC:
        runs[name] = [write(tmp_path, f"fashion_{name}", seed, 3 * detour(0)) for seed in (5, 6, 7)]
    found = measures.longer_but_near(runs, verdicts.EPISODIC)
    assert found.verdict == "holds" and min(map(min, (found.shown["lengths"][x] for x in verdicts.EPISODIC))) > max(
        found.shown["lengths"]["all"]
    )
    for name in verdicts.EPISODIC:
        runs[name] = [write(tmp_path, f"fashion_{name}", seed, 0 * detour(0), final=1.0) for seed in (5, 6, 7)]
    assert measures.longer_but_near(runs, verdicts.EPISODIC).verdict == "does not hold"


def test_near_at_equal_progress(tmp_path, runs):
    for name in verdicts.NEAR:
        runs[name] = [write(tmp_path, f"fashion_{name}", seed, detour(0)) for seed in (5, 6, 7)]
    assert measures.near_at_equal_progress(runs, verdicts.NEAR).verdict == "holds"
    for name in verdicts.NEAR:
        runs[name] = [write(tmp_path, f"fashion_{name}", seed, 4 * detour(99)) for seed in (5, 6, 7)]
    found = measures.near_at_equal_progress(runs, verdicts.NEAR)
    assert found.verdict == "does not hold" and "all_simclr than 0 of 6" in found.beside


def test_a_method_that_comes_further_than_all_others_has_nothing_to_be_compared_with(tmp_path, runs):
    for name in runs:
        if name != "all":
            runs[name] = [write(tmp_path, f"fashion_{name}", seed, 4 * detour(1), final=3.0) for seed in (5, 6, 7)]
    for name in verdicts.NEAR:
        runs[name] = [write(tmp_path, f"fashion_{name}", seed, detour(0)) for seed in (5, 6, 7)]
    found = measures.near_at_equal_progress(runs, verdicts.NEAR)
    assert found.verdict == "undecided" and found.value.count("nothing: no other task comes as far") == 3
    assert "all_fixmatch than 6 of 6" in found.beside


def test_fine_tuning_that_changes_less_and_less(tmp_path):
    def start(k, final):
        return [write(tmp_path, f"fashion_x_at_{k}", seed, 0 * detour(0), final=final) for seed in (5, 6, 7)]

    falling = {k: start(k, final) for k, final in ((0, 6.0), (10, 2.0), (39, 0.5))}
    found = measures.changes_little(falling)
    assert found.verdict == "holds" and (np.diff(found.shown["distance"].mean(axis=1)) < 0).all()
    last = falling[39][0].roots() ** 2, falling[0][0].roots() ** 2
    expected = measures.distance.bhattacharyya(last[0][0], last[0][-1]) / measures.distance.bhattacharyya(
        last[1][0], last[1][-1]
    )
    assert found.shown["distance"][-1, 0] == pytest.approx(expected, rel=1e-6)
    rising = {k: start(k, final) for k, final in ((0, 0.5), (10, 2.0), (39, 6.0))}
    assert measures.changes_little(rising).verdict == "does not hold"


def test_random_labels_go_elsewhere(tmp_path, runs):
    found = measures.elsewhere(runs)
    assert found.verdict == "holds" and max(found.shown["progress"]["randomlab"]) < 0.1
    runs["randomlab"] = [write(tmp_path, "fashion_randomlab", seed, detour(0)) for seed in (5, 6, 7)]
    assert measures.elsewhere(runs).verdict != "holds"


# --- the command ----------------------------------------------------------------------------------------------------


def run(monkeypatch, capsys, tmp_path, *arguments):
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "experiments/claims/verdicts.py",
            "--predictions",
            str(tmp_path / "p"),
            "--plots",
            str(tmp_path / "plots"),
            *map(str, arguments),
        ],
    )
    with pytest.raises(SystemExit) as raised:
        files.command(verdicts.main)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return raised.value.code, captured.out, captured.err


def test_the_table_and_a_figure_a_claim(monkeypatch, capsys, tmp_path):
    names = [f"fashion_{task}" for task in (*verdicts.TASKS, *verdicts.EPISODIC, *verdicts.NEAR)]
    names += [f"fashion_{task}_from_all_at_{start}" for task in verdicts.SUB_TASKS for start in (0, 5)]
    for i, name in enumerate(names):
        for seed in (5, 6):
            write(tmp_path / "p", name, seed, detour(i), final=0.0 if "randomlab" in name else 6.0)
    arguments = "--seeds", 5, 6, "--starts", 0, 5, "--quick"
    code, out, _ = run(monkeypatch, capsys, tmp_path, *arguments)
    table = (tmp_path / "plots" / "claims.md").read_text(encoding="utf-8")
    assert code == 0 and table.strip() in out
    for number in verdicts.CLAIMS:
        assert f"\n| {number}. " in table and (tmp_path / "plots" / "claims" / f"claim_{number}.png").exists()
    assert table.count("not asked (quick)") == 7 and "holds" not in table and "torch" in table
    assert "skipped (already complete" in run(monkeypatch, capsys, tmp_path, *arguments)[1]


def test_missing_runs_are_named(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, tmp_path)
    assert code == 1 and "fashion_all/preds_5.h5; `make claims` makes them" in err


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
    assert code == 0 and all(f"\n| {number}. " in out for number in verdicts.CLAIMS)
