"""Sums of logarithms of affinities in one compiled pass that takes hardly a logarithm.

    sum_n log a_n = log prod_n a_n = log m + e log 2,   prod_n a_n = m 2^e,  1 <= m < 2

The product over samples is kept as a float m and an integer e for each pair of models: every few factors, before it
could underflow (each is at least the floor), the exponent of m moves over to e by arithmetic on its bits.  Rounding is
relative to the product, so a mean over n samples is off by about sqrt(n) / n roundings.

This module needs numba (pip install 'picture-of-tasks[fast]'); `distance.pairwise` uses it where it is there.
"""
import numba
import numpy as np
import torch

SMALL = 48  # classes up to which affinities are formed here; beyond, a library's matrix products are faster
TILE = 128  # models on a side of the square of affinities formed at once
CHUNK_BYTES = 1 << 22  # memory of these squares for a batch of samples: they should stay in cache
LAYOUTS = {"float32": (np.int32, 23, 127), "float64": (np.int64, 52, 1023)}  # bits as, of the fraction, exponent of 1


class Products:
    """The products over samples of the affinities of M models, for pairs (i, j >= i); how many were floored."""

    def __init__(self, M, dtype, floor):
        """dtype: float32 or float64, of affinities and products.  floor: of each affinity, positive."""
        kind = np.dtype(dtype)
        integer, fraction, bias = LAYOUTS[kind.name]
        self._floor, self.floored = kind.type(floor), 0
        self._bits = tuple(integer(x) for x in (fraction, bias, (1 << fraction) - 1, bias << fraction))
        self._m, self._e = np.ones((M, M), kind), np.zeros((M, M), np.int64)
        self._group = max(1, min(16, int(np.log(np.finfo(kind).tiny) / np.log(self._floor))))

    def add(self, roots):
        """Multiply the affinities of samples in: roots (n, M, C), a contiguous numpy array, with torch's threads."""
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
        _, M, C = roots.shape
        if C <= SMALL:
            columns = np.ascontiguousarray(roots.transpose(0, 2, 1))
            self.floored += int(_form_and_multiply(roots, columns, self._floor, self._group, TILE, self._m,
                                                   self._m.view(self._bits[0].dtype), self._e, *self._bits))
            return
        samples = torch.from_numpy(roots)
        for i in range(0, M, TILE):
            for j in range(i, M, TILE):
                m, e = self._m[i : i + TILE, j : j + TILE], self._e[i : i + TILE, j : j + TILE]
                for part in samples.split(max(1, CHUNK_BYTES // (m.size * roots.itemsize))):
                    affinities = torch.bmm(part[:, i : i + TILE], part[:, j : j + TILE].transpose(1, 2)).numpy()
                    self.floored += int(_multiply(affinities, self._floor, self._group, i == j, m,
                                                  m.view(self._bits[0].dtype), e, *self._bits))

    def log(self):
        """Return the sums of logarithms (M, M), float64; zero below the diagonal."""
        return np.triu(np.log(self._m.astype(np.float64)) + self._e * np.log(2))


@numba.njit(parallel=True, cache=True, fastmath={"contract", "nsz"})
def _form_and_multiply(rows, columns, floor, group, tile, m, bits, e, fraction, bias, mask, one):
    """Form the affinities of rows (n, M, C) and columns (n, C, M) tile by tile and multiply them into m 2^e (M, M)."""
    n, M, C = rows.shape
    tiles = (M + tile - 1) // tile
    floored = np.zeros(tiles * tiles, np.int64)
    for t in numba.prange(tiles * tiles):
        i0, j0 = t // tiles * tile, t % tiles * tile
        if j0 < i0:
            continue
        i1, j1 = min(M, i0 + tile), min(M, j0 + tile)
        affinity = np.empty(j1 - j0, rows.dtype)
        count = 0
        for s in range(n):
            for i in range(i0, i1):
                row = rows[s, i]
                column = columns[s, 0, j0:j1]
                for j in range(j1 - j0):
                    affinity[j] = row[0] * column[j]
                for c in range(1, C):
                    x = row[c]
                    column = columns[s, c, j0:j1]
                    for j in range(j1 - j0):
                        affinity[j] += x * column[j]
                product = m[i, j0:j1]
                below = 0
                for j in range(j1 - j0):
                    below += affinity[j] < floor
                    product[j] *= max(affinity[j], floor)
                if below and i0 == j0:  # count pairs once
                    below = 0
                    for j in range(i - i0 + 1, j1 - j0):
                        below += affinity[j] < floor
                count += below
            if (s + 1) % group == 0 or s == n - 1:
                for i in range(i0, i1):
                    _move_exponents(bits[i, j0:j1], e[i, j0:j1], fraction, bias, mask, one)
        floored[t] = count
    return floored.sum()


@numba.njit(parallel=True, cache=True, fastmath={"contract", "nsz"})
def _multiply(affinities, floor, group, diagonal, m, bits, e, fraction, bias, mask, one):
    """Multiply affinities (n, a, b) into m 2^e (a, b)."""
    n, a, b = affinities.shape
    floored = np.zeros(a, np.int64)
    for i in numba.prange(a):
        product = m[i]
        count = 0
        for start in range(0, n, group):
            for s in range(start, min(n, start + group)):
                affinity = affinities[s, i]
                below = 0
                for j in range(b):
                    below += affinity[j] < floor
                    product[j] *= max(affinity[j], floor)
                if below and diagonal:
                    below = 0
                    for j in range(i + 1, b):
                        below += affinity[j] < floor
                count += below
            _move_exponents(bits[i], e[i], fraction, bias, mask, one)
        floored[i] = count
    return floored.sum()


@numba.njit(inline="always")
def _move_exponents(bits, e, fraction, bias, mask, one):
    for j in range(len(bits)):
        e[j] += (bits[j] >> fraction) - bias
        bits[j] = (bits[j] & mask) | one
