"""Train all runs of a grid file and store their predictions, several at a time.                               [command]

    python -m learning.sweep GRID.yaml [--jobs N] [--seeds S ...] [--among S ...] [--set key=value[,value...] ...]
        [--part I/N]
    python -m learning.sweep supervised_imagenet/sweeps/digits.yaml --jobs 2

GRID.yaml says which runs (learning/grids.py shows how).  Each is taken once, by whichever process is free.  Grids are
trained (stage 1) one after the other, since one may start from the runs of another; processes that would wait for that
store predictions (stage 2) of what is trained.  What is complete is skipped, what was interrupted goes on, what another
sweep is at is waited for at the end.  With several jobs each process computes with one thread.

    --set epochs=1      changes a key of the configuration in all grids; several values vary it, and name the variant
    --among 10 11       of the seeds that each grid names takes these alone
    --nproc N           on machines with GPUs: trains one run after the other with N processes of torchrun each
    --part I/N          of all runs takes the I-th, (I+N)-th, ..., to share a sweep among machines

A run that fails is said and does not stop the others; the exit code is 1 then.  Ctrl-C and SIGTERM end all processes,
with code 130 or 75; the same command goes on.
"""

import argparse
import collections
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from info_geometry.files import ROOT, InputError, command
from learning import arguments, grids
from learning.runs.run import SKIPPED, Folders
from learning.workers import Interrupted, Outcome, Signals, Work, outcomes, told


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", metavar="GRID.yaml", help="which runs")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; default: 1, with all threads")
    parser.add_argument("--nproc", type=int, default=0, metavar="N", help="processes of torchrun that train one run")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="S", help="instead of those of the file")
    parser.add_argument("--among", type=int, nargs="+", metavar="S", help="of the seeds of each grid these alone")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes all grids")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="of all runs take the I-th, (I+N)-th, ...")
    arguments.add_folders(parser)
    parser.add_argument("--device", help="cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode image files; default: 0")
    given = parser.parse_args(argv)
    if given.jobs < 1 or given.nproc < 0:
        raise InputError(f"--jobs is {given.jobs}, --nproc {given.nproc}; expected whole numbers from 1")
    every = grids.read(given.grid, given.seeds, given.set, given.among)
    folders, part = arguments.folders_of(given), arguments.part_of(given.part)
    words = [*_words(folders), "--workers", str(given.workers), *(["--device", given.device] if given.device else [])]
    try:
        with Signals() as signals:
            if given.nproc:
                failed = sum(_together(grid, words, given.nproc, part, signals) for grid in every)
            else:
                failed = _sweep(every, words, given.jobs, part, signals)
    except Interrupted as interrupted:
        print("interrupted: the same command goes on from what is complete", file=sys.stderr)
        sys.exit(interrupted.code)
    return 1 if failed else 0


def _words(folders: Folders) -> list[str]:
    """Return the words that tell a stage its folders, which do not depend on where it runs."""
    pairs = (
        ("--data", folders.data),
        ("--checkpoints-folder", folders.checkpoints),
        ("--predictions", folders.predictions),
    )
    return [word for option, folder in pairs for word in (option, str(folder.absolute()))]


def _sweep(every: list[grids.Grid], words: list[str], jobs: int, part: tuple[int, int], signals: Signals) -> int:
    """Take the runs of grids through both stages; return how many failed."""
    runs = [grid.runs()[part[0] :: part[1]] for grid in every]
    queue = collections.deque()
    found = outcomes(queue, jobs, signals)
    total = sum(len(own) * (1 + len(grid.imprint)) for grid, own in zip(every, runs))
    with tqdm(desc="sweep", total=total, unit=" stages of runs", leave=False, disable=None) as bar:
        tallies = [
            (_Tally(grid, "training", bar, len(own)), _Tally(grid, "imprinting", bar)) for grid, own in zip(every, runs)
        ]

        def take():
            work, outcome = next(found)
            training, imprinting = tallies[work.number]
            (imprinting if work.about else training).add(outcome)
            if not work.about and outcome.what != "failed":
                more = _imprinted([outcome.run], every[work.number])
                store = every[work.number].store
                queue.extend(Work(store, (*each, *words), outcome.run, work.number) for each in more)
                imprinting.left += len(more)
            if work.about and not training.left and not imprinting.left:
                imprinting.say()

        for number, (training, imprinting) in enumerate(tallies):
            stage = every[number].stage
            queue.extendleft(Work(stage, (*run, *words), (), number) for run in reversed(runs[number]))
            while training.left:
                take()
            training.say()
            if not imprinting.left:
                imprinting.say()
        while any(imprinting.left for _, imprinting in tallies):
            take()
    return sum(tally.counts["failed"] for pair in tallies for tally in pair)


def _imprinted(trained: list[tuple[str, int]], grid: grids.Grid) -> list[tuple[str, ...]]:
    """Return the words of stage 2, for each run that was trained and each way of imprinting it."""
    return [(name, "--seed", str(seed), *shlex.split(each)) for name, seed in trained for each in grid.imprint]


class _Tally:
    """What came of the runs of a grid at a stage, of which some are left."""

    def __init__(self, grid: grids.Grid, stage: str, bar: tqdm, left: int = 0):
        self.title = f"{grid.name}, {stage}" if grid.name else stage
        self.counts, self.left = collections.Counter(), left
        self._bar, self._said = bar, set()

    def add(self, outcome: Outcome) -> None:
        """Count what came of a run; say its error, unless it was said."""
        self.counts[outcome.what] += 1
        self.left -= 1
        if outcome.error and outcome.error not in self._said:
            self._said.add(outcome.error)
            self._bar.write(f"error: {outcome.error}", file=sys.stderr)
        self._bar.update()

    def say(self) -> None:
        """Say what came of all runs in one line."""
        whats = "done", SKIPPED, "failed"
        print(f"{self.title}: " + ", ".join(f"{self.counts[what]} {what}" for what in whats), flush=True)


def _counted(found: Iterable[Outcome], total: int, grid: grids.Grid, stage: str) -> list[tuple[str, int]]:
    """Say what came of all runs in one line; return (name, seed) of those that are complete."""
    complete = []
    with tqdm(desc=stage, total=total, unit=" runs", leave=False, disable=None) as bar:
        tally = _Tally(grid, stage, bar, total)
        for outcome in found:
            tally.add(outcome)
            if outcome.what != "failed":
                complete.append(outcome.run)
    tally.say()
    return sorted(complete)


def _together(grid, words, nproc, part, signals) -> int:
    """Take the runs of a grid through both stages with torchrun, one after the other; return how many failed."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(nproc), "-m"]
    shared = [*words, "--wait", "--part", f"{part[0]}/{part[1]}"]
    of_run = ["--task", *grid.task, "--seed", *grid.seed]
    total = len(grid.combinations()) * len(range(part[0], len(grid.task) * len(grid.seed), part[1]))
    commands = [[*launch, grid.stage, *each, *of_run, *shared] for each in grid.combinations()]
    trained = _counted(_reported(commands, total, signals), total, grid, "training")
    alone = launch if grid.store == grids.STORE else [sys.executable, "-m"]  # others store a run by one process
    names = [[*alone, grid.store, *each, *words, "--wait"] for each in _imprinted(trained, grid)]
    stored = _counted(_reported(names, len(names), signals), len(names), grid, "imprinting")
    return total * len(grid.imprint) - len(stored)


def _reported(commands: list[list[str]], total: int, signals: Signals) -> Iterator[Outcome]:
    """Run commands, one after the other; yield the Outcome of each run, and one for each that said nothing."""
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
                yield told(line)
                count += 1
    for _ in range(total - count):
        yield Outcome("failed")


if __name__ == "__main__":
    command(main)
