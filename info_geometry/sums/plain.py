"""Sums of logarithms of affinities with numpy: nothing to compile, and what the other engines are held to."""

import numpy as np

from info_geometry.storage.quantities import to_roots, widen

TILE = 128  # models on a side of the square of affinities that are formed at once
TILE_BYTES = 1 << 22  # memory of these squares for a batch of samples: they should stay in cache
ROWS = 256  # of a result that are worked on at once
BATCH_BYTES = 1 << 21  # memory of the roots that are made ready at once


class Products:
    """An `engines.Products` with numpy, on the CPU."""

    def __init__(self, rows: int, columns: int | None = None, *, precision: str, floor: float) -> None:
        """Numbers of models; columns=None: of the rows with one another, on and above the diagonal."""
        self.kind = np.dtype("float64" if precision == "float64" else "float32")
        self._precision, self._floor, self._symmetric, self.floored = precision, floor, columns is None, 0
        self._total = np.zeros((rows, columns or rows))
        self._selves = [np.zeros(count) for count in (rows, columns) if count]

    def add(self, sides: list, quantities: list) -> list:
        """Add the samples of arrays (models, n, C), one a side, of a quantity each; rows are normalised.

        Returns how far squared norms of roots are from 1 at most, an array (models,) a side; NaN: a negative number.
        """
        _, n, C = sides[0].shape
        batch = max(1, BATCH_BYTES // (sum(len(x) for x in sides) * C * self.kind.itemsize))
        worst = [np.zeros(len(x)) for x in sides]
        for start in range(0, n, batch):
            slabs, off = zip(
                *(
                    self._normalise(array[:, start : start + batch], quantity)
                    for array, quantity in zip(sides, quantities)
                )
            )
            if not self._symmetric:
                for selves, slab in zip(self._selves, slabs):
                    norms = np.einsum("mnc,mnc->mn", slab, slab, dtype=np.float64)
                    selves += np.log(np.maximum(norms, self._floor)).sum(axis=1)
            # (n, models, C), as matrix products take them
            self._add_affinities(*(np.ascontiguousarray(x.transpose(1, 0, 2)) for x in (slabs[0], slabs[-1])))
            worst = [np.maximum(a, b) for a, b in zip(worst, off)]  # NaN stays
        return worst

    def _normalise(self, array, quantity):
        x = np.empty(array.shape, self.kind)
        if array.dtype == np.float16 and self.kind == np.float32:
            widen(array, x)
        else:
            x[...] = array
        with np.errstate(invalid="ignore"):
            x = to_roots(x, quantity)
            norms = np.einsum("mnc,mnc->mn", x, x)
            off = np.abs(norms - 1).max(axis=1)
            off[x.min(axis=(1, 2)) < 0] = np.nan
            x /= np.maximum(np.sqrt(norms), self.kind.type(1e-30))[..., None]
        return bfloat16(x) if self._precision == "bfloat16" else x, off

    def _add_affinities(self, rows, columns):
        """Add the log-affinities of roots (n, rows, C) and (n, columns, C), in squares that stay in the cache."""
        (n, R, _), K = rows.shape, columns.shape[1]
        batch = max(1, TILE_BYTES // (min(TILE, R) * min(TILE, K) * self.kind.itemsize))
        for start in range(0, n, batch):
            a, b = (x[start : start + batch] for x in (rows, columns))
            for i in range(0, R, TILE):
                for j in range(i if self._symmetric else 0, K, TILE):
                    affinity = a[:, i : i + TILE] @ b[:, j : j + TILE].transpose(0, 2, 1)
                    if affinity.min() < self._floor:
                        count = int((affinity < self._floor).sum())
                        self.floored += count // 2 if self._symmetric and i == j else count
                        np.maximum(affinity, self.kind.type(self._floor), out=affinity)
                    np.log(affinity, out=affinity)
                    self._total[i : i + TILE, j : j + TILE] += affinity.sum(axis=0, dtype=np.float64)

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal.

        For rows a, b that are not of unit norm, by rounding, that is log<a, b> - (log<a, a> + log<b, b>) / 2.
        """
        if self._symmetric:
            return above_diagonal(self._total.copy())
        return self._total - 0.5 * np.add.outer(*self._selves)


def above_diagonal(sums: np.ndarray) -> np.ndarray:
    """Take half of the two diagonal entries from each entry of sums (M, M), and make what is below zero; in place."""
    halves = 0.5 * np.diag(sums)
    for start in range(0, len(sums), ROWS):
        rows = sums[start : start + ROWS]
        rows -= halves[start : start + ROWS, None]
        rows -= halves
        rows[:] = np.triu(rows, start)
    return sums


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Return non-negative numbers, float32, rounded to the 8 bits of bfloat16: to nearest, ties to even."""
    bits = x.view(np.uint32)
    return (bits + np.uint32(0x7FFF) + (bits >> 16 & 1) & np.uint32(0xFFFF0000)).view(np.float32)
