"""Great circles between probabilistic models: interpolate along them, and project onto the one from ignorance to truth.

The square root of the probabilities of one sample is a point on the unit sphere; geodesics of N independent samples
run along one great circle for each sample (Ramesh et al. 2023, section 2).
"""

import numpy as np

from info_geometry import predictions
from info_geometry.distance import FLOOR
from info_geometry.files import InputError
from info_geometry.storage.arrays import as_array
from info_geometry.sums.cosines import cosines

OBJECTIVES = ("angle", "bhattacharyya")
POINTS = np.linspace(0, 1, 21)  # of the geodesic from ignorance to truth: where it is placed in a picture


def interpolate(P: np.ndarray, Q: np.ndarray, s: float | np.ndarray) -> np.ndarray:
    """Return the probabilities at parameter s of the geodesic from P (s = 0) to Q (s = 1).

    sqrt gamma = [sin((1-s) theta) sqrt P + sin(s theta) sqrt Q] / sin theta,  theta = arccos sum_c sqrt(P Q)

    P, Q: probabilities (..., C).  s: a number, or an array that broadcasts against the leading dimensions.
    """
    P, Q = (as_array(x, name).astype(np.float64) for x, name in ((P, "P"), (Q, "Q")))
    if P.shape != Q.shape:
        raise InputError(f"cannot interpolate between shapes {P.shape} and {Q.shape}")
    return interpolate_roots(np.sqrt(P), np.sqrt(Q), s) ** 2


def interpolate_roots(p: np.ndarray, q: np.ndarray, s: float | np.ndarray) -> np.ndarray:
    """Return the unit vectors at parameter s of the great circles from unit vectors p to q, all (..., C)."""
    s = np.asarray(s, dtype=p.dtype)
    chord = np.linalg.norm(p - q, axis=-1)
    theta = 2 * np.arcsin(np.minimum(chord / 2, 1))  # arccos would lose small angles to rounding
    near = theta < 1e-4  # there sin x = x to the last digit but one
    sine = np.where(near, 1, np.sin(theta))
    before = np.where(near, 1 - s, np.sin((1 - s) * theta) / sine)
    after = np.where(near, s + 0 * theta, np.sin(s * theta) / sine)
    return before[..., None] * p + after[..., None] * q


def other_objective(objective: str) -> str:
    """Return that of the two objectives of progress which is not this one."""
    return OBJECTIVES[1 - OBJECTIVES.index(objective)]


def progress(P: np.ndarray | predictions.Trajectory, labels: np.ndarray, objective: str = "angle") -> np.ndarray:
    """Return the progress (T,) of models: where on the geodesic from ignorance to truth they are closest to it.

    P: probabilities (T, N, C) or (N, C), or an opened file.  labels: true classes (N,).
    s = argmin over [0, 1] of mean_n arccos(gamma_n(s) . sqrt P_n)      objective="angle"
      = argmin over [0, 1] of mean_n -log  (gamma_n(s) . sqrt P_n)      objective="bhattacharyya" (published code)

    gamma_n runs from the uniform distribution to the one-hot label, so it lies in a plane and only two numbers per
    sample matter: sum_c sqrt(P_c) / sqrt(C) and sqrt(P_label).  (Ramesh et al. 2023, section 2.)
    """
    return progress_from_scalars(*cosines(P, labels), predictions.as_trajectory(P).shape[2], objective)


def distances(P: np.ndarray | predictions.Trajectory, labels: np.ndarray, grid: np.ndarray = POINTS) -> np.ndarray:
    """Return the Bhattacharyya distances (T, S) of models to the points `grid` (S,) of the geodesic to truth.

    P, labels: as for `progress`.  At s = 0 that is the distance to ignorance P_0, at s = 1 that to truth P_*.
    """
    return distances_from_scalars(*cosines(P, labels), predictions.as_trajectory(P).shape[2], grid)


def _plane(uniform, truth, classes):
    """Return the angle phi = arccos(1 / sqrt C) from ignorance to truth, and a = f . sqrt P (T, N).

    f is the unit vector in the plane of the two that is orthogonal to ignorance e: truth = cos(phi) e + sin(phi) f.
    """
    phi = np.arccos(1 / np.sqrt(classes))
    return phi, (truth - np.cos(phi) * uniform) / np.sin(phi)


def distances_from_scalars(
    uniform: np.ndarray, truth: np.ndarray, classes: int, grid: np.ndarray = POINTS
) -> np.ndarray:
    """Return the `distances` (T, S) of models from their cosines (T, N) with ignorance and truth.

    The geodesic lies in a plane for each sample, so the affinity with its point s is cos(x) u + sin(x) a  with
    x = s phi, of the two numbers of `progress_from_scalars`.
    """
    phi, along = _plane(uniform, truth, classes)
    found = np.empty((len(uniform), len(grid)))
    for i, x in enumerate(np.asarray(grid, float) * phi):
        found[:, i] = -np.log(np.maximum(np.cos(x) * uniform + np.sin(x) * along, FLOOR)).mean(axis=1)
    return found


def progress_from_scalars(uniform: np.ndarray, truth: np.ndarray, classes: int, objective: str = "angle") -> np.ndarray:
    """Return the progress (T,) of models from their cosines (T, N) with ignorance and truth.

    With e = uniform, f the unit vector towards the label (f . e = 0), x = s phi and phi = arccos(1 / sqrt C):

        gamma(s) = cos(x) e + sin(x) f,   g(x) = gamma . sqrt P = u cos x + a sin x >= 0,   g'' = -g

    d/dx arccos g = -g' / sqrt(1 - g^2) and d/dx -log g = -g' / g both increase with x wherever g > 0, and neither gamma
    nor P is negative: both objectives are convex, and the sign of the derivative tells on which side the minimum is.

    Of two classes, sqrt P lies in the plane itself, at an angle x_n: the mean angle is that of |x - x_n|, which any
    median of the x_n minimises.  The middle one is returned.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"objective {objective!r} is not one of {', '.join(OBJECTIVES)}")
    if classes < 2:
        raise InputError("progress needs at least 2 classes: with one, ignorance is the truth")
    phi, along = _plane(uniform, truth, classes)
    if classes == 2 and objective == "angle":
        return _middle_median(np.arctan2(along, uniform) / phi)
    slope = _slope_of_angle(uniform, along) if objective == "angle" else _slope_of_log(uniform, along)
    s = _root(lambda s: slope(s * phi), len(uniform))
    if objective == "bhattacharyya":
        # where g < FLOOR, next to s = 1, the objective is not convex but flat: the end may be lower
        end = np.flatnonzero((truth < FLOOR).any(axis=1) & (s < 1))
        x = s[end, None] * phi
        inside, last = (
            -np.log(np.maximum(g, FLOOR)).mean(axis=1)
            for g in (np.cos(x) * uniform[end] + np.sin(x) * along[end], truth[end])
        )
        s[end[last < inside]] = 1
    return s


def _middle_median(values):
    """Return the middle of the interval of medians of values (T, N) that lies within [0, 1], (T,)."""
    N = values.shape[1]
    middle = np.partition(values, [(N - 1) // 2, N // 2], axis=1)[:, [(N - 1) // 2, N // 2]]
    return np.clip(middle, 0, 1).mean(axis=1)


def _slope_of_angle(uniform, along):
    """Return the function x (T,) -> sum_n of d/dx arccos g (T,)."""
    outside = np.maximum(1 - uniform**2 - along**2, 1e-300)  # squared; 1 - g^2 = this + g'^2, without cancellation

    def slope(x):
        change = np.sin(x)[:, None] * uniform
        change -= np.cos(x)[:, None] * along
        length = change * change
        length += outside
        change /= np.sqrt(length, out=length)
        return change.sum(axis=1)

    return slope


def _slope_of_log(uniform, along):
    """Return the function x (T,) -> sum_n of d/dx -log g (T,), which is infinite where a g is 0."""
    tangent = along / uniform  # of the angle at which g is largest; the slope is minus that of the difference to x

    def slope(x):
        t = np.tan(x)[:, None]
        below = tangent * t
        below += 1
        # by rounding, g can be 0 or less at the end s = 1 where the label has no probability
        return np.divide(t - tangent, np.maximum(below, 1e-200, out=below), out=below).sum(axis=1)

    return slope


def _root(function, count, tolerance=1e-9):
    """Return where `count` increasing functions of s in [0, 1] change sign (count,); an end if they do not.

    Bisection, and inverse quadratic interpolation where it converges (Chandrupatla 1997, Adv. Eng. Software 28).
    """
    a, b = np.zeros(count), np.ones(count)
    fa, fb = function(a), function(b)
    found = np.where(fa >= 0, 0.0, np.where(fb <= 0, 1.0, np.nan))
    step = np.full(count, 0.5)
    while np.isnan(found).any():
        x = a + step * (b - a)
        f = function(x)
        same = (f > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        width = abs(b - a)
        best = np.where(abs(fa) < abs(fb), a, b)
        found = np.where(np.isnan(found) & ((width < tolerance) | (fa == 0)), best, found)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xi, ratio = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inner = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            smooth = (ratio**2 < xi) & ((1 - ratio) ** 2 < 1 - xi) & np.isfinite(inner)
        least = np.minimum(0.5, 0.5 * tolerance / np.maximum(width, tolerance))
        step = np.clip(np.where(smooth, inner, 0.5), least, 1 - least)
    return found
