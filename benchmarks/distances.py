"""Time the distances of all pairs of models, from files to the matrix, against the published algorithm.

    python benchmarks/distances.py [--sizes A B C D] [--rounds 3]      4 minutes on two CPU cores, 3 GB of disk

Sizes are (models, samples, classes).  All ways run in turn, and the best of the rounds counts; the published algorithm
runs with one thread and with all, and the better counts.  Ours reads files as this project writes them, the published
algorithm reads the published layout.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import published
import torch

from info_geometry import distance, predictions
from info_geometry.files import InputError, command
from info_geometry.sums import fused

SIZES = {"A": (244, 5000, 100), "B": (600, 4000, 10), "C": (122, 2000, 1000), "D": (1220, 300, 1000)}
PER_FILE = 61
GOALS = {
    ("default", "A"): 9,
    ("default", "B"): 45,
    ("default", "C"): 6.5,
    ("default", "D"): 5,
    ("bfloat16", "D"): 10,
}
WAYS = {
    "numpy": {"precision": "float32", "fast": False},
    "float64": {"precision": "float64"},
    "default": {},
    "bfloat16": {"precision": "bfloat16"},
}
PEAK = {"numpy": "float32", "default": "float32"}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="S", help="of " + ", ".join(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    if not set(options.sizes) <= set(SIZES):
        raise InputError(f"--sizes takes {', '.join(SIZES)}")
    print(tables({name: SIZES[name] for name in options.sizes}, options.rounds))


def tables(sizes=None, rounds=3):
    """Return Markdown: what this machine can do, then a row for each size and way."""
    peak = peaks()
    lines = [
        "| what | measured |",
        "| --- | ---: |",
        *(f"| {name} | {value:.0f} {unit} |" for name, (value, unit) in peak.items()),
        "",
        "Of products: the operations of M (M + 1) / 2 pairs in these seconds, as a part of what matrix products "
        "reach.  Of reading: the seconds that reading alone takes, as a part of these.",
        "",
        "| size (M, N, C) | way | seconds | published, s (threads) | ratio | goal | of products | of reading | "
        "largest error | RMS error |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    of_parts = [
        "Where the time of the default goes, when its parts are done one after the other (from files, the next slab is "
        "read while this one is computed on):",
        "",
        "| size (M, N, C) | reading, s | packing, s | products, s | logarithms, s | all but reading, s "
        "| from files, s | products, GFLOP/s | of matrix products |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, size in (sizes or SIZES).items():
        with tempfile.TemporaryDirectory() as folder:
            rows, parts_of_size = _rows(name, size, Path(folder), rounds, peak)
            lines += rows
            of_parts.append(parts_of_size)
    lines += ["", *of_parts]
    return "\n".join(lines)


def peaks():
    """Return what this machine reaches: products of matrices, copying memory."""
    x = torch.randn(3000, 3000)
    found = {}
    for precision in ("float64", "float32", "bfloat16"):
        a = x.to(getattr(torch, precision))
        found[f"matrix product, {precision}"] = 2 * 3000**3 / best(lambda a=a: a @ a, 5) / 1e9, "GFLOP/s"
    a, b = torch.randn(1 << 25), torch.empty(1 << 25)
    found["copying memory"] = 2 * a.nbytes / best(lambda: b.copy_(a), 4) / 1e9, "GB/s"
    return found


def best(work, rounds):
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _rows(name, size, folder, rounds, peak):
    (M, N, C), theirs, ours = size, [], []
    for first in range(0, M, PER_FILE):
        P = generate(min(PER_FILE, M - first), N, C, seed=first)
        theirs.append(folder / f"published_{first}.h5")
        published.write(theirs[-1], P)
        ours.append(folder / f"preds_{first}.h5")
        with predictions.Recorder(ours[-1], labels=np.zeros(N, int)) as recorder:
            for t, roots in enumerate(P.sqrt().half()):
                recorder.append_roots(roots, t)
    opened = [predictions.open_trajectory(path) for path in ours]
    exact = distance.pairwise(opened, precision="float64", fast=False)
    threads = torch.get_num_threads()
    n = min(
        {1, threads},
        key=lambda n: with_threads(n, lambda: best(lambda: published.distances(theirs[: -(-len(theirs) // 3)]), 2)),
    )  # a third of the models tells how many threads are best
    seconds_of, D = {"published": [], **{way: [] for way in WAYS}}, {}
    for options in WAYS.values():  # compiles, if it must
        distance.pairwise([x.select([0, 1]) for x in opened], **{"fast": True, **options})
    for _ in range(rounds):
        seconds_of["published"].append(with_threads(n, lambda: best(lambda: published.distances(theirs), 1)))
        for way, options in WAYS.items():
            started = time.perf_counter()
            D[way] = distance.pairwise(opened, **options)
            seconds_of[way].append(time.perf_counter() - started)
    reading = seconds_of_reading(opened)
    base = min(seconds_of["published"])
    rows = []
    for way in WAYS:
        taken, error = min(seconds_of[way]), D[way] - exact
        of_peak = M * (M + 1) * N * C / taken / 1e9 / peak[f"matrix product, {PEAK.get(way, way)}"][0]
        goal = GOALS.get((way, name))
        rows.append(
            f"| {name} {size} | {way} | {taken:.2f} | {base:.2f} ({n}) | {base / taken:.1f} | "
            f"{f'{goal}' if goal else ''} | {of_peak:.0%} | {reading / taken:.0%} | {abs(error).max():.0e} | "
            f"{np.sqrt(np.mean(error**2)):.0e} |"
        )
    seconds, together = parts(opened)
    operations = M * (M + 1) * N * C / 1e9
    of_parts = (
        f"| {name} {size} | {' | '.join(f'{x:.3f}' for x in [*seconds, together, min(seconds_of['default'])])} | "
        f"{operations / seconds[2]:.0f} | {operations / seconds[2] / peak['matrix product, float32'][0]:.0%} |"
    )
    return rows, of_parts


def seconds_of_reading(opened):
    """Return the seconds of reading all that is stored, into memory that was used before."""
    buffers = [np.zeros(x.shape, x.dtype) for x in opened]
    return best(lambda: [x.stored(out=out) for x, out in zip(opened, buffers)], 3)


def parts(opened):
    """Return the seconds of reading and of the parts of `fused.Products`, when one after the other is done; and of all.

    Of the default way: reading, packing, products, logarithms.
    """
    models = [np.concatenate([x.stored() for x in opened])]
    everything, found = [], []
    for _ in range(3):
        products, taken = fused.Products(len(models[0]), precision="float32", floor=distance.FLOOR), {}
        for name in ("_pack", "_multiply"):
            setattr(products, name, timed(getattr(products, name), name, taken))
        started = time.perf_counter()
        products.add(models, [opened[0].quantity])
        timed(products.log, "log", taken)()
        everything.append(time.perf_counter() - started)
        found.append([taken[name] for name in ("_pack", "_multiply", "log")])
    return [seconds_of_reading(opened), *np.min(found, axis=0)], min(everything)


def timed(function, name, taken):
    """Return the function, which adds its seconds to taken[name]."""

    def call(*arguments):
        started = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            taken[name] = taken.get(name, 0) + time.perf_counter() - started

    return call


def with_threads(n, work):
    """Return what work() returns, with n threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def generate(M, N, C, seed):
    """Return probabilities (M, N, C), a float32 tensor, of models that differ and go from diffuse to sharp."""
    random = torch.Generator().manual_seed(seed)
    base, sharpness = torch.randn(N, C, generator=random), torch.linspace(0.5, 4, M)[:, None, None]
    return torch.softmax(sharpness * (base + 0.7 * torch.randn(M, N, C, generator=random)), dim=2)


if __name__ == "__main__":
    command(main)
