"""Which network to start from: scores of a source on a target task, from features or predictions, without training.

    log_me     log evidence of a Bayesian linear model of the labels, by features           (You et al. 2021)
    h_score    how much of the covariance of features is between classes                    (Bao et al. 2019)
    leep       log likelihood of the classifier "source class, then target class"           (Nguyen et al. 2020)
    nce        minus the conditional entropy of target labels, given source labels          (Tran et al. 2019)

Larger is better.  Logarithms are natural.  Features X (N, F) or predictions P (N, C_s) are those of N target samples,
labels y (N,) any whole numbers.  In all of them samples and classes may come in another order.  Of a task of one class
all sources are as good: it is refused.
"""

import numpy as np
import scipy.linalg
import scipy.optimize

from experiments.task_distances.probes import classes_of
from info_geometry.files import InputError

GRID = np.linspace(-30, 30, 241)  # of log (lambda / s_max^2): where the evidence is looked for
SAME = 1e-10  # of features: directions of less than this of the largest singular value are none
SUM = 1e-3  # what a sum of probabilities may be off
SHRUNK = "ledoit_wolf"


def log_me(X: np.ndarray, labels: np.ndarray) -> float:
    """Return LogME: the largest log evidence of a Bayesian linear model, of a sample, averaged over classes.

        y_c = X w + noise,   w ~ N(0, 1/alpha),   noise ~ N(0, 1/beta),   y_c (N,): 1 for samples of class c, else 0
        LogME = 1/(N C) sum_c max_{alpha, beta} log p(y_c | X, alpha, beta)

    (You et al. 2021, *LogME: practical assessment of pre-trained models for transfer learning*.)  There is no
    intercept.  For each ratio lambda = alpha / beta the best beta is known, and log lambda is searched on a grid and
    then refined, so that the maximum is the global one; the paper iterates to a fixed point.
    With U S V' = X, z = U' y,

        log p = -N/2 (log(2 pi q / N) + 1) - 1/2 sum_i log(1 + s_i^2 / lambda),
        q = N / beta = sum_i z_i^2 / (1 + s_i^2 / lambda) + |y|^2 - |z|^2

    Features may be rotated.  Where features of rank below N tell all labels without an error the evidence has no bound,
    and the score is infinite.
    Raises InputError if features or labels are not as above, not finite, or of one class.
    """
    X, y, C = _features(X, labels)
    U, s, _ = scipy.linalg.svd(X, full_matrices=False)
    U, s = U[:, s > SAME * s.max()], s[s > SAME * s.max()]
    return float(np.mean([_evidence(U, s, (y == c).astype(np.float64)) for c in range(C)]) / len(y))


def h_score(X: np.ndarray, labels: np.ndarray, shrinkage: float | str | None = None) -> float:
    """Return the H-score, tr(cov(X)^-1 cov(E[X | y])), between 0 and C - 1.

    (Bao et al. 2019, *An information-theoretic approach to transferability in task transfer learning*.)  Directions in
    which features do not vary are left out, so that features that are all constant have the score 0.
    shrinkage: alpha of (1 - alpha) tr(S^-1 cov(E[X | y])), S = (1 - alpha) cov(X) + alpha tr(cov(X)) / F I, a number
    from 0 to 1, or "ledoit_wolf": as `ledoit_wolf` says (Ibrahim et al. 2022, *Newer is not always better*).
    Features may be rotated, without shrinkage also mapped by any invertible matrix.

    Raises InputError if features or labels are not as above, not finite, or of one class; for another shrinkage; and,
    without shrinkage, if features vary in N - 1 directions: any labels have the score C - 1 then.
    """
    X, y, C = _features(X, labels)
    N, F = X.shape
    X = X - X.mean(axis=0)
    means = np.stack([X[y == c].mean(axis=0) for c in range(C)])
    shares = np.bincount(y) / N
    alpha = ledoit_wolf(X) if shrinkage == SHRUNK else shrinkage
    if isinstance(alpha, str) or (alpha is not None and not 0 <= alpha <= 1):
        raise InputError(f"shrinkage is {alpha!r}; expected a number from 0 to 1, {SHRUNK!r} or None")
    _, s, V = scipy.linalg.svd(X, full_matrices=False)
    live = s > SAME * max(s.max(), np.abs(X).max(), np.finfo(float).tiny)
    if not alpha and live.sum() >= N - 1:
        raise InputError(
            f"{N} samples are too few for features that vary in {live.sum()} directions: any labels have the H-score "
            f"C - 1; give more than {F + 1} samples, or shrinkage={SHRUNK!r}"
        )
    s, V = s[live], V[live]
    alpha = alpha or 0.0
    variances = s**2 / N
    shrunk = (1 - alpha) * variances + alpha * variances.sum() / F
    return float((1 - alpha) * (shares[:, None] * np.square(means @ V.T) / shrunk).sum())


def ledoit_wolf(X: np.ndarray) -> float:
    """Return how far the covariance of X (N, F) is to be shrunk towards a multiple of I, from 0 to 1.

        alpha = min(b^2, d^2) / d^2,   d^2 = |S - tr S / F I|^2,   b^2 = 1/N^2 sum_n |x_n x_n' - S|^2

    with S = 1/N sum x x' of centred x (Ledoit and Wolf 2004, *A well-conditioned estimator for large-dimensional
    covariance matrices*); 0 where S is a multiple of I.
    """
    X = X - X.mean(axis=0)
    N, F = X.shape
    squares = np.square(scipy.linalg.svdvals(X) ** 2 / N).sum()  # |S|^2
    distance = squares - np.square(X).sum() ** 2 / N**2 / F
    spread = (np.square(np.square(X).sum(axis=1)).sum() / N - squares) / N
    return float(min(max(spread, 0.0), distance) / distance) if distance > 1e-14 * squares else 0.0


def leep(P: np.ndarray, labels: np.ndarray) -> float:
    """Return LEEP, the mean log likelihood of target labels y through source classes z.

        LEEP = 1/N sum_n log sum_z p(y_n | z) P_nz,   p(y | z) = sum_{n: y_n = y} P_nz / sum_n P_nz

    (Nguyen et al. 2020, *LEEP: a new measure to evaluate transferability of learned representations*.)  P (N, C_s):
    predictions of the source for target samples.  It is `nce` where each is sure, and at most 0.
    Raises InputError if P holds no probabilities, and if labels are not as above, or of one class.
    """
    P = _probabilities(P)
    y, C = classes_of(labels, len(P))
    joint = np.eye(C)[y].T @ P
    seen = joint.sum(axis=0) > 0
    given = joint[:, seen] / joint[:, seen].sum(axis=0)
    return float(np.log((given[y] * P[:, seen]).sum(axis=1)).mean())


def nce(source: np.ndarray, labels: np.ndarray) -> float:
    """Return minus the conditional entropy of target labels y, given source labels z: 1/N sum_n log p(y_n | z_n).

    (Tran et al. 2019, *Transferability and hardness of supervised classification tasks*.)  source: labels (N,), whole
    numbers, or predictions (N, C_s), of which z is the most likely class.  At most 0.
    Raises InputError if these are neither, and if labels are not as above, or of one class.
    """
    source = np.asarray(source)
    if source.ndim == 1 and source.dtype.kind in "iu":
        z = np.unique(source, return_inverse=True)[1]
    else:
        z = _probabilities(source).argmax(axis=1)
    y, C = classes_of(labels, len(z))
    joint = np.zeros((C, z.max() + 1))
    np.add.at(joint, (y, z), 1)
    return float(np.log(joint[y, z] / joint.sum(axis=0)[z]).mean())


def _evidence(U, s, y):
    """Return the largest log evidence of y (N,), of features with singular values s (r,) and vectors U (N, r)."""
    N, z = len(y), U.T @ y
    rest = max(np.square(y - U @ z).sum(), 0.0)
    if rest < SAME**2 * N and len(s) < N:
        return np.inf

    def value(t):
        ratios = (s / s.max()) ** 2 * np.exp(-t) if len(s) else s
        q = (z**2 / (1 + ratios)).sum() + rest
        return -N / 2 * (np.log(2 * np.pi * q / N) + 1) - np.log1p(ratios).sum() / 2

    best = max(GRID, key=value)
    step = GRID[1] - GRID[0]
    found = scipy.optimize.minimize_scalar(
        lambda t: -value(t), bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-9}
    )
    return max(-found.fun, value(best))


def _features(X, labels):
    """Return features (N, F), float64, labels from 0 to C - 1, and C."""
    X = np.asarray(X)
    if X.ndim != 2 or not X.size or X.dtype.kind not in "fiu":
        raise InputError(f"features are {X.dtype} of shape {X.shape}; expected numbers (N, F)")
    if not np.isfinite(X).all():
        raise InputError(f"{(~np.isfinite(X)).sum()} of {X.size} features are not finite")
    return X.astype(np.float64), *classes_of(labels, len(X))


def _probabilities(P):
    P = np.asarray(P)
    if P.ndim != 2 or not P.size or P.dtype.kind not in "fiub":
        raise InputError(f"predictions are {P.dtype} of shape {P.shape}; expected probabilities (N, C)")
    P = P.astype(np.float64)
    if not (P >= 0).all() or not (np.abs(P.sum(axis=1) - 1) < SUM).all():
        raise InputError("predictions are not probabilities: they are negative, not finite, or do not sum to 1")
    return P / P.sum(axis=1, keepdims=True)
