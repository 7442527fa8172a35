"""A run that was interrupted, killed or damaged goes on to the same bits, and leaves what it says."""

import json
import random
import signal
import time

import numpy as np
import torch

from info_geometry import predictions
from learning import data, networks
from learning.runs import run as runs
from learning.runs import weights
from tests.support import stages
from tests.support.runs import (
    TINY,
    equal,
    folder_of,
    load_weights,
    same_runs,
)
from tests.support.stages import SMALL, STORE, TRAIN, Stage, done, run, until


def test_run_leaves_what_it_says(undisturbed):
    folder = folder_of(undisturbed)
    record, lines = runs.read(folder), stages.log_lines(folder)
    assert [line["step"] for line in lines] == record.schedule and record.schedule[-1] == 298
    assert not record.missing(folder) and len(list((folder / "ckpt").iterdir())) == len(lines)
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
    assert trajectory.attributes["config"] == record.config


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
    equal(weights.load(folder_of(undisturbed) / "ckpt" / "0_0.pth"), network.state_dict())


def test_interrupted_by_a_signal_and_resumed(undisturbed, tmp_path):
    folder = folder_of(tmp_path)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        before = len(stages.log_lines(folder))
        stage = Stage(TRAIN, tmp_path, "digits", **SMALL)
        until(lambda before=before: len(stages.log_lines(folder)) >= before + 4)
        stage.send(number)
        assert stage.wait() == (75, "")
        step = weights.load(folder / "last.pth")["step"]
        assert step % 149 != 0 and runs.read(folder).missing(folder)
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


def test_checkpoint_that_was_removed_is_made_again(undisturbed, copied):
    folder = folder_of(copied)
    record = runs.read(folder)
    record.path(folder, record.schedule[5]).unlink()
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
        weights.load(folder_of(tmp_path / "a", f"digits_{task}", seed) / "ckpt" / "1_0.pth")["body.0.weight"]
        for task in ("even", "odd")
        for seed in (0, 1)
    ]
    assert not any(torch.equal(one, other) for i, one in enumerate(last) for other in last[:i])


def test_damaged_state_is_named(tmp_path):
    done(TRAIN, tmp_path, "digits", **TINY)
    folder = folder_of(tmp_path)
    (folder / "ckpt" / "1_0.pth").unlink()
    (folder / "last.pth").write_bytes((folder / "last.pth").read_bytes()[:5000])
    code, text = run(TRAIN, tmp_path, "digits", **TINY)
    assert code == 1 and f"{folder / 'last.pth'} is not a complete checkpoint" in text


def test_diverging_training_stops_at_its_step(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", **{**SMALL, "learning_rate": 1e30})
    assert code == 1 and "the loss is not finite at step " in text and "lower the learning rate" in text
    for path in tmp_path.glob("**/ckpt/*.pth"):
        load_weights(path, networks.build("small_cnn", 1, 8, 10, 0))
    assert run(TRAIN, tmp_path, "digits", **{**SMALL, "learning_rate": 1e30}) == (code, text)


def test_full_disk_in_training(tmp_path):
    code, text = run(TRAIN, tmp_path, "digits", file_size=50000, **TINY)
    assert code == 1 and "cannot write " in text and "GB free)" in text
    assert {path.name for path in folder_of(tmp_path).iterdir()} <= {".lock", "run.json", "log.jsonl", "ckpt"}
    assert not list(tmp_path.glob("**/*.pth")) and not list(tmp_path.glob("**/*.tmp"))
    done(TRAIN, tmp_path, "digits", **TINY)
