"""A sum over samples that is shared among processes, stopped, and gone on with.

    torchrun --nproc-per-node 4 -m info_geometry.inpca imagenet_all imagenet_vert --resume

`Processes` are those that torchrun or srun started, or the only one.  `State` knows which samples are done: each
process takes an equal part of those that are not, and keeps its sums in a file from time to time; since sums can be
added in any order, any number of processes can go on with what any number of others left.
"""
import contextlib
import datetime
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, atomic_path, first_line, log, remove_orphans

SAVE_EVERY = 60.0  # seconds
TIMEOUT = datetime.timedelta(hours=1)  # for the slowest process to arrive after the fastest
LOST = "another process of this job was lost or stopped (see its message)"


class Processes:
    """rank of count processes; the main one, of rank 0, alone writes.  Use as a context."""

    def __init__(self, *, alone=False):
        """alone: whatever the environment says."""
        names = ("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS"), ("LOCAL_RANK", "SLURM_LOCALID")
        shared = not alone and "MASTER_ADDR" in os.environ  # set by torchrun, and for srun by the script that calls it
        self.rank, self.count, self.local = (
            int(next((os.environ[name] for name in pair if shared and name in os.environ), default))
            for pair, default in zip(names, (0, 1, 0)))
        self.main = self.rank == 0
        self._waiting = self.main and self.count > 1  # whether the others wait for the main process

    def __enter__(self):
        if self.count > 1:
            import torch.distributed as dist

            place = f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT')}"
            try:  # gloo also beside GPUs: there is one sum, at the end
                dist.init_process_group("gloo", rank=self.rank, world_size=self.count, timeout=TIMEOUT)
            except (RuntimeError, ValueError) as error:
                raise InputError(f"process {self.rank} of {self.count} cannot meet the others at {place}, which "
                                 f"MASTER_ADDR and MASTER_PORT say ({_reason(error)})") from error
        return self

    def __exit__(self, *exception):
        if self.count > 1:
            import torch.distributed as dist

            if self._waiting:
                with contextlib.suppress(InputError):  # others may be gone, and so are we
                    self.tell(False)
            dist.destroy_process_group()

    def call(self):
        """In the main process: have the others begin with what is shared."""
        if self._waiting:
            self._waiting = False
            self.tell(True)

    def called(self):
        """In another process: wait for the main one; return whether there is something to share."""
        return self.tell()

    def device(self, device):
        """Return the device of this process: with several GPUs a process each."""
        import torch

        if self.count > 1 and device in (None, "cuda") and torch.cuda.is_available():
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

    def sum(self, array):
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
            raise InputError(f"process {self.rank} of {self.count}: {LOST}; what is done is kept: start it again with "
                             f"--resume ({_reason(error)})") from error


def _reason(error):
    """Return what gloo says, without the line of its source that says so."""
    return re.sub(r"^\[\S+:\d+\] ", "", first_line(error))[:200]


class Stopped(KeyboardInterrupt):
    """A signal ended the sum; the message says what is kept."""


class State:
    """Which samples are in the sums of this process, what earlier ones left, and when to stop.

    path: of the files, `<path>.<rank>.npz`; `remove` them when the result is stored.  key: anything JSON can hold that
    tells these sums from others.  resume: go on with what is there; else it is removed.
    """

    def __init__(self, path, key, processes=None, *, resume=False):
        self._path, self._key = Path(path), json.dumps(key, default=str)
        self._processes = processes or Processes(alone=True)
        self.main = self._processes.main
        self._intervals, self._before, self._floored_before = [], None, 0
        self._samples, self._stop = 0, None
        if self.main:
            remove_orphans(self._path.parent, f"{self._path.name}.*")
            if self._files():
                self._take_over() if resume else self._begin_again()
        self._done_before = self._processes.tell(list(self._intervals))
        self._save_at = time.monotonic() + SAVE_EVERY

    def missing(self, N):
        """Return the intervals (start, stop) of the N samples that are this process's to do."""
        self._samples, todo, start = N, [], 0
        for a, b in [*self._done_before, (N, N)]:
            todo += [(start, a)] if a > start else []
            start = b
        count, rank = self._processes.count, self._processes.rank
        total = sum(b - a for a, b in todo)
        first, last = total * rank // count, total * (rank + 1) // count
        mine, seen = [], 0
        for a, b in todo:
            low, high = max(first - seen, 0), min(last - seen, b - a)
            mine += [(a + low, a + high)] if low < high else []
            seen += b - a
        return mine

    def done(self, start, stop, products):
        """Note that the samples start..stop are in the sums; keep these from time to time, and stop when told to.

        products: an object with `log()` and `floored`, the sums of this process so far.  Raises Stopped.
        """
        if self._intervals and self._intervals[-1][1] == start:
            self._intervals[-1] = self._intervals[-1][0], stop
        else:
            self._intervals.append((start, stop))
        self._end_if_told(products)
        if time.monotonic() > self._save_at:
            self._keep(*self._sums(products))

    def _end_if_told(self, products):
        if self._stop:
            self._write(*self._sums(products))
            who = f"process {self._processes.rank} of {self._processes.count}: " if self._processes.count > 1 else ""
            raise Stopped(f"{who}{length(self._intervals)} samples are done and kept; "
                          "the same command with --resume goes on from there")

    @contextlib.contextmanager
    def signals(self):
        """Have Ctrl-C and SIGTERM wait for the end of a block of samples; a second one does not."""
        def stop(number, frame):
            self._stop = number
            signal.signal(number, before[number])

        before = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, stop)
        except ValueError:  # not the main thread, which alone gets signals
            pass
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def result(self, products):
        """Return the sums over all samples and processes and how many were floored; None in all but the main one.

        The sums are kept until `remove`, so that what comes after them may fail, too.
        """
        self._end_if_told(products)
        sums, floored = self._sums(products)
        if self._processes.count > 1:  # others may be lost on the way to the sum
            self._keep(sums, floored)
        total = self._processes.sum(np.append(sums, float(floored)))
        if not self.main:
            return None
        sums, floored = total[:-1].reshape(sums.shape), int(total[-1])
        self._intervals = [(0, self._samples)]
        if self._keep(sums, floored):
            self.remove(but=self._file(0))
        return sums, floored

    def remove(self, but=None):
        """Remove the files, but for one."""
        for path in self._files():
            if path != but:
                path.unlink(missing_ok=True)

    def _sums(self, products):
        sums = products.log()
        return sums if self._before is None else sums + self._before, products.floored + self._floored_before

    def _keep(self, sums, floored):
        """Write the sums and return whether that went well: hours of computing do not end for a full disk."""
        started = time.monotonic()
        try:
            self._write(sums, floored)
            return True
        except InputError as error:
            log.warning("warning: %s; the computation goes on, but what is done is not kept", error)
            return False
        finally:  # writing takes a small part of the time, however large the sums are
            self._save_at = time.monotonic() + max(SAVE_EVERY, 20 * (time.monotonic() - started))

    def _write(self, sums, floored):
        with atomic_path(self._file(self._processes.rank)) as temporary, open(temporary, "wb") as file:
            np.savez(file, key=self._key, intervals=np.array(self._intervals).reshape(-1, 2), sums=sums,
                     floored=floored)

    def _file(self, rank):
        return self._path.with_name(f"{self._path.name}.{rank}.npz")

    def _files(self):
        return sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*.npz"))

    def _begin_again(self):
        log.info("%s: a computation that was stopped is left there, %d samples of this one done; it is removed and "
                 "all is done again, since --resume is not said", self._path.parent,
                 sum(length(intervals) for _, intervals in self._left()))
        self.remove()

    def _take_over(self):
        """Add up the files of this computation: of those that overlap, the larger one."""
        for path, intervals in self._left():
            if any(a < d and c < b for a, b in intervals for c, d in self._intervals):
                continue  # a part of another one, into which it was added before it could be removed
            with _reading(path), np.load(path, allow_pickle=False) as x:
                sums, floored = x["sums"], int(x["floored"])
                self._before = sums if self._before is None else self._before + sums
                self._floored_before += floored
                self._intervals = sorted([*self._intervals, *intervals])
        if self._intervals:
            self._write(self._before, self._floored_before)
            self.remove(but=self._file(0))
            log.info("%d samples are done already", length(self._intervals))

    def _left(self):
        """Return the paths and intervals of the files of this computation, the one with most samples first."""
        found, others = [], 0
        for path in self._files():
            with _reading(path), np.load(path, allow_pickle=False) as x:
                if str(x["key"]) == self._key:
                    found.append((path, [(int(a), int(b)) for a, b in x["intervals"]]))
                else:
                    others += 1
        if others:
            log.info("%s: what is left there is of other predictions or options, and not used", self._path.parent)
        return sorted(found, key=lambda x: -length(x[1]))


def length(intervals):
    """Return how many samples there are in intervals (start, stop)."""
    return sum(b - a for a, b in intervals)


@contextlib.contextmanager
def _reading(path):
    """Say so if a file is damaged, and go on without it."""
    try:
        yield
    except Exception as error:  # what is no archive of arrays raises whatever it likes
        log.warning("warning: %s is not readable (%s); its samples are done again", path, first_line(error))
