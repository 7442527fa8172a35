"""Bhattacharyya distances between probabilistic models: of a pair, and of all pairs in one streaming pass.

    d_B(u, v) = -(1/N) sum_n log sum_c sqrt(P_u(n, c) P_v(n, c))                  (Ramesh et al. 2023, section 2)

where P_u(n, c) is the probability that model u gives class c on sample n.  The sum over c, the affinity, is 1 for
equal predictions and 0 for predictions without a common class, so it is floored at FLOOR before the logarithm.
"""

import numpy as np
from tqdm import tqdm

from info_geometry import predictions
from info_geometry.files import InputError, log

PRECISIONS = ("float64", "float32")
FLOOR = 1e-6  # as in the published analysis: a sample adds at most -log(1e-6) = 13.8 to the mean
TILE = 256  # models on a side of the square of affinities formed at once
TILE_BYTES = 1 << 24  # memory of these squares for a batch of samples: they should stay in cache
SLAB_BYTES = 1 << 29  # memory of the samples read at once
FAST_FROM = 2e9  # affinities from which compiling pays
FAST_CLASSES = {"float32": 256, "float64": 48}  # up to which it is faster: then the matrix products take all the time


def bhattacharyya(P, Q, *, floor=FLOOR):
    """Return the Bhattacharyya distance (float) of two models in float64.

    P, Q: probabilities of shape (N, C).  Raises InputError if the shapes differ or rows are not probabilities.
    """
    P, Q = predictions.as_trajectory(P, "P"), predictions.as_trajectory(Q, "Q")
    predictions.check_shapes([P, Q])
    if P.shape[0] != 1 or Q.shape[0] != 1:
        raise InputError("bhattacharyya takes two models (N, C); for trajectories (T, N, C) use pairwise")
    affinity = np.einsum("nc,nc->n", P.roots(dtype=np.float64)[0], Q.roots(dtype=np.float64)[0])
    return max(0.0, -float(np.mean(np.log(np.maximum(affinity, floor)))))


def pairwise(trajectories, *, device=None, block=None, floor=FLOOR, precision=None, progress=False, fast=None):
    """Return the distances (M, M), float64, of all models of a list of trajectories.

    trajectories: arrays of probabilities (T, N, C) or (N, C), or opened files; M is the sum of their T.
    device: of the computation, by default CUDA where there is one.  block: samples read at once; results do not
    depend on it.  precision: of roots and products, by default float64 on the CPU and float32 on CUDA, which moves a
    distance by about 1e-7, however small it is; logarithms are always summed in float64.  progress: show a bar.
    fast: on the CPU, in one compiled pass (see `info_geometry.fused`, which needs numba); by default where numba is
    installed and compiling it for the first time, some seconds, can pay.

    The result is symmetric and its diagonal is zero.  Rows are renormalised exactly: for unnormalised roots a, b
    the log-affinity of the normalised ones is log<a, b> - (log<a, a> + log<b, b>) / 2, which is why half the two
    diagonal terms is subtracted from each entry; this also takes away most of the rounding of float32.
    The number of floored affinities is logged.

    Raises InputError if shapes differ or rows are not probabilities, or if `fast` is not to be had.
    """
    import torch  # takes seconds to import, and everything else here does without

    trajectories = [predictions.as_trajectory(x, f"trajectory {i}") for i, x in enumerate(trajectories)]
    predictions.check_shapes(trajectories)
    M, (_, N, C) = sum(x.shape[0] for x in trajectories), trajectories[0].shape
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = np.dtype(precision or ("float64" if device.type == "cpu" else "float32"))
    block = block or max(1, SLAB_BYTES // (M * C * kind.itemsize))
    batch = max(1, TILE_BYTES // (min(M, TILE) ** 2 * kind.itemsize))
    products = _products(M, N, C, device, kind, floor, fast)
    total, floored = torch.zeros(M, M, dtype=torch.float64, device=device) if products is None else None, 0
    with tqdm(total=N, unit=" samples", desc=f"distances of {M} models", disable=None if progress else True) as bar:
        for start in range(0, N, block):
            roots = np.concatenate([x.roots(start, start + block, dtype=kind) for x in trajectories])
            if products is not None:
                step = max(1, SLAB_BYTES // 8 // (M * C * kind.itemsize))
                for n in range(0, roots.shape[1], step):
                    products.add(np.ascontiguousarray(roots[:, n : n + step].transpose(1, 0, 2)))
                    bar.update(min(step, roots.shape[1] - n))
                continue
            slab = torch.from_numpy(roots).to(device).transpose(0, 1).contiguous()  # (n, M, C)
            for samples in slab.split(batch):
                floored += _add_log_affinities(total, samples, floor)
                bar.update(len(samples))
    if products is not None:
        total, floored = torch.from_numpy(products.log()), products.floored
    if floored:
        log.info("%d of %d affinities were below the floor %g", floored, N * M * (M - 1) // 2, floor)
    D = -total.cpu().numpy() / N
    D = np.triu(D, 1) + np.triu(D, 1).T - 0.5 * np.add.outer(np.diag(D), np.diag(D))
    np.fill_diagonal(D, 0.0)
    return np.maximum(D, 0.0)


def cross(trajectories, others, *, device=None, floor=FLOOR, precision=None):
    """Return the distances (R, K), float64, of all models of `trajectories` to all models of `others`."""
    import torch

    sides = [[predictions.as_trajectory(x) for x in side] for side in (trajectories, others)]
    predictions.check_shapes(sides[0] + sides[1])
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = np.dtype(precision or ("float64" if device.type == "cpu" else "float32"))
    R, K = (sum(x.shape[0] for x in side) for side in sides)
    N, C = sides[0][0].shape[1:]
    total = torch.zeros(R, K, dtype=torch.float64, device=device)
    block = max(1, min(SLAB_BYTES // 8 // ((R + K) * C * kind.itemsize), SLAB_BYTES // 8 // (R * K * kind.itemsize)))
    for start in range(0, N, block):
        a, b = (torch.from_numpy(np.concatenate([x.roots(start, start + block, dtype=kind) for x in side])).to(device)
                .transpose(0, 1) for side in sides)
        total += (a @ b.transpose(1, 2)).clamp_(min=floor).log_().sum(dim=0, dtype=total.dtype)
    return np.maximum(-total.cpu().numpy() / N, 0.0)


def _products(M, N, C, device, kind, floor, fast):
    """Return what computes log-affinities in one compiled pass, or None to compute them with torch."""
    if fast is False or (fast is None and (FAST_FROM > M * M * N or FAST_CLASSES.get(kind.name, 0) < C)):
        return None
    try:
        if device.type != "cpu" or not 1e-30 <= floor < 1 or kind.name not in ("float32", "float64"):
            raise ImportError("it is for float32 and float64 on the CPU, and floors from 1e-30 to below 1")
        from info_geometry import fused
    except (ImportError, RuntimeError) as error:  # numba finds no folder for what it compiles
        if fast is None:
            return None
        raise InputError(f"fast=True: not to be had ({error}); pip install 'picture-of-tasks[fast]', or leave it out"
                         ) from None
    return fused.Products(M, kind, floor)


def _add_log_affinities(total, samples, floor):
    """Add log-affinities of samples (n, M, C) to the upper triangle of total (M, M); return how many were floored."""
    floored = 0
    for i in range(0, samples.shape[1], TILE):
        rows = samples[:, i : i + TILE]
        for j in range(i, samples.shape[1], TILE):
            affinity = rows @ samples[:, j : j + TILE].transpose(1, 2)
            if affinity.amin() < floor:
                count = int((affinity < floor).sum())
                floored += count // 2 if i == j else count
            total[i : i + TILE, j : j + TILE] += affinity.clamp_(min=floor).log_().sum(dim=0, dtype=total.dtype)
    return floored
