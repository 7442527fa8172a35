"""Do four points explain the distances of all?  Ignorance, truth, and two means of runs on the way span three axes.

    1. P_l = sum w P / sum w over the checkpoints of all runs, w = exp(-(s - l)^2 / (2 width^2)), s their progress
    2. InPCA of P_0, P_l1, P_l2, P_*; all others are placed by their distances to these four
    3. explained = 1 - sum |d' - d| / sum d,  d' = sum_k sign(lambda_k) (x_k - y_k)^2 in the picture   (Mao et al. 2024)

And how far runs turn on the way, in square roots of probabilities, where geodesics of a sample are great circles.  The
direction at p towards q is the vector log_p(q) = t / sin t (q - p cos t), of length t = arccos(p . q), a sample at a
time; directions at two points are compared after parallel transport along the great circle between these.
"""

from collections.abc import Iterable

import numpy as np

from info_geometry import distance, inpca, predictions
from info_geometry.files import InputError

FIRST, LAST = 0.3, 0.7  # progress of the two means
WIDTH = 0.05
SMALL = 1e-12
FLOOR = 1e-15  # probability


def cross_entropy(run: object, labels: np.ndarray | None = None) -> np.ndarray:
    """Return the mean cross entropy -log p_y (T,), in nats, of the models of a run with true labels y (N,).

    Probabilities below FLOOR, which files hold as 0, count as that.  labels: by default those of the file.
    """
    run = predictions.as_trajectory(run)
    labels, total = np.asarray(run.labels if labels is None else labels), np.zeros(run.shape[0])
    for start, roots in run.blocks(dtype=np.float64):
        n = roots.shape[1]
        right = np.square(roots[:, np.arange(n), labels[start : start + n]])
        total -= np.log(np.maximum(right, FLOOR)).sum(axis=1)
    return total / run.shape[1]


def kernel_mean(runs: Iterable, progress: Iterable[np.ndarray], at: float, width: float = WIDTH) -> np.ndarray:
    """Return the mean (N, C) of the predictions of all checkpoints, weighted by how near their progress is to `at`.

    Checkpoints further away than 5 widths are not read.  Raises InputError where none is nearer.
    """
    total, weight = 0.0, 0.0
    for x, p in zip(runs, progress):
        near = np.flatnonzero(np.abs(p - at) <= 5 * width)
        if len(near):
            w = np.exp(-((p[near] - at) ** 2) / (2 * width**2))
            total = total + np.einsum("t,tnc->nc", w, predictions.as_trajectory(x).select(near).roots(dtype=float) ** 2)
            weight += w.sum()
    if not weight:
        raise InputError(f"no checkpoint has a progress within {5 * width:g} of {at:g}; take another place")
    return total / weight


def basis(labels: np.ndarray, first: np.ndarray, last: np.ndarray) -> list[np.ndarray]:
    """Return four models (N, C): ignorance, the means of runs early and late, truth."""
    N, C = first.shape
    return [np.full((N, C), 1 / C), first, last, np.eye(C)[np.asarray(labels)]]


def picture(points: list[np.ndarray]) -> inpca.Embedding:
    """Return the picture, of three axes, of four models (N, C)."""
    return inpca.fit(distance.pairwise(points), 3)


def place(embedding: inpca.Embedding, points: list[np.ndarray], trajectories: list) -> np.ndarray:
    """Return the coordinates (M, 3) of all models of trajectories in the `picture` of these points."""
    return embedding.transform(distance.cross(trajectories, points))


def explained(D: np.ndarray, coordinates: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Return how much of the distances D (M, M) is explained by 1..k axes of points (M, k): 1 - sum |d' - d| / sum d.

    imaginary (k,): of the axes.  It may be negative: distances that are too large are as wrong as those too small.
    """
    D, total = np.asarray(D, dtype=np.float64), float(np.sum(D))
    if D.shape != (len(coordinates),) * 2 or total <= 0:
        raise InputError(
            f"distances {D.shape}, that sum to {total:g}, of {len(coordinates)} points; expected (M, M) of M"
        )
    off = np.zeros(coordinates.shape[1])
    for start in range(0, len(D), 256):
        rest = D[start : start + 256].copy()
        for k, (x, negative) in enumerate(zip(coordinates.T, imaginary)):
            rest -= np.subtract.outer(x[start : start + 256], x) ** 2 * (-1 if negative else 1)
            off[k] += np.abs(rest).sum()
    return 1 - off / total


def direction(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the direction (N, C) at roots p towards roots q, unit vectors (N, C): log_p(q), of length t of each.

    Opposite vectors have none; roots of probabilities are never opposite.
    """
    cosine = np.clip((p * q).sum(axis=-1, keepdims=True), -1, 1)
    sideways = q - cosine * p
    sine = np.linalg.norm(sideways, axis=-1, keepdims=True)
    angle = np.arctan2(sine, cosine)
    return sideways * np.divide(angle, sine, out=np.ones_like(sine), where=sine > SMALL)


def transport(v: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the directions v (N, C) at roots p as directions at q, carried along the great circles from p to q.

    v + (u . v) ((cos t - 1) u - p sin t) with the unit vector u at p towards q.
    """
    along = direction(p, q)
    angle = np.linalg.norm(along, axis=-1, keepdims=True)
    u = np.divide(along, angle, out=np.zeros_like(along), where=angle > SMALL)
    return v + (u * v).sum(axis=-1, keepdims=True) * ((np.cos(angle) - 1) * u - np.sin(angle) * p)


def turn(points: list[np.ndarray]) -> float:
    """Return the cosine of the first and the last direction of a path through models (N, C), four or more.

    Of log_0(1), carried from the first to the last but one, and of log at the last but one towards the last; over all
    samples together.  1 of points in order on one great circle a sample, at speeds that samples keep.
    Raises InputError where a direction is nothing.
    """
    roots = [np.sqrt(np.asarray(P, dtype=np.float64)) for P in points]
    first = transport(direction(roots[0], roots[1]), roots[0], roots[-2])
    last = direction(roots[-2], roots[-1])
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    if lengths <= SMALL:
        raise InputError("the first two or the last two models are the same, and have no direction")
    return float((first * last).sum() / lengths)
