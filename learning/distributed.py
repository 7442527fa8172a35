"""Processes that train one network together under torchrun; without it, one process on the GPU or the CPU."""

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist

from info_geometry.files import InputError, device_of, lock, log


class Processes:
    """rank of world processes, the device of this one, and whether it is the main one, which alone writes."""

    def __init__(self, rank: int = 0, world: int = 1, device: str | torch.device = "cpu"):
        self.rank, self.world, self.device, self.main = rank, world, torch.device(device), rank == 0
        self._parent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None

    def abandoned(self) -> bool:
        """Return whether the torchrun that started this process is gone, so that nobody would stop it any more."""
        return self._parent not in (None, os.getppid())

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process."""
        if self.world == 1:
            return flag
        flag = torch.tensor(float(flag))  # on the CPU: the GPU does not wait for it
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def broadcast(self, tensor: torch.Tensor, source: int = 0) -> None:
        """Fill a tensor, in place, with that of the process `source`."""
        if self.world > 1:
            dist.broadcast(tensor, source)

    def lock(self, path: str | Path, what: str, *, wait: bool = False) -> contextlib.AbstractContextManager:
        """Return a context in which the main process holds a lock (see files.lock) for all."""
        return lock(path, what, wait=wait) if self.main else contextlib.nullcontext()

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.any(False)


@contextlib.contextmanager
def processes(device: str | None = None, *, alone: bool = False) -> Iterator[Processes]:
    """Yield the Processes that torchrun started (gloo for what is on the CPU, nccl on CUDA), or the only one.

    alone: several are refused, before they wait for each other.
    """
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    if alone and world > 1:
        raise InputError(
            f"one process trains a run of this method, not {world}: start it without torchrun, "
            "and several runs at a time with --part 0/2, --part 1/2"
        )
    if world > 1 and device in (None, "cuda") and torch.cuda.is_available():
        device = f"cuda:{local}"
    device = str(device_of(torch, device))
    torch.backends.cudnn.benchmark = True  # sizes of batches and images hardly change
    if world == 1:
        yield Processes(device=device)
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    # DistributedDataParallel imports it; imported after the group is there, it holds the group for ever, whose threads
    # then outlive it and, where one lets go of a tensor while Python ends, abort the process
    importlib.import_module("torch._dynamo")
    if os.environ.get("RANK", "0") != "0":
        log.setLevel(logging.ERROR)  # what is to be said of data, the main process says
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
