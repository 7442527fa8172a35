"""What `fused` has compiled, by numba, for the processor at hand.

The two innermost loops are written as instructions on vectors, which compilers do not find in loops over numbers: for
vectors of 64 bytes, which are split where the processor's are shorter.  All of it is in one file, since numba compiles
again when the file of a function has changed, not when that of another one has.
"""

import functools

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

# what the processor has; nothing where numba is told to compile for another one (NUMBA_CPU_NAME)
HAS = {name for name, has in llvmlite.binding.get_host_cpu_features().items() if has and not numba.config.CPU_NAME}
BFLOAT16 = "avx512bf16" in HAS  # it multiplies pairs of bfloat16
BLOCK = 128  # numbers summed one after the other
VECTORS = 2  # of models in a panel
# Models whose affinities with a panel are in registers: FEW beside the products, over less than DEEP numbers; MANY
# where the products have time to come from memory.  With vectors of 32 bytes, as of AVX2, 4 take twice the time of 2.
FEW, MANY = (4, 8) if "avx512f" in HAS else (2, 2)
DEEP = 32
LANES = {"float32": 16, "float64": 8, "bfloat16": 16}  # numbers in a vector; processors with shorter ones split it
FORMATS = {np.float32: (np.int32, 23, 127), np.float64: (np.int64, 52, 1023)}  # bits as, of the fraction, exponent of 1

if BFLOAT16:
    llvmlite.binding.initialize_native_asmparser()  # for the one instruction that is written as such


@numba.njit(nogil=True, cache=True, error_model="numpy")
def cosines(rows, labels, first, last, unit, power, uniform, truth, off):
    """Fill in rows first..last of uniform, truth and off; see `fused.cosines`."""
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


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _normalise(roots, unit, power, scales, off):
    """Turn stored numbers (C, W) into roots, and set scales (W,), one over their norms; return rows of zeros."""
    sums, least, zeros, W = np.zeros_like(scales), np.zeros_like(scales), 0, len(scales)
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
    for c in range(0, len(roots) - 3, 4):  # sums are in memory, too: four rows for each time they are read and written
        one, two, three, four = roots[c], roots[c + 1], roots[c + 2], roots[c + 3]
        for j in range(W):
            a, b, d, e = one[j], two[j], three[j], four[j]
            sums[j] += (a * a + b * b) + (d * d + e * e)
            least[j] = min(least[j], min(min(a, b), min(d, e)))
    for c in range(len(roots) - len(roots) % 4, len(roots)):
        row = roots[c]
        for j in range(W):
            sums[j] += row[j] * row[j]
            least[j] = min(least[j], row[j])
    for j in range(len(off)):
        error = np.nan if least[j] < 0 else abs(np.float64(sums[j]) - 1)
        if not error <= off[j] and off[j] == off[j]:  # NaN stays
            off[j] = error
        zeros += sums[j] == 0
        scales[j] = 1 / np.sqrt(sums[j]) if sums[j] > 0 else 0
    return zeros


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pack(models, start, unit, power, scales, packed, off, selves, with_selves):
    """Write n samples of models (up to W, N, C) from `start` on to packed (n, depth, W); return rows of zeros.

    scales (W,): memory to work in.  off (W,): how far squared norms are from 1 at most.  selves (W,): the sums of
    logarithms of those of what is packed.
    """
    count, N, C = models.shape
    n, W, zeros = len(packed), len(scales), 0
    lanes = W // VECTORS
    if count < W or n * C < lanes:  # whole panels, of whole vectors, are read where they are
        part = np.zeros((W, max(n * C, lanes)), models.dtype)
        for j in range(count):
            part[j, : n * C] = models[j, start : start + n].ravel()
        flat, first, stride = part.ravel(), 0, part.shape[1]
    else:
        flat, first, stride = models.ravel(), start * C, N * C
    step = max(1, min(n, 1024 // C))  # samples at a time, which stay in the first-level caches
    roots = np.empty((lanes + step * C + lanes, W), scales.dtype)
    for s in range(0, n, step):
        for c in range(0, min(step, n - s) * C, lanes):  # beyond the last sample nothing is read: columns overlap
            c = min(c, max(n * C, lanes) - lanes - s * C)
            for j in range(0, W, lanes):
                transpose(flat, roots, first + j * stride + s * C + c, stride, (lanes + c) * W + j)
        for k in range(min(step, n - s)):
            one = roots[lanes + k * C : lanes + (k + 1) * C]
            zeros += _normalise(one, unit, power, scales, off[:count])
            if count < W:
                for c in range(C):
                    one[c, count:] = 1  # padding: all ones, below the floor with nobody
                scales[count:] = 1
            _store(one, scales, packed[s + k])
            if with_selves:
                _add_selves(packed[s + k], selves)
    return zeros


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
        most, one = np.uint32(0x7FFF), np.uint32(1)  # rounding to nearest, ties to even
        for c in range(len(roots)):
            row = roots[c]
            for j in range(len(scales)):
                row[j] *= scales[j]
        bits = roots.view(np.uint32)
        for k in range(len(packed)):
            first, second, out = bits[2 * k], bits[min(2 * k + 1, len(bits) - 1)], packed[k]
            mask = np.uint32(0xFFFF0000 if 2 * k + 1 < len(bits) else 0)
            for j in range(len(scales)):
                low = (first[j] + most + ((first[j] >> np.uint32(16)) & one)) >> np.uint32(16)
                high = (second[j] + most + ((second[j] >> np.uint32(16)) & one)) & mask
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


def _number(stored):
    """Return the number that is stored, as a float: 16 bits without a type of their own are float16."""


@overload(_number, inline="always")
def _overloaded_number(stored):
    if stored == types.uint16:
        return lambda stored: half(stored)
    return lambda stored: stored


@intrinsic
def half(context, bits):
    """Return the float16 of these 16 bits as a float32: numba has no float16."""

    def generate(context, build, signature, arguments):
        return build.fpext(build.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), generate


@intrinsic
def transpose(context, stored, roots, i, stride, o):
    """Write roots (columns, models) of a square of stored numbers (models, columns): as many as a vector has numbers.

    roots[o + c width + r] = stored[i + r stride + c], as floats of the type of roots (., width).  Rows become columns
    in registers, by exchanging neighbours, pairs of neighbours, ...
    """
    return types.void(stored, roots, *[types.int64] * 3), _transpose


def _transpose(context, build, signature, arguments):
    stored_type, kind = (x.dtype for x in signature.args[:2])
    lanes, real = 512 // kind.bitwidth, ir.DoubleType() if kind == types.float64 else ir.FloatType()
    reals, long, numbers = ir.VectorType(real, lanes), ir.IntType(64), range(lanes)
    of_stored = {
        types.uint16: ir.HalfType(),
        types.uint8: ir.IntType(8),
        types.float32: ir.FloatType(),
        types.float64: ir.DoubleType(),
    }[stored_type]
    vectors = ir.VectorType(of_stored, lanes)
    stored, roots = (context.make_array(signature.args[k])(context, build, arguments[k]).data for k in range(2))
    i, stride, o = arguments[2:]

    def shuffle(a, b, lanes_of):
        return build.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), lanes), lanes_of))

    def place(base, of, offset, vector):
        return build.bitcast(build.gep(build.bitcast(base, of.as_pointer()), [offset]), vector.as_pointer())

    values = []
    for r in numbers:
        at = place(stored, of_stored, build.add(i, build.mul(stride, ir.Constant(long, r))), vectors)
        values.append(build.load(at, align=stored_type.bitwidth // 8))
    if stored_type == types.uint8:
        values = [build.uitofp(x, reals) for x in values]
    elif stored_type == types.float64 and kind == types.float32:
        values = [build.fptrunc(x, reals) for x in values]
    elif stored_type != kind:
        values = [build.fpext(x, reals) for x in values]
    distance = 1
    while distance < lanes:
        for r in numbers:
            if not r & distance:
                a, b = values[r], values[r + distance]
                values[r] = shuffle(a, b, [lanes + c - distance if c & distance else c for c in numbers])
                values[r + distance] = shuffle(a, b, [lanes + c if c & distance else c + distance for c in numbers])
        distance *= 2
    for c in numbers:
        at = place(roots, real, build.add(o, ir.Constant(long, c * VECTORS * lanes)), reals)
        build.store(values[c], at, align=kind.bitwidth // 8)
    return context.get_dummy_value()


def _tile(rows_at_once):
    """Return the `multiply_tile` of so many models with a panel.

    multiply_tile(rows, columns, m, e, i, j, t, n, depth, floor) forms, for each of n samples, the affinities of these
    models, from rows[i] on, with the panel from columns[j] on.  An affinity is a sum over `depth` numbers; with 32-bit
    integers, over pairs of bfloat16 numbers in each.  They are raised to the floor and multiplied into m 2^e at t;
    returned is how many were below.  Sums are over BLOCK numbers at most, and then over these sums: small numbers would
    be lost on a large sum.
    """
    generate = functools.partial(_multiply_tile, rows_at_once)

    @intrinsic
    def multiply_tile(context, rows, columns, m, e, i, j, t, n, depth, floor):
        return types.int64(rows, columns, m, e, *[types.int64] * 5, floor), generate

    return multiply_tile


def _multiply_tile(rows_at_once, context, build, signature, arguments):
    kind, pairs = signature.args[2].dtype, signature.args[0].dtype == types.uint32
    lanes, (bits_as, fraction, bias) = 512 // kind.bitwidth, FORMATS[np.dtype(str(kind)).type]
    real = ir.DoubleType() if kind == types.float64 else ir.FloatType()
    integer = ir.IntType(8 * np.dtype(bits_as).itemsize)
    loaded = integer if pairs else real
    reals, integers, numbers = (ir.VectorType(x, lanes) for x in (real, integer, loaded))
    long, width = ir.IntType(64), VECTORS * lanes
    cells = [(r, v) for r in range(rows_at_once) for v in range(VECTORS)]

    def constant(x):
        return ir.Constant(integers, [x] * lanes)

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

    zeros, block = [ir.Constant(reals, [0.0] * lanes)] * len(cells), ir.Constant(long, BLOCK)

    def up_to_a_block(x, y, count):
        """Form sums over `count` numbers, or BLOCK if these are more; return where the next ones are, and the sums."""
        count = build.select(build.icmp_signed("<", count, block), count, block)
        classes, (c, x, y, *sums) = loop(0, x, y, *zeros)
        b = [build.load(vector(y, v * lanes, numbers), align=4) for v in range(VECTORS)]
        a = [broadcast(build.load(build.gep(x, [ir.Constant(long, r)])), numbers) for r in range(rows_at_once)]
        found = [multiply_add(a[r], b[v], sums[k]) for k, (r, v) in enumerate(cells)]
        following = build.gep(x, [step]), build.gep(y, [step])
        repeat(classes, [c, x, y, *sums], count, *following, *found)
        return *following, *found

    samples, (s, x, y, *state) = loop(0, x, y, *products, *[constant(0)] * VECTORS)
    one = up_to_a_block(x, y, depth)
    after_one, more, done = build.block, build.append_basic_block(), build.append_basic_block()
    blocks_left = build.sdiv(build.sub(depth, ir.Constant(long, 1)), block)
    build.cbranch(build.icmp_signed("<", ir.Constant(long, 0), blocks_left), more, done)
    build.position_at_end(more)
    blocks, variables = loop(0, *one)
    k, xb, yb, *sums = variables
    seen = build.mul(build.add(k, ir.Constant(long, 1)), block)
    xb, yb, *found = up_to_a_block(xb, yb, build.sub(depth, seen))
    all_of_them = xb, yb, *[build.fadd(a, b) for a, b in zip(sums, found)]
    repeat(blocks, variables, blocks_left, *all_of_them)
    after_all = build.block
    build.branch(done)
    build.position_at_end(done)
    x_next, y_next, *affinities = [build.phi(value.type) for value in one]
    for variable, *values in zip((x_next, y_next, *affinities), one, all_of_them):
        for value, block_of in zip(values, (after_one, after_all)):
            variable.add_incoming(value, block_of)
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


few, many = _tile(FEW), _tile(MANY)


@numba.njit(nogil=True, cache=True)
def multiply(rows, columns, m, e, p0, p1, q0, q1, n, depth, W, across, group, floor, symmetric):
    """Multiply the affinities of the panels p0..p1 of rows and q0..q1 of columns into their tiles of m 2^e.

    Returns how many were below the floor; if panels are compared with one another, of pairs (i, j) and (j, i).
    """
    floored = 0
    for s in range(0, n, group):
        samples = min(group, n - s)
        for q in range(q0, q1):
            for p in range(p0, min(p1, q + 1) if symmetric else p1):
                tile = q * (q + 1) // 2 + p if symmetric else p * across + q
                below = 0
                i, j, t = (p * n + s) * depth * W, (q * n + s) * depth * W, tile * W * W
                if depth < DEEP:
                    for r in range(0, W, FEW):
                        below += few(rows, columns, m, e, i + r, j, t + r * W, samples, depth, floor)
                else:
                    for r in range(0, W, MANY):
                        below += many(rows, columns, m, e, i + r, j, t + r * W, samples, depth, floor)
                floored += 2 * below if symmetric and p != q else below
    return floored
