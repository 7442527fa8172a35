"""Take a tiny ImageNet through every stage, by the commands a user gives, and check what they promise.

    make smoke-imagenet            or: python benchmarks/smoke_imagenet.py [--keep FOLDER]

Makes 20 classes of 40 + 10 images, packs them, and trains the ImageNet configuration with smaller sizes for two epochs,
in one process and in two under torchrun.  Each run is also killed and resumed, to bit-identical weights; imprinting
gives the same predictions with and without --imprint-as-you-go; inpca.py and trajectory.py draw them.  Takes about four
minutes on two CPU cores; on machines with GPUs it runs on the CPU as well, where equality is promised bit for bit.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from info_geometry import predictions
from info_geometry.files import ROOT, InputError, command

TRAIN, STORE = "supervised_imagenet.01_training.train_imagenet", "supervised_imagenet.02_imprinting.store_predictions"
SIZES = {
    "batch_size": 40,
    "micro_batch_size": 20,
    "epochs": 2,
    "warmup_epochs": 1,
    "resolution": 32,
    "grow_from": 0,
    "final_resolution": 32,
    "grow_until": 1,
    "evaluation_resolution": 64,
    "dense_epochs": 1,
    "per_epoch": 2,
    "evaluate_every": 2,
}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything")
    options = parser.parse_args(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        smoke(folder)
    print(f"all of it holds; {time.monotonic() - started:.0f} s")


def smoke(folder):
    """Run the chain in a folder; raise InputError where something does not hold."""
    run(
        "benchmarks/imagenet.py",
        "--images-only",
        folder / "images",
        "--classes",
        20,
        "--per-class",
        40,
        10,
        "--width",
        100,
    )
    run("-m", "supervised_imagenet.01_training.write_imagenet", folder / "images", folder / "packed", "--size", 64)
    for seed, launch in ((0, []), (1, TORCHRUN)):
        whole, killed = (stage(folder, name, TRAIN, seed, launch) for name in ("whole", "killed"))
        run(*whole)
        kill(killed, checkpoints(folder / "killed", seed) / "0_10.pth")
        run(*killed)
        same(*(checkpoints(folder / name, seed) for name in ("whole", "killed")))
        run(*stage(folder, "whole", STORE, seed, launch))
    run(*stage(folder, "as_you_go", TRAIN, 0, []), "--imprint-as-you-go")
    one, other = (
        predictions.open_trajectory(folder / name / "predictions" / "imagenet_all" / "preds_0.h5")
        for name in ("whole", "as_you_go")
    )
    check(
        one.attributes["data_sha256"] == other.attributes["data_sha256"],
        "predictions are the same with and without --imprint-as-you-go",
    )
    run("-m", TRAIN, "--status", "--checkpoints-folder", folder / "whole" / "checkpoints")
    for script in ("inpca", "trajectory"):
        run(
            f"info_geometry/{script}.py",
            "--name",
            "imagenet",
            "--predictions",
            folder / "whole" / "predictions",
            "--plots",
            folder / "plots",
        )
    check(len(list((folder / "plots" / "imagenet").glob("*.png"))) >= 2, "figures are drawn")


def checkpoints(folder, seed):
    return folder / "checkpoints" / "imagenet_all" / f"seed_{seed}" / "ckpt"


def stage(folder, name, module, seed, launch):
    """Return the arguments of a stage on the tiny images, its output in folder/name."""
    sizes = [word for key, value in SIZES.items() for word in (f"--{key}", value)]
    return [
        *launch,
        "-m",
        module,
        "imagenet_rn50",
        "--task",
        "all",
        "--seed",
        seed,
        "--device",
        "cpu",
        "--data",
        folder / "packed",
        "--workers",
        1,
        "--checkpoints-folder",
        folder / name / "checkpoints",
        "--predictions",
        folder / name / "predictions",
        *sizes,
    ]


def run(*arguments):
    """Run a Python command, which must succeed."""
    with start(*arguments) as process:
        code = process.wait()
    check(code == 0, f"exit code {code}", quiet=True)


def start(*arguments):
    """Start a Python command, and show it."""
    words = [str(word) for word in arguments]
    print("$ python " + shlex.join(words), flush=True)
    two = "torch.distributed.run" in words
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1" if two else "2"}
    )


def kill(arguments, path):
    """Start a command and kill all of its processes as soon as `path` exists."""
    with start(*arguments) as process:
        while process.poll() is None and not path.exists():
            time.sleep(0.02)
        check(process.returncode is None, "training goes on until it is killed", quiet=True)
        print("# SIGKILL", flush=True)
        for pid in (*descendants(process.pid), process.pid):
            os.kill(pid, signal.SIGKILL)


def descendants(pid):
    """Return the processes that a process started, and theirs."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    children = [int(child) for child, parent in map(str.split, table.splitlines()) if int(parent) == pid]
    return [*children, *(other for child in children for other in descendants(child))]


def same(one, other):
    """Check that two folders of checkpoints hold the same files, bit for bit."""
    files = [{path.name: path.read_bytes() for path in folder.glob("*.pth")} for folder in (one, other)]
    check(len(files[0]) == 4 and files[0] == files[1], f"{len(files[0])} checkpoints are the same after a kill")


def check(holds, words, quiet=False):
    if not holds:
        raise InputError(f"does not hold: {words}")
    if not quiet:
        print(f"# {words}", flush=True)


if __name__ == "__main__":
    command(main)
