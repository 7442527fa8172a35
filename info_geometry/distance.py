"""Bhattacharyya distances between probabilistic models: of a pair, and of all pairs in one streaming pass.

    d_B(u, v) = -(1/N) sum_n log sum_c sqrt(P_u(n, c) P_v(n, c))                  (Ramesh et al. 2023, section 2)

where P_u(n, c) is the probability that model u gives class c on sample n.  The sum over c, the affinity, is 1 for
equal predictions and 0 for predictions without a common class, so it is floored at FLOOR before the logarithm.

Samples are read in slabs, the next one while the last one is computed on; how sums of logarithms are formed depends
on how many there are: `sums.plain` (numpy), `sums.fused` (numba), or on a GPU `sums.gpu` (Triton).
"""

import numpy as np

from info_geometry import predictions
from info_geometry.files import InputError, log
from info_geometry.sums.engines import PRECISIONS
from info_geometry.sums.sharing import State
from info_geometry.sums.steps import FLOOR
from info_geometry.sums.streaming import sum_logs

BLOCK = 256  # models whose distances are put in their places at once

__all__ = ["FLOOR", "PRECISIONS", "bhattacharyya", "cross", "pairwise"]


def bhattacharyya(P: np.ndarray, Q: np.ndarray, *, floor: float = FLOOR) -> float:
    """Return the Bhattacharyya distance (float) of two models in float64.

    P, Q: probabilities of shape (N, C).  Raises InputError if the shapes differ or rows are not probabilities.
    """
    P, Q = predictions.as_trajectory(P, "P"), predictions.as_trajectory(Q, "Q")
    predictions.check_shapes([P, Q])
    if P.shape[0] != 1 or Q.shape[0] != 1:
        raise InputError("bhattacharyya takes two models (N, C); for trajectories (T, N, C) use pairwise")
    affinity = np.einsum("nc,nc->n", P.roots(dtype=np.float64)[0], Q.roots(dtype=np.float64)[0])
    return max(0.0, -float(np.mean(np.log(np.maximum(affinity, floor)))))


def pairwise(
    trajectories: list,
    *,
    device: str | None = None,
    block: int | None = None,
    floor: float = FLOOR,
    precision: str | None = None,
    progress: bool = False,
    fast: bool | None = None,
    state: State | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray | None:
    """Return the distances (M, M), float64, of all models of a list of trajectories.

    trajectories: arrays of probabilities (T, N, C) or (N, C), or opened files; M is the sum of their T.
    device: of the computation, by default CUDA where there is one.
    block: samples read at once, by default what fits memory and the chunks of the files; results do not depend on it.
    precision: of roots and products, "float64" (default up to 2e9 products of roots, which take a second), "float32"
    (default above, and on CUDA; moves a distance by less than 1e-7, however small it is) or "bfloat16" (by about 1e-3 /
    sqrt N; roots are rounded to 8 bits, products summed in float32).  Logarithms are always summed in float64, or to
    that precision.
    progress: show a bar.
    fast: True for the compiled pass (`sums.fused` or `sums.gpu`), False for numpy, on a GPU torch; by default that
    which is faster.
    state: a `sharing.State` that knows which samples are done, keeps what is, and shares them among processes; in those
    but the main one, None is returned.
    groups: a group 0..B-1 for each sample (N,); then the sums of -log affinity over each of them, (B, M, M), are
    returned: what adds up to N times the distance.

    The result is symmetric and its diagonal is zero.  Rows are renormalised exactly: for unnormalised roots a, b
    the log-affinity of the normalised ones is log<a, b> - (log<a, a> + log<b, b>) / 2, which is why half the two
    diagonal terms is subtracted from each entry; this also takes away most of the rounding.
    The number of floored affinities is logged.

    Raises InputError if shapes differ or rows are not probabilities, if `device` or `fast` is not to be had, and if the
    sums over groups do not fit memory.
    """
    sides = [_opened(trajectories, "trajectory")]
    M, (_, N, _) = sum(x.shape[0] for x in sides[0]), sides[0][0].shape
    found = sum_logs(
        sides,
        device=device,
        block=block,
        floor=floor,
        precision=precision,
        progress=progress,
        fast=fast,
        state=state,
        groups=groups,
    )
    if found is None:
        return None
    total, floored = found
    _report(floored, N * M * (M - 1) // 2, floor)
    for sums in [total] if groups is None else total:
        _mirror(sums, N if groups is None else 1)
    return total


def _mirror(sums, N):
    """Turn sums of log-affinities above the diagonal into distances (M, M), in place: there is no second matrix."""
    np.fill_diagonal(sums, 0.0)
    for start in range(0, len(sums), BLOCK):
        rows = sums[start : start + BLOCK, start:]
        rows /= -N
        np.maximum(rows, 0.0, out=rows)
        rows += 0.0  # no -0
        square, rest = rows[:, :BLOCK], rows[:, BLOCK:]
        square += square.T
        sums[start + BLOCK :, start : start + BLOCK] = rest.T


def cross(
    trajectories: list,
    others: list,
    *,
    device: str | None = None,
    block: int | None = None,
    floor: float = FLOOR,
    precision: str | None = None,
    progress: bool = False,
    fast: bool | None = None,
) -> np.ndarray:
    """Return the distances (R, K), float64, of all models of `trajectories` to all models of `others`.

    Arguments are those of `pairwise`; a distance of a model to itself is zero up to rounding.
    """
    sides = [_opened(trajectories, "trajectory"), _opened(others, "other trajectory")]
    predictions.check_shapes(sides[0] + sides[1])
    R, K = (sum(x.shape[0] for x in side) for side in sides)
    total, floored = sum_logs(
        sides, device=device, block=block, floor=floor, precision=precision, progress=progress, fast=fast
    )
    _report(floored, sides[0][0].shape[1] * R * K, floor)
    return np.maximum(-total / sides[0][0].shape[1], 0.0)


def _opened(trajectories, name):
    opened = [predictions.as_trajectory(x, f"{name} {i}") for i, x in enumerate(trajectories)]
    predictions.check_shapes(opened)
    return opened


def _report(floored, count, floor):
    if floored:
        log.info("%d of %d affinities were below the floor %g", floored, count, floor)
