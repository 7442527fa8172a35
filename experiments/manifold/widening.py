"""Networks of several widths: when each reaches a progress, and how far apart they are when they have."""

import itertools

import numpy as np
from scipy.stats import rankdata

from experiments.manifold import speed
from experiments.manifold.measured import Widths
from experiments.manifold.parts import TRAINING
from experiments.manifold.paths import VALUES
from experiments.manifold.results import Known
from info_geometry import equal_progress, trajectory
from info_geometry.files import InputError

LEVEL = 0.5
PERMUTATIONS = 1999


def measure(runs: list[Known], seeds: tuple[int, ...]) -> Widths:
    """Return the Widths of runs of hidden layers that are all as wide.  Raises InputError where they are not."""
    found = {(width_of(run), run.seed): run for run in runs}
    widths = np.array(sorted({width for width, _ in found}))
    lengths = {len(run.parts[TRAINING].t) for run in runs}
    if len(widths) < 2 or len(lengths) > 1:
        raise InputError(
            f"runs of {len(widths)} widths, with {sorted(lengths)} checkpoints; expected two widths or more, trained "
            "alike otherwise"
        )
    times, progress = np.full((2, len(widths), len(seeds), lengths.pop()), np.nan)
    for (w, width), (s, seed) in itertools.product(enumerate(widths), enumerate(seeds)):
        if run := found.get((width, seed)):
            times[w, s], progress[w, s] = run.parts[TRAINING].t, run.progress()
    there = np.isfinite(times).all(axis=2)
    each = np.broadcast_to(widths[:, None], there.shape)[there]
    one = speed.by_width(list(times[there]), list(progress[there]), each, LEVEL)
    steps = np.full(there.shape, np.nan)
    steps[there] = one.steps
    grid, apart = _apart(found, widths, seeds)
    p = chance(one.steps, each, one.rank)
    return Widths(widths, times, progress, LEVEL, steps, one.rank, one.exponent, p, grid, apart)


def width_of(run: Known) -> float:
    """Return the width of the hidden layers of a run.  Raises InputError where these are not all as wide."""
    widths = {int(x) for x in run.config.widths.split("-") if x}
    if len(widths) != 1:
        raise InputError(f"{run.name}: widths is {run.config.widths!r}; expected hidden layers that are all as wide")
    return float(widths.pop())


def chance(steps: np.ndarray, widths: np.ndarray, rank: float, permutations: int = PERMUTATIONS) -> float:
    """Return the share of permutations of widths, the identity being one, whose rank correlation is at most as large.

    Of the runs that reached the level.
    """
    known = np.isfinite(steps) & (steps > 0)
    if not np.isfinite(rank):
        return float("nan")
    order, levels = rankdata(steps[known]), rankdata(widths[known])
    rng, observed = np.random.default_rng(0), np.corrcoef(order, levels)[0, 1]
    drawn = [np.corrcoef(order, rng.permutation(levels))[0, 1] <= observed + 1e-12 for _ in range(permutations)]
    return (1 + sum(drawn)) / (1 + permutations)


def _apart(found, widths, seeds):
    """Return the grid (G,) common to all, and distances (W, W, S, G) to the mean of other seeds."""
    grid = equal_progress.common([run.progress() for run in found.values()], VALUES, [x.name for x in found.values()])
    models = {key: trajectory.reindex(run.parts[TRAINING], run.progress(), grid) for key, run in found.items()}
    apart = np.full((len(widths), len(widths), len(seeds), len(grid)), np.nan)
    for (v, other), (s, seed) in itertools.product(enumerate(widths), enumerate(seeds)):
        rest = [models[other, x] for x in seeds if x != seed and (other, x) in models]
        if not rest:
            continue
        mean = np.mean(rest, axis=0)
        for w, width in enumerate(widths):
            if (width, seed) in models:
                apart[w, v, s] = trajectory.compare(models[width, seed], mean, grid)[0]
    return grid, apart
