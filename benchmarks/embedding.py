"""Measure embeddings: the largest eigenvalues against all of them, and landmarks against the full picture.

    python benchmarks/embedding.py                  one or two minutes on two CPU cores
    python benchmarks/embedding.py --large          150,000 models of 1,000 samples and 10 classes, from files: minutes,
                                                    and 4 GB in the folder for temporary files (TMPDIR)
    python benchmarks/embedding.py --all-pairs      20,000 such models without landmarks: a minute, 6 GB of memory

Landmarks are tried on the predictions of `make picture`, which are made in a temporary folder where there are none.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from info_geometry import distance, inpca, predictions
from info_geometry.embedding import spectrum
from info_geometry.files import ROOT, InputError, command

TASKS, SEEDS = ("all", "even", "odd", "low", "high", "randomlab"), (0, 1, 2)
TRAIN = "supervised_imagenet.01_training.train_imagenet"
PAIRS = {"files": 8, "models": 2500, "N": 1000, "C": 10, "landmarks": None}
LARGE = {"files": 60, "models": 2500, "N": 1000, "C": 10, "landmarks": 300}
REPEATS = 3


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="measure 150,000 models, and nothing else")
    parser.add_argument("--all-pairs", action="store_true", help="measure 20,000 models, and nothing else")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller measurements")
    parser.add_argument(
        "--precision", choices=distance.PRECISIONS, help="of --large and --all-pairs; default: that of distances"
    )
    parser.add_argument("--embed", type=Path, help=argparse.SUPPRESS)  # what the process does whose memory is measured
    options = parser.parse_args(argv)
    if options.embed:
        print(json.dumps(embed(options.embed, options.precision)))
    elif options.large or options.all_pairs:
        sizes = LARGE if options.large else PAIRS
        print(large(options.precision, **({**sizes, "files": 4, "models": 250} if options.quick else sizes)))
    else:
        print(tables(options.quick))


def tables(quick=False):
    """Return the tables of the eigenvalues and of the landmarks, in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return "\n\n".join(
            [
                eigenvalues((300, 500) if quick else (500, 1000, 1830)),
                by_landmarks(trained(Path(folder)), (30, 100) if quick else (30, 100, 300), 1 if quick else 5),
            ]
        )


def eigenvalues(sizes):
    """Return the table of all eigenvalues against the largest, by number of models."""
    lines = [
        "| models | all eigenvalues, s | the 30 largest, s | ratio | eigenvalues differ by | residual |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    largest = max(sizes)
    everyone = distance.pairwise([curve(i, 50, 300, 10) for i in range(-(-largest // 50))])
    for M in sizes:
        D = everyone[:M, :M].copy()
        seconds, found = {}, {}
        for _ in range(REPEATS):
            for whole in (10**9, 0):
                spectrum.WHOLE, kept = whole, spectrum.WHOLE
                try:
                    started = time.perf_counter()
                    found[whole] = inpca.fit(D, 10)
                    seconds.setdefault(whole, []).append(time.perf_counter() - started)
                finally:
                    spectrum.WHOLE = kept
        full, few = found[10**9], found[0]
        difference = abs(full.eigenvalues[:30] - few.eigenvalues).max() / abs(full.eigenvalues[0])
        slow, fast = (min(seconds[whole]) for whole in (10**9, 0))
        lines.append(
            f"| {M:,} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} | {difference:.0e} | {residual(D, few):.0e} |"
        )
    return "\n".join(
        ["Differences and residuals |W x - lambda x| / |x| are relative to the largest eigenvalue.", "", *lines]
    )


def residual(D, embedding):
    X, values = embedding.coordinates, embedding.eigenvalues[: embedding.coordinates.shape[1]]
    rest = D @ (X - X.mean(axis=0))
    rest = -0.5 * (rest - rest.mean(axis=0)) - X * values
    return (np.linalg.norm(rest, axis=0) / np.linalg.norm(X, axis=0)).max() / abs(values[0])


def by_landmarks(trajectories, numbers, seeds):
    """Return the table of the error of pictures by landmarks, against the full one of the same predictions."""
    started = time.perf_counter()
    D = distance.pairwise(trajectories)
    full = inpca.fit(D)
    whole, M = time.perf_counter() - started, len(D)
    truth = full.explained_stress(3)
    lines = [
        f"{M} models in {len(trajectories)} trajectories; all pairs take {whole:.1f} s, and 3 axes explain "
        f"{truth:.4f} of the stress.  Errors: of inner products in 3 axes |G - G_full| / |G_full|, and root mean "
        f"square of coordinates over that of the full picture; means of {seeds} choices of landmarks.",
        "",
        "| landmarks | s | inner products | coordinates | inner products, random landmarks | stress | deviates by |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for m in numbers:
        rows = []
        for seed in range(seeds):
            started = time.perf_counter()
            picture = inpca.fit_landmarks(trajectories, m, seed=seed)
            seconds = time.perf_counter() - started
            chance = np.random.default_rng(seed).choice(M, m, replace=False)
            rows.append(
                [
                    seconds,
                    *errors(picture, full),
                    errors(inpca.fit_landmarks(trajectories, chance, probes=10), full)[0],
                    picture.explained_stress(3),
                    picture.stress_error[2],
                    picture.explained_stress(3) - truth,
                ]
            )
        seconds, gram, points, random, stress, error, deviation = np.mean(rows, axis=0)
        deviation = np.sqrt(np.mean(np.array(rows)[:, -1] ** 2))
        lines.append(
            f"| {m} | {seconds:.1f} | {gram:.1e} | {points:.1e} | {random:.1e} | {stress:.5f} +- {error:.1g} "
            f"| {deviation:.1g} |"
        )
    return "\n".join(lines)


def errors(picture, full, k=3):
    """Return the relative errors of inner products and of coordinates in k axes, each of which may be mirrored."""
    X, Y = picture.coordinates[:, :k], full.coordinates[:, :k]
    S, T = (np.where(e.imaginary[:k], -1, 1) for e in (picture, full))
    R = np.linalg.qr(np.hstack([X, Y]), mode="r")  # Gram matrices without forming them
    gram = np.linalg.norm(R * np.append(S, -T) @ R.T) / np.linalg.norm(R[:, k:] * T @ R[:, k:].T)
    mirrored = X * np.where((X * Y).sum(axis=0) < 0, -1, 1)
    return gram, np.linalg.norm(mirrored - Y) / np.linalg.norm(Y)


def trained(folder):
    """Return the trajectories of `make picture`; train them into the folder where the repository has none."""
    names = [f"digits_{task}/preds_{seed}.h5" for task in TASKS for seed in SEEDS]
    paths = [ROOT / "predictions" / name for name in names]
    if not all(path.exists() for path in paths):
        words = [
            sys.executable,
            "-m",
            TRAIN,
            "digits",
            "--task",
            *TASKS,
            "--seed",
            *map(str, SEEDS),
            "--predictions",
            folder / "predictions",
            "--checkpoints-folder",
            folder / "checkpoints",
            "--imprint-as-you-go",
        ]
        done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"training failed: {done.stderr[-500:]}")
        paths = [folder / "predictions" / name for name in names]
    return [predictions.open_trajectory(path) for path in paths]


def curve(number, T, N, C):
    """Return the probabilities (T, N, C), float32, of one of six tasks: from ignorance to truth, bent and noisy."""
    rng, shared = np.random.default_rng([1, number]), np.random.default_rng([2, number % 6])
    truth = np.eye(C, dtype=np.float32)[np.random.default_rng(0).integers(0, C, N)]
    bend = (2 * shared.standard_normal((N, C)) + 0.5 * rng.standard_normal((N, C))).astype(np.float32)
    s = np.linspace(0, 1, T, dtype=np.float32)[:, None, None]
    P = rng.standard_normal((T, N, C), dtype=np.float32)
    P *= 0.1
    P += 6 * s * truth
    P += 4 * s * (1 - s) * bend
    np.exp(P, out=P)
    P /= P.sum(axis=2, keepdims=True)
    return P


def large(precision, files, models, N, C, landmarks):
    """Return a table of the time and memory of many models, from files to the picture."""
    with tempfile.TemporaryDirectory() as folder:
        needed = 2 * files * models * N * C * 1.3
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise InputError(f"{folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} are needed; set TMPDIR")
        started, labels = time.perf_counter(), np.random.default_rng(0).integers(0, C, N)
        for i in range(files):
            with predictions.Recorder(Path(folder) / f"many_{i % 6}" / f"preds_{i // 6}.h5", labels=labels) as recorder:
                for t, roots in enumerate(np.sqrt(curve(i, models, N, C)).astype(np.float16)):
                    recorder.append_roots(roots, t)
        making = time.perf_counter() - started
        (Path(folder) / "landmarks.json").write_text(json.dumps(landmarks))
        words = ["--embed", folder, *(["--precision", precision] if precision else [])]
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise InputError("the embedding failed; what it said is above")
        found = json.loads(done.stdout)
    measured = (
        [
            ("distances of the landmarks", found["pairwise"][0]),
            ("distances of all models to them", found["cross"]),
            ("distances of the probes", found["pairwise"][1]),
        ]
        if landmarks
        else [("distances of all pairs", found["pairwise"][0])]
    )
    rows = [
        ("writing the files", making),
        *measured,
        ("all else", found["seconds"] - sum(seconds for _, seconds in measured)),
        ("files to picture", found["seconds"]),
    ]
    error = f" +- {found['error']:.1g}" if landmarks else ""
    result = f"{landmarks} landmarks" if landmarks else f"a matrix of {8 * (files * models) ** 2 / 1e9:.2f} GB"
    return "\n".join(
        [
            f"{files * models:,} models in {files} files, {N:,} samples, {C} classes, {result}, "
            f"{precision or 'default precision'}: 3 axes explain {found['stress']:.4f}{error} of the stress; peak "
            f"memory {found['peak']:.2f} GB, of which {found['before']:.2f} before the first file was opened.",
            "",
            "| | s |",
            "| --- | ---: |",
            *(f"| {name} | {seconds:.1f} |" for name, seconds in rows),
        ]
    )


def embed(folder, precision):
    """Embed the files of `large`; return what it took."""
    before, seconds = peak(), {"cross": [], "pairwise": []}
    for name in seconds:
        setattr(distance, name, timed(getattr(distance, name), seconds[name]))
    started = time.perf_counter()
    trajectories = [predictions.open_trajectory(path) for path in sorted(folder.glob("*/preds_*.h5"))]
    m = json.loads((folder / "landmarks.json").read_text())
    if m:
        picture = inpca.fit_landmarks(trajectories, m, precision=precision, progress=True)
    else:
        picture = inpca.fit(distance.pairwise(trajectories, precision=precision, progress=True))
    return {
        "seconds": time.perf_counter() - started,
        "cross": sum(seconds["cross"]),
        "pairwise": seconds["pairwise"],
        "stress": picture.explained_stress(3),
        "error": picture.stress_error[2] if m else None,
        "before": before,
        "peak": peak(),
    }


def timed(function, seconds):
    def call(*arguments, **options):
        started = time.perf_counter()
        found = function(*arguments, **options)
        seconds.append(time.perf_counter() - started)
        return found

    return call


def peak():
    """Return the largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    command(main)
