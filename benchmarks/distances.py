"""Time the distances of all pairs of models, from arrays to the matrix: one compiled pass against plain torch.

    python benchmarks/distances.py [--sizes A B]          half a minute on two CPU cores; needs numba

Both run in turn, and the best of three counts.  Sizes are (models, samples, classes).
"""
import argparse
import time

import numpy as np

from info_geometry import distance
from info_geometry.files import InputError, command

SIZES = {"A": (244, 5000, 100), "B": (600, 4000, 10), "C": (122, 2000, 1000), "D": (1220, 300, 1000)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["A", "B"], metavar="S", help="of " + ", ".join(SIZES))
    options = parser.parse_args()
    if not set(options.sizes) <= set(SIZES):
        raise InputError(f"--sizes takes {', '.join(SIZES)}")
    print("| size | type | plain, s | compiled, s | ratio | largest difference |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in options.sizes:
        P = predictions(*SIZES[name])
        for dtype in ("float32", "float64"):
            distance.pairwise(P[:, :50], precision=dtype, fast=True)  # compiles
            seconds, D = {False: [], True: []}, {}
            for _ in range(3):
                for fast in seconds:
                    started = time.perf_counter()
                    D[fast] = distance.pairwise(P, precision=dtype, fast=fast)
                    seconds[fast].append(time.perf_counter() - started)
            plain, compiled = (min(seconds[fast]) for fast in (False, True))
            print(f"| {name} {SIZES[name]} | {dtype} | {plain:.2f} | {compiled:.2f} | {plain / compiled:.1f} | "
                  f"{abs(D[True] - D[False]).max():.0e} |", flush=True)


def predictions(M, N, C):
    """Return probabilities (M, N, C), float32, neither sharp nor diffuse."""
    P = np.exp(np.random.default_rng(0).normal(0, 3, (M, N, C)).astype(np.float32))
    return P / P.sum(axis=2, keepdims=True)


if __name__ == "__main__":
    command(main)
