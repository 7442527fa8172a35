"""For the tests: the files of a small sweep, generated so that it is known what is to be found in them.

Networks go ways of their own, which optimisers, batch sizes and weight decay hardly change; wider networks go one way,
faster; corners are detours that end; Gaussian inputs have runs with one detour, or with one of each base point.
"""

import dataclasses

import numpy as np

from experiments.manifold.planned import SECTIONS, SPEED, SYNTHETIC, Size
from experiments.manifold.results import Results
from info_geometry import predictions
from learning.runs.run import Folders
from tests.support.synthetic import labels_of, softmax

N, C, T, SEEDS = 40, 5, 12, (10, 11)
LABELS = labels_of(2 * N, C)
TIMES = np.append(0, np.geomspace(0.1, 8, T - 1))
GRIDS = """
- name: the grid
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  settings:
    network:
      fc: {network: fc, widths: 64-32}
      fc16: {network: fc, widths: 16-16}
      plain_cnn: {network: plain_cnn, widths: ""}
    optimiser: {nesterov: {momentum: 0.9}, sgd: {momentum: 0.0, nesterov: false}}
    wd: {wd0: {weight_decay: 0}, wd0.001: {weight_decay: 0.001}}
- name: widths
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  settings:
    widths: {speed-w16: {widths: 16-16}, speed-w64: {widths: 64-64}, speed-w256: {widths: 256-256}}
- name: corners
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  settings:
    widths: 64-32
    kind: {corner-random0: {label_noise: 1}, corner-few20: {training_images: 20}}
- name: from corners
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  settings:
    widths: 64-32
    start: {from-random0: {start: digits_all_corner-random0}, from-few20: {start: digits_all_corner-few20}}
- name: sloppy
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  seed: [0, 1, 2, 3]
  settings: {dataset: sloppy, optimiser: [sgd, adam], batch_size: [50, 100]}
- name: flat
  stage: experiments.manifold.01_training.train_manifold
  config: digits_manifold
  seed: [0, 1, 2, 3]
  settings: {dataset: flat, optimiser: [sgd, adam], batch_size: [50, 100]}
"""
USUAL = "digits_all_fc-nesterov-wd0"  # of the settings of second phases


def drawn(*key):
    """Return a generator that follows from a key."""
    return np.random.default_rng(np.frombuffer(repr(key).encode(), np.uint8))


def run(*key, way=0.0, final=7.0, detour=0.0, at=None):
    """Return probabilities (T, 2 N, C) from ignorance to the labels, a `way` and noise of a key aside of the geodesic.

    detour: at the start, gone by two thirds.  at: where the run is at each checkpoint, 0 to 1.
    """
    s = (np.linspace(0, 1, T) if at is None else np.asarray(at))[:, None, None]
    rng = drawn(*key)
    aside = 4 * s * (1 - s) * (way + 0.25 * rng.standard_normal((2 * N, C)))
    start = np.maximum(1 - 1.5 * s, 0) * detour
    return softmax(final * s * np.eye(C)[LABELS] + aside + start + 0.02 * rng.standard_normal((T, 2 * N, C)))


def detour(*key, size=1.2):
    """Return a direction (2 N, C) that follows from a key."""
    return size * drawn("way", *key).standard_normal((2 * N, C))


def models(section, planned, seed):
    """Return the models of a planned run."""
    name, config = planned.name, planned.config
    if section == SYNTHETIC:
        away = detour("flat", seed) if config.dataset == "flat" else detour("sloppy")
        return run(name, seed, way=2 * away)
    if section == SPEED:
        quick = {16: 1.0, 64: 0.7, 256: 0.4}[int(config.widths.split("-")[0])]
        return run(name, seed, way=detour("fc 64-32"), at=np.linspace(0, 1, T) ** quick)
    shape = f"{config.network} {config.widths}".strip()
    away = detour(name, seed, size=2) if config.start else 0.0
    return run(name, seed, way=detour(shape), detour=away)


def write(folders, planned, seed, P, /, **more):
    """Write the prediction file of a run, which says what stage 2 says; more: attributes, in place of these."""
    said = {"dataset": planned.config.dataset, "seed": seed, "config": dataclasses.asdict(planned.config)}
    predictions.write(
        folders.file(planned.name, seed),
        P,
        labels=LABELS[: P.shape[1]],
        t=more.pop("t", TIMES),
        parts={"training": N, "evaluation": N},
        **said | more,
    )


def of(folder, seeds=SEEDS):
    """Return the Results of a folder, of which nothing need be there, and its grid file."""
    grid = folder / "runs.yaml"
    grid.write_text(GRIDS, encoding="utf-8")
    folders = Folders(folder / "data", folder / "c", folder / "p")
    return Results(folders, seeds, Size("digits", grid, target="manifold-quick"))


def sweep(folder, sections=SECTIONS, seeds=SEEDS):
    """Write all files of sections and return their Results."""
    found = of(folder, seeds)
    for section in sections:
        for planned in found.planned[section]:
            for seed in planned.seeds:
                write(found.folders, planned, seed, models(section, planned, seed))
    return found
