"""The command that packs: killed, interrupted or mistaken, it says so, and the same command goes on."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from info_geometry.files import ROOT
from tests.support import stages
from tests.support.packing import SLOWLY, Packing, done, encoded, pack
from tests.support.stages import until


@pytest.mark.slow
def test_killed_at_random_moments_and_packed_as_if_not(many, tmp_path):
    done(many, tmp_path / "undisturbed")
    rng, target, before = random.Random(3), tmp_path / "target", {}
    for _ in range(6):
        packing, wanted = Packing(many, target), min(len(before) + rng.randrange(5), 50)
        until(lambda wanted=wanted: len(list(target.glob("train/*.h5"))) >= wanted)
        time.sleep(rng.random() * 0.03)
        packing.send_all(signal.SIGKILL)
        packing.wait()
        now = {path: time for path, time in stages.times(target).items() if path.endswith("h5")}
        assert before.items() <= now.items()
        before = now
    code, text = Packing(many, target).wait()
    assert code == 0 and before and before.items() <= stages.times(target).items(), text
    assert stages.contents(target, "*/*") == stages.contents(tmp_path / "undisturbed", "*/*")


def test_workers_end_with_the_process_that_was_killed(many, tmp_path):
    packing = Packing(many, tmp_path / "target", *SLOWLY)
    until(lambda: list(tmp_path.glob("target/train/*.h5")))
    assert packing.alive() == 3
    packing.send(signal.SIGKILL)
    until(lambda: not packing.alive(), timeout=5)
    assert not (tmp_path / "target" / "train" / "index.json").exists()


@pytest.mark.slow
def test_interrupt_ends_it_at_once_with_one_line(many, tmp_path):
    for number in range(10):  # while workers start, pack, and are told what to do
        target = tmp_path / f"target_{number}"
        packing = Packing(many, target, *SLOWLY)
        until(lambda target=target: (target / ".lock").exists())
        time.sleep(0.03 * number)
        packing.send_all(signal.SIGINT)
        start = time.monotonic()
        assert packing.wait() == (130, "interrupted: the same command goes on from what is complete\n")
        assert time.monotonic() - start < 5 and not packing.alive()


def test_worker_that_was_killed_is_said(many, tmp_path):
    packing = Packing(many, tmp_path / "target", *SLOWLY)
    until(lambda: list(tmp_path.glob("target/train/*.h5")))
    lines = subprocess.run(["ps", "-A", "-o", "pgid=,pid="], capture_output=True, text=True).stdout.splitlines()
    workers = {int(pid) for group, pid in map(str.split, lines) if int(group) == packing.process.pid != int(pid)}
    os.kill(max(workers), signal.SIGKILL)
    code, text = packing.wait()
    assert code == 1 and "Traceback" not in text and text.startswith("error: "), text


def test_second_packer_is_refused(many, tmp_path):
    target = tmp_path / "target"
    packing = Packing(many, target, *SLOWLY)
    until(lambda: list(target.glob("train/*.h5")))
    code, text = pack(many, target)
    assert code == 1 and text.startswith(f"error: {target} is being written by pid {packing.process.pid} on host ")
    assert text.count("\n") == 1 and packing.wait()[0] == 0


def test_full_disk_is_said_and_leaves_nothing(many, tmp_path):
    code, text = Packing(many, tmp_path / "target", file_size=6000).wait()
    assert code == 1 and [path.name for path in tmp_path.glob("target/**/*") if path.is_file()] == [".lock"]
    assert f"error: cannot write {tmp_path}/target/train/" in text and "File too large (" in text
    assert "packing: 0 done, 0 skipped (already complete), 2 failed" in text and "Traceback" not in text


# Mistakes


def class_without_images(root, target):
    for split in ("train", "val"):
        (root / split / "n4").mkdir()
    return "n4"


def class_in_train_only(root, target):
    (root / "train" / "n4").mkdir()
    (root / "train" / "n4" / "0.JPEG").write_bytes(encoded())
    return f"{root}/train and {root}/val have different classes (4 and 3; only train has n4); training and"


def no_classes_at_all(root, target):
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    return f"{root}/val"


def no_val(root, target):
    shutil.rmtree(root / "val")
    return f"{root}/val: no such folder"


def no_source(root, target):
    shutil.rmtree(root)
    return f"{root}/train: no such folder"


def target_is_source(root, target):
    target.symlink_to(root)
    return "SOURCE and TARGET are the same folder"


def target_is_a_file(root, target):
    target.write_text("")
    return f"cannot write {target}/.lock"


@pytest.mark.parametrize(
    "mistake",
    [
        class_without_images,
        class_in_train_only,
        no_classes_at_all,
        no_val,
        no_source,
        target_is_source,
        target_is_a_file,
    ],
)
def test_mistake_is_said_in_a_line(mine, tmp_path, mistake):
    said = mistake(mine, tmp_path / "target")
    code, text = pack(mine, tmp_path / "target")
    assert code == 1 and text.startswith("error: ") and text.count("\n") == 1 and said in text
    assert not list(tmp_path.glob("target/*/*.h5"))


@pytest.mark.parametrize(
    "words",
    [
        ("--size", 0),
        ("--size", -5),
        ("--quality", 0),
        ("--quality", 96),
        ("--workers", 0),
        ("--workers", -1),
        ("--size", "big"),
        ("--quality", 50.5),
    ],
)
def test_settings_that_cannot_be(source, tmp_path, words):
    code, text = pack(source, tmp_path / "target", *words)
    assert code in (1, 2) and "error: " in text.splitlines()[-1] and words[0] in text.splitlines()[-1]
    assert not (tmp_path / "target").exists()


def test_real_command_says_a_mistake_without_traceback(mine, tmp_path):
    (mine / "val").rename(mine / "validation")
    code, text = Packing(mine, tmp_path / "target").wait()
    assert code == 1 and text.startswith(f"error: {mine}/val: no such folder") and text.count("\n") == 1


@pytest.mark.parametrize("words, code", [(["--help"], 0), (["a", "b", "--size", "0"], 1)])
def test_help_and_mistakes_are_answered_at_once(words, code):
    start = time.monotonic()
    command = [sys.executable, "-X", "importtime", "-m", "supervised_imagenet.01_training.write_imagenet", *words]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == code and time.monotonic() - start < 5
    assert "--skip-corrupt" in process.stdout if code == 0 else "error: --size and" in process.stderr
    assert "argparse" in process.stderr and " torch" not in process.stderr
