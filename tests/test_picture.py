"""The whole chain through the commands of `make picture`, killed again and again, ends in the same bytes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from info_geometry.files import ROOT
from tests.support import stages

SMALL = {"epochs": 3, "warmup_epochs": 1, "checkpoints": 8}
RUNS = {"CONFIG": "digits", "TASKS": "all even", "SEEDS": "0 1", "JOBS": "2"}


def start(folder):
    """Start training, imprinting and the picture one after the other, as the Makefile does, in a process group."""
    where = f"--checkpoints-folder '{folder}/checkpoints' --predictions '{folder}/predictions'"
    train = " ".join(f"--{key} {value}" for key, value in SMALL.items())
    lines = [
        "set -e",
        f"sh supervised_imagenet/01_training/train_imagenet.sh --wait {where} {train}",
        f"sh supervised_imagenet/02_imprinting/store_predictions.sh --wait {where}",
        f"'{sys.executable}' info_geometry/inpca.py --name digits --predictions '{folder}/predictions' "
        f"--plots '{folder}/plots'",
    ]
    output = open(folder / "output.txt", "a")  # noqa: SIM115  (the processes write to it)
    environment = {**os.environ, **RUNS, "PYTHON": sys.executable}
    return subprocess.Popen(
        ["sh", "-c", "\n".join(lines)], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
    )


def finish(folder):
    process = start(folder)
    assert process.wait(timeout=120) == 0, (folder / "output.txt").read_text()


def amount(folder):
    """Return the number of files there are, complete or not."""
    return sum(path.suffix in (".pth", ".h5", ".tmp") for path in folder.glob("**/*"))


@pytest.mark.slow
def test_killed_again_and_again_the_picture_is_the_same(tmp_path):
    undisturbed, killed, rng = tmp_path / "undisturbed", tmp_path / "killed", random.Random(5)
    undisturbed.mkdir()
    killed.mkdir()
    finish(undisturbed)
    for _ in range(5):
        process, goal = start(killed), amount(killed) + rng.randrange(1, 10)
        stages.until(lambda p=process, goal=goal: amount(killed) >= goal or p.poll() is not None, timeout=120)
        time.sleep(rng.random() * 0.2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finish(killed)
    for pattern, number in (("predictions/digits_*/*.h5", 4), ("checkpoints/**/ckpt/*.pth", 32)):
        expected = stages.contents(undisturbed, pattern)
        assert len(expected) == number and stages.contents(killed, pattern) == expected
    assert {path.name for path in (killed / "plots" / "digits").iterdir()} >= {"inpca_axes.png", "inpca_axes.pdf"}
    assert not list(killed.glob("**/*.tmp"))
