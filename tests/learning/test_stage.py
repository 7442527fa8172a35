"""Training and imprinting: runs go on exactly, are not redone, refuse what does not fit, and see what they should."""

import contextlib
import copy
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from info_geometry import files, predictions
from info_geometry.files import ROOT, InputError
from learning import data, distributed, networks, supervise, tasks
from learning.config import Config
from learning.data import encoded as images
from learning.data import packed, packing
from learning.runs import checkpoints
from tests.support import stages
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until

BIRDS_AND_DOGS = ["n01514668", "n01530575", "n01531178", "n02085620", "n02088364", "n02099601"]
TINY = {"epochs": 1, "warmup_epochs": 0, "batch_size": 400, "checkpoints": 3}  # 2 steps


def folder_of(folder, name="digits_all", seed=0):
    return folder / "checkpoints" / name / f"seed_{seed}"


def module(script):
    return script.removesuffix(".py").replace("/", ".")


def mtimes(folder):
    return {path: time for path, time in stages.times(folder).items() if not path.startswith("output_")}


def same_runs(one, other):
    """Assert that two folders hold the same runs: checkpoints, states, logs and predictions, bit for bit."""
    assert stages.contents(one, "**/ckpt/*.pth") == stages.contents(other, "**/ckpt/*.pth") != {}
    assert stages.contents(one, "**/*.h5") == stages.contents(other, "**/*.h5")
    for path in one.glob("checkpoints/*/seed_*"):
        twin = other / path.relative_to(one)
        assert stages.log_lines(path) == stages.log_lines(twin)
        states = [checkpoints.load(x / "last.pth") for x in (path, twin)]
        assert states[0]["step"] == states[1]["step"] and torch.equal(states[0]["since"], states[1]["since"])
        equal(states[0]["network"], states[1]["network"])
        for group, other_group in zip(states[0]["optimiser"]["param_groups"], states[1]["optimiser"]["param_groups"]):
            assert group == other_group
        for one_state, other_state in zip(
            states[0]["optimiser"]["state"].values(), states[1]["optimiser"]["state"].values()
        ):
            equal(one_state, other_state)


def same_predictions(one, other):
    """Assert that two folders hold the same predictions, in files that are sound, whatever way they were made."""
    there = {path.relative_to(folder) for folder in (one, other) for path in folder.glob("predictions/*/*.h5")}
    assert there
    for path in there:
        a, b = (predictions.open_trajectory(folder / path) for folder in (one, other))
        assert a.attributes == b.attributes and a.shape == b.shape  # data_sha256 among them
        assert np.array_equal(a.t, b.t) and np.array_equal(a.labels, b.labels)
        for trajectory in (a, b):
            assert ": sound" in predictions.check(trajectory.path)


def equal(one, other):
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder with one run of digits, trained and imprinted without interruption."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert "training: 1 done, 0 skipped" in done(TRAIN, folder, "digits", **SMALL)
    assert "imprinting: 1 done, 0 skipped" in done(STORE, folder, "digits", **SMALL)
    return folder


@pytest.fixture
def copied(undisturbed, tmp_path):
    return shutil.copytree(undisturbed, tmp_path / "copy")


# What a run leaves behind


def test_run_leaves_what_it_says(undisturbed):
    folder = folder_of(undisturbed)
    record, lines = checkpoints.read_run(folder), stages.log_lines(folder)
    assert [line["step"] for line in lines] == record["schedule"] and record["schedule"][-1] == 298
    assert not checkpoints.missing(folder, record) and len(list((folder / "ckpt").iterdir())) == len(lines)
    assert {path.name for path in folder.iterdir()} == {".lock", "ckpt", "last.pth", "log.jsonl", "run.json"}
    trajectory = predictions.open_trajectory(undisturbed / "predictions" / "digits_all" / "preds_0.h5")
    assert trajectory.shape == (len(lines), 599, 10)
    assert np.allclose(trajectory.t, [line["epoch"] for line in lines])
    assert np.array_equal(trajectory.labels, data.load("digits", "test", "").labels)
    assert {key: trajectory.attributes[key] for key in ("dataset", "task", "seed", "split")} == {
        "dataset": "digits",
        "task": "all",
        "seed": 0,
        "split": "test",
    }
    assert trajectory.attributes["config"] == record["config"]


def test_log_says_how_many_images_in_how_many_seconds(tmp_path):
    begin = time.monotonic()
    done(TRAIN, tmp_path, "digits", **TINY)
    lines = [json.loads(line) for line in (folder_of(tmp_path) / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["images"]) for line in lines] == [(0, 0), (1, 400), (2, 400)]
    assert all(line["seconds"] > 0 for line in lines[1:]) and lines[0]["seconds"] >= 0
    assert sum(line["seconds"] for line in lines) < time.monotonic() - begin


def test_network_learns_and_so_does_its_imprint(undisturbed):
    lines = stages.log_lines(folder_of(undisturbed))
    assert lines[0]["loss"] is None and lines[-1]["loss"] < 0.3 * lines[1]["loss"] and lines[-1]["accuracy"] > 0.9
    trajectory = predictions.open_trajectory(undisturbed / "predictions" / "digits_all" / "preds_0.h5")
    accuracy = (trajectory.roots().argmax(axis=2) == trajectory.labels).mean(axis=1)
    assert accuracy[-1] > 0.9 > accuracy[0]


def test_first_checkpoint_holds_the_initial_weights(undisturbed):
    network = networks.build("small_cnn", 1, 8, 10, seed=0)
    equal(checkpoints.load(folder_of(undisturbed) / "ckpt" / "0_0.pth"), network.state_dict())


# Going on


def test_interrupted_by_a_signal_and_resumed(undisturbed, tmp_path):
    folder = folder_of(tmp_path)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        before = len(stages.log_lines(folder))
        stage = Stage(TRAIN, tmp_path, "digits", **SMALL)
        until(lambda before=before: len(stages.log_lines(folder)) >= before + 4)
        stage.send(number)
        assert stage.wait() == (75, "")
        step = checkpoints.load(folder / "last.pth")["step"]
        assert step % 149 != 0 and checkpoints.missing(folder, checkpoints.read_run(folder))
    code, text = run(STORE, tmp_path, "digits")
    assert code == 1 and "checkpoints missing" in text and "training did not finish" in text
    done(TRAIN, tmp_path, "digits", **SMALL)
    done(STORE, tmp_path, "digits")
    same_runs(undisturbed, tmp_path)


def test_killed_at_random_moments_and_resumed(undisturbed, tmp_path):
    folder, rng = folder_of(tmp_path), random.Random(4)
    for script, kills in ((TRAIN, 6), (STORE, 4)):
        for _ in range(kills):
            stage = Stage(script, tmp_path, "digits", **SMALL)
            if script == TRAIN:
                lines = min(len(stages.log_lines(folder)) + rng.randrange(3), 12)
                until(lambda lines=lines: len(stages.log_lines(folder)) >= lines)
            else:
                until(lambda: list(tmp_path.glob("predictions/*/*")))
            time.sleep(rng.random() * 0.1)
            stage.send(signal.SIGKILL)
            stage.wait()
        done(script, tmp_path, "digits", **SMALL)
    same_runs(undisturbed, tmp_path)
    assert not list(tmp_path.glob("**/*.tmp"))


def test_orphans_are_swept_and_said(copied):
    folder, target = folder_of(copied), copied / "predictions" / "digits_all"
    orphans = [folder / ".last.pth.99.tmp", folder / "ckpt" / ".1_0.pth.99.tmp"]
    for orphan in (*orphans, target / ".preds_0.h5.99.tmp", target / ".preds_1.h5.99.tmp"):
        orphan.write_text("half")
    assert f"{folder}: going on (found an unfinished write)" in done(TRAIN, copied, "digits", **SMALL)
    (target / "preds_0.h5").unlink()
    assert "digits_all seed 0: redoing (found an unfinished write)" in done(STORE, copied, "digits")
    assert [path.name for path in copied.glob("**/*.tmp")] == [".preds_1.h5.99.tmp"]  # of another seed


def test_what_is_complete_is_skipped(copied):
    before = mtimes(copied)
    assert "training: 0 done, 1 skipped (already complete), 0 failed" in done(TRAIN, copied, "digits", **SMALL)
    assert "imprinting: 0 done, 1 skipped (already complete), 0 failed" in done(STORE, copied, "digits", **SMALL)
    assert mtimes(copied) == before


def test_predictions_do_not_need_their_checkpoints(copied):
    shutil.rmtree(copied / "checkpoints")
    assert "1 skipped" in done(STORE, copied, "digits")


def test_checkpoint_that_was_removed_is_made_again(undisturbed, copied):
    folder = folder_of(copied)
    record = checkpoints.read_run(folder)
    checkpoints.path(folder, record, record["schedule"][5]).unlink()
    assert "training: 1 done" in done(TRAIN, copied, "digits", **SMALL)
    same_runs(undisturbed, copied)


def test_half_a_line_of_the_log_is_dropped(undisturbed, tmp_path):
    stage = Stage(TRAIN, tmp_path, "digits", **SMALL)
    until(lambda: len(stages.log_lines(folder_of(tmp_path))) >= 5)
    stage.send(signal.SIGTERM)
    assert stage.wait()[0] == 75
    with open(folder_of(tmp_path) / "log.jsonl", "a") as log:
        log.write('{"step": 200, "epo')
    done(TRAIN, tmp_path, "digits", **SMALL)
    done(STORE, tmp_path, "digits")
    same_runs(undisturbed, tmp_path)


def test_seeds_differ_and_order_of_runs_does_not_matter(tmp_path):
    done(TRAIN, tmp_path / "a", "digits", "--task", "even", "odd", "--seed", "0", "1", **TINY)
    for task, seed in (("odd", 1), ("even", 1), ("odd", 0), ("even", 0)):
        done(TRAIN, tmp_path / "b", "digits", "--task", task, "--seed", seed, **TINY)
    same_runs(tmp_path / "a", tmp_path / "b")
    last = [
        checkpoints.load(folder_of(tmp_path / "a", f"digits_{task}", seed) / "ckpt" / "1_0.pth")["body.0.weight"]
        for task in ("even", "odd")
        for seed in (0, 1)
    ]
    assert not any(torch.equal(one, other) for i, one in enumerate(last) for other in last[:i])


# Predictions as it goes

AS_YOU_GO = "--imprint-as-you-go"


def parts(folder):
    return sorted(path.name for path in (folder_of(folder) / "ckpt").glob("*"))


def interrupted(folder, *arguments, lines=4, number=signal.SIGTERM):
    """Train until the log has so many more lines, and stop."""
    before = len(stages.log_lines(folder_of(folder)))
    stage = Stage(TRAIN, folder, "digits", *arguments, **SMALL)
    until(lambda: len(stages.log_lines(folder_of(folder))) >= before + lines)
    stage.send(number)
    return stage.wait()


def test_predictions_as_it_goes_are_those_of_the_second_stage(undisturbed, tmp_path):
    assert "training: 1 done, 0 skipped" in done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, tmp_path)
    folder, twin = folder_of(tmp_path), folder_of(undisturbed)
    assert stages.log_lines(folder) == stages.log_lines(twin) and parts(tmp_path) == []
    equal(*(checkpoints.load(path / "last.pth")["network"] for path in (folder, twin)))
    before = mtimes(tmp_path)
    assert "0 done, 1 skipped (already complete)" in done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    assert "0 done, 1 skipped (already complete)" in done(STORE, tmp_path, "digits")
    assert mtimes(tmp_path) == before


def test_killed_as_it_goes_and_resumed(undisturbed, tmp_path):
    rng, target = random.Random(8), tmp_path / "predictions"
    moments = [lambda n=n: len(stages.log_lines(folder_of(tmp_path))) >= n for n in (0, 1, 4, 7, 10, 12)]
    for moment in (*moments, lambda: list(target.glob("*/.*.tmp"))):
        stage = Stage(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
        until(lambda moment=moment, stage=stage: moment() or not stage.process.is_alive())
        time.sleep(rng.random() * 0.03)
        stage.send(signal.SIGKILL)
        stage.wait()
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, tmp_path)
    assert stages.log_lines(folder_of(tmp_path)) == stages.log_lines(folder_of(undisturbed))


@pytest.mark.parametrize("first, second", [([AS_YOU_GO], [AS_YOU_GO]), ([AS_YOU_GO], []), ([], [AS_YOU_GO])])
def test_interrupted_as_it_goes_and_resumed(undisturbed, tmp_path, first, second):
    """With weights or predictions left behind before, and weights or predictions after."""
    assert interrupted(tmp_path, *first) == (75, "")
    left = parts(tmp_path)
    assert 4 <= len(left) < 12 and all(name.endswith(".h5" if first else ".pth") for name in left)
    assert not list(tmp_path.glob("predictions/*/*.h5"))
    code, text = run(STORE, tmp_path, "digits")
    assert code == 1 and f"{12 - len(left)} of 12 checkpoints missing" in text
    done(TRAIN, tmp_path, "digits", *second, **SMALL)
    if not second:
        assert len(parts(tmp_path)) == 12 and {name.split(".")[1] for name in parts(tmp_path)} == {"h5", "pth"}
        done(STORE, tmp_path, "digits")
    assert not [name for name in parts(tmp_path) if name.endswith(".h5")]
    same_predictions(undisturbed, tmp_path)


def test_what_was_trained_before_is_imprinted_as_well(undisturbed, copied):
    shutil.rmtree(copied / "predictions")
    weights = stages.contents(folder_of(copied) / "ckpt")
    assert "training: 1 done" in done(TRAIN, copied, "digits", AS_YOU_GO, **SMALL)
    same_predictions(undisturbed, copied)
    assert stages.contents(folder_of(copied) / "ckpt") == weights


def test_changed_settings_are_refused_as_it_goes(tmp_path):
    changed = {**TINY, "learning_rate": 0.5}
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
    before = mtimes(tmp_path)
    code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, **changed)
    assert code == 1 and "was made from a run with other settings than" in text and mtimes(tmp_path) == before
    assert interrupted(tmp_path / "half", AS_YOU_GO)[0] == 75
    before = mtimes(tmp_path / "half")
    for arguments in ([AS_YOU_GO], []):
        code, text = run(TRAIN, tmp_path / "half", "digits", *arguments, **{**SMALL, "learning_rate": 0.5})
        assert code == 1 and "was trained with other settings (learning_rate 0.01 -> 0.5)" in text
    assert mtimes(tmp_path / "half") == before


def test_damaged_part_is_named(undisturbed, copied):
    shutil.rmtree(copied / "predictions")
    assert interrupted(copied / "half", AS_YOU_GO)[0] == 75
    for part in (folder_of(copied / "half") / "ckpt").iterdir():
        shutil.move(part, folder_of(copied) / "ckpt")
    part = folder_of(copied) / "ckpt" / "0_1.h5"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"error: {part}" in text and len(parts(copied)) > 12
    assert [path.name for path in (copied / "predictions" / "digits_all").iterdir()] == [".preds_0.lock"]
    part.write_bytes(whole)
    done(STORE, copied, "digits")
    same_predictions(undisturbed, copied)


def test_full_disk_as_it_goes(tmp_path):
    """First there is no room for a part, then for the state, at last for all predictions in one file."""
    folder, target = folder_of(tmp_path), tmp_path / "predictions" / "digits_all" / "preds_0.h5"

    def no_room(size, where):
        code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, file_size=size, **TINY)
        assert code == 1 and text.startswith(f"error: cannot write {where}: ") and text.count("error") == 1
        assert not list(tmp_path.glob("**/*.tmp")) and not target.exists()

    no_room(3000, folder / "ckpt" / "0_0.h5")
    no_room(60000, folder / "last.pth")
    with files.lock(target.parent / ".preds_0.lock", "it"):
        code, text = run(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
        assert code == 1 and f"{target} is being written by pid {os.getpid()}" in text
    no_room(10000, target)
    assert parts(tmp_path) == ["0_0.h5", "0_1.h5", "1_0.h5"]
    done(TRAIN, tmp_path, "digits", AS_YOU_GO, **TINY)
    assert predictions.open_trajectory(target).shape == (3, 599, 10) and parts(tmp_path) == []


# Processes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def together_environments(world):
    """Return what torchrun would tell its processes."""
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def together(folder, *arguments, world=2, script=TRAIN, **overrides):
    """Start the processes that torchrun would."""
    return [
        Stage(script, folder, *arguments, environment=environment, **overrides)
        for environment in together_environments(world)
    ]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """A folder with one run of digits, trained by two processes without interruption, and imprinted."""
    folder = tmp_path_factory.mktemp("two_processes")
    all_done(together(folder, "digits", **SMALL))
    done(STORE, folder, "digits")
    return folder


def all_done(group):
    """Return the outputs of processes that must succeed."""
    outcomes = [stage.wait() for stage in group]
    assert [code for code, _ in outcomes] == [0] * len(group), outcomes
    return [text for _, text in outcomes]


def stopped_together(folder, rank, number, *arguments):
    """Send a signal to one of two processes that train; assert that both stop."""
    before = len(stages.log_lines(folder_of(folder)))
    pair = together(folder, "digits", *arguments, **SMALL)
    until(lambda: len(stages.log_lines(folder_of(folder))) >= before + 4)
    pair[rank].send(number)
    assert [stage.wait() for stage in pair] == [(75, ""), (75, "")]
    assert checkpoints.load(folder_of(folder) / "last.pth")["step"] < 298


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(two_processes, tmp_path):
    stopped_together(tmp_path, 1, signal.SIGTERM)
    stopped_together(tmp_path, 0, signal.SIGUSR1)
    all_done(together(tmp_path, "digits", **SMALL))
    done(STORE, tmp_path, "digits")
    same_runs(two_processes, tmp_path)


@pytest.mark.slow
def test_two_processes_imprint_as_they_go(two_processes, tmp_path):
    stopped_together(tmp_path, 0, signal.SIGTERM, AS_YOU_GO)
    stopped_together(tmp_path, 1, signal.SIGUSR1, AS_YOU_GO)
    assert {path.split(".")[1] for path in parts(tmp_path)} == {"h5"}
    texts = all_done(together(tmp_path, "digits", AS_YOU_GO, **SMALL))
    assert "training: 1 done" in texts[0] and texts[1] == "" and parts(tmp_path) == []
    same_predictions(two_processes, tmp_path)
    before = mtimes(tmp_path)
    assert "1 skipped (already complete)" in all_done(together(tmp_path, "digits", AS_YOU_GO, **SMALL))[0]
    assert mtimes(tmp_path) == before


@pytest.mark.slow
def test_two_processes_train_as_one_would_nearly(undisturbed, two_processes):
    """Batches are the same; normalisation over half a batch is not, so weights agree at the start only."""
    one, two = (stages.log_lines(folder_of(folder)) for folder in (undisturbed, two_processes))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    assert abs(one[1]["loss"] - two[1]["loss"]) < 0.5 and two[-1]["accuracy"] > 0.9
    equal(*(checkpoints.load(folder_of(folder) / "ckpt" / "0_0.pth") for folder in (undisturbed, two_processes)))


def test_processes_share_the_checkpoints_of_a_run(undisturbed, copied):
    """What a process that is alone gives; which process takes which is in test_store.py."""
    shutil.rmtree(copied / "predictions")
    weights = stages.contents(folder_of(copied) / "ckpt")
    texts = all_done(together(copied, "digits", script=STORE))
    assert "imprinting: 1 done, 0 skipped" in texts[0] and texts[1] == ""
    same_predictions(undisturbed, copied)
    assert stages.contents(folder_of(copied) / "ckpt") == weights and not list(copied.glob("**/*.tmp"))
    before = mtimes(copied)
    assert "1 skipped (already complete)" in all_done(together(copied, "digits", script=STORE))[0]
    assert mtimes(copied) == before


def test_damaged_checkpoint_is_named_by_the_process_that_took_it(undisturbed, copied):
    target = copied / "predictions" / "digits_all"
    (target / "preds_0.h5").unlink()
    damaged = folder_of(copied) / "ckpt" / "0_1.pth"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:1000])
    outcomes = [stage.wait() for stage in together(copied, "digits", script=STORE)]
    assert all(code not in (0, None) for code, _ in outcomes)
    assert any(f"error: {damaged} is not a complete checkpoint" in text for _, text in outcomes)
    assert [path.name for path in target.iterdir()] == [".preds_0.lock"]
    damaged.write_bytes(whole)
    done(STORE, copied, "digits")  # one process goes on from what two left
    same_predictions(undisturbed, copied)
    assert not list(copied.glob("**/ckpt/*.h5"))


@pytest.mark.slow
def test_torchrun(two_processes, tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "supervised_imagenet.01_training.train_imagenet",
        "digits",
        "--checkpoints-folder",
        tmp_path / "checkpoints",
        *map(str, options(SMALL)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: len(stages.log_lines(folder_of(tmp_path))) >= 4 or process.poll() is not None, timeout=120)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    step = checkpoints.load(folder_of(tmp_path) / "last.pth")["step"]
    assert 0 < step < 298
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    done(STORE, tmp_path, "digits")
    same_runs(two_processes, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists the threads of a process")
def test_no_thread_of_a_group_outlives_it(tmp_path):
    """One that does aborts the process now and then, where it lets go of a tensor while Python ends."""
    script = tmp_path / "script.py"
    script.write_text("""
import os, pathlib, torch
from learning import distributed
with distributed.processes("cpu") as here:
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
    model(torch.ones(1, 2)).sum().backward()
    here.barrier()
    del model
names = [path.read_text().strip() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
pathlib.Path(__file__).with_name(f"threads_{here.rank}").write_text(" ".join(names))
""")
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    for rank in range(2):
        names = (tmp_path / f"threads_{rank}").read_text()
        assert "python" in names and "gloo" not in names


def test_second_process_is_refused_or_waits(tmp_path):
    for script, lock in (
        (TRAIN, folder_of(tmp_path) / ".lock"),
        (STORE, tmp_path / "predictions" / "digits_all" / ".preds_0.lock"),
    ):
        with files.lock(lock, "it"):
            code, text = run(script, tmp_path, "digits", **TINY)
            assert code == 1 and f"is being written by pid {os.getpid()} on host {socket.gethostname()}" in text
            stage = Stage(script, tmp_path, "digits", "--wait", **TINY)
            until(lambda stage=stage: "waiting for pid" in stage.text)
        assert stage.wait()[0] == 0 and ": 1 done" in stage.text


def test_parts_are_a_partition_of_the_runs(tmp_path):
    arguments = ["digits", "--task", "all", "even", "odd", "--seed", "0", "1"]
    code, text = run(STORE, tmp_path, *arguments)  # every run is asked for, and none is there
    assert code == 1 and "0 done, 0 skipped (already complete), 6 failed" in text and text.count("holds no run") == 6
    every, named = set(text.splitlines()[:6]), []
    for part in range(4):
        text = run(STORE, tmp_path, *arguments, "--part", f"{part}/4")[1]
        named += [line for line in text.splitlines() if "holds no run" in line]
    assert len(named) == 6 and set(named) == every


# What does not fit


def test_changed_settings_are_named(copied):
    before = mtimes(copied)
    code, text = run(TRAIN, copied, "digits", **{**SMALL, "learning_rate": 0.5, "epochs": 3})
    assert code == 1 and "epochs 2 -> 3; learning_rate 0.01 -> 0.5" in text and mtimes(copied) == before


def test_predictions_of_other_settings_are_refused(copied):
    shutil.rmtree(copied / "checkpoints")
    done(TRAIN, copied, "digits", **{**SMALL, "learning_rate": 0.5})
    before = mtimes(copied)
    code, text = run(STORE, copied, "digits")
    assert code == 1 and "was made from a run with other settings than" in text and mtimes(copied) == before


def test_predictions_of_other_samples_are_refused(copied):
    path = copied / "predictions" / "digits_all" / "preds_0.h5"
    trajectory = predictions.open_trajectory(path)
    attributes = {key: trajectory.attributes[key] for key in ("dataset", "task", "seed", "config", "classes", "t_name")}
    predictions.write(path, trajectory.roots() ** 2, labels=trajectory.labels[::-1], t=trajectory.t, **attributes)
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"{path} holds predictions of other samples than the data here" in text


def test_missing_run(tmp_path):
    code, text = run(STORE, tmp_path, "digits", "--task", "even", "--seed", "3")
    assert code == 1 and f"holds no run; train it with python -m {module(TRAIN)} digits --task even --seed 3 " in text
    assert f"--checkpoints-folder {tmp_path}/checkpoints --predictions {tmp_path}/predictions\n" in text


def test_incomplete_checkpoints_are_named(copied):
    (copied / "predictions" / "digits_all" / "preds_0.h5").unlink()
    folder = folder_of(copied)
    record = checkpoints.read_run(folder)
    for step in record["schedule"][3:5]:
        checkpoints.path(folder, record, step).unlink()
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"2 of {len(record['schedule'])} checkpoints missing (0_" in text


@pytest.mark.parametrize("damage", ["truncated", "flipped", "another"])
def test_damaged_checkpoint_is_named(copied, damage):
    target = copied / "predictions" / "digits_all"
    (target / "preds_0.h5").unlink()
    path = sorted((folder_of(copied) / "ckpt").iterdir())[4]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "another":
        checkpoints.save(path, networks.build("small_cnn", 1, 8, 5, 0).state_dict())
    else:
        path.write_bytes(content[: len(content) // (2 if damage == "truncated" else 1)])
    code, text = run(STORE, copied, "digits")
    assert code == 1 and f"error: {path}" in text and "1 failed" in text
    assert [name.name for name in target.iterdir()] == [".preds_0.lock"]


def test_damaged_state_is_named(tmp_path):
    done(TRAIN, tmp_path, "digits", **TINY)
    folder = folder_of(tmp_path)
    (folder / "ckpt" / "1_0.pth").unlink()
    (folder / "last.pth").write_bytes((folder / "last.pth").read_bytes()[:5000])
    code, text = run(TRAIN, tmp_path, "digits", **TINY)
    assert code == 1 and f"{folder / 'last.pth'} is not a complete checkpoint" in text


def test_one_run_that_fails_does_not_stop_the_others(tmp_path):
    folder = folder_of(tmp_path, "digits_even")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    code, text = run(TRAIN, tmp_path, "digits", "--task", "all", "even", "odd", **TINY)
    assert code == 1 and f"error: {folder}/run.json: not readable" in text
    assert "training: 2 done, 0 skipped (already complete), 1 failed" in text


def test_diverging_training_stops_at_its_step(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", **{**SMALL, "learning_rate": 1e30})
    assert code == 1 and "the loss is not finite at step " in text and "lower the learning rate" in text
    for path in tmp_path.glob("**/ckpt/*.pth"):
        checkpoints.load_weights(path, networks.build("small_cnn", 1, 8, 10, 0))
    assert run(TRAIN, tmp_path, "digits", **{**SMALL, "learning_rate": 1e30}) == (code, text)


def test_class_without_training_images(monkeypatch, tmp_path, capsys):
    digits = data.load("digits", "train", "")
    keep = torch.from_numpy(digits.labels != 4)
    without = data.TensorImages(digits.pixels[keep], digits.labels[keep.numpy()], 10, [0.0], [1.0])
    code, _, error = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "even", images={"train": without}, **TINY)
    assert code == 1 and "1 of 5 classes have no training images" in error
    assert not list(tmp_path.glob("**/run.json"))  # for the table of --status
    code, out, _ = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "even", images={"train": digits}, **TINY)
    assert code == 0 and "1 done" in out  # the failure left nothing in the way
    with_none = {"test": data.TensorImages(without.pixels, without.labels, 10, [0.0], [1.0])}
    code, _, error = main(monkeypatch, STORE, tmp_path, "digits", "--task", "even", images=with_none)
    assert code == 1 and "1 of 10 classes have no samples to imprint (the first is class 4)" in error
    assert not list(tmp_path.glob("**/*.h5")) and not list(tmp_path.glob("**/*.tmp"))


@pytest.mark.parametrize(
    "script",
    [
        "experiments/meta_learning/01_training/train_prototypical.py",
        "experiments/contrastive/01_training/train_contrastive.py",
        "experiments/semi_supervised/01_training/train_fixmatch.py",
    ],
)
def test_methods_that_train_in_one_process_refuse_several(tmp_path, script):
    pair = together(tmp_path, "digits_simclr" if "contrastive" in script else "digits", script=script)
    outcomes = [stage.wait() for stage in pair]
    assert all(
        code == 1 and "one process trains a run of this method, not 2: start it without torchrun" in text
        for code, text in outcomes
    )
    assert not (tmp_path / "checkpoints").exists()


def test_batches_that_processes_cannot_share(tmp_path):
    pair = together(tmp_path, "digits", **{**TINY, "batch_size": 401})
    outcomes = [stage.wait() for stage in pair]
    assert all(code not in (0, 75) for code, _ in outcomes)
    assert any("batches of 401 images cannot be divided evenly among 2 processes" in text for _, text in outcomes)
    assert not list(tmp_path.glob("**/run.json"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["digits", "--task", "evn"], "digits has no task 'evn'; did you mean even?"),
        (["digits", "--dataset", "mnist"], "unknown data set 'mnist'"),
        (["digits", "--network", "cnn"], "unknown network 'cnn'"),
        (["digits", "--augmentation", "random_resized_crop"], "augmentation random_resized_crop is for image folders"),
        (["digits", "--device", "nonsense"], "--device nonsense: "),
        (["imagenet_rn50", "--data", "/nowhere"], "/nowhere/train: no such folder"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path, arguments, words):
    code, text = run(TRAIN, tmp_path, *arguments)
    assert code == 1 and words in text and text.startswith("error: ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there(tmp_path):
    for script in (TRAIN, STORE):
        code, text = run(script, tmp_path, "digits", "--device", "cuda")
        assert code == 1 and "--device cuda: no CUDA GPU is visible" in text


def test_full_disk_in_training(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", file_size=50000, **TINY)
    assert code == 1 and "cannot write " in text and "GB free)" in text
    assert {path.name for path in folder_of(tmp_path).iterdir()} <= {".lock", "run.json", "log.jsonl", "ckpt"}
    assert not list(tmp_path.glob("**/*.pth")) and not list(tmp_path.glob("**/*.tmp"))
    done(TRAIN, tmp_path, "digits", **TINY)


def test_full_disk_in_imprinting(undisturbed, copied):
    target = copied / "predictions" / "digits_all"
    whole = (target / "preds_0.h5").stat().st_size
    (target / "preds_0.h5").unlink()
    for size in (1000, whole // 3, whole - 100):
        code, text = run(STORE, copied, "digits", file_size=size)
        assert code == 1 and f"cannot write {target / 'preds_0.h5'}: " in text
        assert [path.name for path in target.iterdir()] == [".preds_0.lock"]
    done(STORE, copied, "digits")
    same_runs(undisturbed, copied)


# What is learned


def main(monkeypatch, script, folder, *arguments, images=None, **overrides):
    """Run a stage in this process on given images {split: images}; return (exit code, stdout, stderr)."""
    words = ["--checkpoints-folder", folder / "checkpoints", "--predictions", folder / "predictions", *arguments]
    words += options(overrides)
    out, error, threads = io.StringIO(), io.StringIO(), torch.get_num_threads()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    with monkeypatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        patch.setattr(sys, "argv", [script, *map(str, words)])
        torch.set_num_threads(1)
        if images:
            patch.setattr(data, "load", lambda dataset, split, _: images[split])
        try:
            code = stages.script(script).main()
        except InputError as failure:
            code, _ = 1, print(f"error: {failure}", file=sys.stderr)
        finally:
            torch.set_num_threads(threads)
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return code, out.getvalue(), error.getvalue()


def shades(labels, seed=0):
    """Return images of 8 x 8 pixels that are noise around a brightness of their class, of 10."""
    rng = np.random.default_rng(seed)
    pixels = 20 + 23 * labels[:, None, None, None] + rng.integers(-8, 9, (len(labels), 1, 8, 8))
    return data.TensorImages(torch.from_numpy(pixels.astype(np.uint8)), labels, 10, [128.0], [70.0])


def test_output_k_stands_for_class_k_of_the_task(monkeypatch, tmp_path):
    images = shades(np.arange(600) % 10)
    code, _, error = main(
        monkeypatch,
        TRAIN,
        tmp_path,
        "digits",
        "--task",
        "8,1,4",
        images={"train": images},
        epochs=8,
        warmup_epochs=2,
        batch_size=20,
        checkpoints=2,
        learning_rate=0.05,
    )
    assert code == 0, error
    folder = folder_of(tmp_path, "digits_classes_1-4-8")
    record = checkpoints.read_run(folder)
    assert record["task"]["classes"] == [1, 4, 8] and record["samples"] == 180
    network = networks.build("small_cnn", 1, 8, 3, 0)
    checkpoints.load_weights(folder / "ckpt" / "8_0.pth", network)
    test = shades(np.repeat([1, 4, 8], 20), seed=1)
    with torch.inference_mode():
        answers = network.eval()(next(test.batches(data.evaluation_plan(60, 60)))).argmax(dim=1)
    assert (answers == torch.arange(3).repeat_interleave(20)).float().mean() > 0.95


def test_only_images_of_the_task_are_seen(monkeypatch, tmp_path):
    """Images of other classes may change as they like."""
    images, others = shades(np.arange(300) % 10), shades(np.arange(300) % 10)
    others.pixels[others.labels % 2 == 1] = 255
    for folder, train in (("a", images), ("b", others)):
        arguments = "digits", "--task", "even"
        assert main(monkeypatch, TRAIN, tmp_path / folder, *arguments, images={"train": train}, **TINY)[0] == 0
    same_runs(tmp_path / "a", tmp_path / "b")


def test_accuracy_is_logged_between_checkpoints_too(tmp_path):
    settings = {"epochs": 4, "batch_size": 100, "warmup_epochs": 1, "checkpoints": 5}
    for folder, more in (("a", {}), ("b", {"evaluate_every": 1})):
        done(TRAIN, tmp_path / folder, "digits", **settings, **more)
    assert [line["epoch"] for line in stages.log_lines(folder_of(tmp_path / "b")) if "evaluation_accuracy" in line] == [
        1,
        2,
        3,
        4,
    ]
    assert stages.contents(tmp_path / "a", "**/ckpt/*") == stages.contents(tmp_path / "b", "**/ckpt/*") != {}


def test_run_whose_predictions_were_kept_refuses_other_settings(tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    before = mtimes(tmp_path)
    code, text = run(TRAIN, tmp_path, "digits", learning_rate=0.5, **TINY)
    assert code == 1 and "learning_rate" in text and "trained with other settings" in text
    assert mtimes(tmp_path) == before


def test_published_labels_are_checked_as_it_goes(tmp_path):
    (tmp_path / "predictions" / "labels").mkdir(parents=True)
    np.save(tmp_path / "predictions" / "labels" / "digits_test_labels.npy", np.arange(599) % 10)
    code, text = run(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    assert code == 1 and "digits_test_labels.npy: 599 labels of 10 classes" in text


def test_parts_that_are_no_longer_needed_are_removed(tmp_path):
    done(TRAIN, tmp_path, "digits", "--imprint-as-you-go", **TINY)
    part = folder_of(tmp_path) / "ckpt" / "0_0.h5"
    for arguments in ((TRAIN, "--imprint-as-you-go"), (STORE,)):
        part.write_bytes(b"left by a process that was killed before it removed them")
        assert "skipped" in done(arguments[0], tmp_path, "digits", *arguments[1:], **TINY) and not part.exists()


def test_random_labels_are_the_same_for_all_seeds(monkeypatch, tmp_path):
    seen = {}

    def update(model, optimiser, parts, share, config):
        pixels, outputs = next(parts)
        assert len(outputs) == share
        seen.update(zip(map(tuple, pixels.flatten(1).tolist()), outputs.tolist()))
        return torch.zeros(3, dtype=torch.float64)

    found = []
    monkeypatch.setattr(supervise, "update", update)
    for seed in (0, 1):
        seen.clear()
        code, *_ = main(
            monkeypatch, TRAIN, tmp_path, "digits", "--task", "randomlab", "--seed", seed, **{**TINY, "batch_size": 599}
        )
        assert code == 0
        found.append(dict(seen))
    digits = data.load("digits", "train", "")
    pixels = next(digits.batches(data.evaluation_plan(1198, 1198))).flatten(1).tolist()
    expected = dict(zip(map(tuple, pixels), tasks.random_labels(1198, 10).tolist()))
    assert found[0] == found[1] == expected
    assert 0.05 < (tasks.random_labels(1198, 10) == digits.labels).mean() < 0.15


def test_random_labels_say_nothing_of_the_images(tmp_path):
    done(TRAIN, tmp_path, "digits", "--task", "randomlab", epochs=2, warmup_epochs=0.5, checkpoints=6)
    lines = stages.log_lines(folder_of(tmp_path, "digits_randomlab"))
    assert abs(lines[-1]["loss"] - np.log(10)) < 0.3 and lines[-1]["accuracy"] < 0.25  # chance: 0.1


def test_task_of_a_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"labels": [2, 7, 5]}))
    for script in (TRAIN, STORE):
        assert ": 1 done" in done(script, tmp_path, "digits", "--task", tmp_path / "mine.json", **TINY)
    assert checkpoints.read_run(folder_of(tmp_path, "digits_mine"))["task"]["classes"] == [2, 5, 7]
    assert (tmp_path / "predictions" / "digits_mine" / "preds_0.h5").exists()


def settings(**changes):
    values = {
        "learning_rate": 2.0,
        "warmup_epochs": 2.0,
        "epochs": 10,
        "resolution": 160,
        "final_resolution": 192,
        "grow_from": 4,
        "grow_until": 8,
        "batch_size": 64,
        "base_batch_size": 0,
    }
    return SimpleNamespace(**{**values, **changes})


def test_learning_rate_rises_and_falls_linearly():
    rate = Config.learning_rate_at
    assert [rate(settings(), epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 1, 2, 1, 0]
    assert [rate(settings(warmup_epochs=0.0), epoch) for epoch in (0, 5, 10)] == [2, 1, 0]
    assert [rate(settings(base_batch_size=256), epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 0.25, 0.5, 0.25, 0]


def test_images_grow_in_steps_of_32():
    side = Config.resolution_at
    assert [side(settings(), epoch) for epoch in range(10)] == [160] * 6 + [192] * 4
    assert {side(settings(final_resolution=0), epoch) for epoch in range(10)} == {160}
    assert side(settings(grow_from=4, grow_until=4), 5) == 192


# Parts of a batch


def linear(channels, size, outputs):
    return networks.Network(torch.nn.Flatten(), channels * size**2, outputs).double()


def step_by_hand(network, batches, rate, smoothing):
    """Return the weights after steps of gradient descent on the mean cross-entropy of each batch, in closed form."""
    W, b = (parameter.detach().numpy().copy() for parameter in network.head.parameters())
    for pixels, outputs in batches:
        x = pixels.flatten(1).numpy()
        logits = x @ W.T + b
        answers = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers /= answers.sum(axis=1, keepdims=True)
        wanted = (1 - smoothing) * np.eye(len(b))[outputs] + smoothing / len(b)
        difference = (answers - wanted) / len(x)
        W, b = W - rate * difference.T @ x, b - rate * difference.sum(axis=0)
    return W, b


def linear_training(update, here, micro, model=lambda network: network):
    """Return a linear network trained for four steps of 24 digits, its network before, and what update returned."""
    digits, config = data.load("digits", "train", ""), SimpleNamespace(label_smoothing=0.1, precision="float32")
    network = networks.build("linear", 1, 8, 10, seed=0)
    before, trained = copy.deepcopy(network), model(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    plan = list(data.training_plan(np.arange(96), 24, 0, 0, rank=here.rank, world=here.world, micro=micro))
    loaded = (
        (pixels.double(), torch.from_numpy(digits.labels)[batch.indices])
        for batch, pixels in zip(plan, digits.batches(plan))
    )
    outcomes = [update(trained, optimiser, loaded, 24 // here.world, config) for _ in range(4)]
    assert next(loaded, None) is None
    return network, before, torch.stack(outcomes)


def linear_oracle(before):
    digits = data.load("digits", "train", "")
    plan = list(data.training_plan(np.arange(96), 24, 0, 0))
    batches = [
        (pixels.double(), torch.from_numpy(digits.labels)[batch.indices])
        for batch, pixels in zip(plan, digits.batches(plan))
    ]
    return step_by_hand(before, batches, 0.05, 0.1)


@pytest.mark.parametrize("micro", [0, 1, 5, 12, 24, 100])
def test_parts_of_a_batch_give_the_step_of_the_whole(monkeypatch, micro):
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)
    update = supervise.update
    network, before, outcomes = linear_training(update, distributed.Processes(), micro)
    for found, expected in zip(network.head.parameters(), linear_oracle(before)):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=2e-7)  # the loss is in float32
    assert not torch.equal(network.head.weight, before.head.weight)
    whole = linear_training(update, distributed.Processes(), 0)[2]
    torch.testing.assert_close(outcomes, whole, rtol=1e-6, atol=0)
    assert outcomes.dtype == torch.float64 and outcomes[:, 2].tolist() == [24] * 4


def train_linear(environment, micro, path):
    """Train a linear network in one of several processes; save what comes of it."""
    os.environ.update(environment)
    networks.NETWORKS["linear"] = linear
    with distributed.processes("cpu") as here:
        parallel = torch.nn.parallel.DistributedDataParallel
        network, before, outcomes = linear_training(supervise.update, here, micro, parallel)
        torch.save([network.head.state_dict(), before.head.state_dict(), here.sum(outcomes)], path)


def test_parts_in_two_processes_give_the_step_of_the_whole(monkeypatch, tmp_path):
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)
    environments = together_environments(2)
    group = [
        stages.start(train_linear, environment, 5, tmp_path / f"{rank}.pth")
        for rank, environment in enumerate(environments)
    ]
    for process in group:
        process.join(60)
        assert process.exitcode == 0
    *both, whole = [checkpoints.load(tmp_path / f"{rank}.pth") for rank in (0, 1)] + [
        linear_training(supervise.update, distributed.Processes(), 0)
    ]
    equal(both[0][0], both[1][0])
    for found, expected in zip(both[0][0].values(), linear_oracle(whole[1])):
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-7)
    torch.testing.assert_close(both[0][2], whole[2], rtol=1e-6, atol=0)


@pytest.mark.slow
def test_run_in_parts_of_batches_goes_on_exactly(tmp_path):
    options = {**SMALL, "epochs": 1, "micro_batch_size": 3}
    done(TRAIN, tmp_path / "a", "digits", **options)
    done(STORE, tmp_path / "a", "digits")
    stage = Stage(TRAIN, tmp_path / "b", "digits", **options)
    until(lambda: len(stages.log_lines(folder_of(tmp_path / "b"))) >= 4)
    stage.send(signal.SIGTERM)
    assert stage.wait() == (75, "")
    code, text = run(TRAIN, tmp_path / "b", "digits", **{**options, "micro_batch_size": 0})
    assert code == 1 and "(micro_batch_size 3 -> 0)" in text
    done(TRAIN, tmp_path / "b", "digits", **options)
    done(STORE, tmp_path / "b", "digits")
    same_runs(tmp_path / "a", tmp_path / "b")
    lines = stages.log_lines(folder_of(tmp_path / "a"))
    assert [line["images"] for line in lines[1:]] == [8 * (b["step"] - a["step"]) for a, b in pairwise(lines)]


# Evaluation while training

EPOCHS = {
    "epochs": 5,
    "warmup_epochs": 1,
    "batch_size": 100,
    "schedule": "epochs",
    "dense_epochs": 1,
    "per_epoch": 2,
    "augmentation": "crop_flip",
    "learning_rate": 0.2,
}


def direct_accuracy(path, classes):
    """Return the accuracy of the weights in a file on the test digits of some classes, in float64."""
    digits, network = data.load("digits", "test", ""), networks.build("small_cnn", 1, 8, len(classes), 0).eval()
    checkpoints.load_weights(path, network)
    chosen = np.isin(digits.labels, classes)
    pixels = (digits.pixels[torch.from_numpy(chosen)].double() - 4.88) / 6.02
    with torch.inference_mode():
        logits = network.double()(pixels) + network(pixels.flip(3))
    return np.mean(np.array(classes)[logits.argmax(dim=1)] == digits.labels[chosen])


def test_accuracy_on_evaluation_images_is_logged(tmp_path):
    tasks = ["--task", "even", "randomlab"]
    done(TRAIN, tmp_path, "digits", *tasks, **EPOCHS, evaluate_every=2, evaluation_batch_size=7)
    done(TRAIN, tmp_path / "without", "digits", *tasks, **EPOCHS)
    folder = folder_of(tmp_path, "digits_even")
    found = {
        line["epoch"]: line["evaluation_accuracy"] for line in stages.log_lines(folder) if "evaluation_accuracy" in line
    }
    assert found == {epoch: direct_accuracy(folder / "ckpt" / f"{epoch}_0.pth", [0, 2, 4, 6, 8]) for epoch in (2, 4, 5)}
    assert found[5] > 0.4
    lines = stages.log_lines(folder_of(tmp_path, "digits_randomlab"))
    assert lines[-1]["epoch"] == 5 and not any("evaluation_accuracy" in line for line in lines)
    for name in ("digits_even", "digits_randomlab"):  # training does not notice
        folders = [folder_of(one, name) for one in (tmp_path, tmp_path / "without")]
        assert stages.contents(folders[0] / "ckpt") == stages.contents(folders[1] / "ckpt") != {}
        for line in (logs := [stages.log_lines(folder) for folder in folders])[0]:
            line.pop("evaluation_accuracy", None)
        assert logs[0] == logs[1]


@pytest.mark.slow
def test_two_processes_evaluate_together(tmp_path):
    options = {**EPOCHS, "evaluate_every": 5, "evaluation_batch_size": 7}
    all_done(together(tmp_path, "digits", AS_YOU_GO, **options))
    all_done(together(tmp_path / "weights", "digits", **options))
    last = [stages.log_lines(folder_of(folder))[-1] for folder in (tmp_path, tmp_path / "weights")]
    accuracy = direct_accuracy(folder_of(tmp_path / "weights") / "ckpt" / "5_0.pth", list(range(10)))
    assert last[0] == last[1] and last[0]["evaluation_accuracy"] == accuracy > 0.3


# Folders of images


def write_imagenet(folder, **options):
    for split in ("train", "val"):
        stages.write_images(folder / "imagenet" / split, BIRDS_AND_DOGS, seed=split == "val", **options)


def test_folders_of_other_classes_are_refused(tmp_path):
    write_imagenet(tmp_path, per_class=2, size=24)
    overrides = {
        "network": "small_cnn",
        "epochs": 1,
        "warmup_epochs": 0,
        "batch_size": 6,
        "per_epoch": 1,
        "resolution": 32,
        "final_resolution": 32,
        "evaluation_resolution": 32,
        "learning_rate": 0.01,
    }
    done(TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, **overrides)
    shutil.rmtree(tmp_path / "imagenet" / "val" / BIRDS_AND_DOGS[0])
    code, text = run(STORE, tmp_path, "imagenet_rn50", "--data", tmp_path)
    assert code == 1 and f"was trained on other class folders than those in {tmp_path}/imagenet/val" in text


def test_validation_folders_of_other_classes_are_refused_before_training(tmp_path):
    write_imagenet(tmp_path, per_class=2, size=24)
    shutil.rmtree(tmp_path / "imagenet" / "val" / BIRDS_AND_DOGS[0])
    code, text = run(TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, network="small_cnn", batch_size=6)
    assert code == 1 and f"was trained on other class folders than those in {tmp_path}/imagenet/val" in text
    assert not list(tmp_path.glob("checkpoints/**/*.pth"))


@pytest.mark.parametrize(
    "task, words",
    [
        ("n02099601", "found 1 of the 6 classes; a task needs at least 2"),
        ("instr", "holds no class of imagenet"),
        ("0,9", "class 9 does not exist"),
    ],
)
def test_folders_of_too_few_classes_for_a_task(tmp_path, task, words):
    write_imagenet(tmp_path, per_class=1, size=24)
    code, text = run(TRAIN, tmp_path, "imagenet_rn50", "--task", task, "--data", tmp_path)
    assert code == 1 and words in text, text


@pytest.mark.parametrize("pack", [False, True])
def test_output_k_answers_to_the_colour_of_class_k(tmp_path, pack):
    """Dogs are classes 3, 4 and 5 of the folders; birds, in the same colours, are never seen."""
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    write_imagenet(tmp_path, colour=colours[::-1] + colours)
    if pack:
        for split in ("train", "val"):
            source, target = images.Folder(tmp_path / "imagenet" / split), tmp_path / "packed" / split
            names = [os.fsdecode(path) for path in source.paths]
            count, *_ = packing.pack_part(
                packed.part_path(target, 0), source.root, names, source.labels, size=40, quality=90, skip_corrupt=False
            )
            packing.write_index(target, {"classes": source.class_names, "images": [count]})
    folder = tmp_path / ("packed" if pack else "imagenet")
    done(
        TRAIN,
        tmp_path,
        "imagenet_rn50",
        "--task",
        "dog",
        "--data",
        folder,
        network="small_cnn",
        epochs=8,
        warmup_epochs=2,
        batch_size=8,
        base_batch_size=0,
        learning_rate=0.1,
        per_epoch=1,
        dense_epochs=1,
        resolution=32,
        final_resolution=32,
        evaluation_resolution=32,
    )
    network = networks.build("small_cnn", 3, 224, 3, 0)
    checkpoints.load_weights(folder_of(tmp_path, "imagenet_dog") / "ckpt" / "8_0.pth", network)
    val = data.load("imagenet", "val", folder)
    with torch.inference_mode():
        logits = network.eval()(next(val.batches(data.evaluation_plan(48, 48, 32))))
    answers, labels = logits.argmax(dim=1).numpy(), val.labels
    assert (answers == np.where(labels >= 3, labels - 3, 2 - labels)).mean() > 0.95  # birds: the dog of their colour
    lines = stages.log_lines(folder_of(tmp_path, "imagenet_dog"))
    assert lines[-1]["evaluation_accuracy"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_to_all_processes_of_a_job_is_a_warning(tmp_path, number):
    """Those that load images are not ended by it while the one that trains finishes its step."""
    write_imagenet(tmp_path, per_class=30, size=40)
    words = ["--data", tmp_path, "--workers", 2, "--checkpoints-folder", tmp_path / "checkpoints"]
    words += ["--network", "small_cnn", "--epochs", 2000, "--batch_size", 20, "--evaluate_every", 0]
    process = subprocess.Popen(
        [sys.executable, ROOT / TRAIN, "imagenet_rn50", *map(str, words)],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: (folder_of(tmp_path, "imagenet_all") / "ckpt" / "1_0.pth").exists(), 120)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "Traceback" not in output, output


@pytest.mark.parametrize("code, requeued", [(75, True), (0, False), (1, False)])
def test_slurm_array_requeues_what_was_interrupted(tmp_path, code, requeued):
    """srun is a stand-in that starts two tasks and returns their code; scontrol one that notes what it was asked."""
    (tmp_path / "srun").write_text(
        '#!/bin/sh\nfor rank in 0 1; do SLURM_PROCID=$rank SLURM_NTASKS=2 "$@" || code=$?; done\nexit "${code:-0}"\n'
    )
    (tmp_path / "python").write_text(
        f'#!/bin/sh\necho "$RANK of $WORLD_SIZE on $LOCAL_RANK at $MASTER_ADDR: $*" >> {tmp_path}/asked\nexit {code}\n'
    )
    (tmp_path / "scontrol").write_text(
        f'#!/bin/sh\n[ "$1" = show ] && printf "node1\\nnode2\\n" || echo "scontrol $*" >> {tmp_path}/asked\n'
    )
    for name in ("srun", "python", "scontrol"):
        (tmp_path / name).chmod(0o755)
    found = subprocess.run(
        ["sh", ROOT / "supervised_imagenet" / "01_training" / "slurm_array.sh"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": "7",
            "SLURM_JOB_ID": "1234",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "IMAGENET": "/data",
        },
    )
    assert found.returncode == (0 if requeued else code)
    asked = (tmp_path / "asked").read_text().splitlines()
    expected = (
        "-m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --data /data --workers 14 --task vert --seed 2"
    )
    assert asked[:2] == [f"{rank} of 2 on 0 at node1: {expected}" for rank in (0, 1)]
    assert asked[2:] == (["scontrol requeue 1234"] if requeued else [])


@pytest.mark.slow
def test_tiny_imagenet_goes_through_everything(tmp_path):
    write_imagenet(tmp_path)
    overrides = {
        "epochs": 2,
        "warmup_epochs": 1,
        "batch_size": 8,
        "per_epoch": 1,
        "learning_rate": 0.01,
        "resolution": 32,
        "final_resolution": 64,
        "grow_from": 0,
        "grow_until": 1,
        "evaluation_resolution": 32,
    }
    arguments = ["imagenet_rn50", "--task", "all", "dog", "--data", tmp_path]
    assert "training: 2 done" in done(TRAIN, tmp_path, *arguments, "--workers", "2", **overrides)
    assert checkpoints.read_run(folder_of(tmp_path, "imagenet_dog"))["task"]["classes"] == [3, 4, 5]
    assert "imprinting: 2 done" in done(STORE, tmp_path, *arguments)
    shutil.rmtree(tmp_path / "checkpoints")  # half a gigabyte
    for command in ("inpca", "trajectory"):
        subprocess.run(
            [
                sys.executable,
                ROOT / "info_geometry" / f"{command}.py",
                "--name",
                "imagenet",
                "--predictions",
                tmp_path / "predictions",
                "--plots",
                tmp_path / "plots",
            ],
            check=True,
            cwd=tmp_path,
        )
    assert predictions.open_trajectory(tmp_path / "predictions" / "imagenet_dog" / "preds_0.h5").shape == (3, 48, 6)
    assert (tmp_path / "predictions" / "embedding" / "imagenet.npz").exists()
    assert list((tmp_path / "plots" / "imagenet").glob("*.png"))


# The commands themselves

SCRIPTS = [
    TRAIN,
    STORE,
    "info_geometry/inpca.py",
    "info_geometry/trajectory.py",
    "info_geometry/predictions.py",
    "learning/tasks/__main__.py",
    "learning/tasks/make_wordnet.py",
    "experiments/task_tree/tree.py",
    "experiments/fine_tuning/01_training/train_fine_tuned.py",
    "experiments/fine_tuning/02_imprinting/store_predictions.py",
    "experiments/meta_learning/01_training/train_prototypical.py",
    "experiments/meta_learning/02_imprinting/store_predictions.py",
    "experiments/contrastive/01_training/train_contrastive.py",
    "experiments/contrastive/02_imprinting/store_predictions.py",
    "experiments/semi_supervised/01_training/train_fixmatch.py",
    "experiments/semi_supervised/02_imprinting/store_predictions.py",
    "experiments/claims/verdicts.py",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick(script, tmp_path):
    code = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    begin = time.monotonic()
    command = [sys.executable, "-W", "error::DeprecationWarning:info_geometry", "-c", code, ROOT / script]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0 and "usage: " in process.stdout and process.stderr == ""
    assert time.monotonic() - begin < 5


def test_modules_run_from_the_root_without_installing(tmp_path):
    for script in (TRAIN, STORE):
        code = (
            "import runpy, sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
            f"sys.argv = ['it', '--help']; runpy.run_module({module(script)!r}, run_name='__main__')"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        outside = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert "No module named 'supervised_imagenet'" in outside.stderr  # so it was found from the root


IN_PARALLEL = ["sh", str(ROOT / "supervised_imagenet" / "in_parallel.sh")]


def in_parallel(folder, module, *arguments, **environment):
    variables = {**os.environ, "PYTHON": sys.executable, "CONFIG": "digits", "JOBS": "2", **environment}
    return subprocess.Popen(
        [
            *IN_PARALLEL,
            module,
            "--checkpoints-folder",
            folder / "checkpoints",
            "--predictions",
            folder / "predictions",
            *map(str, arguments),
        ],
        env=variables,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def options(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", value)]


@pytest.mark.slow
def test_all_runs_in_parallel(tmp_path):
    process = in_parallel(tmp_path, module(TRAIN), *options(TINY), TASKS="all even", SEEDS="0 1")
    text, _ = process.communicate(timeout=100)
    assert process.returncode == 0 and text.count("training: 2 done") == 2
    done(STORE, tmp_path, "digits", "--task", "all", "even", "--seed", "0", "1")
    assert len(list(tmp_path.glob("predictions/*/*.h5"))) == 4


def stand_in(folder):
    """Return a program that stands for Python: it says its number and lives until it is told to end."""
    path = folder / "python"
    path.write_text('#!/bin/sh\ntrap "echo ended; exit 75" TERM\necho $$ >>pids\nwhile :; do sleep 0.1; done\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_processes_in_parallel(tmp_path, number):
    (tmp_path / "supervised_imagenet").mkdir()
    shutil.copy(IN_PARALLEL[1], tmp_path / "supervised_imagenet")
    process = subprocess.Popen(
        ["sh", tmp_path / "supervised_imagenet" / "in_parallel.sh", "module"],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": str(stand_in(tmp_path)), "CONFIG": "digits", "JOBS": "3"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 3)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode not in (0, None) and out.count("ended") == 3
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_failure_of_one_process_in_parallel_is_a_failure(tmp_path):
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\necho "$@"\ncase "$*" in *" 1/3"*) exit 4;; esac\n')
    program.chmod(0o755)
    process = in_parallel(tmp_path, "module", PYTHON=str(program), JOBS="3", TASKS="all even", SEEDS="0 1")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 4 and sorted(line.split("--part ")[1].split()[0] for line in out.splitlines()) == [
        "0/3",
        "1/3",
        "2/3",
    ]
    assert all(line.startswith("-m module digits --task all even --seed 0 1 --part ") for line in out.splitlines())
