"""Sums of logarithms of affinities of all pairs of models in one fused CUDA kernel (Triton, which torch brings along).

    sum_n log max(floor, sum_c sqrt(P_u(n, c) P_v(n, c)))                        (Ramesh et al. 2023, section 2)

A program owns a tile of pairs and walks over samples and classes; affinities live in registers alone.  Each is floored
and multiplied into a float m, and every few factors, before their product could underflow, the exponent of m moves over
to an integer e:  prod_n a_n = m 2^e, 1 <= m < 2, which costs no logarithm until the end.

What limits it, for a tile of 128 x 128 pairs on one multiprocessor of an H100: the tensor cores take 8 clocks a class,
flooring, counting and multiplying about 800 clocks a sample, a tenth of the time at 1,000 classes and most of it at 10.
Three tiles of 32-bit numbers (affinities, m, e) are 192 of a thread's 255 registers, so the tile cannot be larger, and
its operands come from L2 at 64 bytes a clock: that is why the loop over samples and classes is a single one, so that
operands of the next sample are under way while a sample is finished.

Models come as files store them, (models, samples, classes): the operands of a program are rows of 16 to 256 contiguous
bytes either way, neighbouring samples share the sectors of short rows in L2, and nothing has to be transposed.
"""

import numpy as np
import torch
import triton
import triton.language as tl

from info_geometry.files import InputError

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LOWEST_FLOOR = 1e-30
SPLIT = 1024  # samples of a program at most: their exponents and their number of floored ones share an integer
COUNT = tl.constexpr(1 << 20)  # of a floored affinity in this integer; exponents of 1,024 samples stay below half of it
# BLOCK_M, BLOCK_N (pairs), BLOCK_K (classes), num_warps, num_stages; the first is taken unless it exceeds the device
HALF = ((128, 128, 64, 8, 4), (128, 128, 64, 8, 3), (128, 64, 64, 4, 4), (64, 64, 64, 4, 4), (64, 64, 32, 4, 2))
FULL = ((64, 64, 32, 4, 3), (64, 64, 16, 4, 3), (128, 64, 16, 8, 3), (32, 32, 32, 4, 2))


class Products:
    """An `engines.Kernel`: products of the affinities of two sets of models, or of one set for pairs (i, j >= i)."""

    def __init__(
        self,
        rows: int,
        columns: int | None = None,
        *,
        precision: str = "float32",
        floor: float = 1e-6,
        device="cuda",
        config: tuple | None = None,
        dot: str = "ieee",
    ) -> None:
        """rows, columns: numbers of models R and K; without columns, pairs are among the rows.

        precision: of the factors that are multiplied; sums over classes and the products m are always float32.
            float32   exact factors, no tensor cores.  With dot="tf32" these would be rounded to 11 bits, which moves
                      an affinity by about 1e-4 before averaging, no better than float16; dot="tf32x3" makes up for it
                      with three products.
            float16   11 bits, and what files of square roots store, so that nothing is rounded at all
            bfloat16  8 bits; errors of the roots mostly cancel if self-affinities are subtracted (see log_norms)
        floor: of each affinity, from 1e-30 to below 1.  config: one of HALF or FULL, by default chosen.

        Raises InputError for another precision or floor.
        """
        reason = unsuitable(precision, floor)
        if reason:
            raise InputError(reason)
        self._symmetric, self._shape = columns is None, (rows, rows if columns is None else columns)
        self._type, self._floor, self._device, self._dot = PRECISIONS[precision], float(np.float32(floor)), device, dot
        self._group = max(1, int(np.log(np.finfo(np.float32).tiny) / np.log(self._floor)) if floor < 0.5 else 64)
        self._group = min(self._group, 64)
        self._configs = [config] if config else list(FULL if precision == "float32" else HALF)
        self._total = torch.zeros(self._shape, dtype=torch.float64, device=device)
        self._floored = torch.zeros((), dtype=torch.int64, device=device)
        self._parts = None

    def add(self, rows: torch.Tensor, columns: torch.Tensor | None = None) -> None:
        """Multiply the affinities of n samples in: roots (R, n, C) and (K, n, C) on the device, float, unit rows.

        Raises InputError if shapes are not those that were announced.
        """
        if (columns is None) != self._symmetric:
            raise InputError("columns are given to both Products and add, or to neither")
        given = (rows,) if columns is None else (rows, columns)
        for x, models in zip(given, self._shape):
            if x.ndim != 3 or x.shape != (models, *rows.shape[1:]):
                raise InputError(f"expected roots ({models}, n, C) of the same samples, found {tuple(x.shape)}")
        if rows.shape[1] == 0:
            return
        given = [_aligned(x.to(self._type)) for x in given]
        n = rows.shape[1]
        for start in range(0, n, 1 << 15):  # a sum of parts a call keeps these few
            self._launch(*(x[:, start : start + (1 << 15)] for x in (given[0], given[-1])))

    def _launch(self, rows, columns):
        while True:
            try:
                return self._launch_with(self._configs[0], rows, columns)
            except triton.runtime.errors.OutOfResources:
                if len(self._configs) == 1:
                    raise
                self._configs.pop(0)

    def _launch_with(self, config, rows, columns):
        (R, K), (_, n, C) = self._shape, rows.shape
        BLOCK_M, BLOCK_N, BLOCK_K, warps, stages = config
        BLOCK_K = min(BLOCK_K, max(16, triton.next_power_of_2(C)))
        tiles = triton.cdiv(R, BLOCK_M) * triton.cdiv(K, BLOCK_N)
        computed = sum(
            1 for i in range(0, R, BLOCK_M) for j in range(0, K, BLOCK_N) if not self._symmetric or j + BLOCK_N > i
        )
        splits = _splits(computed, n, _processors(self._device))
        per_split = triton.cdiv(n, splits)
        splits = triton.cdiv(n, per_split)
        if self._parts is None or self._parts.shape[0] != splits:
            self._parts = torch.zeros((splits, R, K), dtype=torch.float64, device=self._device)
        counts = torch.zeros(splits * tiles, dtype=torch.int32, device=self._device)
        vector = 16 // rows.element_size()
        _multiply[(splits * tiles,)](
            rows,
            columns,
            self._parts,
            counts,
            n,
            per_split,
            R,
            K,
            rows.stride(0) // vector,
            columns.stride(0) // vector,
            self._floor,
            C=C,
            VECTOR=vector,
            GROUP=self._group,
            SYMMETRIC=self._symmetric,
            DOT=self._dot,
            WIDEN=self._type != torch.float32 and not rows.is_cuda,
            BLOCK_M=BLOCK_M,
            BLOCK_N=BLOCK_N,
            BLOCK_K=BLOCK_K,
            num_warps=warps,
            num_stages=stages,
        )
        self._total += self._parts.sum(dim=0)
        self._floored += counts.sum()

    @property
    def floored(self) -> int:
        """How many affinities were below the floor; among one set of models, of pairs i < j."""
        return int(self._floored)

    def log(self) -> np.ndarray:
        """Return the sums of logarithms (R, K), float64, a numpy array; zero below the diagonal for one set."""
        total = self._total.cpu().numpy()
        return np.triu(total) if self._symmetric else total


def unsuitable(precision: str, floor: float) -> str | None:
    """Return why this module does not do for a precision and a floor (str), or None if it does."""
    if precision not in PRECISIONS:
        return f"on a GPU it is for {', '.join(PRECISIONS)}"
    return None if LOWEST_FLOOR <= floor < 1 else f"the floor {floor:g} is not from {LOWEST_FLOOR} to below 1"


def log_norms(roots: torch.Tensor, floor: float = LOWEST_FLOOR) -> np.ndarray:
    """Return sum_n log sum_c r^2 (models,), float64, of roots (models, n, C): what Products finds for equal models.

    Half of it for each of the two models, taken off a sum of logarithms of affinities, renormalises rows exactly.
    """
    norms = [x.float().square().sum(dim=1).clamp_(min=floor) for x in roots]
    return torch.stack([x.double().log().sum() for x in norms]).cpu().numpy()


def _aligned(roots):
    """Return roots (models, n, C) in rows of whole, aligned vectors of 16 bytes, filled up by classes of zeros."""
    C, vector = roots.shape[2], 16 // roots.element_size()
    missing = -C % vector
    if missing:
        return torch.nn.functional.pad(roots, (0, missing))
    strided = roots.stride(2) == 1 and roots.stride(1) == C and roots.stride(0) % vector == 0
    return roots if strided and roots.data_ptr() % 16 == 0 else roots.clone(memory_format=torch.contiguous_format)


def _processors(device):
    on_gpu = torch.device(device).type == "cuda"
    return torch.cuda.get_device_properties(device).multi_processor_count if on_gpu else 2


def _splits(tiles, n, processors, overhead=4):
    """Return into how many parts to split n samples, so that few tiles still fill all processors.

    overhead: of starting and ending a program, in samples.
    """

    def cost(splits):
        return -(-tiles * splits // processors) * (-(-n // splits) + overhead)

    least = -(-n // SPLIT)
    return min(range(least, max(least, min(n, least + 4 * processors // tiles)) + 1), key=cost)


@triton.jit
def _multiply(
    rows,
    columns,
    parts,
    counts,
    n,
    per_split,
    R,
    K,
    row_stride,
    column_stride,
    floor,
    C: tl.constexpr,
    VECTOR: tl.constexpr,
    GROUP: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    DOT: tl.constexpr,
    WIDEN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Write the sums of logarithms of a tile over a part of the samples to parts (splits, R, K)."""
    STEPS: tl.constexpr = (C + BLOCK_K - 1) // BLOCK_K
    across = tl.cdiv(K, BLOCK_N)
    tiles = tl.cdiv(R, BLOCK_M) * across
    split, tile = tl.program_id(0) // tiles, tl.program_id(0) % tiles  # programs of the same samples run together
    i0, j0 = tile // across * BLOCK_M, tile % across * BLOCK_N
    if SYMMETRIC:  # noqa: SIM102 - known to the compiler, the other not
        if j0 + BLOCK_N <= i0:
            return
    first = split * per_split
    i, j, k = i0 + tl.arange(0, BLOCK_M), j0 + tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_K)
    # Beyond the edge the last model is read again, and left out at the end: loads without a mask for models.  Strides
    # are multiples of VECTOR and C is a constant, so that the compiler knows that 16 bytes can be loaded at a time.
    start = first.to(tl.int64) * C
    a = rows + start + tl.minimum(i, R - 1).to(tl.int64)[:, None] * (row_stride * VECTOR) + k[None, :]
    b = columns + start + tl.minimum(j, K - 1).to(tl.int64)[None, :] * (column_stride * VECTOR) + k[:, None]
    affinity = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    m = tl.full((BLOCK_M, BLOCK_N), 1.0, tl.float32)
    e = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    for step in range(0, tl.minimum(per_split, n - first) * STEPS):
        sample, part = step // STEPS, step % STEPS
        offset = sample * C + part * BLOCK_K
        if C % BLOCK_K == 0:
            x, y = tl.load(a + offset), tl.load(b + offset)
        else:
            inside = part * BLOCK_K + k < C
            x = tl.load(a + offset, mask=inside[None, :], other=0.0)
            y = tl.load(b + offset, mask=inside[:, None], other=0.0)
        if WIDEN:  # in Triton's interpreter, whose products take the bits of bfloat16 for integers
            x, y = x.to(tl.float32), y.to(tl.float32)
        affinity = tl.dot(x, y, affinity, input_precision=DOT)
        if part == STEPS - 1:
            below = affinity < floor
            m *= tl.where(below, floor, affinity)
            e += tl.where(below, COUNT, 0)
            affinity = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
            if sample % GROUP == GROUP - 1:
                bits = m.to(tl.int32, bitcast=True)
                e += (bits >> 23) - 127
                m = ((bits & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
    count = (e + COUNT // 2) >> 20
    inside = (i[:, None] < R) & (j[None, :] < K)
    logarithm = tl.log(m).to(tl.float64) + (e - count * COUNT).to(tl.float64) * 0.6931471805599453
    at = parts + (split * R + i[:, None]).to(tl.int64) * K + j[None, :]
    tl.store(at, logarithm, mask=inside)
    counted = inside & (i[:, None] < j[None, :]) if SYMMETRIC else inside
    tl.store(counts + tl.program_id(0), tl.sum(tl.where(counted, count, 0)))
