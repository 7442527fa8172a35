"""Sweeps: every run is taken once, stages end with their processes, and what fails or is held stops nothing else."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from info_geometry import files
from info_geometry.files import ROOT
from learning import sweep
from learning.runs import run as runs
from learning.workers import Outcome
from tests.support import stages
from tests.support.runs import TINY, folder_of, module, options, same_runs
from tests.support.stages import STORE, TRAIN, done, until

ARGUMENTS = {key: str(value) for key, value in TINY.items()}


def written(folder, **changes):
    """Return a grid file of tiny runs of digits."""
    path = folder / "grid.yaml"
    grid = {"stage": module(TRAIN), "config": "digits", "settings": TINY, **changes}
    path.write_text(yaml.safe_dump(grid, sort_keys=False))
    return path


def started(folder, grid, *words):
    where = ["--checkpoints-folder", folder / "checkpoints", "--predictions", folder / "predictions"]
    return subprocess.Popen(
        [sys.executable, "-m", "learning.sweep", *map(str, [grid, *where, *words])],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture
def swept(capsys):
    """A function that sweeps from this process, whose workers are forked from the server of the tests; it returns
    (exit code, output, errors)."""

    def sweeps(folder, grid, *words):
        where = ["--checkpoints-folder", folder / "checkpoints", "--predictions", folder / "predictions"]
        code = sweep.main([*map(str, [grid, *where, *words])])
        return code, *capsys.readouterr()

    return sweeps


def test_every_run_is_taken_once_and_is_that_of_the_stages(swept, tmp_path):
    grid = written(tmp_path, task=["all", "even"], seed=[0, 1])
    code, out, error = swept(tmp_path / "a", grid, "--jobs", 2)
    assert (code, error) == (0, "")
    assert out == (
        "training: 4 done, 0 skipped (already complete), 0 failed\n"
        "imprinting: 4 done, 0 skipped (already complete), 0 failed\n"
    )
    words = ["--task", "all", "even", "--seed", 0, 1]
    done(TRAIN, tmp_path / "b", "digits", *words, **TINY)
    done(STORE, tmp_path / "b", "digits", *words)
    same_runs(tmp_path / "a", tmp_path / "b")
    before = stages.times(tmp_path / "a")
    assert swept(tmp_path / "a", grid, "--jobs", 2)[1].count("0 done, 4 skipped (already complete), 0 failed") == 2
    assert stages.times(tmp_path / "a") == before


def test_settings_that_vary_name_the_variant(swept, tmp_path):
    grid = written(tmp_path, settings={**TINY, "optimiser": ["sgd", "adam"]})
    code, _, error = swept(tmp_path, grid, "--set", "learning_rate=0.01,0.02", "--jobs", 2)
    assert code == 0, error
    names = {f"digits_all_{optimiser}-lr{rate}" for optimiser in ("sgd", "adam") for rate in ("0.01", "0.02")}
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == names
    assert len(list(tmp_path.glob("predictions/*/preds_0.h5"))) == 4
    run = runs.read(folder_of(tmp_path, "digits_all_adam-lr0.02"))
    assert run.variant == "adam-lr0.02" and run.config["optimiser"] == "adam" and run.config["learning_rate"] == 0.02


def test_changes_may_be_said_one_by_one(swept, tmp_path):
    words = "--set", "optimiser=sgd,adam", "--set", "learning_rate=0.01,0.02", "--status"
    code, out, _ = swept(tmp_path, written(tmp_path), *words)
    assert code == 0 and out.splitlines()[1].split()[:2] == ["0", "4"]  # the grid's number, and its runs


def test_runs_are_imprinted_in_each_way_that_is_asked_for(swept, tmp_path):
    grid = written(tmp_path, task=["all", "even"], imprint=["", "--temperature fitted", "--temperature warm"])
    code, out, err = swept(tmp_path, grid)
    assert code == 1 and "training: 2 done" in out and "imprinting: 4 done, 0 skipped" in out and "2 failed" in out
    assert "--temperature is 'warm'" in err
    there = {path.parent.name for path in tmp_path.glob("predictions/*/preds_0.h5")}
    assert there == {"digits_all", "digits_all_fitted", "digits_even", "digits_even_fitted"}
    code, out, _ = swept(tmp_path, written(tmp_path, task=["all", "even"], imprint=["", "--temperature fitted"]))
    assert code == 0 and "imprinting: 0 done, 4 skipped" in out


def test_a_run_that_fails_does_not_stop_the_others(swept, tmp_path):
    folder = folder_of(tmp_path, "digits_even")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    code, out, error = swept(tmp_path, written(tmp_path, task=["all", "even", "evn"]), "--jobs", 2)
    assert code == 1 and f"error: {folder}/run.json: not readable" in error and "has no task 'evn'" in error
    assert "training: 1 done, 0 skipped (already complete), 2 failed" in out
    assert "imprinting: 1 done, 0 skipped (already complete), 0 failed" in out


def test_what_is_wrong_with_all_runs_is_said_once(swept, tmp_path):
    code, out, error = swept(tmp_path, written(tmp_path, task=["all", "even"]), "--set", "epoch=3")
    assert code == 1 and error == "error: unknown key --epoch; did you mean --epochs?\n" and "2 failed" in out


def test_a_run_that_another_process_holds_is_looked_at_again_at_the_end(swept, tmp_path):
    grid, found, held = written(tmp_path, task=["all", "even", "odd"]), [], threading.Event()

    def hold():
        with files.lock(folder_of(tmp_path) / ".lock", "it"):
            held.set()
            until(lambda: (folder_of(tmp_path, "digits_odd") / "last.pth").exists(), timeout=100)
            time.sleep(0.5)
            found.extend(path.name for path in folder_of(tmp_path).iterdir())

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    code, out, _ = swept(tmp_path, grid)
    holder.join()
    assert code == 0 and "training: 3 done, 0 skipped" in out and found == [".lock"]


def stat(pid):
    """Return state and parent of a process, or nothing where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    return None, None


def children(pid):
    """Return the processes below a process."""
    every = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    found = [each for each in every if stat(each)[1] == str(pid)]
    return [*found, *(each for child in found for each in children(child))]


def alive(pids):
    """Return the processes that have not ended."""
    return [pid for pid in pids if stat(pid)[0] not in (None, "Z")]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only Linux lists processes there")
@pytest.mark.parametrize("number, expected", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals_end_all_processes_and_the_sweep_goes_on(tmp_path, number, expected):
    settings = {"epochs": 60, "warmup_epochs": 1, "batch_size": 8, "checkpoints": 5}
    process = started(tmp_path, written(tmp_path, seed=[0, 1, 2], settings=settings), "--jobs", 2)
    logs = [folder_of(tmp_path, seed=seed) / "log.jsonl" for seed in (0, 1)]
    until(lambda: all(log.exists() and log.read_text().count("\n") >= 2 for log in logs), timeout=100)
    below = children(process.pid)
    assert len(below) >= 3  # the two, and the one they were forked from
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C in a terminal
    else:
        process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == expected
    assert "interrupted: the same command goes on from what is complete" in error and "Traceback" not in error
    until(lambda: not alive(below), timeout=10)
    assert all((log.parent / "last.pth").exists() for log in logs)  # each finished its step, and saved itself


def test_a_process_that_is_killed_does_not_stop_the_others(swept, tmp_path):
    settings = {"epochs": 10, "warmup_epochs": 1, "batch_size": 8, "checkpoints": 5}
    folder = folder_of(tmp_path)

    def kill():
        until(lambda: (folder / "last.pth").exists(), timeout=100)
        os.kill(int((folder / ".lock").read_text().split()[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code, out, error = swept(tmp_path, written(tmp_path, seed=[0, 1, 2], settings=settings), "--jobs", 2)
    killer.join()
    assert code == 1 and "a process ended with code -9 on" in error
    assert "training: 2 done, 0 skipped (already complete), 1 failed" in out
    assert "imprinting: 2 done, 0 skipped (already complete), 0 failed" in out


@pytest.mark.slow
def test_with_torchrun(swept, tmp_path):
    code, out, error = swept(tmp_path, written(tmp_path, task=["all", "even"]), "--nproc", 2)
    assert code == 0 and "training: 2 done" in out and "imprinting: 2 done" in out, error
    assert len(list(tmp_path.glob("predictions/*/preds_0.h5"))) == 2


def test_parts_share_a_sweep(swept, tmp_path):
    grid = written(tmp_path, task=["all", "even", "odd"])
    for part, count in (("0/2", 2), ("1/2", 1)):
        assert f"training: {count} done, 0 skipped" in swept(tmp_path, grid, "--part", part)[1]
    assert len(list(tmp_path.glob("predictions/*/preds_0.h5"))) == 3


def test_seeds_among_those_that_each_grid_names(swept, tmp_path):
    path, grid = tmp_path / "grids.yaml", {"stage": module(TRAIN), "config": "digits", "settings": TINY}
    tasks = {"all": [3, 4], "even": [4], "odd": [5]}
    path.write_text(yaml.safe_dump([{**grid, "name": task, "task": task, "seed": s} for task, s in tasks.items()]))
    code, out, error = swept(tmp_path, path, "--among", 4, 6)
    assert (code, error) == (0, "")
    assert "all, training: 1 done" in out and "even, training: 1 done" in out and "odd" not in out
    there = {(place.parent.name, place.name) for place in tmp_path.glob("checkpoints/*/seed_*")}
    assert there == {("digits_all", "seed_4"), ("digits_even", "seed_4")}
    with pytest.raises(files.InputError, match="no grid has a seed among 6"):
        swept(tmp_path, path, "--among", 6)


def test_methods_one_after_the_other(swept, tmp_path):
    """The second grid starts from the runs of the first one, and has an argument of its own."""
    fine = {
        "name": "fine-tuning",
        "stage": "experiments.fine_tuning.01_training.train_fine_tuned",
        "config": "digits",
        "task": "low",
        "arguments": {"start": "all", "checkpoint": [0, 1]},
    }
    path = tmp_path / "grids.yaml"
    first = {"name": "supervised", "stage": module(TRAIN), "config": "digits"}
    path.write_text(yaml.safe_dump([first, fine]))
    changes = [f"{key}={value}" for key, value in ARGUMENTS.items()]
    code, out, error = swept(tmp_path, path, "--jobs", 2, "--seeds", 4, "--set", *changes, "checkpoint=0,2")
    assert code == 0, error
    assert out.splitlines().count("fine-tuning, training: 2 done, 0 skipped (already complete), 0 failed") == 1
    names = {"digits_all", "digits_low_from_all_at_0", "digits_low_from_all_at_2"}
    assert {path.parent.name for path in tmp_path.glob("predictions/*/preds_4.h5")} == names


@pytest.mark.parametrize("words, message", [(["--jobs", "0"], "--jobs is 0"), (["--part", "2/2"], "expected I/N")])
def test_bad_command_lines(tmp_path, words, message):
    with pytest.raises(files.InputError, match=message):
        sweep.main([str(written(tmp_path)), *words])


def test_report_says_what_came_of_each_run(tmp_path):
    words = ["--task", "all", "low", "--report", tmp_path / "report"]
    assert done(TRAIN, tmp_path, "digits", *words, *options(TINY)) == ""
    with files.lock(folder_of(tmp_path, "digits_low") / ".lock", "it"):
        assert done(TRAIN, tmp_path, "digits", *words, *options(TINY)) == ""
    said = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert [(line["run"], line["outcome"]) for line in said] == [
        (["digits_all", 0], "done"),
        (["digits_low", 0], "done"),
        (["digits_all", 0], "skipped (already complete)"),
        (["digits_low", 0], "held"),
    ]
    assert [bool(line["error"]) for line in said] == [False, False, False, True]


def test_who_would_wait_for_a_grid_imprints_what_is_trained(monkeypatch, tmp_path, capsys):
    """The next grid begins once all runs are trained, before what is left to imprint."""
    path, order = tmp_path / "grids.yaml", []
    grid = {"stage": module(TRAIN), "config": "digits", "imprint": ["", "--temperature fitted"]}
    path.write_text(yaml.safe_dump([{**grid, "name": "first", "seed": [0, 1]}, {**grid, "name": "second"}]))

    def outcomes(queue, jobs, signals):
        trained = 0
        while queue:
            work = queue.popleft()
            order.append((work.number, "imprint" if work.about else "train"))
            if work.about:
                yield work, Outcome("done", work.about)
            else:
                trained += 1
                yield work, Outcome("done", ("digits_all", trained))

    monkeypatch.setattr(sweep, "outcomes", outcomes)
    assert sweep.main([str(path)]) == 0
    train, imprint = "train", "imprint"
    assert order == [(0, train), (0, train), (1, train), *[(0, imprint)] * 4, *[(1, imprint)] * 2]
    assert [line.partition(" done")[0] for line in capsys.readouterr().out.splitlines()] == [
        "first, training: 2",
        "second, training: 1",
        "first, imprinting: 4",
        "second, imprinting: 2",
    ]
