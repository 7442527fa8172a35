"""Sweeps end as they should: runs that diverge, names that collide, disks that are full, processes that are killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

from info_geometry import files
from info_geometry.files import ROOT, InputError
from learning import sweep
from learning.sweeps import estimate, standing
from learning.workers import script
from tests.support.runs import TINY, folder_of, module
from tests.support.stages import SMALL, TRAIN, times, until

AWAY = 10000000000.0  # a learning rate


def written(folder, *grids, **changes):
    path = folder / "grid.yaml"
    every = grids or [{"stage": module(TRAIN), "config": "digits", "settings": TINY, **changes}]
    path.write_text(yaml.safe_dump(list(every), sort_keys=False))
    return path


def where(folder):
    return ["--checkpoints-folder", str(folder / "checkpoints"), "--predictions", str(folder / "predictions")]


def started(folder, grid, *words, limit=""):
    command = [sys.executable, "-m", "learning.sweep", str(grid), *where(folder), *map(str, words)]
    return subprocess.Popen(
        ["sh", "-c", f'{limit} exec "$@"', "sh", *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture
def swept(capsys):
    def sweeps(folder, grid, *words):
        code = sweep.main([str(grid), *where(folder), *map(str, words)])
        return code, *capsys.readouterr()

    return sweeps


@pytest.fixture
def status(swept):
    """A function that returns {column: number} of the last row of --status, and the lines that follow."""

    def asks(folder, grid):
        before = times(folder)
        code, out, error = swept(folder, grid, "--status")
        assert (code, error) == (0, "") and times(folder) == before
        head, *lines = out.splitlines()
        ends = [head.index(name) + len(name) for name in ("runs", *standing.STATES)]
        row = [line for line in lines if len(line) == len(head)][-1]
        found = {name: int(row[:end].split()[-1]) for name, end in zip(("runs", *standing.STATES), ends)}
        return found, "\n".join(line for line in lines if len(line) != len(head))

    return asks


def test_a_run_that_diverges_is_named_and_not_trained_again(swept, status, tmp_path):
    grid = written(tmp_path, settings={**SMALL, "learning_rate": [0.01, AWAY]}, seed=[0, 1])
    code, out, error = swept(tmp_path, grid, "--jobs", 2)
    assert code == 0  # it would be the same again, and what is measured of the others could never be
    assert out == (
        "training: 2 done, 0 skipped (already complete), 0 failed, 2 diverged\n"
        "imprinting: 2 done, 0 skipped (already complete), 0 failed\n"
    )
    folder = folder_of(tmp_path, f"digits_all_lr{AWAY}")
    step = json.loads((folder / "diverged.json").read_text())["step"]
    assert f"error: {folder}" in error and f"at step {step}" in error and error.count("\n") == 2
    before = times(tmp_path)
    code, out, again = swept(tmp_path, grid)
    assert (code, sorted(again.splitlines())) == (0, sorted(error.splitlines()))
    assert "training: 0 done, 2 skipped (already complete), 0 failed, 2 diverged" in out and times(tmp_path) == before
    counts, said = status(tmp_path, grid)
    assert {key: count for key, count in counts.items() if count} == {"runs": 4, "complete": 2, "diverged": 2}
    assert f"digits_all_lr{AWAY} seed 0, diverged: {folder}" in said
    with pytest.raises(InputError, match=r"was trained with other settings .*momentum 0.9 -> 0.1"):
        sweep_stage(tmp_path, "--momentum", "0.1")
    (folder / "diverged.json").unlink()
    assert "training: 0 done, 2 skipped (already complete), 0 failed, 2 diverged" in swept(tmp_path, grid)[1]
    assert json.loads((folder / "diverged.json").read_text())["step"] == step


def test_a_run_that_would_start_from_one_that_diverged_is_counted_with_it(swept, status, tmp_path):
    """And is trained once that one is."""
    own = {"stage": "experiments.manifold.01_training.train_manifold", "config": "digits_manifold"}
    own |= {"store": "experiments.manifold.02_predicting.store_both"}
    settings = {"epochs": 1, "widths": "16", "checkpoints": 3, "training_images": 200}
    first = {**own, "variant": "a", "settings": {**settings, "learning_rate": 1e30}}
    second = {**own, "variant": "b", "settings": {**settings, "start": "digits_all_a"}}
    grid = written(tmp_path, first, second)
    for _ in range(2):
        code, out, error = swept(tmp_path, grid)
        assert code == 0 and out.count("training: 0 done, 0 skipped (already complete), 0 failed, 1 diverged") == 2
        assert "digits_all_b seed 0 starts from digits_all_a, which diverged" in error
        counts, said = status(tmp_path, grid)
        assert {key: count for key, count in counts.items() if count} == {"runs": 2, "diverged": 2}
        assert "digits_all_b seed 0, diverged: " in said
    shutil.rmtree(folder_of(tmp_path, "digits_all_a"))
    code, out, _ = swept(tmp_path, written(tmp_path, {**first, "settings": settings}, second))
    assert code == 0 and out.count("training: 1 done") == 2
    assert status(tmp_path, grid)[0]["complete"] == 2


def sweep_stage(folder, *words):
    """Train the run that diverged once more, with other settings; raise what is said of it."""
    settings = [word for key, value in {**SMALL, "learning_rate": AWAY}.items() for word in (f"--{key}", str(value))]
    report = folder / "report"
    script(module(TRAIN)).main(
        ["digits", *settings, *words, "--variant", f"lr{AWAY}", *where(folder), "--report", str(report)]
    )
    raise InputError(json.loads(report.read_text())["error"])


def test_names_that_collide_are_refused_before_anything_is_trained(tmp_path):
    one = {"stage": module(TRAIN), "config": "digits", "settings": TINY, "name": "one"}
    grid = written(tmp_path, one, {**one, "name": "other", "settings": {**TINY, "batch_size": 300}})
    with pytest.raises(InputError, match=r"grid 0 \(one\) and grid 1 \(other\) .* \(batch_size 400 and 300\)"):
        sweep.main([str(grid), *where(tmp_path)])
    assert not (tmp_path / "checkpoints").exists()


def test_a_key_that_a_network_has_not_stops_no_other(swept, status, tmp_path):
    settings = {**TINY, "network": ["small_cnn", "fc"], "widths": "16-16"}
    grid = written(tmp_path, settings=settings)
    counts, said = status(tmp_path, grid)
    assert counts["failed"] == counts["waiting"] == 1 and "small_cnn seed 0, failed: widths is 16-16, but" in said
    code, out, error = swept(tmp_path, grid)
    assert code == 1 and "training: 1 done, 0 skipped (already complete), 1 failed" in out
    assert error.count("widths is 16-16, but small_cnn has only its own") == 1
    counts, _ = status(tmp_path, grid)
    assert counts["failed"] == counts["complete"] == 1


def test_a_disk_too_small_is_refused_unless_it_is_forced(monkeypatch, swept, tmp_path):
    monkeypatch.setattr(estimate, "_free", lambda folder: 10**5)
    grid = written(tmp_path)
    with pytest.raises(InputError, match=r"this sweep needs about 0\.\d+ MB, 0.1 MB free; make room"):
        sweep.main([str(grid), *where(tmp_path)])
    assert not (tmp_path / "checkpoints").exists()
    assert swept(tmp_path, grid, "--force")[0] == 0
    assert swept(tmp_path, grid)[0] == 0  # nothing more is needed


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle(swept, status, tmp_path):
    """Files of more than 50 kB cannot be written: that of a state is larger."""
    grid = written(tmp_path, seed=[0, 1])
    process = started(tmp_path, grid, limit="ulimit -f 100;")
    out, error = process.communicate(timeout=120)
    assert process.returncode == 1 and "training: 0 done, 0 skipped (already complete), 2 failed" in out
    assert error.count("error: cannot write ") == 2 and "GB free)" in error and "Traceback" not in error
    assert "2 runs, 2 of them not complete: about 0." in error and "time: not known" in error
    assert not list(tmp_path.glob("**/*.tmp")) and not list(tmp_path.glob("**/last.pth"))
    counts, said = status(tmp_path, grid)
    assert counts["failed"] == 2 and "cannot write" in said
    assert swept(tmp_path, grid)[0] == 0
    counts, said = status(tmp_path, grid)
    assert counts["complete"] == 2 and not said


@pytest.mark.slow
def test_two_sweeps_at_once_train_each_run_once_and_one_that_is_killed_holds_nothing(swept, status, tmp_path):
    grid = written(tmp_path, settings={**SMALL, "epochs": 6}, seed=list(range(6)))
    one, other = (started(tmp_path, grid) for _ in range(2))
    until(lambda: status(tmp_path, grid)[0]["held"] == 2, timeout=100)
    os.killpg(one.pid, signal.SIGKILL)
    one.communicate()
    out, error = other.communicate(timeout=300)
    assert other.returncode == 0 and "Traceback" not in error
    assert "imprinting: " in out and status(tmp_path, grid)[0]["complete"] == 6
    for seed in range(6):
        lines = [json.loads(line) for line in (folder_of(tmp_path, seed=seed) / "log.jsonl").read_text().splitlines()]
        steps = [line["step"] for line in lines]
        assert steps == sorted(set(steps))  # no step was taken by two
    assert "6 skipped" in swept(tmp_path, grid)[1]


def test_what_is_held_is_left_to_who_holds_it(swept, status, tmp_path):
    grid = written(tmp_path, seed=[0, 1])
    with files.lock(folder_of(tmp_path) / ".lock", "it"):
        code, out, error = swept(tmp_path, grid, "--leave")
        assert status(tmp_path, grid)[0]["held"] == 1
    assert code == 0 and "training: 1 done, 0 skipped (already complete), 0 failed, 1 held" in out
    assert f"pid {os.getpid()}" in error
    assert status(tmp_path, grid)[0] == {**dict.fromkeys(standing.STATES, 0), "runs": 2, "waiting": 1, "complete": 1}


def test_with_torchrun_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="--leave: with --nproc one run comes after the other"):
        sweep.main([str(written(tmp_path)), *where(tmp_path), "--leave", "--nproc", "2"])


def test_a_worker_that_is_killed_leaves_a_run_that_is_said_and_can_be_gone_on_with(swept, status, tmp_path):
    grid, folder = written(tmp_path, settings={**SMALL, "epochs": 10}, seed=[0, 1]), folder_of(tmp_path)

    def kill():
        until(lambda: (folder / "last.pth").exists(), timeout=100)
        os.kill(int((folder / ".lock").read_text().split()[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code, out, _ = swept(tmp_path, grid)
    killer.join()
    assert code == 1 and "training: 1 done, 0 skipped (already complete), 1 failed" in out
    counts, said = status(tmp_path, grid)
    assert (
        counts["failed"] == counts["complete"] == 1
        and "digits_all seed 0, failed: a process ended with code -9" in said
    )
    assert swept(tmp_path, grid)[0] == 0
    assert status(tmp_path, grid)[0]["complete"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_scheduler_that_tells_all_processes_at_once(tmp_path, number):
    """SLURM signals every process of a step, and kills what is left once the first one has ended.

    By then all have finished their step, which takes long here, and saved themselves.
    """
    slow = {"network": "wrn_16_4", "batch_size": 1198, "epochs": 200, "checkpoints": 2}
    grid = written(tmp_path, settings=slow, seed=[0, 1])
    process = started(tmp_path, grid, "--jobs", 2)
    states = [folder_of(tmp_path, seed=seed) / "last.pth" for seed in (0, 1)]
    until(lambda: all(state.exists() for state in states), timeout=100)
    before = [state.stat().st_mtime_ns for state in states]
    time.sleep(0.5)
    os.killpg(process.pid, number)
    process.wait(100)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 75 and "interrupted" in process.stderr.read()
    assert all(state.stat().st_mtime_ns > old for state, old in zip(states, before))
    assert not list(tmp_path.glob("**/failed.json")) and not list(tmp_path.glob("**/*.tmp"))
