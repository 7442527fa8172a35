"""Several processes train or imprint one run: they stop together, go on exactly, and name what is wrong."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from info_geometry.files import ROOT
from learning.runs import weights
from tests.support import stages
from tests.support.runs import (
    AS_YOU_GO,
    TINY,
    all_done,
    equal,
    folder_of,
    mtimes,
    options,
    parts,
    same_predictions,
    same_runs,
    together,
)
from tests.support.stages import SMALL, STORE, done, until


def stopped_together(folder, rank, number, *arguments):
    """Send a signal to one of two processes that train; assert that both stop."""
    before = len(stages.log_lines(folder_of(folder)))
    pair = together(folder, "digits", *arguments, **SMALL)
    until(lambda: len(stages.log_lines(folder_of(folder))) >= before + 4)
    pair[rank].send(number)
    assert [stage.wait() for stage in pair] == [(75, ""), (75, "")]
    assert weights.load(folder_of(folder) / "last.pth")["step"] < 298


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
    equal(*(weights.load(folder_of(folder) / "ckpt" / "0_0.pth") for folder in (undisturbed, two_processes)))


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
    step = weights.load(folder_of(tmp_path) / "last.pth")["step"]
    assert 0 < step < 298
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    done(STORE, tmp_path, "digits")
    same_runs(two_processes, tmp_path)


@pytest.mark.slow
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


def test_what_is_to_be_said_of_data_is_said_once(tmp_path):
    for split in ("train", "val"):
        stages.write_images(tmp_path / split, ["n02085620", "n02088364"], per_class=2, size=16)
    (tmp_path / "train" / ".thumbnails").mkdir()
    words = ["imagenet_rn50", "--data", tmp_path, "--task", "0,0"]
    outcomes = [stage.wait() for stage in together(tmp_path, *words)]
    assert all(code == 1 and "class 0 appears twice" in text for code, text in outcomes), outcomes
    assert sorted(text.count("left out: 1 hidden (.thumbnails)") for _, text in outcomes) == [0, 1]
