"""For the tests: stages in processes of their own, forked from a server that has imported torch once.

A forked process takes arguments, signals and exit codes like one started by a shell, but without seconds of imports.
"""

import contextlib
import importlib.util
import json
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time

from info_geometry.files import ROOT
from learning.runs import run as runs

TRAIN = "supervised_imagenet/01_training/train_imagenet.py"
STORE = "supervised_imagenet/02_imprinting/store_predictions.py"
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "pytest",
        "torch",
        "torchvision.transforms.v2",
        "sklearn.datasets",
        "h5py",
        "tqdm",
        "learning.data",
        "learning.data.encoded",
        "learning.networks",
        "learning.stage",
        "learning.supervise",
        "learning.workers",
        "info_geometry.predictions",
    ]
)

# A run of digits that takes about a second: 298 steps in 2 epochs, 12 checkpoints.
SMALL = {"epochs": 2, "warmup_epochs": 0.5, "batch_size": 8, "checkpoints": 12}


def script(path):
    """Return the module of an entry script, which no package holds."""
    spec = importlib.util.spec_from_file_location("entry_script", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stage:
    """A stage that runs in a process: CONFIG, task and seed, folders in `folder`, and overrides."""

    def __init__(self, path, folder, *arguments, environment=None, file_size=None, **overrides):
        folder.mkdir(parents=True, exist_ok=True)
        self.output = folder / f"output_{time.monotonic_ns()}.txt"
        words = [
            "--checkpoints-folder",
            str(folder / "checkpoints"),
            "--predictions",
            str(folder / "predictions"),
            *map(str, arguments),
        ]
        words += [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
        self.process = start(_main, path, words, str(self.output), environment or {}, file_size)

    def wait(self, timeout=120):
        """Return (exit code, output) when the process has ended; the code is negative after a signal."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            raise TimeoutError(self.text)
        return self.process.exitcode, self.text

    @property
    def text(self):
        return self.output.read_text() if self.output.exists() else ""

    def send(self, signal):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal)


def start(target, *arguments):
    """Return a started process that calls target; like all of them it computes with one thread.

    Results depend on the number of threads, and the server, which whoever comes first starts, hands its own down.
    """
    old = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        process = SERVER.Process(target=target, args=arguments)
        process.start()
        return process
    finally:
        os.environ.pop("OMP_NUM_THREADS") if old is None else os.environ.update(OMP_NUM_THREADS=old)


def _main(path, words, output, environment, file_size):
    descriptor = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    multiprocessing.set_start_method("fork", force=True)  # as a process of a shell would
    os.environ.update(environment)
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    sys.argv = [path, *words]
    runpy.run_path(str(ROOT / path), run_name="__main__")


def run(path, folder, *arguments, **options):
    """Return (exit code, output) of a stage; no output may be a traceback."""
    code, text = Stage(path, folder, *arguments, **options).wait()
    assert "Traceback" not in text, text
    return code, text


def done(path, folder, *arguments, **options):
    """Run a stage that must succeed; return its output."""
    code, text = run(path, folder, *arguments, **options)
    assert code == 0, text
    return text


def until(condition, timeout=60):
    """Wait until the condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)


def interrupt(stage, number, folder):
    """Send SIGTERM or SIGKILL to a stage that is in the middle of training the run in `folder`."""
    time.sleep(0.02)
    stage.send(number)
    code, _ = stage.wait()
    assert code == {signal.SIGTERM: 75, signal.SIGKILL: -9}[number]
    assert runs.read(folder).missing(folder)


def log_lines(folder):
    """Return the lines of the log of a run, without the seconds they took."""
    path = folder / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def contents(folder, pattern="**/*"):
    """Return {relative path: bytes} of the files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file()}


def times(folder):
    """Return {relative path: time of the last change} of the files of a folder, but for locks."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.glob("**/*"))
        if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
    }


def write_images(root, classes, per_class=8, size=48, colour=None, seed=0):
    """Write JPEG images of noise around a colour of the class into root/<class>/<number>.JPEG."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        mean = np.random.default_rng(k).integers(40, 216, 3) if colour is None else np.array(colour[k])
        for i in range(per_class):
            pixels = np.clip(mean + rng.normal(0, 30, (size + i % 3, size + k, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.JPEG", quality=90)
