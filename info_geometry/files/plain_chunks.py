"""What `chunks` has compiled, by numba: many chunks of a file are read and their Fletcher-32 sums checked in one call.

Of 16-bit words w_1 ... w_n, sum_1 = sum_i w_i and sum_2 = sum_i (n + 1 - i) w_i, both modulo 65535 (and 65535 rather
than 0 for what is not all zeros), and the sum is 65536 sum_2 + sum_1.  HDF5 takes the first byte of a word as the
higher one.  Exchanging the bytes of a word multiplies it by 256 modulo 65535, so words are added as they are.
"""

import numba
import numpy as np
from numba import types

BLOCK = 256  # words whose weighted sum fits 32 bits: 65535 (0 + ... + 255) < 2^32
SUM = 4  # bytes of a sum, which stand behind a chunk
MODULUS = np.uint64(65535)
PARTS = 512  # chunks that the system reads in one call at most
preadv = types.ExternalFunction("preadv", types.intp(types.int32, types.uintp, types.int32, types.int64))


@numba.njit(nogil=True, cache=True)
def read(descriptor, places, size, row, first, start, out):
    """Read some rows of models, whose chunks of `size` bytes lie at places (models, chunks); return if all are sound.

    row: bytes of one.  first: the row with which the first of these chunks begins.  out (models, rows row), bytes: the
    rows from `start` on.  Chunks that are wanted whole are read where they belong, those at the ends beside it.
    """
    count, width = places.shape[1], out.shape[1]
    sums, parts = np.empty(count, np.uint32), np.empty((2 * count, 2), np.int64)
    beside = np.empty((2, size), np.uint8)
    for t in range(len(places)):
        for k in range(count):
            at = (first - start) * row + k * size
            if at >= 0 and at + size <= width:
                parts[2 * k, 0] = out[t, at:].ctypes.data
            else:
                parts[2 * k, 0] = beside[0 if k == 0 else 1].ctypes.data
            parts[2 * k, 1], parts[2 * k + 1, 0], parts[2 * k + 1, 1] = size, sums[k:].ctypes.data, SUM
        k = 0
        while k < count:
            end = k + 1  # as many as lie one after the other
            while end < count and end - k < PARTS and places[t, end] == places[t, end - 1] + size + SUM:
                end += 1
            if preadv(descriptor, parts[2 * k :].ctypes.data, 2 * (end - k), places[t, k]) != (end - k) * (size + SUM):
                return False
            k = end
        for k in range(count):
            at = (first - start) * row + k * size
            if at >= 0 and at + size <= width:
                chunk = out[t, at : at + size]
            else:
                chunk = beside[0 if k == 0 else 1]
                a, b = max(at, 0), min(at + size, width)
                out[t, a:b] = chunk[a - at : b - at]
            if fletcher32(chunk.view(np.uint16)) != sums[k]:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def fletcher32(words):
    """Return the sum of up to 2^22 words of 16 bits, (n,)."""
    one, two = np.uint64(0), np.uint64(0)
    for start in range(0, len(words), BLOCK):
        block = words[start : min(start + BLOCK, len(words))]
        a, b = np.uint32(0), np.uint32(0)  # sums of 32 bits, which numba would make 64
        for i in range(np.uint32(len(block))):
            word = np.uint32(block[i])
            a = np.uint32(a + word)
            b = np.uint32(b + np.uint32(word * np.uint32(i)))
        length = np.uint64(len(block))
        two += length * one + length * np.uint64(a) - np.uint64(b)
        one += np.uint64(a)
    low, high = 256 * int(one % MODULUS) % 65535, 256 * int(two % MODULUS) % 65535
    if two > 0:
        low, high = low or 65535, high or 65535
    return np.uint32(high << 16 | low)
