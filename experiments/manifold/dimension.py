"""How many dimensions a picture, or data, have, and what chance gives.

    participation = (sum_i lambda_i^2)^2 / sum_i lambda_i^4     of eigenvalues of InPCA, whose squares add up to |W|^2
    axes = the smallest number of axes that explain a share of the stress

The null: samples of every run are permuted, each run by a permutation of its own.  Each then goes as far as before, in
a direction of its own.  Permuted within true classes, all still go from ignorance to truth: what is left of their being
alike is what is the same for all samples of a class.
"""

import numpy as np

from info_geometry import inpca, predictions
from info_geometry.files import InputError
from info_geometry.predictions import Trajectory


def participation(values: np.ndarray) -> float:
    """Return the participation ratio (float) of numbers that add up, such as variances: (sum)^2 / sum of squares.

    It is n for n equal ones, whatever zeros stand beside these, and at least 1; NaN where all are zero.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.min(initial=0) < 0:
        raise InputError("participation is of numbers that add up; none may be negative")
    scaled = values / values.max() if values.any() else values
    return float(scaled.sum() ** 2 / (scaled**2).sum()) if values.any() else float("nan")


def of_picture(embedding: inpca.Embedding) -> float:
    """Return the participation ratio of the squares of eigenvalues.

    Where only the largest are known, their sum still is |W|^2, and the fourth powers of others are taken for 0.
    """
    squares = embedding.eigenvalues**2
    total = squares.sum() if embedding.total_squares is None else max(embedding.total_squares, squares.sum())
    return float(total**2 / (squares**2).sum()) if total else float("nan")


def axes(embedding: inpca.Embedding, share: float = 0.95) -> int | None:
    """Return the smallest number of axes that explain a share of the stress; None where more are needed than known."""
    stress = embedding.explained_stress()
    enough = np.flatnonzero(stress >= share - 1e-12)
    return int(enough[0]) + 1 if len(enough) else None


def shuffled(run: object, seed: int, labels: np.ndarray | None = None) -> Trajectory:
    """Return a Trajectory of the same models with their samples permuted, all by one permutation that a seed says.

    labels (N,): samples change places only with others of the same label.
    It has no labels.  All samples of some models are read at once, (T, N, C) as they are stored.
    Raises InputError for another number of labels than of samples.
    """
    run = predictions.as_trajectory(run)
    rng, N = np.random.default_rng([seed, run.shape[1]]), run.shape[1]
    if labels is None:
        order = rng.permutation(N)
    elif len(labels) != N:
        raise InputError(f"{run.name}: {len(labels)} labels of {N} samples")
    else:
        order = np.arange(N)
        for label in np.unique(labels):
            which = np.flatnonzero(labels == label)
            order[which] = rng.permutation(which)

    def read(checkpoints, start, stop, out):
        out[...] = run.select(checkpoints).stored()[:, order[start:stop]]

    return Trajectory(
        f"{run.name}, samples permuted",
        read,
        run.shape,
        run.dtype,
        quantity=run.quantity,
        tolerance=run.tolerance,
        t=run.t,
    )
