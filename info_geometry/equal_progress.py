"""The tensor of distances of all trajectories at equal progress, a slice at a time.

    T[s, i, j] = d_B(trajectory i at progress s, trajectory j at progress s)          (Mao et al. 2024)

of R trajectories, each re-indexed as `trajectory.reindex` does it.  Whole, of 2,300 trajectories at 100 values of s, it
is 4.2 GB; `slices` yields one (R, R) after the other, which whoever asks adds up or keeps.  Nothing is extrapolated: a
trajectory that has not reached s has no distances there.  Since those that stop early would else be compared where they
are and others are not, comparisons of all keep to what all reached, `common`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from info_geometry import distance, predictions
from info_geometry.files import InputError
from info_geometry.predictions import Trajectory
from info_geometry.trajectory import positions, reached, reindex_roots

MEMORY = 1 << 29  # bytes of re-indexed models that are held at once


def common(progress: Sequence[np.ndarray], grid: np.ndarray, names: Sequence | None = None) -> np.ndarray:
    """Return the values (g,) of the grid (G,) that all trajectories reached, of progress (T,) each.

    names: of the trajectories, for messages.  Raises InputError where fewer than two are left, naming the one that
    starts last and the one that stops first.
    """
    grid = np.asarray(grid, dtype=np.float64)
    inside = np.all([reached(p, grid) for p in progress], axis=0)
    if inside.sum() < 2:
        names = names or [f"trajectory {i}" for i in range(len(progress))]
        low, high = [p[0] for p in progress], [np.max(p) for p in progress]
        late, early = int(np.argmax(low)), int(np.argmin(high))
        raise InputError(
            f"{inside.sum()} values of the grid are common to all {len(progress)} trajectories: {names[late]} starts "
            f"at progress {low[late]:.3f}, {names[early]} stops at {high[early]:.3f}; without such ones, or with those "
            "that stop early trained for longer, more may be common"
        )
    return grid[inside]


def slices(
    trajectories: list,
    progress: Sequence[np.ndarray],
    grid: np.ndarray,
    *,
    memory: int = MEMORY,
    precision: str | None = None,
    device: str | None = None,
    show: bool = False,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield s and the distances (R, R), float64, of R trajectories at progress s, for each s of the grid (G,).

    trajectories: as for `distance.pairwise`.  progress: (T,) of each.  Rows and columns of trajectories that have not
    reached s are NaN.  memory: bytes of the re-indexed models, float32, that are held at once: as many values of s as
    fit are read together, and where not all samples of one fit, these come in blocks.  A slice takes R R numbers more.
    precision, device: as for `distance.pairwise`.  show: a bar.

    Raises InputError for another number of values of progress than of models.
    """
    opened = [predictions.as_trajectory(x, f"trajectory {i}") for i, x in enumerate(trajectories)]
    predictions.check_shapes(opened)
    grid, (R, (_, N, C)) = np.asarray(grid, dtype=np.float64), (len(opened), opened[0].shape)
    if len(progress) != R:
        raise InputError(f"{R} trajectories but progress of {len(progress)}")
    for x, p in zip(opened, progress):
        if len(p) != x.shape[0]:
            raise InputError(f"{x.name}: {x.shape[0]} models but {len(p)} values of progress")
    inside = np.array([reached(p, grid) for p in progress])
    size = max(1, min(N, memory // (4 * R * C)))  # samples
    many = max(1, memory // (4 * R * C * size))  # values of s
    if size < N:
        many = 1
    starts, options = range(0, N, size), {"precision": precision, "device": device}
    with tqdm(total=len(grid), unit=" values", desc=f"{R} at equal progress", disable=None if show else True) as bar:
        for first in range(0, len(grid), many):
            part = slice(first, first + many)
            there, values = inside[:, part], grid[part]
            models = _models(opened, progress, values, there, 0, N) if size == N else None
            for k, s in enumerate(values):
                which, D = np.flatnonzero(there[:, k]), np.full((R, R), np.nan)
                if len(which):
                    found = 0.0
                    for start in starts:
                        stop = min(start + size, N)
                        blocks = models or _models(opened, progress, values, there, start, stop)
                        found = found + distance.pairwise([_opened(blocks[k])], **options) * ((stop - start) / N)
                    D[np.ix_(which, which)] = found
                yield float(s), D
                bar.update(1)
            models = blocks = None  # else they are held while the next ones are read


def _models(opened, progress, values, there, start, stop):
    """Return for each value of s the roots (r, n, C), float32, of the trajectories that are `there` (R, values)."""
    C = opened[0].shape[2]
    found = [np.empty((count, stop - start, C), np.float32) for count in there.sum(axis=0)]
    next_one = np.zeros(len(values), int)
    for x, p, mask in zip(opened, progress, there):
        if not mask.any():
            continue
        before, after, fraction = positions(p, values[mask])
        needed, at = np.unique(np.append(before, after), return_inverse=True)
        roots = x.select(needed).roots(start, stop)
        for k, i, j, part in zip(np.flatnonzero(mask), at[: len(before)], at[len(before) :], fraction):
            found[k][next_one[k]] = reindex_roots(roots, (np.array([i]), np.array([j]), np.array([part])))[0]
            next_one[k] += 1
    return found


def _opened(roots):
    """Return roots (r, n, C) of models as a Trajectory."""

    def read(checkpoints, start, stop, out):
        out[...] = roots[checkpoints, start:stop]

    return Trajectory("models at equal progress", read, roots.shape, np.float32, quantity="sqrt_probability")


def means(
    parts: Iterator[tuple[float, np.ndarray]], of: Sequence | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean distances between groups of trajectories, over pairs and over s, from `slices`; one pass.

    of (R,): the group of each trajectory, such as its configuration.  Returns names (K,), distances (K, K) with zeros
    on the diagonal, distances (K,) within groups, over pairs of different trajectories (NaN of one), and the values of
    s (g,) that count: those that all trajectories reached.

    Raises InputError where there is none.
    """
    names, codes = np.unique(np.asarray(of).astype(str), return_inverse=True)
    member = (codes[:, None] == np.arange(len(names))).astype(float)
    sizes, total, seen = member.sum(axis=0), np.zeros((len(names), len(names))), []
    for s, D in parts:
        if D.shape != (len(codes), len(codes)):
            raise InputError(f"distances of {len(D)} trajectories, but groups of {len(codes)}")
        if np.isfinite(D).all():
            total += member.T @ D @ member
            seen.append(s)
    if not seen:
        raise InputError("no progress is common to all trajectories; leave out those that stop early")
    pairs = np.outer(sizes, sizes)
    np.fill_diagonal(pairs, sizes * (sizes - 1))
    mean = np.divide(total / len(seen), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)
    within = np.diag(mean).copy()
    np.fill_diagonal(mean, 0)
    return names, mean, within, np.array(seen)
