"""Which samples are loaded together: batches of an epoch, of a run, of an evaluation.

Order and augmentation are functions of (seed, epoch, batch), so that a run can be resumed at any step and does not
depend on the number of processes that load it or train on it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch


class Batch(NamedTuple):
    """Samples that are loaded together: indices (B,) of images.

    Augmentation follows from positions (B,), where each stands in the whole batch, and key, an integer; None: there is
    none.  resolution: side of the images in pixels; 0: as they are.
    """

    indices: torch.Tensor
    positions: torch.Tensor
    key: int | None = None
    resolution: int = 0


def training_plan(
    indices: Sequence[int] | np.ndarray,
    batch_size: int,
    seed: int,
    epoch: int,
    first: int = 0,
    rank: int = 0,
    world: int = 1,
    micro: int = 0,
    resolution: int = 0,
) -> Iterator[Batch]:
    """Yield a Batch for each batch of an epoch from number `first`: this rank's share, in parts of `micro` (0: whole).

    Where parts divide a batch evenly among processes, they are the same ones for any number of processes.
    The order is a permutation drawn from (seed, epoch); samples that do not fill a batch wait for the next epoch.
    Augmentation follows from (seed, epoch, batch, position), whatever the number of processes.
    """
    order = np.random.default_rng([seed, epoch]).permutation(indices)
    for number in range(first, steps_per_epoch(len(indices), batch_size)):
        whole = torch.from_numpy(order[number * batch_size : (number + 1) * batch_size])
        key = int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0] >> 1)
        everything = torch.arange(len(whole))
        if micro and len(whole) % (micro * world) == 0:
            parts = everything.split(micro)[rank::world]
        else:
            parts = everything[rank::world].split(micro or len(whole))
        for positions in parts:
            yield Batch(whole[positions], positions, key, resolution)


def whole_plan(
    indices: Sequence[int] | np.ndarray, config: Any, seed: int, first: int, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Yield the Batches of all epochs of a configuration from step `first` on, as `training_plan` does those of one."""
    start, number = divmod(first, steps_per_epoch(len(indices), config.batch_size))
    for epoch in range(start, config.epochs):
        yield from training_plan(
            indices,
            config.batch_size,
            seed,
            epoch,
            number if epoch == start else 0,
            rank,
            world,
            config.micro_batch_size,
            config.resolution_at(epoch),
        )


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return the number of batches of an epoch: full ones, or a single small one."""
    return max(1, samples // batch_size)


def evaluation_plan(samples: int, batch_size: int, resolution: int = 0) -> Iterator[Batch]:
    """Yield a Batch for all samples in their order, the last one being smaller."""
    for start in range(0, samples, batch_size):
        indices = torch.arange(start, min(start + batch_size, samples))
        yield Batch(indices, indices, resolution=resolution)
