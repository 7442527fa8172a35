"""One picture of training and evaluation predictions together, and how far the pictures of each alone agree.

A distance is a mean over samples.  So that over both sets of samples, as if they were one, is

    D = (N_1 D_1 + N_2 D_2) / (N_1 + N_2)

and nothing needs to be summed anew.  Of more models than a matrix holds: the distances of some of them, as landmarks.
"""

from dataclasses import dataclass

import numpy as np

from info_geometry import inpca
from info_geometry.embedding import landmarks
from info_geometry.files import InputError
from info_geometry.uncertainty.mantel import Mantel, mantel
from info_geometry.uncertainty.procrustes import Procrustes, procrustes

OBJECTS = 500  # of which the Mantel and Procrustes tests are made, where there are more
PERMUTATIONS = 1999


@dataclass(frozen=True)
class Alike:
    """How far pictures from training and evaluation predictions of the same models agree.

    stress (2, k): explained by 1..k axes, of training and of evaluation predictions, of all models.  mantel: Spearman's
    correlation of their distances.  procrustes: of their first k coordinates.  objects: models that these two are of.
    The p-values permute models, as if each were an object of its own; checkpoints of a run are not.  So they are small
    whatever happens, and the statistics are what counts; for a p-value, compare distances between whole runs.
    """

    stress: np.ndarray
    mantel: Mantel
    procrustes: Procrustes
    objects: int


def together(training: np.ndarray, evaluation: np.ndarray, counts: tuple[int, int]) -> np.ndarray:
    """Return the distances (M, M) on both sets of samples as one, of distances on each, of so many samples.

    To weigh both sets alike, give equal counts.  Raises InputError for matrices of different models.
    """
    training, evaluation = _same(training, evaluation)
    if min(counts) < 1:
        raise InputError(f"numbers of samples are {counts}, expected two positive numbers")
    return (counts[0] * training + counts[1] * evaluation) / sum(counts)


def compare(
    training: np.ndarray,
    evaluation: np.ndarray,
    k: int = 3,
    *,
    weights: np.ndarray | None = None,
    objects: int = OBJECTS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Alike:
    """Return how far pictures of k axes from distances (M, M) of both sets of predictions agree.

    weights: of models, as for `inpca.fit`.  objects: for the two tests, whose cost grows with
    their square, one of each of so many equal stretches of the models is taken, at random.
    """
    sides = _same(training, evaluation)
    pictures = [inpca.fit(D, k, weights=weights) for D in sides]
    M = len(sides[0])
    which = np.arange(M) if objects >= M else landmarks.choose(objects, M, seed)
    return Alike(
        np.array([picture.explained_stress()[:k] for picture in pictures]),
        mantel(*(D[np.ix_(which, which)] for D in sides), permutations, seed),
        procrustes(*(picture.coordinates[which] for picture in pictures), permutations, seed),
        len(which),
    )


def _same(*matrices):
    """Return matrices in float64; raise InputError unless all are of as many models."""
    found = [np.asarray(D, dtype=np.float64) for D in matrices]
    if found[0].shape != found[1].shape:
        raise InputError(
            f"distances of training predictions are {found[0].shape}, of evaluation predictions {found[1].shape}; "
            "expected those of the same models in the same order"
        )
    return found
