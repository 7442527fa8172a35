"""Points of a line, a curve or a simplex, as coefficients of its vertices.  Imports no torch.

line       (1 - a, a)
curve      ((1 - a)^2, 2 a (1 - a), a^2), a quadratic Bezier curve: first end, control point, last end
simplex    any c >= 0 that add up to 1; uniform draws are Dirichlet(1, ..., 1)
"""

import itertools

import numpy as np

from info_geometry.files import InputError

FEWEST = {"point": 1, "line": 2, "curve": 3, "simplex": 2}  # vertices
KINDS = tuple(FEWEST)
RANDOM = 6  # points of a simplex that are drawn at random, the last of `points`
COEFFICIENTS, PAIR, MASK = range(1, 4)  # what random numbers of a batch are for: a stream of its own each


def along(kind: str, positions: np.ndarray) -> np.ndarray:
    """Return the coefficients (..., m) of positions a (...) on a line or a curve.

    Raises InputError for a position outside [0, 1], and for other kinds, which have no positions.
    """
    a = np.asarray(positions, float)
    if kind not in ("line", "curve"):
        raise InputError(f"a {kind} has no positions between two ends; lines and curves have")
    outside = ~((a >= 0) & (a <= 1))
    if outside.any():
        raise InputError(f"position {a[outside].flat[0]:g} is not on the {kind}, expected numbers from 0 to 1")
    if kind == "line":
        return np.stack([1 - a, a], axis=-1)
    return np.stack([(1 - a) ** 2, 2 * a * (1 - a), a**2], axis=-1)


def middle(kind: str, vertices: int) -> np.ndarray:
    """Return the coefficients (m,) of the middle: position 1/2, or the barycentre of a simplex."""
    return along(kind, 0.5) if kind in ("line", "curve") else np.full(vertices, 1 / vertices)


def draws(kind: str, vertices: int, count: int, layers: int, *key: int) -> np.ndarray:
    """Return random coefficients (count, layers, m), which follow from the key (seed, epoch, batch) alone.

    layers: how many draw coefficients of their own; 1 where all have the same.
    """
    rng = np.random.default_rng([*key, COEFFICIENTS])
    if kind in ("line", "curve"):
        return along(kind, rng.random((count, layers)))
    found = rng.exponential(size=(count, layers, vertices))
    return found / found.sum(axis=-1, keepdims=True)


def pair(vertices: int, *key: int) -> tuple[int, int]:
    """Return two different vertices, which follow from the key (seed, epoch, batch) alone."""
    i, j = np.random.default_rng([*key, PAIR]).choice(vertices, 2, replace=False)
    return int(i), int(j)


def points(vertices: int, steps: int, random: int = 0) -> np.ndarray:
    """Return coefficients (P, m) of points of a simplex: vertices, barycentre, a grid, and points drawn at random.

    The grid has `steps` intervals along each edge; which random points there are is always the same.
    """
    grid = [
        np.diff([-1, *bars, steps + vertices - 1]) - 1  # stars and bars
        for bars in itertools.combinations(range(steps + vertices - 1), vertices - 1)
    ]
    inner = [c / steps for c in grid if c.max() < steps and np.ptp(c) > 0]
    found = [*np.eye(vertices), middle("simplex", vertices), *inner]
    if random:
        found += list(draws("simplex", vertices, random, 1, 0)[:, 0])
    return np.array(found)
