"""Sums of logarithms of affinities with torch, on a GPU or another of its devices."""

import numpy as np

from info_geometry.storage.quantities import to_roots
from info_geometry.sums.plain import above_diagonal

TILE = 128  # models on a side of the square of affinities that torch forms at once
TILE_BYTES = 1 << 24  # memory of these squares for a batch of samples: they should stay in cache
BATCH_BYTES = 1 << 21  # memory of the roots that torch makes ready at once


class Products:
    """An `engines.Products` with torch, on its `device`."""

    def __init__(
        self, rows: int, columns: int | None = None, *, precision: str, floor: float, device, kernel=None
    ) -> None:
        """Numbers of models; columns=None: of the rows with one another, on and above the diagonal.

        kernel: an `engines.Kernel` that sums the logarithms of roots that were made ready here.
        """
        import torch

        self._torch, self._device, self._symmetric, self._kernel = torch, device, columns is None, kernel
        self.kind = np.dtype("float64" if precision == "float64" else "float32")
        self._type = getattr(torch, self.kind.name)
        self._rounded = torch.bfloat16 if precision == "bfloat16" else self._type
        self._floor, self._floored = floor, torch.zeros((), dtype=torch.int64, device=device)
        self._total = torch.zeros(rows, columns or rows, dtype=torch.float64, device=device)
        self._selves = [torch.zeros(count, dtype=torch.float64, device=device) for count in (rows, columns) if count]

    @property
    def floored(self) -> int:
        """The number of affinities below the floor, of pairs i < j if models are compared with one another."""
        return int(self._floored) + (self._kernel.floored if self._kernel else 0)

    def add(self, sides: list, quantities: list) -> list:
        """Add the samples of arrays (models, n, C), one a side, of a quantity each; rows are normalised.

        Returns how far squared norms of roots are from 1 at most, an array (models,) a side; NaN: a negative number.
        """
        n = sides[0].shape[1]
        batch = max(16, BATCH_BYTES // (sum(len(x) for x in sides) * sides[0].shape[2] * self.kind.itemsize))
        batch = n if self._device.type == "cuda" else batch
        worst = [np.zeros(len(x)) for x in sides]
        for start in range(0, n, batch):
            slabs, off = zip(
                *(
                    self._normalise(array[:, start : start + batch], quantity)
                    for array, quantity in zip(sides, quantities)
                )
            )
            self._add(slabs)
            worst = [np.maximum(a, b.cpu().numpy()) for a, b in zip(worst, off)]  # NaN stays
        return worst

    def _add(self, slabs):
        if not self._symmetric:
            for selves, slab in zip(self._selves, slabs):
                selves += (
                    slab.to(self._type)
                    .square()
                    .sum(dim=2)
                    .clamp_(min=self._floor)
                    .log_()
                    .sum(dim=1, dtype=self._total.dtype)
                )
        if self._kernel:
            self._kernel.add(*slabs)
        else:
            self._add_affinities(*(x.to(self._type).transpose(0, 1).contiguous() for x in (slabs[0], slabs[-1])))

    def _normalise(self, array, quantity):
        x = to_roots(self._torch.from_numpy(array).to(self._device).to(self._type), quantity)
        norms = x.square().sum(dim=2)
        off = (norms - 1).abs().amax(dim=1)
        off[x.amin(dim=(1, 2)) < 0] = float("nan")
        x = x / norms.sqrt().clamp_(min=1e-30)[..., None]
        return x.to(self._rounded), off

    def _add_affinities(self, rows, columns):
        """Add the log-affinities of roots (n, rows, C) and (n, columns, C), in squares that stay in the cache."""
        tile = min(TILE, rows.shape[1]) * min(TILE, columns.shape[1])
        batch = max(1, TILE_BYTES // (tile * self.kind.itemsize))
        for a, b in zip(rows.split(batch), columns.split(batch)):
            for i in range(0, a.shape[1], TILE):
                for j in range(i if self._symmetric else 0, b.shape[1], TILE):
                    affinity = a[:, i : i + TILE] @ b[:, j : j + TILE].transpose(1, 2)
                    if affinity.amin() < self._floor:
                        count = (affinity < self._floor).sum()
                        self._floored += count // 2 if self._symmetric and i == j else count
                    self._total[i : i + TILE, j : j + TILE] += (
                        affinity.clamp_(min=self._floor).log_().sum(dim=0, dtype=self._total.dtype)
                    )

    def log(self) -> np.ndarray:
        """Return the sums of log-affinities of normalised models (rows, columns), float64; zero below the diagonal.

        For rows a, b that are not of unit norm, by rounding, that is log<a, b> - (log<a, a> + log<b, b>) / 2.
        """
        total = self._kernel.log() if self._kernel else self._total.cpu().numpy()
        if self._symmetric:
            return above_diagonal(total.copy())
        return total - 0.5 * np.add.outer(*(x.cpu().numpy() for x in self._selves))
