"""Runs that start from weights fitted to random labels, or to few images, against usual runs of the same settings."""

import dataclasses

import numpy as np

from experiments.manifold import corners, tubes
from experiments.manifold.measured import Corner
from experiments.manifold.parts import TRAINING
from experiments.manifold.paths import VALUES
from experiments.manifold.results import Known
from info_geometry import distance
from info_geometry.files import InputError

SECOND = "from-"  # of variants of the runs that start from a corner


def measure(runs: list[Known], usual: list[Known], seeds: tuple[int, ...]) -> dict[str, Corner]:
    """Return {kind: Corner} of second phases, in the order of `runs`; usual: runs of the grid, of which some are meant.

    Raises InputError where no two runs of the grid have the settings of a second phase.
    """
    kinds: dict = {}
    for run in runs:
        if run.config.start:
            kinds.setdefault(kind_of(run), []).append(run)
    return {kind: _corner(kind, own, usual, seeds) for kind, own in kinds.items()}


def kind_of(run: Known) -> str:
    """Return the kind of the corner that a run starts from: the end of its name."""
    return run.name.partition(SECOND)[2]


def _corner(kind, runs, usual, seeds):
    settings = dataclasses.replace(runs[0].config, start="")
    same = [run for run in usual if run.config == settings]
    if len(same) < 2:
        raise InputError(
            f"{runs[0].name} is compared with runs of the grid of its settings, of two seeds or more; there are "
            f"{len(same)}"
        )
    parts, progress = [run.parts[TRAINING] for run in same], [run.progress() for run in same]
    distances, width = np.full((2, len(seeds), len(VALUES)), np.nan)
    at, starts = np.full((2, len(seeds)), np.nan)
    for run in runs:
        s = seeds.index(run.seed)
        joined = corners.join([run.parts[TRAINING]], [run.progress()], parts, progress, VALUES)
        distances[s], at[s], starts[s] = joined.distances, joined.at, run.progress()[0]
    for run, curve in zip(same, tubes.to_mean(parts, progress, VALUES, others=True)):
        width[seeds.index(run.seed)] = curve
    return Corner(VALUES, distances, width, at, starts, *_ends(runs, same, seeds))


def _ends(runs, usual, seeds):
    """Return distances (S, 2) of first and last models, and (S,) of last usual ones, to last usual ones of others."""
    last = [run.parts[TRAINING].select([-1]) for run in usual]
    ends, between = np.full((len(seeds), 2), np.nan), np.full(len(seeds), np.nan)
    for run in runs:
        others = [model for model, other in zip(last, usual) if other.seed != run.seed]
        ends[seeds.index(run.seed)] = distance.cross([run.parts[TRAINING].select([0, -1])], others).mean(axis=1)
    for k, run in enumerate(usual):
        between[seeds.index(run.seed)] = distance.cross([last[k]], [*last[:k], *last[k + 1 :]]).mean()
    return ends, between
