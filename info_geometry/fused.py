"""Sums of logarithms of affinities on the CPU in one compiled pass, which takes hardly a logarithm.

    sum_n log a_n = log prod_n a_n = log m + e log 2,   prod_n a_n = m 2^e,  1 <= m < 2

The product over samples is kept as a float m and an integer e for each pair of models: every few factors, before it
could underflow (each is at least the floor), the exponent of m moves over to e by arithmetic on its bits.  Rounding is
relative to the product, so a mean over n samples is off by about sqrt(n) / n roundings.

Affinities are formed in registers, for 4 models times a panel of models at a time, and never reach memory.  Models
are therefore packed into panels, (panel, sample, class, model): what the innermost loop reads, in order.

This module needs numba (pip install 'picture-of-tasks[fast]'); `distance` uses it where it is there.
"""
import os
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from info_geometry import predictions

BFLOAT16 = bool(llvmlite.binding.get_host_cpu_features().get("avx512bf16"))  # the CPU multiplies pairs of bfloat16
ROWS, VECTORS = 4, 2  # models times vectors of models whose affinities are in registers
CACHE_BYTES = 1 << 19  # of the two sets of panels that a thread works on: half of a usual second-level cache
BATCH_BYTES = 1 << 24  # memory of the samples packed at once: they should stay in the last cache
LANES = {"float32": 16, "float64": 8, "bfloat16": 16}  # numbers in a vector; processors with shorter ones split it
FORMATS = {np.float32: (np.int32, 23, 127), np.float64: (np.int64, 52, 1023)}  # bits as, of the fraction, exponent of 1


class Products:
    """Products over samples of the affinities of models with one another (pairs i <= j), or with another set."""

    def __init__(self, rows, columns=None, *, precision, floor, device=None):
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

    def add(self, sides, quantities):
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
                packed = [self._pack(pool, i, side, start, stop, quantities[i], depth, off[i])
                          for i, side in enumerate(sides)]
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
        unit, power = predictions.ROOTS[quantity]

        def pack(p):
            part = slice(p * W, (p + 1) * W)
            return _packers[self._precision](
                models[part], start, self._kind(unit), power, packed[p], off[part], self._selves[side][part],
                not self._symmetric)

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
        jobs = [(p, min(p + side, len(rows)), q, min(q + side, len(columns)))
                for q in range(0, len(columns), side) for p in range(0, len(rows), side)
                if not self._symmetric or p <= q]
        rows, columns, symmetric = rows.ravel(), columns.ravel(), self._symmetric
        multiply, across = _multipliers[self._precision], len(packed[-1])
        self._floored += sum(self._share(pool, lambda *job: multiply(
            rows, columns, self._m, self._e, *job, n, depth, across, group, self._floor, symmetric), jobs))

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
    def floored(self):
        """The number of affinities below the floor; of pairs i < j if models are compared with one another."""
        return self._floored // 2 if self._symmetric else self._floored

    def log(self):
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal.

        For rows a, b that are not of unit norm, by rounding, that is log<a, b> - (log<a, a> + log<b, b>) / 2.
        """
        W = self._width
        tiles = (np.log(self._m.astype(np.float64)) + self._e * np.log(2)).reshape(-1, W, W)
        if not self._symmetric:
            sums = tiles.reshape(*self._panels, W, W).transpose(0, 2, 1, 3).reshape(self._panels[0] * W, -1)
            sums -= 0.5 * np.add.outer(*self._selves)
            return sums[: self._counts[0], : self._counts[1]]
        P, M = self._panels[0], self._counts[0]
        q, p = np.tril_indices(P)  # the order of tiles
        sums = np.zeros((P, P, W, W))
        sums[p, q] = tiles
        sums = np.triu(sums.transpose(0, 2, 1, 3).reshape(P * W, P * W)[:M, :M])
        return np.triu(sums - 0.5 * np.add.outer(np.diag(sums), np.diag(sums)))


def threads():
    """Return how many threads to use: OMP_NUM_THREADS, as torch does, or one for each processor."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked) if asked.isdecimal() and int(asked) else there


def unsuitable(precision, floor):
    """Return why this module does not do for a precision and a floor (str), or None if it does."""
    if precision == "bfloat16" and not BFLOAT16:
        return "this processor does not multiply bfloat16 numbers"
    smallest = np.finfo("float64" if precision == "float64" else "float32").tiny
    return None if smallest <= floor else f"the floor {floor:g} is below {smallest:g}"


def _number(stored):
    """Return the number that is stored, as a float: 16 bits without a type of their own are float16."""


@overload(_number, inline="always")
def _overloaded_number(stored):
    if stored == types.uint16:
        return lambda stored: _half(stored)
    return lambda stored: stored


@intrinsic
def _half(context, bits):
    def generate(context, build, signature, arguments):
        return build.fpext(build.bitcast(arguments[0], ir.HalfType()), ir.FloatType())
    return types.float32(bits), generate


def cosines(models, labels, quantity):
    """Return the cosines (T, n), float64, of models with the uniform distribution and with the one-hot labels (n,).

    models (T, n, C): stored numbers of a quantity.  Third: how far squared norms are from 1, (T, n), or NaN.
    """
    T, n, C = models.shape
    rows = np.ascontiguousarray(models).reshape(T * n, C)
    rows = rows.view(np.uint16) if rows.dtype == np.float16 else rows
    uniform, truth, off = np.empty((3, T * n))
    unit, power = predictions.ROOTS[quantity]
    ends = np.linspace(0, T * n, 4 * threads() + 1).astype(int)
    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(lambda a, b: _cosines(rows, labels, a, b, unit, power, uniform, truth, off), ends[:-1], ends[1:]))
    return tuple(x.reshape(T, n) for x in (uniform, truth, off))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _cosines(rows, labels, first, last, unit, power, uniform, truth, off):
    for i in range(first, last):
        total, squares, below = _sums(rows[i], unit, power)
        x = np.float64(_number(rows[i, labels[i % len(labels)]])) * unit
        x = np.sqrt(x) if power == 0.5 else x * x if power == 2 else x
        norm = np.sqrt(squares)
        uniform[i], truth[i] = total / (norm * np.sqrt(rows.shape[1])), x / norm
        off[i] = np.nan if below > 0 else abs(squares - 1)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _sums(stored, unit, power):
    """Return the sum of roots (stored unit)^power (C,), of their squares, and twice that of negative ones, float64."""
    total, squares, below = 0.0, 0.0, 0.0
    for c in range(stored.shape[0]):
        x = np.float64(_number(stored[c])) * unit
        x = np.sqrt(x) if power == 0.5 else x * x if power == 2 else x
        total += x
        squares += x * x
        below += abs(x) - x
    return total, squares, below


def _packer(precision):
    """Return the compiled function that normalises models and writes them as a panel."""
    kind, lanes = (np.float64 if precision == "float64" else np.float32), LANES[precision]
    transpose, W = _transposer(kind, lanes), VECTORS * lanes

    @numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
    def normalise(roots, unit, power, scales, off):
        """Turn stored numbers (C, W) into roots, and set scales (W,), one over their norms; return rows of zeros."""
        sums, below, zeros = np.zeros(W, kind), np.zeros(W, kind), 0
        if power == 0.5:
            for c in range(len(roots)):
                row = roots[c]  # loops over numbers in memory one after the other become loops over vectors
                for j in range(W):
                    row[j] = np.sqrt(row[j] * unit)
        elif power == 2:
            for c in range(len(roots)):
                row = roots[c]
                for j in range(W):
                    row[j] = (row[j] * unit) * (row[j] * unit)
        for c in range(len(roots)):
            row = roots[c]
            for j in range(W):
                sums[j] += row[j] * row[j]
                below[j] += abs(row[j]) - row[j]
        for j in range(len(off)):
            error = np.nan if below[j] > 0 else abs(np.float64(sums[j]) - 1)
            if not error <= off[j] and off[j] == off[j]:  # NaN stays
                off[j] = error
            zeros += sums[j] == 0
            scales[j] = 1 / np.sqrt(sums[j]) if sums[j] > 0 else 0
        return zeros

    @numba.njit(nogil=True, cache=True, error_model="numpy")
    def pack(models, start, unit, power, packed, off, selves, with_selves):
        """Write n samples of models (up to W, N, C) from `start` on to packed (n, depth, W); return rows of zeros.

        off (models,): how far squared norms are from 1 at most.  selves (W,): logarithms of those of what is packed.
        """
        count, N, C = models.shape
        n, zeros = len(packed), 0
        if count < W or n * C < lanes:  # whole panels, of whole vectors, are read where they are
            part = np.zeros((W, max(n * C, lanes)), models.dtype)
            for j in range(count):
                part[j, : n * C] = models[j, start : start + n].ravel()
            flat, first, stride = part.ravel(), 0, part.shape[1]
        else:
            flat, first, stride = models.ravel(), start * C, N * C
        step = max(1, min(n, 1024 // C))  # samples at a time, which stay in the first-level caches
        roots, scales = np.empty((lanes + step * C + lanes, W), kind), np.empty(W, kind)
        for s in range(0, n, step):
            for c in range(0, min(step, n - s) * C, lanes):  # beyond the last sample nothing is read: columns overlap
                c = min(c, max(n * C, lanes) - lanes - s * C)
                for j in range(0, W, lanes):
                    transpose(flat, roots, first + j * stride + s * C + c, stride, (lanes + c) * W + j, W)
            for k in range(min(step, n - s)):
                one = roots[lanes + k * C : lanes + (k + 1) * C]
                zeros += normalise(one, unit, power, scales, off[:count])
                if count < W:
                    for c in range(C):
                        one[c, count:] = 1  # padding: all ones, below the floor with nobody
                    scales[count:] = 1
                _store(one, scales, packed[s + k])
                if with_selves:
                    _add_selves(packed[s + k], selves)
        return zeros

    return pack


def _store(roots, scales, packed):
    """Write roots (C, W) times scales (W,) in the type of packed (depth, W)."""


@overload(_store, inline="always")
def _overloaded_store(roots, scales, packed):
    if not isinstance(packed.dtype, types.Integer):
        def copy(roots, scales, packed):
            for c in range(len(roots)):
                row, out = roots[c], packed[c]
                for j in range(len(scales)):
                    out[j] = row[j] * scales[j]
        return copy

    def pairs(roots, scales, packed):
        half, one = np.uint32(0x7FFF), np.uint32(1)  # rounding to nearest, ties to even
        for c in range(len(roots)):
            row = roots[c]
            for j in range(len(scales)):
                row[j] *= scales[j]
        bits = roots.view(np.uint32)
        for k in range(len(packed)):
            first, second, out = bits[2 * k], bits[min(2 * k + 1, len(bits) - 1)], packed[k]
            mask = np.uint32(0xFFFF0000 if 2 * k + 1 < len(bits) else 0)
            for j in range(len(scales)):
                low = (first[j] + half + ((first[j] >> np.uint32(16)) & one)) >> np.uint32(16)
                high = (second[j] + half + ((second[j] >> np.uint32(16)) & one)) & mask
                out[j] = low | high
    return pairs


def _add_selves(packed, selves):
    """Add the logarithms of squared norms (W,) of the numbers as they are packed."""


@overload(_add_selves, inline="always")
def _overloaded_add_selves(packed, selves):
    if not isinstance(packed.dtype, types.Integer):
        def add(packed, selves):
            for j in range(packed.shape[1]):
                total = 0.0
                for c in range(packed.shape[0]):
                    total += np.float64(packed[c, j]) ** 2
                selves[j] += np.log(total) if total > 0 else 0.0
        return add

    def add_pairs(packed, selves):
        low = (packed << np.uint32(16)).view(np.float32)
        high = (packed & np.uint32(0xFFFF0000)).view(np.float32)
        for j in range(packed.shape[1]):
            total = 0.0
            for c in range(packed.shape[0]):
                total += np.float64(low[c, j]) ** 2 + np.float64(high[c, j]) ** 2
            selves[j] += np.log(total) if total > 0 else 0.0
    return add_pairs


def _transposer(kind, lanes):
    """Return transpose(stored, roots, i, stride, o, width), for as many rows and columns as there are lanes.

    roots[o + c width + r] = stored[i + r stride + c], as floats; 16 bits without a type of their own are float16.
    Rows become columns in registers, by exchanging neighbours, pairs of neighbours, ...
    """
    real, long, numbers = ir.DoubleType() if kind is np.float64 else ir.FloatType(), ir.IntType(64), range(lanes)
    reals = ir.VectorType(real, lanes)

    @intrinsic
    def transpose(context, stored, roots, i, stride, o, width):
        return types.void(stored, roots, *[types.int64] * 4), generate

    def generate(context, build, signature, arguments):
        stored, roots = (context.make_array(signature.args[k])(context, build, arguments[k]).data for k in range(2))
        i, stride, o, width = arguments[2:]
        type = signature.args[0].dtype
        of_stored = {types.uint16: ir.HalfType(), types.uint8: ir.IntType(8), types.float32: ir.FloatType(),
                     types.float64: ir.DoubleType()}[type]
        vectors = ir.VectorType(of_stored, lanes)

        def shuffle(a, b, lanes_of):
            return build.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), lanes), lanes_of))

        def place(base, of, offset, step, k, vector):
            base = build.bitcast(base, of.as_pointer())
            at = build.add(offset, build.mul(step, ir.Constant(long, k)))
            return build.bitcast(build.gep(base, [at]), vector.as_pointer())

        values = [build.load(place(stored, of_stored, i, stride, r, vectors), align=type.bitwidth // 8)
                  for r in numbers]
        if type == types.uint8:
            values = [build.uitofp(x, reals) for x in values]
        elif str(of_stored) != str(real):
            wider = type.bitwidth < 8 * np.dtype(kind).itemsize
            values = [build.fpext(x, reals) if wider else build.fptrunc(x, reals) for x in values]
        distance = 1
        while distance < lanes:
            for r in numbers:
                if not r & distance:
                    a, b = values[r], values[r + distance]
                    values[r] = shuffle(a, b, [lanes + c - distance if c & distance else c for c in numbers])
                    values[r + distance] = shuffle(a, b, [lanes + c if c & distance else c + distance for c in numbers])
            distance *= 2
        for c in numbers:
            build.store(values[c], place(roots, real, o, width, c, reals), align=np.dtype(kind).itemsize)
        return context.get_dummy_value()

    return transpose


def _multiplier(precision):
    """Return the compiled function that multiplies the affinities of some panels into their tiles.

    It returns how many were below the floor; if panels are compared with one another, of pairs (i, j) and (j, i).
    """
    multiply_tile, W = _tile_multiplier(precision), VECTORS * LANES[precision]

    @numba.njit(nogil=True, cache=True)
    def multiply(rows, columns, m, e, p0, p1, q0, q1, n, depth, columns_of_tiles, group, floor, symmetric):
        floored = 0
        for s in range(0, n, group):
            samples = min(group, n - s)
            for q in range(q0, q1):
                for p in range(p0, min(p1, q + 1) if symmetric else p1):
                    tile = q * (q + 1) // 2 + p if symmetric else p * columns_of_tiles + q
                    below = 0
                    for r in range(0, W, ROWS):
                        below += multiply_tile(rows, columns, m, e, (p * n + s) * depth * W + r,
                                               (q * n + s) * depth * W, (tile * W + r) * W, samples, depth, floor)
                    floored += 2 * below if symmetric and p != q else below
        return floored

    return multiply


def _tile_multiplier(precision):
    """Return the innermost loops, as instructions on vectors, which compilers don't find in loops over numbers.

    multiply_tile(rows, columns, m, e, i, j, t, n, depth, floor) forms, for each of n samples, the affinities of the
    ROWS models from rows[i] with the panel of models from columns[j], in sums over depth numbers (or pairs); it raises
    them to the floor, multiplies them into m 2^e at t, and returns how many were below.
    """
    lanes, kind = LANES[precision], np.float64 if precision == "float64" else np.float32
    bits_as, fraction, bias = FORMATS[kind]
    real = ir.DoubleType() if kind is np.float64 else ir.FloatType()
    integer = ir.IntType(8 * np.dtype(bits_as).itemsize)
    pairs = precision == "bfloat16"
    loaded = integer if pairs else real
    reals, integers, numbers = (ir.VectorType(x, lanes) for x in (real, integer, loaded))
    long, width = ir.IntType(64), VECTORS * lanes
    cells = [(r, v) for r in range(ROWS) for v in range(VECTORS)]

    def constant(x):
        return ir.Constant(integers, [x] * lanes)

    @intrinsic
    def multiply_tile(context, rows, columns, m, e, i, j, t, n, depth, floor):
        signature = types.int64(rows, columns, m, e, *[types.int64] * 5, floor)
        return signature, generate

    def generate(context, build, signature, arguments):
        def pointer(which, offset, type):
            array = context.make_array(signature.args[which])(context, build, arguments[which])
            return build.gep(build.bitcast(array.data, type.as_pointer()), [offset])

        def vector(base, index, type):
            return build.bitcast(build.gep(base, [ir.Constant(long, index)]), type.as_pointer())

        def broadcast(x, type):
            nothing = ir.Constant(type, ir.Undefined)
            first = build.insert_element(nothing, x, ir.Constant(ir.IntType(32), 0))
            return build.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))

        def multiply_add(a, b, c):
            if pairs:
                call = ir.FunctionType(reals, [reals, numbers, numbers])
                return build.asm(call, "vdpbf16ps $3, $2, $0", "=v,0,v,v", [c, a, b], False)
            name = f"llvm.fmuladd.v{lanes}f{integer.width}"
            call = cgutils.get_or_insert_function(build.module, ir.FunctionType(reals, [reals] * 3), name)
            return build.call(call, [a, b, c])

        def loop(start, *values):
            """Begin a loop: return its block, its counter and its variables, which start at `values`."""
            before, block = build.block, build.append_basic_block()
            build.branch(block)
            build.position_at_end(block)
            variables = [build.phi(value.type) for value in (ir.Constant(long, start), *values)]
            for variable, value in zip(variables, (ir.Constant(long, start), *values)):
                variable.add_incoming(value, before)
            return block, variables

        def repeat(block, variables, count, *values):
            """End a loop: go round with new values of its variables until the counter is `count`."""
            after = build.append_basic_block()
            counter = build.add(variables[0], ir.Constant(long, 1))
            for variable, value in zip(variables, (counter, *values)):
                variable.add_incoming(value, build.block)
            build.cbranch(build.icmp_signed("<", counter, count), block, after)
            build.position_at_end(after)

        i, j, t, n, depth, floor = arguments[4:]
        x, y, m, e = pointer(0, i, loaded), pointer(1, j, loaded), pointer(2, t, real), pointer(3, t, integer)
        floor, step = broadcast(floor, reals), ir.Constant(long, width)
        products = [build.load(vector(m, r * width + v * lanes, reals), align=4) for r, v in cells]

        samples, (s, x, y, *state) = loop(0, x, y, *products, *[constant(0)] * VECTORS)
        classes, (c, xc, yc, *sums) = loop(0, x, y, *[ir.Constant(reals, [0.0] * lanes)] * len(cells))
        b = [build.load(vector(yc, v * lanes, numbers), align=4) for v in range(VECTORS)]
        a = [broadcast(build.load(build.gep(xc, [ir.Constant(long, r)])), numbers) for r in range(ROWS)]
        affinities = [multiply_add(a[r], b[v], sums[k]) for k, (r, v) in enumerate(cells)]
        x_next, y_next = build.gep(xc, [step]), build.gep(yc, [step])
        repeat(classes, [c, xc, yc, *sums], depth, x_next, y_next, *affinities)
        products, counts = state[: len(cells)], state[len(cells) :]
        for k, (_, v) in enumerate(cells):
            below = build.fcmp_ordered("<", affinities[k], floor)
            counts[v] = build.sub(counts[v], build.sext(below, integers))
            products[k] = build.fmul(products[k], build.select(below, floor, affinities[k]))
        repeat(samples, [s, x, y, *state], n, x_next, y_next, *products, *counts)

        for k, (r, v) in enumerate(cells):
            at = r * width + v * lanes
            bits, exponents = build.bitcast(products[k], integers), vector(e, at, integers)
            moved = build.sub(build.lshr(bits, constant(fraction)), constant(bias))
            build.store(build.add(build.load(exponents, align=4), moved), exponents, align=4)
            bits = build.or_(build.and_(bits, constant((1 << fraction) - 1)), constant(bias << fraction))
            build.store(build.bitcast(bits, reals), vector(m, at, reals), align=4)
        total = counts[0]
        for count in counts[1:]:
            total = build.add(total, count)
        found = ir.Constant(integer, 0)
        for lane in range(lanes):
            found = build.add(found, build.extract_element(total, ir.Constant(ir.IntType(32), lane)))
        return found if integer.width == 64 else build.zext(found, long)

    return multiply_tile


if BFLOAT16:
    llvmlite.binding.initialize_native_asmparser()  # for the one instruction that is written as such
_packers = {precision: _packer(precision) for precision in LANES}
_multipliers = {precision: _multiplier(precision) for precision in LANES}
