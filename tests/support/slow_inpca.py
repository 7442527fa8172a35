"""For the tests: inpca.py on 240 models so slowly that it can be interrupted, in one process or in several."""

import os
import re
import socket
import subprocess
import sys
import time

import numpy as np

from info_geometry.files import ROOT
from info_geometry.sums import sharing
from tests.support import stages
from tests.support.synthetic import write_runs

# Blocks of 5 samples that take 0.1 s, and models that are placed in groups of 20; notes say who did what; distances are
# stored, and figures are not drawn.
SLOW = """
import os, runpy, signal, time
from pathlib import Path
import numpy as np
from matplotlib.figure import Figure
from info_geometry.embedding import landmarks
from info_geometry.figures import embedding as plot_embedding
from info_geometry.sums import sharing, streaming

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell that starts pytest with & takes away
here = Path(__file__).parent
who = f"{os.environ.get('RANK', 0)}_{os.getpid()}"
groups, streaming._slab_size = landmarks._groups, lambda sides: 5 if len(sides) == 1 else 60
landmarks._groups = lambda ends, size, intervals: groups(ends, 20, intervals)
sharing.SAVE_EVERY = float(os.environ.get("EVERY", 1000))
Figure.savefig = lambda self, target, **options: Path(target).write_text("a figure")
done = sharing.State.done

def slowly(state, start, stop, products):
    done(state, start, stop, products)
    with open(here / f"{'notes' if state._unit == 'samples' else 'placed'}_{who}", "a") as file:
        file.write(f"{start} {stop}\\n")
    time.sleep(0.1)

def store(folder, D, index):
    np.save(here / "D.npy", D)
    return []

sharing.State.done, plot_embedding.distance_matrix = slowly, store
runpy.run_module("info_geometry.inpca", run_name="__main__", alter_sys=True)
"""

N = 60


class Command:
    """inpca.py on 240 models, in a process forked from the server of `stages`, or in those that torchrun starts."""

    def __init__(self, folder):
        self.folder = folder
        write_runs(folder / "predictions", N=N, T=60)
        (folder / "slow.py").write_text(SLOW)
        self.words = ["--predictions", str(folder / "predictions"), "--plots", str(folder / "plots")]

    def start(self, *arguments, **environment):
        output = self.folder / f"output_{time.monotonic_ns()}.txt"
        process = stages.start(
            stages._main, str(self.folder / "slow.py"), [*self.words, *arguments], str(output), environment, None
        )
        return process, output

    def by_hand(self, count, *arguments, **environment):
        """Start processes as srun would."""
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        return [
            self.start(
                *arguments,
                RANK=str(rank),
                WORLD_SIZE=str(count),
                LOCAL_RANK=str(rank),
                MASTER_ADDR="localhost",
                MASTER_PORT=str(port),
                **environment,
            )
            for rank in range(count)
        ]

    def torchrun(self, count, *arguments, script=True, **environment):
        """Start torchrun; its output goes to a pipe."""
        what = [self.folder / "slow.py"] if script else ["-m", "info_geometry.inpca"]
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count, *what]
        return subprocess.Popen(
            [*map(str, words), *self.words, *arguments],
            cwd=ROOT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def notes(self, rank="*", of="notes"):
        """Return the samples that were done since the last call of `forget`, in the order of their numbers."""
        lines = [line.split() for p in self.folder.glob(f"{of}_{rank}_*") for line in p.read_text().splitlines()]
        return sorted(n for a, b in lines for n in range(int(a), int(b)))

    def placed(self, rank="*"):
        """Return the models that were placed, likewise."""
        return self.notes(rank, "placed")

    def forget(self):
        for p in [*self.folder.glob("notes_*"), *self.folder.glob("placed_*")]:
            p.unlink()

    def pid(self, rank):
        return int(next(self.folder.glob(f"notes_{rank}_*")).name.split("_")[2])

    def states(self):
        return sorted((self.folder / "predictions" / "embedding").glob(".toy.distances*"))

    def kept(self):
        """Return how many samples the state files hold."""
        return sum(sharing.length(np.load(p)["intervals"]) for p in self.states())

    def distances(self):
        assert sorted(p.name for p in (self.folder / "predictions" / "embedding").iterdir()) == ["toy.npz"]
        return np.load(self.folder / "D.npy")

    def unfinished(self):
        names = [p.name for p in (self.folder / "predictions" / "embedding").iterdir()]
        assert names and all(re.fullmatch(r"\.toy\.distances\.\d\.npz", name) for name in names), names


def end(process, output, timeout=120):
    """Return (exit code, output) when a process has ended; no output may be a traceback."""
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise TimeoutError(output.read_text())
    text = output.read_text()
    assert "Traceback" not in text, text
    return process.exitcode, text


def end_torchrun(process, timeout=120):
    """Return the same of torchrun, which has tracebacks of its own."""
    try:
        return process.wait(timeout), process.stdout.read()
    except subprocess.TimeoutExpired:
        process.terminate()
        raise


def same(D, truth, tolerance=1e-12):
    np.testing.assert_allclose(D, truth, rtol=0, atol=tolerance)


def resume(slow, truth, count=1):
    """Go on with what is kept, by one process or several; assert that only the missing samples were done."""
    kept, _ = slow.kept(), slow.forget()
    for process, output in [slow.start("--resume")] if count == 1 else slow.by_hand(count, "--resume"):
        code, text = end(process, output)
        assert code == 0, text
    assert len(slow.notes()) == N - kept and len(set(slow.notes())) == N - kept
    same(slow.distances(), truth)
