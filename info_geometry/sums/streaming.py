"""Sums over samples in one pass: slabs of samples are read ahead in a thread, while the last one is computed on."""

import concurrent.futures
import contextlib

import numpy as np
from tqdm import tqdm

from info_geometry.files import InputError, free_memory
from info_geometry.sums import engines

SLAB_BYTES = 1 << 26  # memory of the samples read at once; there are two such slabs


def sum_logs(
    sides: list,
    *,
    device: str | None,
    block: int | None,
    floor: float,
    precision: str | None,
    progress: bool,
    fast: bool | None,
    state=None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, int] | None:
    """Return the sums over samples of log-affinities of normalised models, and how many were floored.

    sides: one or two lists of opened trajectories.  The rest is as for `distance.pairwise`.
    """
    counts, (N, C) = [sum(x.shape[0] for x in side) for side in sides], sides[0][0].shape[1:]
    make = engines.choose(counts, N, C, device, precision, floor, fast)
    products = make() if groups is None else engines.Grouped(make, groups, counts[0])
    block = block or _slab_size(sides)
    intervals = state.missing(N) if state else [(0, N)]
    bar = tqdm(
        total=N,
        initial=N - sum(b - a for a, b in intervals),
        unit=" samples",
        desc=f"distances of {' x '.join(map(str, counts))} models",
        disable=None if progress else True,
    )
    with (
        bar,
        state.signals() if state else contextlib.nullcontext(),
        contextlib.closing(_slabs(sides, intervals, block, products)) as slabs,
    ):
        for start, stop, arrays, quantities in slabs:
            worst = (
                products.add(arrays, quantities)
                if groups is None
                else products.add(arrays, quantities, groups[start:stop])
            )
            for side, off in zip(sides, worst):
                _refuse(side, off)
            bar.update(stop - start)
            if state:
                state.done(start, stop, products)
    return state.result(products) if state else (products.log(), products.floored)


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


def _slab_size(sides):
    """Return how many samples to read at once: SLAB_BYTES, in whole chunks of the files unless memory is too small.

    As they are stored, and not of roots in float32, of which `storage.trajectories.block_size` says how many.
    """
    everything = [x for side in sides for x in side]
    bytes_of_sample = sum(x.shape[0] * x.shape[2] * min(x.dtype.itemsize, 8) for x in everything)
    chunk = max(x.chunk for x in everything)
    chunks = -(-SLAB_BYTES // (bytes_of_sample * chunk))
    return max(1, min(chunks * chunk, free_memory() // 16 // bytes_of_sample))


def _refuse(side, off):
    """Raise InputError where rows are not probabilities; off (models,): how far their squared norms are from 1."""
    first = 0
    for x in side:
        last = first + x.shape[0]
        bad = ~(off[first:last] <= x.tolerance)
        if bad.any():
            x.refuse(np.flatnonzero(bad))
            bad = ~(off[first:last] <= x.tolerance)
        if bad.any():
            raise InputError(
                f"{x.name}: checkpoint {np.argmax(bad)}: rows are not probabilities, or changed while being read"
            )
        first = last
