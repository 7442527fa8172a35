"""Measures of predictions: how good they are, how much two networks differ, and what an ensemble of networks predicts.

Predictions are probabilities P (..., N, C) of C classes on N samples, in any type; the axes before these, points say,
are kept.  All is computed in float64, where rows are first divided by their sums: storing moved these from 1.
The distance of two networks is `info_geometry.distance.bhattacharyya`, d_B below.
"""

import numpy as np

from info_geometry import distance
from info_geometry.files import InputError

# Of probabilities before their logarithm, 1e-12.  Affinities, which are roots, are floored at the root of it, so that
# d_B(truth, P) = nll(P) / 2 where P gives the truth nothing, too.
FLOOR = distance.FLOOR**2
TOLERANCE = 1e-3  # of the sums of rows: storing probabilities or their roots in float16 moves them by less
BINS = 20


def accuracy(P: np.ndarray, labels: np.ndarray) -> np.ndarray | float:
    """Return the share (...,) of samples whose largest probability, the first of equal ones, is that of the label.

    P (..., N, C), labels (N,): integers 0..C-1.  Raises InputError if rows of P are not probabilities, if the labels
    do not fit them, and if there are no samples.
    """
    P, labels = _with_labels(P, labels)
    return (P.argmax(axis=-1) == labels).mean(axis=-1)


def nll(P: np.ndarray, labels: np.ndarray) -> np.ndarray | float:
    """Return the negative log-likelihood (...,) of the labels, in nats a sample; arguments and errors of `accuracy`.

    -(1/N) sum_n log max(P(n, y_n), FLOOR):  a sample adds at most 27.6 to the mean.
    """
    P, labels = _with_labels(P, labels)
    return -np.log(np.maximum(_of_labels(P, labels), FLOOR)).mean(axis=-1)


def brier(P: np.ndarray, labels: np.ndarray) -> np.ndarray | float:
    """Return the Brier score (...,), from 0 to 2; arguments and errors of `accuracy`.

    (1/N) sum_n sum_c (P(n, c) - [c = y_n])^2                                                          (Brier 1950)
    """
    P, labels = _with_labels(P, labels)
    return np.square(P - np.eye(P.shape[-1])[labels]).sum(axis=-1).mean(axis=-1)


def ece(P: np.ndarray, labels: np.ndarray, bins: int = BINS) -> np.ndarray | float:
    """Return the expected calibration error (...,); arguments and errors of `accuracy`.

        sum_b |sum_(n in b) [c_n = y_n] - sum_(n in b) P(n, c_n)| / N,    c_n = argmax_c P(n, c)     (Guo et al. 2017)

    Bin b = 1..B holds the confidences P(n, c_n) in ((b - 1) / B, b / B]: one at an edge is in the bin below it, and a
    confidence of 1 in the last bin.  Raises InputError also if there is no bin.
    """
    if bins < 1:
        raise InputError(f"a calibration error needs 1 bin or more, not {bins}")
    P, labels = _with_labels(P, labels)
    N, correct, confidence = len(labels), P.argmax(axis=-1) == labels, P.max(axis=-1)
    inner_edges = np.arange(1, bins) / bins  # the outer two would lose what rounding puts at or beyond 1
    which = np.searchsorted(inner_edges, confidence, side="left").reshape(-1, N)
    points = len(which)
    which += bins * np.arange(points)[:, None]  # every point has bins of its own
    gaps = np.bincount(which.ravel(), weights=(correct - confidence).ravel(), minlength=points * bins)
    return np.abs(gaps.reshape(*P.shape[:-2], bins)).sum(axis=-1) / N


def total_variation(P: np.ndarray, Q: np.ndarray) -> np.ndarray | float:
    """Return the total variation (...,) of two networks, the mean over samples of sum_c |P(n, c) - Q(n, c)| / 2.

    P, Q (..., N, C): their axes before the samples are those of arrays that numpy broadcasts.  Raises InputError if
    samples or classes differ in number, if rows are not probabilities, and if there are no samples.
    """
    P, Q = _pair(P, Q)
    return np.abs(P - Q).sum(axis=-1).mean(axis=-1) / 2


def disagreement(P: np.ndarray, Q: np.ndarray) -> np.ndarray | float:
    """Return the share (...,) of samples that P and Q put into different classes; as `total_variation`."""
    P, Q = _pair(P, Q)
    return (P.argmax(axis=-1) != Q.argmax(axis=-1)).mean(axis=-1)


def disagreement_one_right(P: np.ndarray, Q: np.ndarray, labels: np.ndarray) -> np.ndarray | float:
    """Return the share (...,) of samples that P and Q put into different classes, one of them the label.

    Arguments and errors are those of `total_variation`, and for labels (N,) those of `accuracy`.
    """
    P, Q = _pair(P, Q)
    labels = _labels(labels, P.shape)
    p, q = P.argmax(axis=-1), Q.argmax(axis=-1)
    return ((p != q) & ((p == labels) | (q == labels))).mean(axis=-1)


def feature_cosine(F: np.ndarray, G: np.ndarray) -> np.ndarray | float:
    """Return the mean over samples (...,) of the cosine of the features F, G (..., N, features) of two networks.

    The cosine with a vector of zeros is 0.  Raises InputError if shapes differ or numbers are not finite.
    """
    F, G = (_array(x, name) for x, name in ((F, "F"), (G, "G")))
    _check_pair(F, G, "F", "G")
    for x, name in ((F, "F"), (G, "G")):
        if not np.isfinite(x).all():
            raise InputError(f"{name}: {np.sum(~np.isfinite(x))} of {x.size} features are not finite")
    return (_unit(F) * _unit(G)).sum(axis=-1).mean(axis=-1)


def mean_of_probabilities(P: np.ndarray) -> np.ndarray:
    """Return the mean (N, C) of the probabilities of members (M, N, C).

    Raises InputError if P has other axes, if rows are not probabilities, and if there are no members or samples.
    """
    return _members(P).mean(axis=0)


def mean_of_logits(P: np.ndarray) -> np.ndarray:
    """Return the softmax (N, C) of the mean of the logits of members (M, N, C); errors as `mean_of_probabilities`.

    prod_m P_m^(1/M) / Z,    Z = sum_c prod_m P_m^(1/M),    of probabilities floored at FLOOR

    Its nll is the mean of those of the members, less the gain -(1/N) sum_n log Z: for two members their d_B.
    """
    logits = np.log(np.maximum(_members(P), FLOOR)).mean(axis=0)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def mean_of_roots(P: np.ndarray) -> np.ndarray:
    """Return the squares (N, C), made to sum to 1, of the mean root of members (M, N, C); as `mean_of_probabilities`.

    Roots of probabilities lie on a sphere: for two members it is the midpoint of the shortest way between them.
    """
    squares = np.square(np.sqrt(_members(P)).mean(axis=0))
    return squares / squares.sum(axis=-1, keepdims=True)


def _array(x, name):
    """Return an array (..., N, C) in float64, neither of whose last axes is empty."""
    x = np.asarray(x, np.float64)
    if x.ndim < 2 or x.size == 0:
        raise InputError(f"{name}: expected an array (..., samples, classes or features), not one of shape {x.shape}")
    return x


def _probabilities(P, name="P"):
    """Return probabilities (..., N, C) whose rows sum to 1."""
    P = _array(P, name)
    sums = P.sum(axis=-1, keepdims=True)
    bad = ~((P.min(axis=-1) >= 0) & (np.abs(sums[..., 0] - 1) <= TOLERANCE))  # what is not a number is bad, too
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name}: {bad.sum()} of {bad.size} rows are not probabilities; the first, at {first}, sums "
            f"to {sums[first][0]:.4g} and its smallest entry is {P[first].min():.4g}; expected sums of 1 and no entry "
            f"below 0"
        )
    return P / sums


def _labels(labels, shape):
    *_, N, C = shape
    labels = np.asarray(labels)
    if labels.shape != (N,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"labels: expected {N} integers, one a sample, not {labels.dtype} of shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= C:
        raise InputError(f"labels: expected 0..{C - 1} for {C} classes, not {labels.min()}..{labels.max()}")
    return labels


def _with_labels(P, labels):
    P = _probabilities(P)
    return P, _labels(labels, P.shape)


def _of_labels(P, labels):
    """Return the probabilities (..., N) of the labels."""
    return P[..., np.arange(len(labels)), labels]


def _pair(P, Q):
    P, Q = _probabilities(P, "P"), _probabilities(Q, "Q")
    _check_pair(P, Q, "P", "Q")
    return P, Q


def _check_pair(x, y, name, other):
    try:
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        fits = False
    else:
        fits = x.shape[-2:] == y.shape[-2:]
    if not fits:
        raise InputError(f"{name} has shape {x.shape} and {other} {y.shape}; expected the same")


def _unit(x):
    lengths = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)


def _members(P):
    P = _probabilities(P)
    if P.ndim != 3:
        raise InputError(f"P: expected members of shape (members, samples, classes), not {P.shape}")
    return P
