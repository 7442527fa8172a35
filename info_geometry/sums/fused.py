"""Sums of logarithms of affinities on the CPU in one compiled pass, which takes hardly a logarithm.

    sum_n log a_n = log prod_n a_n = log m + e log 2,   prod_n a_n = m 2^e,  1 <= m < 2

The product over samples is kept as a float m and an integer e for each pair of models: every few factors, before it
could underflow (each is at least the floor), the exponent of m moves over to e by arithmetic on its bits.  Rounding is
relative to the product, so a mean over n samples is off by about sqrt(n) / n roundings.

Affinities are formed in registers, for 2 to 8 models times a panel of models at a time, and never reach memory.  Models
are therefore packed into panels, (panel, sample, class, model): what the innermost loop reads, in order.  What is
compiled is in `kernels`; here is what goes where, and in which thread.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from info_geometry.files import threads
from info_geometry.storage.quantities import ROOTS
from info_geometry.sums import kernels
from info_geometry.sums.kernels import BFLOAT16, FORMATS, LANES, VECTORS
from info_geometry.sums.plain import above_diagonal

CACHE_BYTES = 1 << 19  # of the two sets of panels that a thread works on: half of a usual second-level cache
BATCH_BYTES = 1 << 24  # memory of the samples packed at once: they should stay in the last cache


class Products:
    """An `engines.Products` by products of affinities, in numba's compiled pass on the CPU."""

    def __init__(self, rows: int, columns: int | None = None, *, precision: str, floor: float) -> None:
        """Numbers of models; columns=None: of the rows with one another.  precision, floor: see `unsuitable`."""
        self._precision, self._symmetric, self._floored = precision, columns is None, 0
        self._counts = (rows,) if self._symmetric else (rows, columns)
        self.kind = np.dtype("float64" if precision == "float64" else "float32")
        self._kind = self.kind.type
        self._floor = self._kind(floor)
        self._group = 16 if floor >= 1 else max(1, min(16, int(np.log(np.finfo(self._kind).tiny) / np.log(floor))))
        self._width = VECTORS * LANES[precision]
        self._panels = [-(-count // self._width) for count in self._counts]
        first, last = self._panels[0], self._panels[-1]
        tiles = first * (first + 1) // 2 if self._symmetric else first * last
        self._m = np.ones(tiles * self._width**2, self._kind)
        self._e = np.zeros(len(self._m), FORMATS[self._kind][0])  # 32 bits are enough for 20 million samples
        self._selves = [np.zeros(panels * self._width) for panels in self._panels]
        self._threads = threads()
        self._buffers = {}

    def add(self, sides: list, quantities: list) -> list:
        """Multiply in the affinities of samples in arrays (models, n, C), one a side, of a quantity each.

        Returns how far squared norms of roots are from 1 at most, an array (models,) a side; NaN: a negative number.
        """
        sides = [np.ascontiguousarray(x) for x in sides]
        sides = [x.view(np.uint16) if x.dtype == np.float16 else x for x in sides]  # numba has no float16
        n, C = sides[0].shape[1:]
        depth = -(-C // 2) if self._precision == "bfloat16" else C
        batch = max(1, min(n, BATCH_BYTES // (sum(self._panels) * self._width * depth * self.kind.itemsize)))
        off = [np.zeros(panels * self._width) for panels in self._panels]
        with ThreadPoolExecutor(self._threads) as pool:
            for start in range(0, n, batch):
                stop = min(n, start + batch)
                packed = [
                    self._pack(pool, i, side, start, stop, quantities[i], depth, off[i]) for i, side in enumerate(sides)
                ]
                self._multiply(pool, packed, depth)
        return [x[:count] for x, count in zip(off, self._counts)]

    def _pack(self, pool, side, models, start, stop, quantity, depth, off):
        W = self._width
        shape = self._panels[side], stop - start, depth, W
        buffer = self._buffers.get(side)
        if buffer is None or buffer.size < np.prod(shape):
            kind = np.uint32 if self._precision == "bfloat16" else self.kind
            buffer = self._buffers[side] = np.empty(np.prod(shape), kind)
        packed = buffer[: np.prod(shape)].reshape(shape)
        unit, power = ROOTS[quantity]

        def pack(p):
            part = slice(p * W, (p + 1) * W)
            return kernels.pack(
                models[part],
                start,
                self._kind(unit),
                power,
                np.empty(W, self.kind),
                packed[p],
                off[part],
                self._selves[side][part],
                not self._symmetric,
            )

        zeros = sum(self._share(pool, pack, [(p,) for p in range(len(packed))]))
        padding = self._panels[-1 - side] * W - self._counts[-1 - side]
        self._floored -= zeros * (2 * padding + 1 if self._symmetric else padding)  # with itself and padding
        return packed

    def _multiply(self, pool, packed, depth):
        rows, columns = packed[0], packed[-1]
        n, bytes_of_panel = rows.shape[1], depth * self._width * rows.itemsize
        group = min(self._group, n, max(1, CACHE_BYTES // 4 // bytes_of_panel))
        side = max(1, CACHE_BYTES // (2 * group * bytes_of_panel))
        while side > 1 and len(rows) * len(columns) < 8 * self._threads * side**2 * (1 + self._symmetric):
            side -= 1  # more and smaller jobs, so that no thread waits long for the last one
        jobs = [
            (p, min(p + side, len(rows)), q, min(q + side, len(columns)))
            for q in range(0, len(columns), side)
            for p in range(0, len(rows), side)
            if not self._symmetric or p <= q
        ]
        rows, columns, symmetric = rows.ravel(), columns.ravel(), self._symmetric
        W, across = self._width, len(packed[-1])
        self._floored += sum(
            self._share(
                pool,
                lambda *job: kernels.multiply(
                    rows, columns, self._m, self._e, *job, n, depth, W, across, group, self._floor, symmetric
                ),
                jobs,
            )
        )

    def _share(self, pool, work, jobs):
        """Return what work(*job) returns for each job; every thread takes the next one when it is ready."""
        jobs, results = iter(jobs), []

        def take():
            for job in jobs:  # one iterator for all threads
                results.append(work(*job))

        for thread in [pool.submit(take) for _ in range(self._threads)]:
            thread.result()
        return results

    @property
    def floored(self) -> int:
        """The number of affinities below the floor; of pairs i < j if models are compared with one another."""
        return self._floored // 2 if self._symmetric else self._floored

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal.

        For rows a, b that are not of unit norm, by rounding, that is log<a, b> - (log<a, a> + log<b, b>) / 2.
        """
        W, rows, columns = self._width, self._counts[0], self._counts[-1]
        sums = np.zeros((rows, columns))
        if self._symmetric:
            for q, stop in enumerate(range(W, columns + W, W)):  # by columns of tiles: there is no second matrix
                tiles = self._logarithms(q * (q + 1) // 2, q + 1).reshape(-1, W)
                sums[:stop, stop - W : stop] = tiles[:rows, : columns - stop + W]
            return above_diagonal(sums)
        a, b = (0.5 * selves[:count] for selves, count in zip(self._selves, self._counts))
        across = self._panels[1]
        for p, start in enumerate(range(0, rows, W)):
            tiles = self._logarithms(p * across, across).transpose(1, 0, 2).reshape(W, -1)
            part = sums[start : start + W]
            part[:] = tiles[: len(part), :columns]
            part -= a[start : start + W, None]
            part -= b
        return sums

    def _logarithms(self, first, count):
        """Return the logarithms of `count` tiles (., W, W) from the first on."""
        part = slice(first * self._width**2, (first + count) * self._width**2)
        found = np.log(self._m[part].astype(np.float64))
        found += self._e[part] * np.log(2)
        return found.reshape(-1, self._width, self._width)


def unsuitable(precision: str, floor: float) -> str | None:
    """Return why this module does not do for a precision and a floor (str), or None if it does."""
    if precision == "bfloat16" and not BFLOAT16:
        return "this processor does not multiply bfloat16 numbers"
    smallest = np.finfo("float64" if precision == "float64" else "float32").tiny
    return None if smallest <= floor else f"the floor {floor:g} is below {smallest:g}"


def cosines(models: np.ndarray, labels: np.ndarray, quantity: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cosines (T, n), float64, of models with the uniform distribution and with the one-hot labels (n,).

    models (T, n, C): stored numbers of a quantity.  Third: how far squared norms are from 1, (T, n), or NaN.
    """
    T, n, C = models.shape
    rows = np.ascontiguousarray(models).reshape(T * n, C)
    rows = rows.view(np.uint16) if rows.dtype == np.float16 else rows
    uniform, truth, off = np.empty((3, T * n))
    unit, power = ROOTS[quantity]
    ends = np.linspace(0, T * n, 4 * threads() + 1).astype(int)
    with ThreadPoolExecutor(threads()) as pool:
        list(
            pool.map(
                lambda first, last: kernels.cosines(rows, labels, first, last, unit, power, uniform, truth, off),
                ends[:-1],
                ends[1:],
            )
        )
    return tuple(x.reshape(T, n) for x in (uniform, truth, off))
