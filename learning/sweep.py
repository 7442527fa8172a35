"""Train all runs of a grid file and store their predictions, several at a time.                               [command]

    python -m learning.sweep GRID.yaml [--jobs N] [--seeds S ...] [--among S ...] [--set key=value[,value...] ...]
        [--part I/N] [--leave] [--force]
    python -m learning.sweep supervised_imagenet/sweeps/digits.yaml --jobs 2
    python -m learning.sweep GRID.yaml --status

GRID.yaml says which runs (learning/grids.py shows how).  Each is taken once, by whichever process is free.  Grids are
trained (stage 1) one after the other, since one may start from the runs of another; processes that would wait for that
store predictions (stage 2) of what is trained.  What is complete is skipped, what was interrupted goes on, what another
sweep is at is waited for at the end.  With several jobs each process computes with one thread.

    --set epochs=1      changes a key of the configuration in all grids; several values vary it, and name the variant
    --among 10 11       of the seeds that each grid names takes these alone
    --nproc N           on machines with GPUs: trains one run after the other with N processes of torchrun each
    --part I/N          of all runs takes the I-th, (I+N)-th, ..., to share a sweep among machines
    --leave             what another sweep is at is left to it, and not waited for
    --status            says how far all runs are, from their folders, and does nothing else
    --force             begins though the disk may not hold it all

Before anything is trained, two runs of one name with other settings are refused, and it is said how many runs there
are, what disk they need, what is free, and how long they take, by what finished runs took.

A run that fails is said and does not stop the others; the exit code is 1 then.  One that diverged (its loss is not
finite) is said with its step, and is not trained again while `diverged.json` is in its folder, nor is one that would
start from it; where nothing else is wrong the exit code is 0, since the same command would find the same, and what
comes next leaves such runs out.  Ctrl-C and SIGTERM end all processes, with code 130 or 75; the same command goes on.
"""

import argparse
import collections
import shlex
import sys

from tqdm import tqdm

from info_geometry.files import InputError, command, log
from learning import arguments, grids
from learning.runs.run import Folders
from learning.sweeps import estimate, planned, standing
from learning.sweeps.tally import Tally
from learning.sweeps.together import together
from learning.workers import Interrupted, Signals, Work, outcomes


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", metavar="GRID.yaml", help="which runs")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; default: 1, with all threads")
    parser.add_argument("--nproc", type=int, default=0, metavar="N", help="processes of torchrun that train one run")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="S", help="instead of those of the file")
    parser.add_argument("--among", type=int, nargs="+", metavar="S", help="of the seeds of each grid these alone")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="changes all grids")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="of all runs take the I-th, (I+N)-th, ...")
    parser.add_argument("--leave", action="store_true", help="do not wait for what another sweep is at")
    parser.add_argument("--status", action="store_true", help="print how far all runs are, and do nothing else")
    parser.add_argument("--force", action="store_true", help="begin though the disk may not hold it all")
    arguments.add_folders(parser)
    parser.add_argument("--device", help="cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode image files; default: 0")
    given = parser.parse_args(argv)
    if given.jobs < 1 or given.nproc < 0:
        raise InputError(f"--jobs is {given.jobs}, --nproc {given.nproc}; expected whole numbers from 1")
    if given.leave and given.nproc:
        raise InputError("--leave: with --nproc one run comes after the other; leave it out, and say --part")
    every = grids.read(given.grid, given.seeds, given.set, given.among)
    folders, part = arguments.folders_of(given), arguments.part_of(given.part)
    words = [*_words(folders), "--workers", str(given.workers), *(["--device", given.device] if given.device else [])]
    try:
        with Signals() as signals:
            plan = planned.of_grids(every, signals.check)
            planned.check_names(plan, every, given.grid)
            if given.status:
                print(standing.table(plan, every, folders), flush=True)
                return 0
            _say(plan, every, folders, given.jobs, given.force)
            if given.nproc:
                failed = sum(together(grid, words, given.nproc, part, signals, folders) for grid in every)
            else:
                failed = _sweep(every, words, given.jobs, part, signals, plan, folders, given.leave)
    except Interrupted as interrupted:
        print("interrupted: the same command goes on from what is complete", file=sys.stderr)
        sys.exit(interrupted.code)
    return 1 if failed else 0


def _say(plan, every, folders, jobs, force):
    """Say what the sweep takes; raise InputError where the disk does not hold it, unless that was asked for."""
    standings = standing.of_all(plan, every, folders)
    for line in estimate.lines(plan, standings, folders, jobs):
        log.info("%s", line)
    if not force:
        estimate.check_disk(*estimate.disk(plan, standings, folders), folders)


def _words(folders: Folders) -> list[str]:
    """Return the words that tell a stage its folders, which do not depend on where it runs."""
    pairs = (
        ("--data", folders.data),
        ("--checkpoints-folder", folders.checkpoints),
        ("--predictions", folders.predictions),
    )
    return [word for option, folder in pairs for word in (option, str(folder.absolute()))]


def _sweep(
    every: list[grids.Grid],
    words: list[str],
    jobs: int,
    part: tuple[int, int],
    signals: Signals,
    plan: list[list[planned.Planned]],
    folders: Folders,
    leave: bool,
) -> int:
    """Take the runs of grids through both stages; return how many failed; not those that diverged."""
    runs = [own[part[0] :: part[1]] for own in plan]
    known = {(run.number, run.words): run.run for own in runs for run in own}
    queue = collections.deque()
    found = outcomes(queue, jobs, signals)
    total = sum(len(own) * (1 + len(grid.imprint)) for grid, own in zip(every, runs))
    with tqdm(desc="sweep", total=total, unit=" stages of runs", leave=False, disable=None) as bar:
        tallies = [
            (Tally(grid, "training", bar, len(own)), Tally(grid, "imprinting", bar)) for grid, own in zip(every, runs)
        ]

        def take():
            work, outcome = next(found)
            (training, imprinting), grid = tallies[work.number], every[work.number]
            (imprinting if work.about else training).add(outcome)
            if not work.about and outcome.complete:
                more = grid.stored(*outcome.run)
                queue.extend(Work(grid.store, (*each, *words), outcome.run, work.number, leave) for each in more)
                imprinting.left += len(more)
            own = work.words[: work.words.index(words[0])]  # without folders, and what else all are told
            run = outcome.run or work.about or known.get((work.number, own))
            if run:
                standing.note(folders, run, outcome, shlex.join(own[3:]) if work.about else None, grid.store)
            if work.about and not training.left and not imprinting.left:
                imprinting.say()

        for number, (training, imprinting) in enumerate(tallies):
            stage = every[number].stage
            queue.extendleft(Work(stage, (*run.words, *words), (), number, leave) for run in reversed(runs[number]))
            while training.left:
                take()
            training.say()
            if not imprinting.left:
                imprinting.say()
        while any(imprinting.left for _, imprinting in tallies):
            take()
    return sum(tally.failed for pair in tallies for tally in pair)


if __name__ == "__main__":
    command(main)
