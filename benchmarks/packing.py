"""Count the runs an hour of small networks, by the ways of packing them onto one machine.

    python benchmarks/packing.py [--clock cpu]        15 minutes on two CPU cores
    python benchmarks/packing.py --device cuda        the GPU columns, on a machine that has one
    python benchmarks/packing.py --small              1,000 images, an epoch; to see that it runs
    python benchmarks/packing.py --networks linear vit --batches 50
    python benchmarks/packing.py --steps              2 minutes; steps of one network, and of 4 or 8 at once

Each way trains the same runs, of the first images of Fashion-MNIST, each process with one thread, and keeps 10
checkpoints of each run and what it would go on from:

    command     one process a run, as many at once as there are cores; on CUDA one
    workers N   N processes of a sweep, which take run after run (learning/workers.py), once each took its first one
    at once S   S seeds with stacked weights in each of as many processes as there are cores (seeds_at_once.py)

On CUDA `at once` is one process, with and without a CUDA graph of the step, and `streams G` are G single networks that
take turns in one process, each with its graph and stream.  Ways take turns and all is repeated; a ratio is of two
ways in the same turn, and given is the range of all turns.

--clock cpu is for machines that others use too: runs an hour are those of cores that do nothing else, by the CPU
seconds that processes took, which leaves out what they wait for the disk.
"""

import argparse
import collections
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from info_geometry.files import ROOT, InputError, command, threads

STAGE = "supervised_imagenet.01_training.train_imagenet"
NETWORKS = {
    "linear": {"network": "linear"},
    "fc": {"network": "fc", "widths": "256-128"},
    "plain_cnn": {"network": "plain_cnn", "width": 8},
    "all_cnn": {"network": "all_cnn", "width": 8},
    "vit": {"network": "vit", "patch": 7, "width": 32},
}
SECONDS = 4  # that a way is measured for, about, once its first runs are done
TIMED = "--timed"  # as the first word: a worker that takes a run to stage 1, and says what CPU seconds it took


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == [TIMED]:
        return timed(*argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--batches", type=int, nargs="+", default=[200, 50], metavar="B", help="images of a batch")
    parser.add_argument("--images", type=int, default=10000, help="that are learned from; default: %(default)s")
    parser.add_argument("--epochs", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--ways", nargs="+", metavar="WAY", help="these alone, such as command 'workers 2'")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: %(default)s")
    parser.add_argument("--steps", action="store_true", help="single steps alone, on the CPU, by CPU seconds")
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    given = parser.parse_args(argv)
    if given.small:
        given.batches, given.images, given.epochs, given.repeats = [50], 1000, 1, 1
    if min(given.images, given.epochs, given.repeats, *given.batches) < 1:
        raise InputError("--images, --epochs, --repeats and --batches take whole numbers from 1")
    if max(given.batches) > given.images:
        raise InputError(f"--batches {max(given.batches)}: there are {given.images} images; say more --images")
    os.environ.pop("OMP_NUM_THREADS", None)
    given.cores = threads()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in what is started
    if given.device != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"--device {given.device}: torch finds no CUDA GPU here; leave it out")
        if given.clock == "cpu":
            raise InputError("--clock cpu says nothing of a GPU; leave it out")
    given.every = ways(given)
    for way in given.ways or ():
        if way not in given.every:
            raise InputError(f"--ways: no way is called {way}; there are {', '.join(given.every)}")
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "data", given.images)
        (steps if given.steps else table)(given, Path(folder))
    return 0


def write_images(folder: Path, count: int) -> None:
    """Write the first images and labels of both splits of Fashion-MNIST as a data set of its own (IDX files)."""
    from learning import data

    folder.mkdir()
    for split, part in (("train", "train"), ("test", "t10k")):
        images = data.load("fashion", split, ROOT / "supervised_imagenet" / "data")
        content = {"images-idx3": images.pixels[:count, 0].numpy(), "labels-idx1": images.labels[:count]}
        for name, values in content.items():
            head = b"\0\0\x08" + bytes([values.ndim]) + np.array(values.shape, ">i4").tobytes()
            (folder / f"{part}-{name}-ubyte").write_bytes(head + values.astype(np.uint8).tobytes())


def timed(file, *words):
    """Take a run to stage 1, as a worker does, and write the CPU seconds that it took into a file."""
    from learning.workers import script

    began = time.process_time()
    code = script(STAGE).main(list(words))
    Path(file).write_text(str(time.process_time() - began))
    return code


def ways(given):
    """Return {name: function(settings, device, folder) -> (runs, seconds, CPU seconds)} of the ways on a device."""
    from seeds_at_once import measured as at_once

    cuda, cores = given.device != "cpu", given.cores
    jobs = (1, 4, 8, 16) if cuda else (1, 2, 4)
    found = {"command": lambda *run: by_command(*run, 1 if cuda else cores)}
    found |= {f"workers {N}": lambda *run, N=N: by_workers(*run, N, 1 if given.small else SECONDS) for N in jobs}
    if not cuda:
        for S in (2,) if given.small else (4, 8):
            found[f"at once {S}"] = lambda *run, S=S: at_once(*run, [range(S)], cores)
        return found
    for S in (4, 16, 64):
        found[f"at once {S}"] = lambda *run, S=S: at_once(*run, [range(S)], 1)
    for S in (1, 4, 16, 64):
        found[f"graph {S}"] = lambda *run, S=S: at_once(*run, [range(S)], 1, True)
    for G in (4, 16):
        found[f"streams {G}"] = lambda *run, G=G: at_once(*run, [[seed] for seed in range(G)], 1, True)
    return found


def table(given, folder):
    """Print a row for each network and batch: runs an hour of each way, and the ratios of those that matter."""
    every = {way: function for way, function in given.every.items() if way in (given.ways or [way])}
    numbers = itertools.count()
    kinds = ("at once", *(("graph", "streams") if given.device != "cpu" else ()))
    ratios = [("workers", "command"), *((kind, "workers") for kind in kinds)]
    titles = ["network", "batch", *every, *(" / ".join(pair) for pair in ratios)]
    bar = f"| ---{' | ---:' * (len(titles) - 1)} |"
    print(
        f"Runs an hour of {given.images} images, {given.epochs} epochs: {given.device}, {given.cores} cores, by the "
        f"{given.clock} clock, mean of {given.repeats}\n\n| {' | '.join(titles)} |\n{bar}"
    )
    for name, batch in itertools.product(given.networks, given.batches):
        settings = {**NETWORKS[name], "batch_size": batch, "epochs": given.epochs, "warmup_epochs": 0.5}
        settings |= {"checkpoints": 10, "learning_rate": 0.01}
        rates = {way: [] for way in every}  # one a turn, NaN of what failed
        for _, (way, function) in itertools.product(range(given.repeats), every.items()):
            runs, wall, cpu = tried(way, function, (settings, given.device), folder / str(next(numbers)))
            rates[way].append(3600 * runs / (wall if given.clock == "wall" else cpu / given.cores))
        cells = [f"{np.mean(found):.0f}" if np.isfinite(found).all() else "failed" for found in rates.values()]
        for one, other in ratios:
            cells.append(span([best(rates, one, turn) / best(rates, other, turn) for turn in range(given.repeats)]))
        print(f"| {name} | {batch} | {' | '.join(cells)} |", flush=True)


def steps(given, folder):
    """Print a row for each network and batch: a step in ms, and what 4 and 8 seeds at once gain, of 9 turns."""
    import torch
    from seeds_at_once import gains

    from learning import config, data

    torch.set_num_threads(1)
    images = data.load("fashion", "train", folder / "data")
    titles = ("network", "batch", "a step, ms", "4 at once, times as fast", "8 at once")
    print(f"| {' | '.join(titles)} |\n| ---{' | ---:' * 4} |", flush=True)
    for name, batch in itertools.product(given.networks, given.batches):
        settings = {**NETWORKS[name], "batch_size": batch, "epochs": 1000, "learning_rate": 0.01}
        found = [gains(images, config.Config(dataset="fashion", **settings), seeds, 9) for seeds in (4, 8)]
        cells = [f"{np.median(own):.2f} ({min(own):.2f} to {max(own):.2f})" for _, own in found]
        print(f"| {name} | {batch} | {found[0][0]:.2f} | {' | '.join(cells)} |", flush=True)


def best(rates, kind, turn):
    """Return the largest rate, in a turn, of the ways of a kind; NaN where all failed."""
    found = [own[turn] for way, own in rates.items() if way.startswith(kind) and np.isfinite(own[turn])]
    return max(found, default=float("nan"))


def span(values):
    if not np.isfinite(values).all():
        return ""
    return " to ".join(dict.fromkeys(f"{value:.1f}" for value in (min(values), max(values))))


def tried(way, function, run, folder):
    """Return what a way takes; on a GPU what fails is said, and NaN, so that the others are measured all the same."""
    settings, device = run
    try:
        return function(settings, device, folder)
    except Exception as error:
        if device == "cpu":
            raise
        print(f"{way}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True)
        return float("nan"), 1.0, 1.0


def words(settings, device, folder, seed):
    """Return the command line of stage 1 for one run."""
    own = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    places = ["--checkpoints-folder", str(folder), "--predictions", str(folder / "predictions")]
    return ["fashion", "--task", "all", "--seed", str(seed), *own, "--device", device, *places, *data_of(folder)]


def data_of(folder):
    return ["--data", str(folder.parent / "data")]


def by_command(settings, device, folder, jobs):
    """Processes that train one run each, `jobs` at a time, two after each other."""
    started, before = time.perf_counter(), of_children()
    for turn in range(2):
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", STAGE, *words(settings, device, folder, turn * jobs + number)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
            )
            for number in range(jobs)
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise InputError(f"a run failed: {' '.join(processes[0].args)}")
    return 2 * jobs, time.perf_counter() - started, of_children() - before


def of_children():
    """Return the CPU seconds of all processes that were waited for."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def by_workers(settings, device, folder, jobs, seconds):
    """Workers of a sweep, once each may have taken its first run."""
    from learning.workers import Signals, Work, outcomes

    def add(seeds):
        for seed in seeds:
            line = (TIMED, str(folder / f"{seed}.txt"), *words(settings, device, folder, seed))
            queue.append(Work("benchmarks.packing", line))

    queue, started = collections.deque(), time.perf_counter()
    folder.mkdir()
    with Signals() as signals:
        add(range(jobs))
        found = outcomes(queue, jobs, signals)
        for count in itertools.count(1):
            _, outcome = next(found)
            if outcome.what != "done":
                raise InputError(f"a run came out as {outcome.what}: {outcome.error}")
            if count == jobs:
                again = jobs * max(2, int(seconds / (time.perf_counter() - started)))
                add(range(jobs, jobs + again))
                started = time.perf_counter()
            elif count > jobs and count == jobs + again:
                took = time.perf_counter() - started
                found.close()
                cpu = sum(float((folder / f"{seed}.txt").read_text()) for seed in range(jobs, jobs + again))
                return again, took, cpu


if __name__ == "__main__":
    command(main)
