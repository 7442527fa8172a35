"""How alike are the features of two networks on the same samples: up to permutations and scales, or up to rotations?

Features H (N, C) or (N, C, ...) are those of N samples in C channels; the axes after these are pixels.  For all metrics
every channel is first centred over samples and pixels.  Channels that are then 0, dead ones, are left out: they never
match.  The live ones are scaled so that the sum of all squares is 1, in one of two ways:

    "channel"    every channel to the same norm: scales of channels, D_ii > 0, do not matter
    "whole"      all channels by one number, which a rotation of channels leaves as it is

    metric                   scaled by     similarity                                         invariant under
    wreath_procrustes        "channel" *   1 - min over permutations M of ||H1 M - H2|| / 2   P D (permutation, scales)
    orthogonal_procrustes    "channel" *   1 - min over rotations M of ||H1 M - H2|| / 2      P D
    wreath_cka               "channel" *   CKA of kernels max_c <H_c(x), H_c(y)>              P D
    linear_cka               "channel"     CKA of kernels sum_c <H_c(x), H_c(y)>              P D
    wreath_...               "whole"       the same                                           P and one scale
    orthogonal_procrustes    "whole"       the same                                           rotations and one scale
    linear_cka               "whole" *     the same                                           rotations and one scale

* by default.  A permutation is a rotation: scaled alike, orthogonal similarity >= wreath similarity by Procrustes,
always, and so these two have the same default.  No two metrics have this order and both invariances: the wreath one
takes H and H D for the same, hence so would the orthogonal one, which may rotate either side, and then H and H U D V,
that is H and H A for every invertible A.  For CKA there is no such order.
"""

import dataclasses

import numpy as np
import scipy.optimize

from experiments.symmetries.hsic import LEAST, hsic, linear_hsic
from info_geometry.files import InputError

SCALES = "channel", "whole"
KERNELS = "max", "median"
DEAD, DEAD_SINGLE = 1e-12, 1e-6  # norm of a constant channel, relative to before centring: rounding alone
ALIKE = 1e-12  # HSIC(K, K) of a kernel that tells no samples apart, relative to the square of its mean diagonal
ROWS = 64  # of a kernel whose median is taken at a time


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How alike two sets of features are, of how many live channels each, and by which map.

    map (C1, C2): H1 map is like H2, both scaled.  A permutation, whose pairs are np.argwhere(map), or a rotation, that
    is with orthonormal rows or columns; 0 for dead channels, and for those without a partner where numbers differ.
    """

    similarity: float
    live: tuple[int, int]
    map: np.ndarray


def normalised(H: np.ndarray, scale: str = "channel") -> tuple[np.ndarray, np.ndarray]:
    """Return the live channels of H (N, C, ...), centred and scaled, (live, N, pixels), and which these are (C,).

    The sum of all squares is 1; with "channel" that of each of the live ones is 1 / live.  A channel is dead if
    centring leaves less than 1e-12 of its norm, or 1e-6 where features are float32.  In float64.  Raises InputError if
    H has other axes, holds what is not finite or has fewer than 4 samples, if no channel is live, and if the scale is
    unknown.
    """
    return _normalised(H, scale, "H")


def wreath_procrustes(H1: np.ndarray, H2: np.ndarray, scale: str = "channel") -> Alignment:
    """Return how alike H1 (N, C1, ...) and H2 (N, C2, ...) are after the best permutation of channels.

        similarity = 1 - d,    d^2 = min_M ||H1 M - H2||^2 / 4 = (1 - sum of <H1_i, H2_j> of matched i, j) / 2

    (Godfrey et al. 2022, but for centring and dead channels.)  With "channel" and as many live channels in both, d^2 is
    half of 1 - the mean cosine of matched channels.  M is the optimum, by `scipy.optimize.linear_sum_assignment`; it
    matches as many channels as the smaller network has.  By rounding, d of what is the same may be 1e-7.  Errors are
    those of `normalised`; also if numbers of samples or pixels differ.
    """
    products, live = _products(H1, H2, scale)
    M = np.zeros(products.shape)
    M[scipy.optimize.linear_sum_assignment(products, maximize=True)] = 1
    return _alignment((products * M).sum(), M, live)


def orthogonal_procrustes(H1: np.ndarray, H2: np.ndarray, scale: str = "channel") -> Alignment:
    """Return how alike H1 and H2 are after the best rotation of channels; as `wreath_procrustes`.

        similarity = 1 - d,    d^2 = min_M ||H1 M - H2||^2 / 4 = (1 - sum of singular values of H1^T H2) / 2

    M = U V^T of the decomposition U S V^T of H1^T H2 (Schoenemann 1966).  Invariant under rotations of the features
    with "whole"; with "channel" only under those of features already scaled, if they are not scaled again.
    """
    products, live = _products(H1, H2, scale)
    U, S, V = np.linalg.svd(products, full_matrices=False)
    return _alignment(S.sum(), U @ V, live)


def wreath_cka(
    H1: np.ndarray, H2: np.ndarray, over: str = "max", scale: str = "channel", debiased: bool = True
) -> float:
    """Return the CKA of kernels that see one channel at a time, K(x, y) = max_c <H_c(x), H_c(y)>, or the median.

    CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), see `hsic`                                     (Godfrey et al. 2022)

    H1 (N, C1, ...), H2 (N, C2, ...): pixels may differ, too.  Not invariant under rotations.  Products are in float32
    if both are, all sums over samples in float64; memory is two kernels (N, N) and one product.  Errors are those of
    `normalised`; also if numbers of samples differ, if `over` is unknown, and if all samples are alike for a kernel.
    """
    if over not in KERNELS:
        raise InputError(f"a kernel is taken over channels by {' or '.join(KERNELS)}, not {over!r}")
    pair = _pair(H1, H2)
    dtype = np.result_type(*(H for H, _ in pair))
    K, L = (_kernel(_normalised(H, scale, name)[0], over, dtype) for H, name in pair)
    return _cka(hsic, K, L, np.trace, debiased)


def linear_cka(H1: np.ndarray, H2: np.ndarray, scale: str = "whole", debiased: bool = True) -> float:
    """Return the linear CKA of two sets of features, that of K(x, y) = sum_c <H_c(x), H_c(y)>.

    Arguments and errors as for `wreath_cka`; in float64.  Kernels (N, N) are made only where there are fewer samples
    than features, else products of features are: the result is the same.  With debiased=False features that have
    nothing in common seem alike if they are many: for p of n samples, all normal, about p / (n + p).
    """
    X, Y = (np.concatenate(_normalised(H, scale, name)[0], axis=1) for H, name in _pair(H1, H2))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)  # the result is the same; there is less to cancel
    if len(X) < max(X.shape[1], Y.shape[1]):
        return _cka(hsic, X @ X.T, Y @ Y.T, np.trace, debiased)
    return _cka(linear_hsic, X, Y, lambda X: np.vdot(X, X), debiased)


def _cka(criterion, K, L, trace, debiased):
    own = [criterion(A, A, debiased) for A in (K, L)]
    for A, found, name in zip((K, L), own, ("H1", "H2")):
        if not found > ALIKE * (trace(A) / len(A)) ** 2:
            raise InputError(f"{name}: its kernel tells no samples apart, so that there is no CKA; {len(A)} samples")
    return float(criterion(K, L, debiased) / np.sqrt(own[0] * own[1]))


def _kernel(X, over, dtype):
    """Return max or median over channels c of <X_c(x), X_c(y)>, (N, N), of X (C, N, pixels)."""
    N = X.shape[1]
    K = np.full((N, N), -np.inf)
    if over == "max":
        for x in X:
            x = x.astype(dtype)
            np.maximum(K, x @ x.T, out=K)
        return K
    X = X.astype(dtype)
    for start in range(0, N, ROWS):
        K[start : start + ROWS] = np.median(X[:, start : start + ROWS] @ X.swapaxes(1, 2), axis=0)
    return K


def _products(H1, H2, scale):
    """Return products of live channels (live1, live2), and which these are."""
    (H1, name1), (H2, name2) = _pair(H1, H2, pixels=True)
    (X, live1), (Y, live2) = _normalised(H1, scale, name1), _normalised(H2, scale, name2)
    return X.reshape(len(X), -1) @ Y.reshape(len(Y), -1).T, (live1, live2)


def _alignment(matched, M, live):
    whole = np.zeros([len(x) for x in live])
    whole[np.ix_(*live)] = M
    return Alignment(float(1 - np.sqrt(max(0.0, 1 - matched) / 2)), tuple(int(x.sum()) for x in live), whole)


def _normalised(H, scale, name):
    if scale not in SCALES:
        raise InputError(f"features are scaled by {' or '.join(SCALES)}, not {scale!r}")
    H = _features(H, name)
    N, C = H.shape[:2]
    X = np.empty((C, N, H[0, 0].size))
    X[...] = np.moveaxis(H.reshape(N, C, -1), 1, 0)
    X, before = X.reshape(C, -1), np.linalg.norm(X.reshape(C, -1), axis=1)
    X -= X.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(X, axis=1)
    live = norms > (DEAD_SINGLE if H.dtype == np.float32 else DEAD) * before
    if not live.any():
        raise InputError(f"{name}: none of its {C} channels is live, each is the same for all samples and pixels")
    X, norms = (X if live.all() else X[live]), norms[live]
    X /= norms[:, None] * np.sqrt(len(norms)) if scale == "channel" else np.linalg.norm(norms)
    return X.reshape(len(X), N, -1), live


def _features(H, name):
    """Return features (N, C, ...) in float32 or float64: halves in float32, integers in float64."""
    H = np.asarray(H)
    H = H.astype(np.float32 if H.dtype in (np.float16, np.float32) else np.float64, copy=False)
    if H.ndim < 2 or H.size == 0:
        raise InputError(f"{name}: expected features (samples, channels, ...), not of shape {H.shape}")
    if len(H) < LEAST:
        raise InputError(f"{name}: {len(H)} samples; alignment needs {LEAST} or more")
    if not np.isfinite(H).all():
        raise InputError(f"{name}: {np.sum(~np.isfinite(H))} of {H.size} features are not finite")
    return H


def _pair(H1, H2, pixels=False):
    """Return features and their names; checks that they are of as many samples, and pixels."""
    H1, H2 = _features(H1, "H1"), _features(H2, "H2")
    if len(H1) != len(H2):
        raise InputError(f"H1 has {len(H1)} samples and H2 {len(H2)}; expected features of the same samples")
    if pixels and H1.shape[2:] != H2.shape[2:]:
        raise InputError(f"H1 has pixels {H1.shape[2:]} and H2 {H2.shape[2:]}; Procrustes needs the same, CKA does not")
    return (H1, "H1"), (H2, "H2")
