"""Bhattacharyya distances between probabilistic models: of a pair, and of all pairs in one streaming pass.

    d_B(u, v) = -(1/N) sum_n log sum_c sqrt(P_u(n, c) P_v(n, c))                  (Ramesh et al. 2023, section 2)

where P_u(n, c) is the probability that model u gives class c on sample n.  The sum over c, the affinity, is 1 for
equal predictions and 0 for predictions without a common class, so it is floored at FLOOR before the logarithm.

Samples are read in slabs, the next one while the last one is computed on; how sums of logarithms are formed depends
on what is there: `fused` (numba, on the CPU), `cuda` (Triton), or torch, which is always there.
"""
import concurrent.futures
import contextlib
import functools

import numpy as np
from tqdm import tqdm

from info_geometry import predictions
from info_geometry.files import InputError, first_line, free_memory, log

FLOOR = 1e-6  # as in the published analysis: a sample adds at most -log(1e-6) = 13.8 to the mean
PRECISIONS = ("float64", "float32", "bfloat16")
SLAB_BYTES = 1 << 25  # memory of the samples read at once; there are two such slabs
TILE = 128  # models on a side of the square of affinities that torch forms at once
TILE_BYTES = 1 << 24  # memory of these squares for a batch of samples: they should stay in cache
FUSED_FROM = 2e9  # products of roots from which importing numba pays
BATCH_BYTES = 1 << 21  # memory of the roots that torch makes ready at once


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


def pairwise(trajectories, *, device=None, block=None, floor=FLOOR, precision=None, progress=False, fast=None,
             state=None, groups=None):
    """Return the distances (M, M), float64, of all models of a list of trajectories.

    trajectories: arrays of probabilities (T, N, C) or (N, C), or opened files; M is the sum of their T.
    device: of the computation, by default CUDA where there is one.
    block: samples read at once, by default what fits memory and the chunks of the files; results do not depend on it.
    precision: of roots and products, "float64" (default on the CPU), "float32" (default on CUDA; moves a distance by
    about 1e-7, however small it is) or "bfloat16" (by about 5e-5; roots are rounded to 8 bits, products summed in
    float32).  Logarithms are always summed in float64, or to that precision.
    progress: show a bar.
    fast: True for the fused pass (`fused` or `cuda`), False for plain torch; by default what is there.
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
    found = _sum_logs(sides, device, block, floor, precision, progress, fast, state, groups)
    if found is None:
        return None
    total, floored = found
    _report(floored, N * M * (M - 1) // 2, floor)
    if groups is None:
        return _symmetric(total, N)
    for sums in total:
        sums[:] = _symmetric(sums, 1)
    return total


def _symmetric(total, N):
    """Return distances (M, M) from sums of log-affinities above the diagonal."""
    D = np.triu(-total / N, 1)
    return np.maximum(D + D.T, 0.0)


def cross(trajectories, others, *, device=None, block=None, floor=FLOOR, precision=None, progress=False, fast=None):
    """Return the distances (R, K), float64, of all models of `trajectories` to all models of `others`.

    Arguments are those of `pairwise`; a distance of a model to itself is zero up to rounding.
    """
    sides = [_opened(trajectories, "trajectory"), _opened(others, "other trajectory")]
    predictions.check_shapes(sides[0] + sides[1])
    R, K = (sum(x.shape[0] for x in side) for side in sides)
    total, floored = _sum_logs(sides, device, block, floor, precision, progress, fast, None, None)
    _report(floored, sides[0][0].shape[1] * R * K, floor)
    return np.maximum(-total / sides[0][0].shape[1], 0.0)


def _opened(trajectories, name):
    opened = [predictions.as_trajectory(x, f"{name} {i}") for i, x in enumerate(trajectories)]
    predictions.check_shapes(opened)
    return opened


def _report(floored, count, floor):
    if floored:
        log.info("%d of %d affinities were below the floor %g", floored, count, floor)


def _sum_logs(sides, device, block, floor, precision, progress, fast, state, groups):
    """Return the sums over samples of log-affinities of normalised models, and how many were floored."""
    import torch  # takes seconds to import, and everything else here does without

    device = _device(torch, device)
    precision = precision or ("float64" if device.type == "cpu" else "float32")
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    counts, (N, C) = [sum(x.shape[0] for x in side) for side in sides], sides[0][0].shape[1:]
    make = functools.partial(_products, counts, N, C, device, precision, floor, fast)
    products = make() if groups is None else Grouped(make, groups, counts[0])
    block = block or _block_size(sides)
    intervals = state.missing(N) if state else [(0, N)]
    tolerances = [np.repeat([x.tolerance for x in side], [x.shape[0] for x in side]) for side in sides]
    bar = tqdm(total=N, initial=N - sum(b - a for a, b in intervals), unit=" samples",
               desc=f"distances of {' x '.join(map(str, counts))} models", disable=None if progress else True)
    with (bar, state.signals() if state else contextlib.nullcontext(),
          contextlib.closing(_slabs(sides, intervals, block, products)) as slabs):
        for start, stop, arrays, quantities in slabs:
            worst = (products.add(arrays, quantities) if groups is None else
                     products.add(arrays, quantities, groups[start:stop]))
            for side, off, tolerance in zip(sides, worst, tolerances):
                bad = ~(off <= tolerance)
                if bad.any():
                    _explain(side, int(np.argmax(bad)))
            bar.update(stop - start)
            if state:
                state.done(start, stop, products)
    return state.result(products) if state else (products.log(), products.floored)


def _device(torch, device):
    there = torch.cuda.is_available()
    try:
        found = torch.device(device or ("cuda" if there else "cpu"))
    except RuntimeError as error:
        raise InputError(f"device {device!r}: {first_line(error)}") from None
    if found.type == "cuda" and not there:
        raise InputError(f"device {device!r}: no CUDA GPU is visible to torch; leave it out to use the CPU")
    return found


def _slabs(sides, intervals, block, products):
    """Yield (start, stop, arrays (models, n, C), quantities), one a side; the next are read meanwhile, in a thread."""
    parts = [(n, min(n + block, b)) for a, b in intervals for n in range(a, b, block)]
    kinds = [{(x.dtype, x.quantity) for x in side} for side in sides]
    stored = [kind.pop() if len(kind) == 1 else None for kind in kinds]
    # numbers of 8 or 16 bits are handed over as they are stored; others, and mixtures, as roots
    stored = [kind if kind and kind[0].itemsize <= 2 else None for kind in stored]
    buffers = [{}, {}]  # used in turn; memory used for the first time is slow

    def read(k):
        (start, stop), arrays = parts[k], []
        for i, side in enumerate(sides):
            kind = stored[i][0] if stored[i] else products.kind
            shape = sum(x.shape[0] for x in side), stop - start, side[0].shape[2]
            if buffers[k % 2].get(i, np.empty(0)).size < np.prod(shape):
                buffers[k % 2][i] = np.empty(np.prod(shape), kind)
            array, first = buffers[k % 2][i][: np.prod(shape)].reshape(shape), 0
            for x in side:
                part = array[first : first + x.shape[0]]
                if stored[i]:
                    x.stored(start, stop, out=part)
                else:
                    part[:] = x.roots(start, stop, dtype=kind)
                first += x.shape[0]
            arrays.append(array)
        return start, stop, arrays, [kind[1] if kind else "sqrt_probability" for kind in stored]

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(read, 0) if parts else None
        for k in range(len(parts)):
            slab = ahead.result()
            ahead = thread.submit(read, k + 1) if k + 1 < len(parts) else None
            yield slab


def _block_size(sides):
    """Return how many samples to read at once: SLAB_BYTES, in whole chunks of the files unless memory is too small."""
    everything = [x for side in sides for x in side]
    bytes_of_sample = sum(x.shape[0] * x.shape[2] * min(x.dtype.itemsize, 8) for x in everything)
    chunk = max(x.chunk for x in everything)
    chunks = -(-SLAB_BYTES // (bytes_of_sample * chunk))
    return max(1, min(chunks * chunk, free_memory() // 16 // bytes_of_sample))


def _explain(side, model):
    """Raise InputError for a model whose rows are not probabilities: read it again, and say what is wrong."""
    for x in side:
        if model < x.shape[0]:
            x.model(model)
            raise InputError(f"{x.name}: checkpoint {model}: rows are not probabilities, or changed while being read")
        model -= x.shape[0]


def _products(counts, N, C, device, precision, floor, fast):
    """Return what sums logarithms: an object with `kind`, `add`, `log` and `floored`."""
    reason = "for so few predictions torch is as fast"
    if fast or (fast is None and counts[0] * counts[-1] * N * C >= FUSED_FROM):
        try:
            if device.type == "cpu":
                from info_geometry import fused

                reason = fused.unsuitable(precision, floor)
                if not reason:
                    return fused.Products(*counts, precision=precision, floor=floor)
            elif device.type == "cuda":
                from info_geometry import cuda

                reason = cuda.unsuitable(precision, floor)
                if not reason:
                    kernel = cuda.Products(*counts, precision=precision, floor=floor, device=device)
                    return Products(*counts, precision=precision, floor=floor, device=device, kernel=kernel)
            else:
                reason = f"there is none for {device.type}"
        except (ImportError, RuntimeError) as error:  # numba may find no folder for what it compiles
            reason = str(error)
    if fast:
        raise InputError(f"fast=True: not to be had ({reason}); pip install 'picture-of-tasks[fast]', or leave it out")
    if precision == "bfloat16" and device.type == "cpu":
        log.info("bfloat16 is no faster here than float32 (%s)", reason)
    return Products(*counts, precision=precision, floor=floor, device=device)


class Grouped:
    """Sums over each of several groups of samples: an engine for each, with the same methods."""

    def __init__(self, make, groups, M):
        """make() returns an engine.  groups: of all samples, 0..B-1.  Raises InputError if they do not fit memory."""
        B = int(np.max(groups)) + 1
        needed, there = 3 * 8 * B * M * M, free_memory()
        if needed > there:
            raise InputError(f"the sums over {B} groups of samples of all pairs of {M} models take "
                             f"{needed / 1e9:.1f} GB, and {there / 1e9:.1f} are free; leave --bootstrap out, or take "
                             "fewer models")
        self._engines = [make() for _ in range(B)]
        self.kind = self._engines[0].kind

    def add(self, sides, quantities, groups):
        """Add samples as an engine does; groups: of these samples."""
        worst = [np.zeros(len(x)) for x in sides]
        for group in np.unique(groups):
            which = np.flatnonzero(groups == group)
            off = self._engines[group].add([x[:, which] for x in sides], quantities)
            worst = [np.maximum(a, b) for a, b in zip(worst, off)]  # NaN stays
        return worst

    @property
    def floored(self):
        """The number of affinities below the floor."""
        return sum(engine.floored for engine in self._engines)

    def log(self):
        """Return the sums of log-affinities (B, M, M)."""
        return np.stack([engine.log() for engine in self._engines])


class Products:
    """Sums over samples of the logarithms of affinities, with torch: the path that always works."""

    def __init__(self, rows, columns=None, *, precision, floor, device, kernel=None):
        """Numbers of models; columns=None: of the rows with one another, on and above the diagonal.

        kernel: a `cuda.Products` that sums the logarithms of roots that were made ready here.
        """
        import torch

        self._torch, self._device, self._symmetric, self._kernel = torch, device, columns is None, kernel
        self.kind = np.dtype("float64" if precision == "float64" else "float32")
        self._type = getattr(torch, self.kind.name)
        self._rounded = torch.bfloat16 if precision == "bfloat16" else self._type
        self._floor, self._floored = floor, torch.zeros((), dtype=torch.int64, device=device)
        self._total = torch.zeros(rows, columns or rows, dtype=torch.float64, device=device)
        self._selves = [torch.zeros(count, dtype=torch.float64, device=device) for count in (rows, columns) if count]

    @property
    def floored(self):
        """The number of affinities below the floor, of pairs i < j if models are compared with one another."""
        return int(self._floored) + (self._kernel.floored if self._kernel else 0)

    def add(self, sides, quantities):
        """Add the samples of arrays (models, n, C), one a side, of a quantity each; rows are normalised.

        Returns how far squared norms of roots are from 1 at most, an array (models,) a side; NaN: a negative number.
        """
        n = sides[0].shape[1]
        batch = max(16, BATCH_BYTES // (sum(len(x) for x in sides) * sides[0].shape[2] * self.kind.itemsize))
        batch = n if self._device.type == "cuda" else batch  # on the CPU, what stays in the cache
        worst = [np.zeros(len(x)) for x in sides]
        for start in range(0, n, batch):
            slabs, off = zip(*(self._normalise(array[:, start : start + batch], quantity)
                               for array, quantity in zip(sides, quantities)))
            self._add(slabs)
            worst = [np.maximum(a, b.cpu().numpy()) for a, b in zip(worst, off)]  # NaN stays
        return worst

    def _add(self, slabs):
        if not self._symmetric:
            for selves, slab in zip(self._selves, slabs):
                selves += slab.to(self._type).square().sum(dim=2).clamp_(min=self._floor).log_().sum(
                    dim=1, dtype=self._total.dtype)
        if self._kernel:
            self._kernel.add(*slabs)
        else:
            self._add_affinities(*(x.to(self._type).transpose(0, 1).contiguous() for x in (slabs[0], slabs[-1])))

    def _normalise(self, array, quantity):
        x = predictions.to_roots(self._torch.from_numpy(array).to(self._device).to(self._type), quantity)
        norms = x.square().sum(dim=2)
        off = (norms - 1).abs().amax(dim=1)
        off[x.amin(dim=(1, 2)) < 0] = float("nan")
        x = x / norms.sqrt().clamp_(min=1e-30)[..., None]
        return x.to(self._rounded), off

    def _add_affinities(self, rows, columns):
        """Add the log-affinities of roots (n, rows, C) and (n, columns, C), in squares that stay in the cache."""
        tile = min(TILE, rows.shape[1]) * min(TILE, columns.shape[1])
        batch = max(1, TILE_BYTES // (tile * self.kind.itemsize))
        for a, b in zip(rows.split(batch), columns.split(batch)):
            for i in range(0, a.shape[1], TILE):
                for j in range(i if self._symmetric else 0, b.shape[1], TILE):
                    affinity = a[:, i : i + TILE] @ b[:, j : j + TILE].transpose(1, 2)
                    if affinity.amin() < self._floor:
                        count = (affinity < self._floor).sum()
                        self._floored += count // 2 if self._symmetric and i == j else count
                    self._total[i : i + TILE, j : j + TILE] += affinity.clamp_(min=self._floor).log_().sum(
                        dim=0, dtype=self._total.dtype)

    def log(self):
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal.

        For rows a, b that are not of unit norm, by rounding, that is log<a, b> - (log<a, a> + log<b, b>) / 2.
        """
        total = self._kernel.log() if self._kernel else self._total.cpu().numpy()
        if self._symmetric:
            return np.triu(total - 0.5 * np.add.outer(np.diag(total), np.diag(total)))
        return total - 0.5 * np.add.outer(*(x.cpu().numpy() for x in self._selves))
