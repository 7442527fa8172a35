"""The processes that share a sum: those that torchrun or srun started, or the only one.

Those that train a network are in `learning.distributed`.  They are other ones: they meet in every step, with GPUs of
their own, and `learning` knows nothing of sums.
"""

import contextlib
import datetime
import os
import re

import numpy as np

from info_geometry.files import InputError, first_line

TIMEOUT = datetime.timedelta(hours=1)  # for the slowest process to arrive after the fastest
LOST = "another process of this job was lost or stopped (see its message)"


class Processes:
    """rank of count processes; the main one, of rank 0, alone writes.  Use as a context."""

    def __init__(self, *, alone: bool = False) -> None:
        """alone: whatever the environment says."""
        names = ("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS"), ("LOCAL_RANK", "SLURM_LOCALID")
        shared = not alone and "MASTER_ADDR" in os.environ  # set by torchrun, and for srun by the script that calls it
        self.rank, self.count, self.local = (
            int(next((os.environ[name] for name in pair if shared and name in os.environ), default))
            for pair, default in zip(names, (0, 1, 0))
        )
        self.main = self.rank == 0
        self._waiting = self.main and self.count > 1  # whether the others wait for the main process

    def __enter__(self):
        if self.count > 1:
            try:
                import torch.distributed as dist
            except ImportError as error:
                raise InputError(
                    f"process {self.rank} of {self.count}: to share distances among processes takes torch, which is "
                    f"not here ({first_line(error)}); pip install torch, or start one process"
                ) from error
            place = f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT')}"
            try:  # gloo also beside GPUs: there is one sum, at the end
                dist.init_process_group("gloo", rank=self.rank, world_size=self.count, timeout=TIMEOUT)
            except (RuntimeError, ValueError) as error:
                raise InputError(
                    f"process {self.rank} of {self.count} cannot meet the others at {place}, which "
                    f"MASTER_ADDR and MASTER_PORT say ({_reason(error)})"
                ) from error
        return self

    def __exit__(self, *exception):
        if self.count > 1:
            import torch.distributed as dist

            if self._waiting:
                with contextlib.suppress(InputError):  # others may be gone, and so are we
                    self.tell(False)
            dist.destroy_process_group()

    def call(self) -> None:
        """In the main process: have the others begin with what is shared."""
        if self._waiting:
            self._waiting = False
            self.tell(True)

    def called(self) -> bool:
        """In another process: wait for the main one; return whether there is something to share."""
        return self.tell()

    def device(self, device: str | None) -> str | None:
        """Return the device of this process: with several GPUs a process each."""
        if self.count > 1 and device in (None, "cuda"):
            import torch

            if torch.cuda.is_available():
                return f"cuda:{self.local % torch.cuda.device_count()}"
        return device

    def tell(self, message=None):
        """Return the message, anything that pickles, of the main process."""
        if self.count == 1:
            return message
        import torch.distributed as dist

        messages = [message]
        with self._meeting():
            dist.broadcast_object_list(messages)
        return messages[0]

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array over the processes to the main one; to others, what they gave."""
        if self.count == 1:
            return array
        import torch
        import torch.distributed as dist

        total = torch.from_numpy(np.ascontiguousarray(array))
        with self._meeting():
            dist.reduce(total, 0)
        return total.numpy()

    @contextlib.contextmanager
    def _meeting(self):
        try:
            yield
        except RuntimeError as error:  # gloo's, for a connection that is closed or takes too long
            raise InputError(
                f"process {self.rank} of {self.count}: {LOST}; what is done is kept: start it again with "
                f"--resume ({_reason(error)})"
            ) from error


def _reason(error):
    """Return what gloo says, without the line of its source that says so."""
    return re.sub(r"^\[\S+:\d+\] ", "", first_line(error))[:200]
