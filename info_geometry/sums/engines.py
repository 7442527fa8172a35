"""Which code sums the logarithms of affinities: the compiled pass, numpy for few of them, or torch on a GPU."""

import functools
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from info_geometry.files import InputError, accelerator, free_memory, log
from info_geometry.sums import plain

PRECISIONS = ("float64", "float32", "bfloat16")
FUSED_FROM = 2e9  # products of roots from which importing numba, and computing in float32, pays


@runtime_checkable
class Products(Protocol):
    """What sums, over samples, logarithms of affinities of models: the `Products` of `plain`, `fused` and `tensors`.

    Of two sets of models, or of the pairs i <= j of one.  kind: of the numbers that arrays of roots are to have.
    floored: how many affinities were below the floor so far, of pairs i < j in one set.
    """

    kind: np.dtype
    floored: int

    def add(self, sides: list, quantities: list) -> list:
        """Add samples in arrays (models, n, C), one a side, of a quantity each; rows are normalised.

        Returns how far squared norms of roots are from 1 at most, an array (models,) a side; NaN: a negative number.
        """

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal."""


@runtime_checkable
class Kernel(Protocol):
    """What takes roots that `tensors.Products` has normalised on a GPU, tensors (models, n, C): `gpu.Products`."""

    floored: int

    def add(self, rows, columns=None) -> None:
        """Add the affinities of these samples; without columns, of the rows with one another."""

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities (rows, columns), float64; zero below the diagonal for one set."""


def choose(
    counts: list[int], N: int, C: int, device: str | None, precision: str | None, floor: float, fast: bool | None
) -> Callable[[], Products]:
    """Return what makes engines for so many models, one number a side, on N samples over C classes.

    device, precision, fast: as for `distance.pairwise`, whose errors it raises.  By default the numbers alone decide.
    """
    if precision not in (None, *PRECISIONS):
        raise InputError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    gpu, many = accelerator(device), counts[0] * counts[-1] * N * C >= FUSED_FROM
    options = {"precision": precision or ("float32" if gpu is not None or many else "float64"), "floor": floor}
    reason = None
    if fast or (fast is None and many):
        try:
            reason, make = _compiled(counts, gpu, options)
            if not reason:
                return make
        except (ImportError, RuntimeError) as error:  # numba may find no folder for what it compiles
            reason = str(error)
    if fast:
        raise InputError(f"fast=True: not to be had ({reason}); leave it out")
    if gpu is None:
        if precision == "bfloat16":
            log.info("bfloat16 is no faster here than float32 (%s)", reason or "for so few predictions")
        return functools.partial(plain.Products, *counts, **options)
    from info_geometry.sums import tensors

    return functools.partial(tensors.Products, *counts, device=gpu, **options)


def _compiled(counts, gpu, options):
    """Return why there is no compiled pass for these options, or None, and what makes it."""
    if gpu is None:
        from info_geometry.sums import fused

        return fused.unsuitable(**options), functools.partial(fused.Products, *counts, **options)
    if gpu.type != "cuda":
        return f"there is none for {gpu.type}", None
    from info_geometry.sums import gpu as kernels
    from info_geometry.sums import tensors

    def make():
        kernel = kernels.Products(*counts, device=gpu, **options)
        return tensors.Products(*counts, device=gpu, kernel=kernel, **options)

    return kernels.unsuitable(**options), make


class Grouped:
    """Sums over each of several groups of samples: an engine for each, with the same methods."""

    def __init__(self, make: Callable[[], Products], groups: np.ndarray, M: int) -> None:
        """make() returns an engine.  groups: of all samples, 0..B-1.  Raises InputError if they do not fit memory."""
        B = int(np.max(groups)) + 1
        needed, there = 3 * 8 * B * M * M, free_memory()
        if needed > there:
            raise InputError(
                f"the sums over {B} groups of samples of all pairs of {M} models take "
                f"{needed / 1e9:.1f} GB, and {there / 1e9:.1f} are free; leave --bootstrap out, or take "
                "fewer models"
            )
        self._engines = [make() for _ in range(B)]
        self.kind = self._engines[0].kind

    def add(self, sides: list, quantities: list, groups: np.ndarray) -> list:
        """Add samples as an engine does; groups: of these samples."""
        worst = [np.zeros(len(x)) for x in sides]
        for group in np.unique(groups):
            which = np.flatnonzero(groups == group)
            off = self._engines[group].add([x[:, which] for x in sides], quantities)
            worst = [np.maximum(a, b) for a, b in zip(worst, off)]  # NaN stays
        return worst

    @property
    def floored(self) -> int:
        """The number of affinities below the floor."""
        return sum(engine.floored for engine in self._engines)

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities (B, M, M)."""
        return np.stack([engine.log() for engine in self._engines])
