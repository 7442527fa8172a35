"""Measure every analysis of `experiments/manifold` on generated predictions: time and memory of each.

    python benchmarks/manifold.py FOLDER            2,300 runs of 66 models, N = 1,000, C = 10: 3.1 GB in FOLDER
    python benchmarks/manifold.py FOLDER --trajectories 300 --models 20 --samples 500

Each step is a process of its own, whose wall time, CPU time (of all threads, imports apart) and largest memory are its
own.  Files that are in FOLDER/predictions are taken as they are; nothing is deleted.  The model that predictions are
generated from is in `manifold_data.py`, the steps are in `manifold_steps.py`.  --steps: these only, in a folder where
the steps before them have been.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from info_geometry.files import InputError, command, threads


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where files are written")
    parser.add_argument("--trajectories", type=int, default=2300, metavar="R", help="default: %(default)s")
    parser.add_argument("--models", type=int, default=66, metavar="T", help="of each; default: %(default)s")
    parser.add_argument("--samples", type=int, default=1000, metavar="N", help="default: %(default)s")
    parser.add_argument("--landmarks", type=int, default=2300, metavar="M", help="default: %(default)s")
    parser.add_argument("--steps", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--step", help=argparse.SUPPRESS)  # what the process does whose memory is measured
    options = parser.parse_args(argv)
    if options.trajectories < 6 or options.models < 3 or options.samples < 2 or options.landmarks < 10:
        raise InputError("expected --trajectories of 6 or more, --models 3, --samples 2, --landmarks 10")
    import manifold_steps as steps  # a second, of which --help has no need

    names = options.steps or list(steps.STEPS)
    if unknown := sorted({*names} - {*steps.STEPS}):
        raise InputError(f"--steps {unknown[0]!r} is not one of {', '.join(map(repr, steps.STEPS))}")
    (options.folder / "predictions").mkdir(parents=True, exist_ok=True)
    sizes = options.trajectories, options.models, options.samples, options.landmarks
    if options.step:
        print(json.dumps(measured(steps.STEPS[options.step], steps.Study(options.folder, *sizes))))
    else:
        table(names, options.folder, sizes)


def table(names, folder, sizes):
    """Print the table of the steps (str), each row when it is known."""
    R, T, N, m = sizes
    print(f"{R:,} runs of {T} models, {N:,} samples, 10 classes, {m:,} landmarks; {threads()} threads.\n")
    print("| step | s | CPU s | GB | |\n| --- | ---: | ---: | ---: | --- |", flush=True)
    words = [f"--{name}={value}" for name, value in zip(("trajectories", "models", "samples", "landmarks"), sizes)]
    for name in names:
        arguments = [sys.executable, __file__, str(folder), *words, "--step", name]
        done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise InputError(f"{name} failed; what it said is above")
        found = json.loads(done.stdout.splitlines()[-1])
        row = f"| {name} | {found['s']:.1f} | {found['cpu']:.1f} | {found['peak']:.2f} | {found['said']} |"
        print(row, flush=True)


def measured(step, study):
    """Return what a step says, its seconds, those of the processor, and the largest memory of this process in GB."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    said = step(study)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "said": said,
        "s": time.perf_counter() - started,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak": after.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9,
    }


if __name__ == "__main__":
    command(main)
