"""A sweep on machines with GPUs: each run is trained by several processes of torchrun, one run after the other."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from info_geometry.files import ROOT
from learning import grids
from learning.runs.run import Folders
from learning.sweeps import standing
from learning.sweeps.tally import Tally
from learning.workers import Interrupted, Outcome, Signals, told


def together(
    grid: grids.Grid, words: list[str], nproc: int, part: tuple[int, int], signals: Signals, folders: Folders
) -> int:
    """Take the runs of a grid through both stages with torchrun, one after the other; return how many failed."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(nproc), "-m"]
    shared = [*words, "--wait", "--part", f"{part[0]}/{part[1]}"]
    of_run = ["--task", *grid.task, "--seed", *grid.seed]
    total = len(grid.combinations()) * len(range(part[0], len(grid.task) * len(grid.seed), part[1]))
    commands = [[*launch, grid.stage, *each, *of_run, *shared] for each in grid.combinations()]
    trained, failed = _counted(_reported(commands, total, signals), total, grid, "training", folders)
    alone = launch if grid.store == grids.STORE else [sys.executable, "-m"]  # others store a run by one process
    names = [[*alone, grid.store, *each, *words, "--wait"] for run in trained for each in grid.stored(*run)]
    _, failed_too = _counted(_reported(names, len(names), signals), len(names), grid, "imprinting", folders)
    return failed + failed_too


def _counted(
    found: Iterable[tuple[int, Outcome]], total: int, grid: grids.Grid, stage: str, folders: Folders
) -> tuple[list[tuple[str, int]], int]:
    """Say what came of all runs in one line; return (name, seed) of those that are complete, and how many failed."""
    complete = []
    with tqdm(desc=stage, total=total, unit=" runs", leave=False, disable=None) as bar:
        tally = Tally(grid, stage, bar, total)
        for number, outcome in found:
            tally.add(outcome)
            if outcome.complete:
                complete.append(outcome.run)
            if outcome.run:
                way = None if stage == "training" else grid.imprint[number % len(grid.imprint)]
                standing.note(folders, outcome.run, outcome, way, grid.store)
    tally.say()
    return sorted(complete), tally.failed


def _reported(commands: list[list[str]], total: int, signals: Signals) -> Iterator[tuple[int, Outcome]]:
    """Run commands, one after the other; yield the number of the command and the Outcome of each run, and one for each
    that said nothing."""
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, words in enumerate(commands):
            report = Path(folder) / f"{number}.jsonl"
            process = subprocess.Popen([*words, "--report", str(report)], cwd=ROOT)
            try:
                while process.poll() is None:
                    signals.check()
                    time.sleep(0.1)
            except Interrupted:
                process.terminate()  # torchrun tells its processes
                process.wait()
                raise
            for line in report.read_text(encoding="utf-8").splitlines() if report.exists() else ():
                yield number, told(line)
                count += 1
    for _ in range(total - count):
        yield 0, Outcome("failed")
