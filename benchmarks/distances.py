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

SIZES = {"A": (244, 5000, 100), "B": (600, 4000, 10), "C": (122, 2000, 1000), "D": (1220, 300, 1000)}
PER_FILE = 61
GOALS = {
    ("float32", "A"): 8,
    ("float32", "B"): 40,
    ("float32", "C"): 5,
    ("float32", "D"): 3.5,
    ("bfloat16", "D"): 10,
    ("plain float32", "A"): 3.5,
    ("plain float32", "B"): 9.6,
    ("plain float32", "D"): 2.5,
}
WAYS = {
    "plain float32": {"precision": "float32", "fast": False},
    "float64": {"precision": "float64"},
    "float32": {"precision": "float32"},
    "bfloat16": {"precision": "bfloat16"},
}


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
    for name, size in (sizes or SIZES).items():
        with tempfile.TemporaryDirectory() as folder:
            lines += _rows(name, size, Path(folder), rounds, peak)
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
    seconds, D = {"published": [], **{way: [] for way in WAYS}}, {}
    for options in WAYS.values():  # compiles, if it must
        distance.pairwise([x.select([0, 1]) for x in opened], **{"fast": True, **options})
    for _ in range(rounds):
        seconds["published"].append(with_threads(n, lambda: best(lambda: published.distances(theirs), 1)))
        for way, options in WAYS.items():
            started = time.perf_counter()
            D[way] = distance.pairwise(opened, **options)
            seconds[way].append(time.perf_counter() - started)
    reading = best(lambda: [x.stored() for x in opened], 2)
    base = min(seconds["published"])
    rows = []
    for way in WAYS:
        taken, error = min(seconds[way]), D[way] - exact
        of_peak = M * (M + 1) * N * C / taken / 1e9 / peak[f"matrix product, {way.split()[-1]}"][0]
        goal = GOALS.get((way, name))
        rows.append(
            f"| {name} {size} | {way} | {taken:.2f} | {base:.2f} ({n}) | {base / taken:.1f} | "
            f"{f'{goal}' if goal else ''} | {of_peak:.0%} | {reading / taken:.0%} | {abs(error).max():.0e} | "
            f"{np.sqrt(np.mean(error**2)):.0e} |"
        )
    return rows


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
