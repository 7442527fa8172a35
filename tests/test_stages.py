"""Training and imprinting: runs go on exactly, are not redone, refuse what does not fit, and see what they should."""
import contextlib
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
from types import SimpleNamespace

import numpy as np
import pytest
import stages
import torch
from stages import SMALL, STORE, TRAIN, Stage, done, run, until

from info_geometry import files, predictions
from info_geometry.files import ROOT, InputError
from learning import checkpoints, data, networks, tasks
from learning.config import Config

BIRDS_AND_DOGS = ["n01514668", "n01530575", "n01531178", "n02085620", "n02088364", "n02099601"]
TINY = {"epochs": 1, "warmup_epochs": 0, "batch_size": 400, "checkpoints": 3}  # 2 steps


def folder_of(folder, name="digits_all", seed=0):
    return folder / "checkpoints" / name / f"seed_{seed}"


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
        for one_state, other_state in zip(states[0]["optimiser"]["state"].values(),
                                          states[1]["optimiser"]["state"].values()):
            equal(one_state, other_state)


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
        "dataset": "digits", "task": "all", "seed": 0, "split": "test"}
    assert trajectory.attributes["config"] == record["config"]


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
    (folder / "ckpt" / checkpoints.name(checkpoints.read_run(folder)["schedule"][5], 149)).unlink()
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
    last = [checkpoints.load(folder_of(tmp_path / "a", f"digits_{task}", seed) / "ckpt" / "1_0.pth")["body.0.weight"]
            for task in ("even", "odd") for seed in (0, 1)]
    assert not any(torch.equal(one, other) for i, one in enumerate(last) for other in last[:i])


# Processes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def together(folder, *arguments, world=2, script=TRAIN, **overrides):
    """Start the processes that torchrun would."""
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [Stage(script, folder, *arguments, environment={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                  **overrides) for rank in range(world)]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """A folder with one run of digits, trained by two processes without interruption, and imprinted."""
    folder = tmp_path_factory.mktemp("two_processes")
    for stage in together(folder, "digits", **SMALL):
        assert stage.wait()[0] == 0, stage.text
    done(STORE, folder, "digits")
    return folder


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(two_processes, tmp_path):
    for rank in (1, 0):  # either may be told
        before = len(stages.log_lines(folder_of(tmp_path)))
        pair = together(tmp_path, "digits", **SMALL)
        until(lambda before=before: len(stages.log_lines(folder_of(tmp_path))) >= before + 4)
        pair[rank].send(signal.SIGTERM)
        assert [stage.wait()[0] for stage in pair] == [75, 75]
    for stage in together(tmp_path, "digits", **SMALL):
        assert stage.wait()[0] == 0, stage.text
    done(STORE, tmp_path, "digits")
    same_runs(two_processes, tmp_path)


@pytest.mark.slow
def test_two_processes_train_as_one_would_nearly(undisturbed, two_processes):
    """Batches are the same; normalisation over half a batch is not, so weights agree at the start only."""
    one, two = (stages.log_lines(folder_of(folder)) for folder in (undisturbed, two_processes))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    assert abs(one[1]["loss"] - two[1]["loss"]) < 0.5 and two[-1]["accuracy"] > 0.9
    equal(*(checkpoints.load(folder_of(folder) / "ckpt" / "0_0.pth") for folder in (undisturbed, two_processes)))


def test_processes_share_the_runs_of_the_second_stage(tmp_path):
    done(TRAIN, tmp_path, "digits", "--seed", *range(3), **TINY)
    texts = []
    for stage in together(tmp_path, "digits", "--seed", *range(3), script=STORE):
        code, text = stage.wait()
        assert code == 0, text
        texts.append(text)
    assert "imprinting: 2 done" in texts[0] and "imprinting: 1 done" in texts[1]
    assert len(list(tmp_path.glob("predictions/*/*.h5"))) == 3


@pytest.mark.slow
def test_torchrun(two_processes, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m",
               "supervised_imagenet.01_training.train_imagenet", "digits", "--checkpoints-folder",
               tmp_path / "checkpoints", *map(str, options(SMALL))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: len(stages.log_lines(folder_of(tmp_path))) >= 4 or process.poll() is not None, timeout=120)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    step = checkpoints.load(folder_of(tmp_path) / "last.pth")["step"]
    assert 0 < step < 298
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    done(STORE, tmp_path, "digits")
    same_runs(two_processes, tmp_path)


def test_second_process_is_refused_or_waits(tmp_path):
    for script, lock in ((TRAIN, folder_of(tmp_path) / ".lock"),
                         (STORE, tmp_path / "predictions" / "digits_all" / ".preds_0.lock")):
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
    assert code == 1 and "seed_3 holds no run; train it with 01_training/train_imagenet.py --task even --seed 3" in text


def test_incomplete_checkpoints_are_named(copied):
    (copied / "predictions" / "digits_all" / "preds_0.h5").unlink()
    folder = folder_of(copied)
    record = checkpoints.read_run(folder)
    for step in record["schedule"][3:5]:
        (folder / "ckpt" / checkpoints.name(step, record["steps_per_epoch"])).unlink()
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
        checkpoints.save_weights(path, networks.build("small_cnn", 1, 8, 5, 0))
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
    code, out, _ = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "even", images={"train": digits}, **TINY)
    assert code == 0 and "1 done" in out  # the failure left nothing in the way
    with_none = {"test": data.TensorImages(without.pixels, without.labels, 10, [0.0], [1.0])}
    code, _, error = main(monkeypatch, STORE, tmp_path, "digits", "--task", "even", images=with_none)
    assert code == 1 and "1 of 10 classes have no samples to imprint (the first is class 4)" in error
    assert not list(tmp_path.glob("**/*.h5")) and not list(tmp_path.glob("**/*.tmp"))


def test_batches_that_processes_cannot_share(tmp_path):
    pair = together(tmp_path, "digits", **{**TINY, "batch_size": 401})
    outcomes = [stage.wait() for stage in pair]
    assert all(code not in (0, 75) for code, _ in outcomes)
    assert any("batches of 401 images cannot be divided evenly among 2 processes" in text for _, text in outcomes)


@pytest.mark.parametrize("arguments, words", [
    (["digits", "--task", "evn"], "digits has no task 'evn'; did you mean even?"),
    (["digits", "--dataset", "mnist"], "unknown data set 'mnist'"),
    (["digits", "--network", "cnn"], "unknown network 'cnn'"),
    (["digits", "--augmentation", "random_resized_crop"], "augmentation random_resized_crop is for image folders"),
    (["digits", "--device", "nonsense"], "--device nonsense: "),
    (["imagenet_rn50", "--data", "/nowhere"], "/nowhere/train: no such folder"),
])
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


def test_no_room_is_said_before_imprinting(monkeypatch, tmp_path):
    store = stages.script(STORE)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    store.check_space(tmp_path / "preds_0.h5", 10**9)
    with pytest.raises(InputError, match=r"needs up to 4\.0 GB, 1\.0 GB free"):
        store.check_space(tmp_path / "preds_0.h5", 4 * 10**9)


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
    code, _, error = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "8,1,4", images={"train": images}, epochs=8,
                          warmup_epochs=2, batch_size=20, checkpoints=2, learning_rate=0.05)
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


def test_random_labels_are_the_same_for_all_seeds(monkeypatch, tmp_path):
    module, seen = stages.script(TRAIN), {}

    def update(model, optimiser, pixels, outputs, config):
        seen.update(zip(map(tuple, pixels.flatten(1).tolist()), outputs.tolist()))
        return torch.zeros(3, dtype=torch.float64)

    module.update, found = update, []
    monkeypatch.setattr(stages, "script", lambda _: module)
    for seed in (0, 1):
        seen.clear()
        code, *_ = main(monkeypatch, TRAIN, tmp_path, "digits", "--task", "randomlab", "--seed", seed,
                        **{**TINY, "batch_size": 599})
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
    values = {"learning_rate": 2.0, "warmup_epochs": 2.0, "epochs": 10, "resolution": 160, "final_resolution": 192,
              "grow_from": 4, "grow_until": 8}
    return SimpleNamespace(**{**values, **changes})


def test_learning_rate_rises_and_falls_linearly():
    rate = Config.learning_rate_at
    assert [rate(settings(), epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 1, 2, 1, 0]
    assert [rate(settings(warmup_epochs=0.0), epoch) for epoch in (0, 5, 10)] == [2, 1, 0]


def test_images_grow_in_steps_of_32():
    side = Config.resolution_at
    assert [side(settings(), epoch) for epoch in range(10)] == [160] * 6 + [192] * 4
    assert {side(settings(final_resolution=0), epoch) for epoch in range(10)} == {160}
    assert side(settings(grow_from=4, grow_until=4), 5) == 192


# Folders of images


def write_imagenet(folder, **options):
    for split in ("train", "val"):
        stages.write_images(folder / "imagenet" / split, BIRDS_AND_DOGS, seed=split == "val", **options)


def test_folders_of_other_classes_are_refused(tmp_path):
    write_imagenet(tmp_path, per_class=2, size=24)
    overrides = {"network": "small_cnn", "epochs": 1, "warmup_epochs": 0, "batch_size": 6, "per_epoch": 1,
                 "resolution": 32, "final_resolution": 32, "evaluation_resolution": 32, "learning_rate": 0.01}
    done(TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, **overrides)
    shutil.rmtree(tmp_path / "imagenet" / "val" / BIRDS_AND_DOGS[0])
    code, text = run(STORE, tmp_path, "imagenet_rn50", "--data", tmp_path)
    assert code == 1 and f"was trained on other class folders than those in {tmp_path}/imagenet/val" in text


@pytest.mark.slow
def test_tiny_imagenet_goes_through_everything(tmp_path):
    write_imagenet(tmp_path)
    overrides = {"epochs": 2, "warmup_epochs": 1, "batch_size": 8, "per_epoch": 1, "learning_rate": 0.01,
                 "resolution": 32, "final_resolution": 64, "grow_from": 0, "grow_until": 1, "evaluation_resolution": 32}
    arguments = ["imagenet_rn50", "--task", "all", "dog", "--data", tmp_path]
    assert "training: 2 done" in done(TRAIN, tmp_path, *arguments, "--workers", "2", **overrides)
    assert checkpoints.read_run(folder_of(tmp_path, "imagenet_dog"))["task"]["classes"] == [3, 4, 5]
    assert "imprinting: 2 done" in done(STORE, tmp_path, *arguments)
    shutil.rmtree(tmp_path / "checkpoints")  # half a gigabyte
    for command in ("inpca", "trajectory"):
        subprocess.run([sys.executable, ROOT / "info_geometry" / f"{command}.py", "--name", "imagenet", "--predictions",
                        tmp_path / "predictions", "--plots", tmp_path / "plots"], check=True, cwd=tmp_path)
    assert predictions.open_trajectory(tmp_path / "predictions" / "imagenet_dog" / "preds_0.h5").shape == (3, 48, 6)
    assert (tmp_path / "predictions" / "embedding" / "imagenet.npz").exists()
    assert list((tmp_path / "plots" / "imagenet").glob("*.png"))


# The commands themselves

SCRIPTS = [TRAIN, STORE, "info_geometry/inpca.py", "info_geometry/trajectory.py", "info_geometry/predictions.py",
           "learning/tasks.py", "learning/make_wordnet.py"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick(script, tmp_path):
    code = ("import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)")
    begin = time.monotonic()
    command = [sys.executable, "-W", "error::DeprecationWarning:info_geometry", "-c", code, ROOT / script]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0 and "usage: " in process.stdout and process.stderr == ""
    assert time.monotonic() - begin < 5


def test_modules_run_from_the_root_without_installing(tmp_path):
    for script in (TRAIN, STORE):
        module = script.removesuffix(".py").replace("/", ".")
        code = ("import runpy, sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
                f"sys.argv = ['it', '--help']; runpy.run_module({module!r}, run_name='__main__')")
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        outside = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert "No module named 'supervised_imagenet'" in outside.stderr  # so it was found from the root


IN_PARALLEL = ["sh", str(ROOT / "supervised_imagenet" / "in_parallel.sh")]


def in_parallel(folder, module, *arguments, **environment):
    variables = {**os.environ, "PYTHON": sys.executable, "CONFIG": "digits", "JOBS": "2", **environment}
    return subprocess.Popen([*IN_PARALLEL, module, "--checkpoints-folder", folder / "checkpoints", "--predictions",
                             folder / "predictions", *map(str, arguments)], env=variables, cwd=folder, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def options(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", value)]


@pytest.mark.slow
def test_all_runs_in_parallel(tmp_path):
    module = "supervised_imagenet.01_training.train_imagenet"
    process = in_parallel(tmp_path, module, *options(TINY), TASKS="all even", SEEDS="0 1")
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
    process = subprocess.Popen(["sh", tmp_path / "supervised_imagenet" / "in_parallel.sh", "module"], cwd=tmp_path,
                               env={**os.environ, "PYTHON": str(stand_in(tmp_path)), "CONFIG": "digits", "JOBS": "3"},
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
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
        "0/3", "1/3", "2/3"]
    assert all(line.startswith("-m module digits --task all even --seed 0 1 --part ") for line in out.splitlines())
