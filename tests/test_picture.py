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

GRID = """
stage: supervised_imagenet.01_training.train_imagenet
config: digits
task: [all, even]
seed: [0, 1]
settings: {epochs: 3, warmup_epochs: 1, checkpoints: 8}
"""


def start(folder):
    """Start the sweep and the picture one after the other, as the Makefile does, in a process group."""
    (folder / "grid.yaml").write_text(GRID)
    where = f"--checkpoints-folder '{folder}/checkpoints' --predictions '{folder}/predictions'"
    lines = [
        "set -e",
        f"'{sys.executable}' -m learning.sweep '{folder}/grid.yaml' --jobs 2 {where}",
        f"'{sys.executable}' info_geometry/inpca.py --name digits --predictions '{folder}/predictions' "
        f"--plots '{folder}/plots'",
    ]
    output = open(folder / "output.txt", "a")  # noqa: SIM115  (the processes write to it)
    return subprocess.Popen(
        ["sh", "-c", "\n".join(lines)], cwd=ROOT, stdout=output, stderr=output, start_new_session=True
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
