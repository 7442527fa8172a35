"""Time the progress of a trajectory: two numbers a sample and a convex search, against the published projection.

    python benchmarks/progress.py [--quick]                about half a minute on two CPU cores

The published projection (published.py) works on each checkpoint on its own and on all classes of each sample; it is
timed on the first 2 checkpoints and counted for all of them.  Ours is the best of three; `largest difference` is that
from minimising the same in float64, to 1e-10, on these 2 checkpoints.  A lower bound is reading the array once.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import published
from scipy.optimize import minimize_scalar

from info_geometry import geodesic, predictions
from info_geometry.files import command

SIZES = {
    "full": [(40, 2000, 10), (40, 10000, 10), (40, 2000, 100), (40, 2000, 1000), (40, 4000, 1000)],
    "quick": [(4, 100, 10), (4, 50, 100)],
}
TIMED = 2  # checkpoints on which the published projection is timed


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    print(tables(parser.parse_args(argv).quick))


def tables(quick=False):
    """Return the Markdown table (str) of all sizes."""
    lines = [
        "| checkpoints, samples, classes | from | published, s | bhattacharyya, s | ratio | angle, s | "
        "largest difference | reading once, s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for T, N, C in SIZES["quick" if quick else "full"]:
        lines += rows(T, N, C)
    return "\n".join(lines)


def rows(T, N, C):
    """Return the rows of the table for one size: from an array in float32, and from a file of float16 roots."""
    P, labels = training(T, N, C)
    seconds, _ = timed(lambda: [published.progress(p, labels) for p in P[:TIMED]], 2)
    seconds *= T / TIMED
    exact = [optimum(p.astype(np.float64), labels) for p in P[:TIMED]]
    found = [row((T, N, C), "float32 array", P, labels, seconds, exact, timed(lambda: P.sum())[0])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run" / "preds_0.h5"
        predictions.write(path, P, labels=labels)
        file = predictions.open_trajectory(path)
        stored = file.roots(dtype=np.float64)[:TIMED] ** 2
        exact = [optimum(p, labels) for p in stored]
        found.append(row((T, N, C), "file, float16", file, labels, seconds, exact, timed(file.stored)[0]))
    return found


def row(size, source, P, labels, seconds, exact, once):
    fast, s = timed(lambda: geodesic.progress(P, labels, "bhattacharyya"))
    angle, _ = timed(lambda: geodesic.progress(P, labels, "angle"))
    return (
        f"| {', '.join(map(str, size))} | {source} | {seconds:.2f} | {fast:.4f} | {seconds / fast:.0f} | "
        f"{angle:.4f} | {abs(s[:TIMED] - exact).max():.0e} | {once:.4f} |"
    )


def optimum(P, labels):
    """Return the progress (float) of one model (N, C) that minimises the same, in float64, to 1e-10."""
    C = P.shape[1]
    uniform, truth = np.sqrt(P).sum(axis=1) / np.sqrt(C), np.sqrt(P)[np.arange(len(P)), labels]
    norm, phi = np.sqrt(P.sum(axis=1)), np.arccos(1 / np.sqrt(C))

    def distance(s):
        cosine = (np.sin((1 - s) * phi) * uniform + np.sin(s * phi) * truth) / np.sin(phi) / norm
        return -np.log(np.maximum(cosine, geodesic.FLOOR)).mean()

    return minimize_scalar(distance, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x


def training(T, N, C):
    """Return probabilities (T, N, C), float32, that go from near ignorance towards the labels (N,), and these."""
    rng = np.random.default_rng(0)
    labels, P = rng.integers(0, C, N), np.empty((T, N, C), np.float32)
    for model, time_ in zip(P, np.linspace(0.05, 1, T)):
        model[:] = rng.standard_normal((N, C), np.float32) * (2 * time_)
        model[np.arange(N), labels] += 9 * time_
        np.exp(model, out=model)
        model /= model.sum(axis=1, keepdims=True)
    return P, labels


def timed(function, times=3):
    """Return the least seconds of some calls and what the last returned."""
    least = np.inf
    for _ in range(times):
        started = time.perf_counter()
        found = function()
        least = min(least, time.perf_counter() - started)
    return least, found


if __name__ == "__main__":
    command(main)
