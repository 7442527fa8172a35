"""Networks on Gaussian inputs of two spectra: how flat the picture of their trainings is, by base points."""

import numpy as np

from experiments.manifold.measured import BATCH, NETWORK, OPTIMISER, Sloppy
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.results import Known, factors_of
from info_geometry import distance, inpca
from info_geometry.files import InputError

COUNTS = (1, 2, 5, 10)  # of base points, which are seeds
DRAWS = 50
AXES = 10
PERMUTATIONS = 9999


def measure(runs: list[Known], sloppy: str, flat: str) -> Sloppy:
    """Return what is measured of runs of two data sets, of these names; cells that both have, of as many seeds.

    Raises InputError where there are none, or with less than two base points.
    """
    levels = factors_of({run.name: run.config for run in runs})
    found: dict = {}
    for run in runs:
        cell = tuple(levels[run.name][factor] for factor in (NETWORK, OPTIMISER, BATCH))
        found.setdefault((run.config.dataset, cell), {})[run.seed] = run
    sets = (sloppy, flat)
    cells = [cell for name, cell in found if name == sloppy and (flat, cell) in found]
    seeds = sorted(set.intersection(*(set(found[name, cell]) for name in sets for cell in cells)) if cells else ())
    if len(seeds) < 2:
        raise InputError(
            f"{len(cells)} combinations of network, optimiser and batch size have runs of both {sloppy} and {flat}, "
            f"with {len(seeds)} seeds common to all; expected 1 or more, and 2 or more"
        )
    counts = np.array([*(count for count in COUNTS if count < len(seeds)), len(seeds)])
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(seeds), (DRAWS, len(seeds)))
    stress, evaluation, axes, again = {}, {}, {}, {}
    for name in sets:
        rows = [_cell([found[name, cell][seed] for seed in seeds], counts, drawn) for cell in cells]
        stress[name], evaluation[name], axes[name], again[name] = map(np.array, zip(*rows))
    differences = stress[sloppy][:, -1] - stress[flat][:, -1]
    return Sloppy(
        tuple(" ".join(cell) for cell in cells),
        counts,
        stress,
        evaluation,
        axes,
        (again[sloppy] - again[flat]).mean(axis=0),
        signs(differences, rng),
    )


def signs(differences: np.ndarray, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> float:
    """Return the share of draws of signs, the identity being one, with a mean as large as that of differences (L,)."""
    drawn = rng.choice([-1, 1], (permutations, len(differences))) @ differences
    return float((1 + (drawn >= differences.sum() - 1e-12).sum()) / (1 + permutations))


def _cell(runs, counts, drawn):
    """Return stress by 3 axes (n,) by base points; that of evaluation predictions; by 1..k axes; of those drawn."""
    D = distance.pairwise([run.parts[TRAINING] for run in runs])
    other = distance.pairwise([run.parts[EVALUATION] for run in runs])
    models = np.split(np.arange(len(D)), np.cumsum([run.parts[TRAINING].shape[0] for run in runs])[:-1])

    def of(D, which, k=3):
        rows = np.concatenate([models[x] for x in which])  # a base point drawn twice is there twice
        return inpca.fit(D[np.ix_(rows, rows)], k).explained_stress()[:k]

    def sets(count):
        return [range(first, first + count) for first in range(0, len(runs) - count + 1, count)]

    by_count = [np.mean([of(D, which)[2] for which in sets(count)]) for count in counts]
    everyone = range(len(runs))
    again = [of(D, which)[2] for which in drawn]
    return by_count, of(other, everyone)[2], of(D, everyone, AXES), again
