"""Six means of predictions, of runs at equal progress or at equal steps (Mao et al. 2024).

Of distributions p_i over C classes, a sample at a time; a and g are the arithmetic and geometric mean of each class:

    arithmetic      a                                           minimises  sum_i KL(p_i | c)
    geometric       g, made to sum to 1                                    sum_i KL(c | p_i)
    harmonic        1 / mean(1 / p), made to sum to 1                      sum_i chi^2(c | p_i) = sum_c c^2 / p_i - 1
    root            (mean sqrt p)^2, made to sum to 1                      sum_i |sqrt c - sqrt p_i|^2
    bhattacharyya   limit of c <- mean_i normalised sqrt(p_i c)            sum_i -log sum_c sqrt(c p_i)
    jeffreys        a / W(e^(1 + l) a / g)                                 sum_i KL(p_i | c) + KL(c | p_i)

among all distributions c.  The Bhattacharyya centroid is found by the concave-convex iteration in natural parameters
theta_c = log p_c / p_C (Nielsen and Boltz 2011): with F = log sum exp theta, grad F(theta_c) <- mean grad F of the
middles of theta_c and theta_i, which is the line above.  Jeffreys: W is Lambert's function, and l, by Newton's method,
makes the sum 1; with l = 0 and the sum made 1 afterwards it is nearly the same (Nielsen 2013).

Where a run gives a class no probability, geometric and harmonic means do, and Jeffreys' tends to: probabilities are
raised to FLOOR first for these three, about what stored roots of 16 bits resolve.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import lambertw

from info_geometry import predictions, trajectory
from info_geometry.files import InputError

FLOOR = 1e-15
ITERATIONS = 100  # of the Bhattacharyya centroid; an iteration halves what is wrong where runs are near each other
MEMORY = 1 << 29  # bytes
HELD = 5  # arrays of all runs, at most, that a mean holds beside each other
NEAR = 1e-13  # of probabilities: nothing changes any more


def arithmetic(P: np.ndarray) -> np.ndarray:
    """Return the mean (..., C) of probabilities P (g, ..., C)."""
    return P.mean(axis=0)


def geometric(P: np.ndarray) -> np.ndarray:
    """Return the normalised geometric mean (..., C)."""
    logs = np.log(_raised(P)).mean(axis=0)
    return _normalised(np.exp(logs - logs.max(axis=-1, keepdims=True)))


def harmonic(P: np.ndarray) -> np.ndarray:
    """Return the normalised harmonic mean (..., C)."""
    return _normalised(1 / (1 / _raised(P)).mean(axis=0))


def root(P: np.ndarray) -> np.ndarray:
    """Return the normalised square of the mean of square roots (..., C)."""
    return _normalised(np.sqrt(P).mean(axis=0) ** 2)


def bhattacharyya(P: np.ndarray, iterations: int = ITERATIONS) -> np.ndarray:
    """Return the Bhattacharyya centroid (..., C), starting from the arithmetic mean."""
    roots, c = np.sqrt(P), arithmetic(P)
    for _ in range(iterations):
        products = roots * np.sqrt(c)
        products /= products.sum(axis=-1, keepdims=True)
        last, c = c, products.mean(axis=0)
        if np.abs(c - last).max() < NEAR:
            break
    return c


def jeffreys(P: np.ndarray) -> np.ndarray:
    """Return the Jeffreys centroid (..., C): the distribution that minimises the sum of both divergences.

    With x = a / c, stationary where log c / g + 1 + l = x, that is x e^x = e^(1 + l) a / g.  The sum over classes falls
    with l and is convex, and at most 1 at l = 0: after one step, those of Newton come from one side.
    """
    P = _raised(P)
    a = P.mean(axis=0)
    ratio = a / np.exp(np.log(P).mean(axis=0))  # >= 1
    multiplier = np.zeros((*a.shape[:-1], 1))
    for _ in range(50):
        x = lambertw(np.exp(1 + multiplier) * ratio).real
        off = (a / x).sum(axis=-1, keepdims=True) - 1
        if np.abs(off).max() < NEAR:
            break
        multiplier += off / (a / (x * (1 + x))).sum(axis=-1, keepdims=True)
    return _normalised(a / x)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "arithmetic": arithmetic,
    "geometric": geometric,
    "harmonic": harmonic,
    "root": root,
    "bhattacharyya": bhattacharyya,
    "jeffreys": jeffreys,
}


def mean(P: np.ndarray, kind: str) -> np.ndarray:
    """Return the mean (..., C) of a kind of probabilities P (g, ..., C).

    Raises InputError for another kind, and for what are no probabilities.
    """
    if kind not in KINDS:
        raise InputError(f"mean {kind!r} is not one of {', '.join(KINDS)}")
    P = np.asarray(P, dtype=np.float64)
    if P.ndim < 2 or not P.size or not (np.abs(P.sum(axis=-1) - 1) < 1e-3).all() or P.min() < 0:
        raise InputError(f"expected probabilities (g, ..., C) of g runs, found an array {P.shape} of something else")
    return KINDS[kind](_normalised(P))


def at_progress(
    runs: list, progress: list[np.ndarray], grid: np.ndarray, kinds: tuple = tuple(KINDS), *, memory: int = MEMORY
) -> dict:
    """Return the mean trajectories {kind: (G, N, C)} of runs, re-indexed at the values `grid` (G,) of progress.

    runs: trajectories.  progress: (T,) of each.  memory: bytes of the models of all runs that are held at once; where
    they take more, samples come in blocks.  Raises InputError where a run has not reached a value of the grid.
    """
    opened = _opened(runs)
    found = {kind: np.empty((len(grid), *opened[0].shape[1:])) for kind in kinds}
    for k, s in enumerate(grid):
        places = [trajectory.positions(p, np.array([s])) for p in progress]

        def models(start, stop, places=places):
            for x, (before, after, fraction) in zip(opened, places):
                roots = x.select(np.append(before, after)).roots(start, stop, dtype=np.float64)
                yield trajectory.reindex_roots(roots, (np.array([0]), np.array([1]), fraction))[0] ** 2

        _put(found, k, models, opened, memory)
    return found


def at_steps(runs: list, kinds: tuple = tuple(KINDS), *, memory: int = MEMORY) -> dict:
    """Return the mean trajectories {kind: (T, N, C)} of runs with the same checkpoints, at equal steps.

    memory: as for `at_progress`.  Raises InputError for runs with different numbers of checkpoints, or at different
    times.
    """
    opened = _opened(runs)
    for x in opened[1:]:
        if not np.array_equal(x.t, opened[0].t):
            raise InputError(f"{x.name} has other checkpoints than {opened[0].name}; expected those of one schedule")
    found = {kind: np.empty(opened[0].shape) for kind in kinds}
    for k in range(opened[0].shape[0]):

        def models(start, stop, k=k):
            return (x.select([k]).roots(start, stop, dtype=np.float64)[0] ** 2 for x in opened)

        _put(found, k, models, opened, memory)
    return found


def _opened(runs):
    opened = [predictions.as_trajectory(x, f"run {i}") for i, x in enumerate(runs)]
    predictions.check_shapes(opened)
    return opened


def _put(found, k, models, opened, memory):
    """Put the means of models(start, stop), one (n, C) a run, into found {kind: (..., N, C)} at k, block by block."""
    _, N, C = opened[0].shape
    size = max(1, memory // (8 * HELD * len(opened) * C))
    for start in range(0, N, size):
        stop = min(start + size, N)
        P = np.array(list(models(start, stop)))
        for kind, means in found.items():
            means[k, start:stop] = mean(P, kind)


def _raised(P):
    return _normalised(np.maximum(P, FLOOR))


def _normalised(P):
    return P / P.sum(axis=-1, keepdims=True)
