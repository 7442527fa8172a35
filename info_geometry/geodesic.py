"""Great circles between probabilistic models: interpolate along them, and project onto the one from ignorance to truth.

The square root of the probabilities of one sample is a point on the unit sphere; geodesics of N independent samples
run along one great circle for each sample (Ramesh et al. 2023, section 2).
"""
import numpy as np

from info_geometry import predictions
from info_geometry.distance import FLOOR
from info_geometry.files import InputError

OBJECTIVES = ("angle", "bhattacharyya")


def interpolate(P, Q, s):
    """Return the probabilities at parameter s of the geodesic from P (s = 0) to Q (s = 1).

    sqrt gamma = [sin((1-s) theta) sqrt P + sin(s theta) sqrt Q] / sin theta,  theta = arccos sum_c sqrt(P Q)

    P, Q: probabilities (..., C).  s: a number, or an array that broadcasts against the leading dimensions.
    """
    P, Q = np.asarray(P, dtype=np.float64), np.asarray(Q, dtype=np.float64)
    if P.shape != Q.shape:
        raise InputError(f"cannot interpolate between shapes {P.shape} and {Q.shape}")
    return interpolate_roots(np.sqrt(P), np.sqrt(Q), s) ** 2


def interpolate_roots(p, q, s):
    """Return the unit vectors at parameter s of the great circles from unit vectors p to q, all (..., C)."""
    s = np.asarray(s, dtype=p.dtype)
    chord = np.linalg.norm(p - q, axis=-1)
    theta = 2 * np.arcsin(np.minimum(chord / 2, 1))  # arccos would lose small angles to rounding
    near = theta < 1e-4  # there sin x = x to the last digit but one
    sine = np.where(near, 1, np.sin(theta))
    before = np.where(near, 1 - s, np.sin((1 - s) * theta) / sine)
    after = np.where(near, s + 0 * theta, np.sin(s * theta) / sine)
    return before[..., None] * p + after[..., None] * q


def progress(P, labels, objective="angle"):
    """Return the progress (T,) of models: where on the geodesic from ignorance to truth they are closest to it.

    P: probabilities (T, N, C) or (N, C), or an opened file.  labels: true classes (N,).
    s = argmin over [0, 1] of mean_n arccos(gamma_n(s) . sqrt P_n)      objective="angle"
      = argmin over [0, 1] of mean_n -log  (gamma_n(s) . sqrt P_n)      objective="bhattacharyya" (published code)

    gamma_n runs from the uniform distribution to the one-hot label, so it lies in a plane and only two numbers per
    sample matter: sum_c sqrt(P_c) / sqrt(C) and sqrt(P_label).  (Ramesh et al. 2023, section 2.)
    """
    trajectory = predictions.as_trajectory(P)
    labels = check_labels(labels, trajectory)
    scalars = [two_scalars(roots, labels[n : n + roots.shape[1]]) for n, roots in trajectory.blocks()]
    uniform, truth = (np.concatenate(parts, axis=1) for parts in zip(*scalars))
    return progress_from_scalars(uniform, truth, trajectory.shape[2], objective)


def two_scalars(roots, labels):
    """Return the cosines (T, n) of roots (T, n, C) with the uniform distribution and with the one-hot labels (n,)."""
    # a norm of 1 - 1e-7, as float32 has them, would be an angle of 5e-4 for a model on the geodesic
    norms = np.sqrt(np.einsum("tnc,tnc->tn", roots, roots, dtype=np.float64))
    uniform = roots.sum(axis=2, dtype=np.float64) / np.sqrt(roots.shape[2])
    return uniform / norms, roots[:, np.arange(len(labels)), labels] / norms


def progress_from_scalars(uniform, truth, classes, objective="angle"):
    """Return the progress (T,) of models from their cosines (T, N) with ignorance and truth."""
    if objective not in OBJECTIVES:
        raise InputError(f"objective {objective!r} is not one of {', '.join(OBJECTIVES)}")
    if classes < 2:
        raise InputError("progress needs at least 2 classes: with one, ignorance is the truth")
    # gamma(s) = cos(s phi) e + sin(s phi) f with e = uniform and f the unit vector towards the label, f . e = 0
    phi = np.arccos(1 / np.sqrt(classes))
    along = (truth - np.cos(phi) * uniform) / np.sin(phi)
    beyond = np.maximum(np.hypot(uniform, along), 1)  # by rounding, which would make the angle 0 around its minimum
    uniform, along = uniform / beyond, along / beyond

    def mean_distance(s):  # (T,) -> (T,)
        cosine = np.cos(s * phi)[:, None] * uniform + np.sin(s * phi)[:, None] * along
        if objective == "angle":
            return np.arccos(np.clip(cosine, -1, 1, out=cosine), out=cosine).mean(axis=1)
        return -np.log(np.maximum(cosine, FLOOR, out=cosine), out=cosine).mean(axis=1)

    return _minimise(mean_distance, len(uniform))


def _minimise(function, count, points=33, tolerance=1e-9):
    """Return the minimisers (count,) of `count` functions of s in [0, 1] at once: the best of a grid, then sections."""
    grid = np.linspace(0, 1, points)
    best = np.argmin([function(np.full(count, s)) for s in grid], axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, points - 1)]
    ratio = (np.sqrt(5) - 1) / 2  # golden section: one new evaluation narrows the bracket by this
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = function(a), function(b)
    while np.max(high - low) > tolerance:
        left = fa <= fb  # the minimum lies in [low, b]
        low, high = np.where(left, low, a), np.where(left, b, high)
        kept, f_kept = np.where(left, a, b), np.where(left, fa, fb)
        new = np.where(left, high - ratio * (high - low), low + ratio * (high - low))
        f_new = function(new)
        a, b = np.where(left, new, kept), np.where(left, kept, new)
        fa, fb = np.where(left, f_new, f_kept), np.where(left, f_kept, f_new)
    return (low + high) / 2


def check_labels(labels, trajectory):
    """Return labels as integers (N,); raise InputError unless there is one in 0..C-1 for each sample."""
    labels, (_, N, C) = np.asarray(labels), trajectory.shape
    if labels.shape != (N,) or labels.dtype.kind not in "iu":
        raise InputError(f"{trajectory.name}: expected {N} integer labels, found an array {labels.shape}")
    if labels.min() < 0 or labels.max() >= C:
        raise InputError(f"{trajectory.name}: labels reach from {labels.min()} to {labels.max()}, expected 0..{C - 1}")
    return labels.astype(np.int64)
