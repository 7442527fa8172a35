"""Which code sums the logarithms of affinities: the fused passes where they are there, or torch."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from info_geometry.files import InputError, free_memory, log
from info_geometry.sums import plain

PRECISIONS = ("float64", "float32", "bfloat16")
FUSED_FROM = 2e9  # products of roots from which importing numba pays


@runtime_checkable
class Products(Protocol):
    """What sums, over samples, logarithms of affinities of models: `plain.Products`, and `fused.Products` on the CPU.

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
    """What takes roots that `plain.Products` has normalised on a GPU, tensors (models, n, C): `gpu.Products`."""

    floored: int

    def add(self, rows, columns=None) -> None:
        """Add the affinities of these samples; without columns, of the rows with one another."""

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities (rows, columns), float64; zero below the diagonal for one set."""


def choose(counts: list[int], N: int, C: int, device, precision: str, floor: float, fast: bool | None) -> Products:
    """Return what sums logarithms of the affinities of so many models, one number a side, on N samples over C classes.

    device: of torch.  fast: as for `distance.pairwise`, whose errors it raises.  By default the numbers alone decide.
    """
    reason = "for so few predictions torch is as fast"
    if fast or (fast is None and counts[0] * counts[-1] * N * C >= FUSED_FROM):
        try:
            if device.type == "cpu":
                from info_geometry.sums import fused

                reason = fused.unsuitable(precision, floor)
                if not reason:
                    return fused.Products(*counts, precision=precision, floor=floor)
            elif device.type == "cuda":
                from info_geometry.sums import gpu

                reason = gpu.unsuitable(precision, floor)
                if not reason:
                    kernel = gpu.Products(*counts, precision=precision, floor=floor, device=device)
                    return plain.Products(*counts, precision=precision, floor=floor, device=device, kernel=kernel)
            else:
                reason = f"there is none for {device.type}"
        except (ImportError, RuntimeError) as error:  # numba may find no folder for what it compiles
            reason = str(error)
    if fast:
        raise InputError(f"fast=True: not to be had ({reason}); pip install 'picture-of-tasks[fast]', or leave it out")
    if precision == "bfloat16" and device.type == "cpu":
        log.info("bfloat16 is no faster here than float32 (%s)", reason)
    return plain.Products(*counts, precision=precision, floor=floor, device=device)


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
