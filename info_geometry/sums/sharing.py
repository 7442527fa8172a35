"""A sum over samples that is shared among processes, stopped, and gone on with.

    torchrun --nproc-per-node 4 -m info_geometry.inpca imagenet_all imagenet_vert --resume

`Processes` are those that torchrun or srun started, or the only one.  `State` knows which samples are done: each
process takes an equal part of those that are not, and keeps its sums in a file from time to time; since sums can be
added in any order, any number of processes can go on with what any number of others left.
"""

import contextlib
import json
import signal
import time
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, atomic_path, first_line, log, remove_orphans
from info_geometry.sums.engines import Products
from info_geometry.sums.processes import Processes

SAVE_EVERY = 60.0  # seconds


class Stopped(KeyboardInterrupt):
    """A signal ended the sum; the message says what is kept."""


class State:
    """Which samples are in the sums of this process, what earlier ones left, and when to stop.

    path: of the files, `<path>.<rank>.npz`; `remove` them when the result is stored.  key: anything JSON can hold that
    tells these sums from others.  resume: go on with what is there; else it is removed.  unit: what `N` counts.
    """

    def __init__(
        self,
        path: Path,
        key: list,
        processes: Processes | None = None,
        *,
        resume: bool = False,
        unit: str = "samples",
    ) -> None:
        self._path, self._key = Path(path), json.dumps(key, default=str)
        self._unit, self._processes = unit, processes or Processes(alone=True)
        self.main = self._processes.main
        self._intervals, self._before, self._floored_before = [], None, 0
        self._samples, self._stop = 0, None
        if self.main:
            remove_orphans(self._path.parent, f"{self._path.name}.*")
            if self._files():
                self._take_over() if resume else self._begin_again()
        self._done_before = self._processes.tell(list(self._intervals))
        self._save_at = time.monotonic() + SAVE_EVERY

    def tell(self, message: object = None) -> object:
        """Return the message of the main process."""
        return self._processes.tell(message)

    def missing(self, N: int) -> list[tuple[int, int]]:
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

    def done(self, start: int, stop: int, products: Products) -> None:
        """Note that the samples start..stop are in the sums; keep these from time to time, and stop when told to.

        products: the sums of this process so far.  Raises Stopped.
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
            raise Stopped(
                f"{who}{length(self._intervals)} {self._unit} are done and kept; "
                "the same command with --resume goes on from there"
            )

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

    def result(self, products: Products) -> tuple[np.ndarray, int] | None:
        """Return the sums over all samples and processes and how many were floored; None in all but the main one.

        The sums are kept until `remove`, so that what comes after them may fail, too.
        """
        self._end_if_told(products)
        sums, floored = self._sums(products)
        if self._processes.count > 1:  # others may be lost on the way to the sum
            self._keep(sums, floored)
        sums, floored = self._processes.sum(sums), int(self._processes.sum(np.array([float(floored)]))[0])
        if not self.main:
            return None
        self._intervals = [(0, self._samples)]
        if self._keep(sums, floored):
            self.remove(but=self._file(0))
        return sums, floored

    def remove(self, but: Path | None = None) -> None:
        """Remove the files, but for one."""
        for path in self._files():
            if path != but:
                path.unlink(missing_ok=True)

    def _sums(self, products):
        sums = products.log()
        if self._before is not None:
            sums += self._before
        return sums, products.floored + self._floored_before

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
            np.savez(
                file, key=self._key, intervals=np.array(self._intervals).reshape(-1, 2), sums=sums, floored=floored
            )

    def _file(self, rank):
        return self._path.with_name(f"{self._path.name}.{rank}.npz")

    def _files(self):
        return sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*.npz"))

    def _begin_again(self):
        log.info(
            "%s: a computation that was stopped is left there, %d %s of this one done; it is removed and "
            "all is done again, since --resume is not said",
            self._path.parent,
            sum(length(intervals) for _, intervals in self._left()),
            self._unit,
        )
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
            log.info("%d %s are done already", length(self._intervals), self._unit)

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


def length(intervals: list[tuple[int, int]]) -> int:
    """Return how many samples there are in intervals (start, stop)."""
    return sum(b - a for a, b in intervals)


@contextlib.contextmanager
def _reading(path):
    """Say so if a file is damaged, and go on without it."""
    try:
        yield
    except Exception as error:  # what is no archive of arrays raises whatever it likes
        log.warning("warning: %s is not readable (%s); its samples are done again", path, first_line(error))
