"""What storing predictions costs: bytes, errors of distances and of lengths, and how fast slabs of samples are read.

    python benchmarks/storage.py [--quick]          two minutes on two CPU cores; nothing is downloaded

The first table is of predictions of networks of this repository, trained on the digits here and now, early (diffuse)
and late (sharp), against float64.  They are imprinted on the 10 classes, and on 100 or 1,000 training samples that are
a class each.  The second table is of the lengths of one training, of few checkpoints and of one at every step, with
what rounding adds and without (see `info_geometry.sums.steps`).  Files of the third table lie in a temporary folder and
are read from the operating system's cache.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

from info_geometry import distance, predictions, trajectory
from info_geometry.files import ROOT, command, hdf5
from info_geometry.storage import format, quantities
from learning import data, imprint, networks

FORMATS = ("sqrt_probability", "probability", quantities.PUBLISHED, "fourth_root_8bit")
CODECS = {
    "none": {},
    "fletcher32": {"fletcher32": True},
    "gzip1 + shuffle": format.COMPRESSION["gzip"],
    "lzf": {"compression": "lzf"},
}
SLABS = (1000, 300, 48)
EARLY, LATE = (0, 4, 8, 16, 32), (0.6, 0.7, 0.8, 0.9, 1)  # steps, and parts of the training


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: see that it works")
    print(tables(parser.parse_args(argv).quick))


def tables(quick=False):
    """Return the tables, Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return "\n".join(
            [*errors(Path(folder), quick), "", *lengths(Path(folder), quick), "", *speeds(Path(folder), quick)]
        )


def errors(folder, quick):
    """Return the lines of the table of bytes and errors of distances."""
    images = {split: data.load("digits", split, ROOT) for split in ("train", "test")}
    early, late = zip(*(features(images, seed, 1 if quick else 20) for seed in range(1 if quick else 2)))
    lines = [
        "| classes | predictions | stored as | bytes | with gzip | RMS error | largest error |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for classes in (10, 100) if quick else (10, 100, 1000):
        for name, groups in (("early", early), ("late", late)):
            P = np.stack([predict(*x, images["train"].labels, classes)[:300] for group in groups for x in group])
            entropy = -np.sum(P * np.log(np.maximum(P, 1e-300)), axis=2).mean()
            truth = distances(np.sqrt(P))
            what = f"{name}, entropy {entropy:.2f}, distances to {truth.max():.2g}"
            for kind in FORMATS:
                paths = [store(folder / f"{compression}.h5", P, kind, compression) for compression in (None, "gzip")]
                sizes = [stored_bytes(path) / P.size for path in paths]
                off = np.abs(distances(predictions.open_trajectory(paths[0]).roots(dtype=np.float64)) - truth)
                lines.append(
                    f"| {classes} | {what} | {kind} | {sizes[0]:.2f} | {sizes[1]:.2f} | "
                    f"{np.sqrt(np.mean(off**2)):.1e} | {off.max():.1e} |"
                )
    return lines


def lengths(folder, quick):
    """Return the lines of the table of errors of the Riemann length of one training."""
    images, epochs = {split: data.load("digits", split, ROOT) for split in ("train", "test")}, 1 if quick else 20
    steps = epochs * data.steps_per_epoch(len(images["train"].labels), 32)
    whole = features(images, 0, epochs, (range(steps + 1), ()))[0]
    lines = [
        "| classes | checkpoints | length | stored as | as stored | without rounding | checkpoints left |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for classes in (10, 100) if quick else (10, 100, 1000):
        count = len(whole) if classes <= 100 else len(whole) // 4 + 1
        for which in (np.linspace(0, len(whole) - 1, 40).round().astype(int), np.arange(count)):
            P = np.stack([predict(*whole[i], images["train"].labels, classes)[:100] for i in np.unique(which)])
            truth = trajectory.riemann_length(P)
            for kind in FORMATS:
                stored = predictions.open_trajectory(store(folder / "length.h5", P, kind, None))
                found = trajectory.summarise(stored, np.zeros(P.shape[1], int))
                raw, cleaned = (length / truth - 1 for length in (found.length * (1 + found.rounding), found.length))
                lines.append(
                    f"| {classes} | {len(P)} | {truth:.2f} | {kind} | {100 * raw:+.2f} % | {100 * cleaned:+.2f} % | "
                    f"{len(found.knots)} |"
                )
    return lines


def features(images, seed, epochs, wanted=None):
    """Train a network and return two lists, early and late, of the features (samples, F) of (evaluation, training).

    wanted: the steps of each list.
    """
    torch.manual_seed(seed)
    train, network = images["train"], networks.build("small_cnn", 1, 8, 10, seed)
    steps = epochs * data.steps_per_epoch(len(train.labels), 32)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    found, wanted, step = ([], []), wanted or (EARLY, [round(steps * x) for x in LATE]), 0
    labels, indices = torch.from_numpy(train.labels), np.arange(len(train.labels))
    for epoch in range(epochs):
        plan = list(data.training_plan(indices, 32, seed, epoch))
        for batch, x in zip(plan, train.batches(plan)):
            keep(found, wanted, step, network, images)
            network.train()
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x), labels[batch.indices]).backward()
            optimiser.step()
            schedule.step()
            step += 1
    keep(found, wanted, step, network, images)
    return found


def keep(found, wanted, step, network, images):
    """Add the features of a network to the lists that want them at this step."""
    for group, steps in zip(found, wanted):
        if step in steps:
            group.append(
                [
                    imprint.features(network.body, x.batches(data.evaluation_plan(len(x.labels), 600))).double()
                    for x in (images["test"], images["train"])
                ]
            )


def predict(evaluated, trained, labels, classes):
    """Return the probabilities (N, C), float64, of the 10 classes, or of `classes` training samples that are one."""
    everyone = torch.from_numpy(labels)
    prototypes = imprint.prototypes(trained, everyone, 10) if classes == 10 else trained[:classes]
    return imprint.probabilities(evaluated, prototypes).numpy()


def distances(roots):
    """Return the Bhattacharyya distances (pairs,) of models, roots (M, N, C), float64."""
    i, j = np.triu_indices(len(roots), 1)
    affinities = [np.einsum("nc,nc->n", roots[a], roots[b]) for a, b in zip(i, j)]
    return -np.log(np.maximum(affinities, distance.FLOOR)).mean(axis=1)


def store(path, P, kind, compression):
    """Write models in one of FORMATS and return the path; the published one without LZ4, which needs hdf5plugin."""
    if kind != quantities.PUBLISHED:
        options = {"quantity": kind, "compression": compression, "overwrite": True}
        predictions.write(path, P, labels=np.zeros(P.shape[1], int), **options)
        return path
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=quantities.encode(P, kind), chunks=True, **format.COMPRESSION[compression])
    return path


def stored_bytes(path):
    with h5py.File(path) as file:
        return file["data"].id.get_storage_size()


def speeds(folder, quick):
    """Return the lines of the table of speeds, and how our layout compares with h5py's."""
    T, N, C = shape = (6, 1100, 100) if quick else (20, 1200, 1000)
    logits = np.random.default_rng(0).standard_normal((N, C), dtype=np.float32)
    scales = np.linspace(0, 8, T)[:, None, None]
    roots = np.exp(scales * logits / 2)
    roots = (roots / np.linalg.norm(roots, axis=2, keepdims=True)).astype(np.float16)
    layouts = {
        f"ours, 1 x {format.chunk_rows(N, C)} x {C}": (1, format.chunk_rows(N, C), C),
        "h5py automatic": True,
        "a model": (1, N, C),
    }
    lines = [
        f"Slabs of samples of {T} models of {N} x {C} numbers, float16, MB/s of numbers:",
        "",
        "| codec | chunks | bytes | append a model | " + " | ".join(f"read {n}" for n in SLABS) + " |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(SLABS),
    ]
    ratios = []
    for codec, options in CODECS.items():
        rates = {}
        for name, chunks in layouts.items():
            path = folder / "speed.h5"
            appending = written(path, roots, chunks, options)
            rates[name] = [reading(path, shape, n) for n in SLABS]
            lines.append(
                f"| {codec} | {name} | {stored_bytes(path) / roots.size:.2f} | {appending:.0f} | "
                + " | ".join(f"{rate:.0f}" for rate in rates[name])
                + " |"
            )
        ours, automatic, _ = rates.values()
        ratios.append(f"{codec} " + ", ".join(f"{a / b:.1f}" for a, b in zip(ours, automatic)))
    return [*lines, "", f"Our chunks against h5py's, slabs of {', '.join(map(str, SLABS))}: {'; '.join(ratios)}."]


def written(path, roots, chunks, options):
    """Write a file, all models but one at once; return the MB/s at which the last one is appended."""
    T, N, C = roots.shape
    with h5py.File(path, "w", libver="v110") as file:
        if chunks is True:  # those that h5py takes for an array of this shape
            chunks = file.create_dataset("shape", roots.shape, roots.dtype, chunks=True).chunks
        stored = file.create_dataset("data", (T - 1, N, C), "f2", maxshape=(None, N, C), chunks=chunks, **options)
        stored[:] = roots[:-1]
        file.flush()
        started = time.perf_counter()
        stored.resize(T, axis=0)
        stored[-1] = roots[-1]
        file.flush()
        return roots[-1].nbytes / 1e6 / (time.perf_counter() - started)


def reading(path, shape, slab):
    """Return the MB/s at which slabs of samples of all models are read; best of three."""
    T, N, C = shape
    out, seconds = np.empty((T, slab, C), np.float16), []
    starts = [k * slab for k in range(min(8, N // slab))]
    for _ in range(3):
        started = time.perf_counter()
        for start in starts:
            hdf5.read(path, np.arange(T), start, start + slab, out)
        seconds.append(time.perf_counter() - started)
    return len(starts) * out.nbytes / 1e6 / min(seconds)


if __name__ == "__main__":
    command(main)
