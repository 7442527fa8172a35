"""Processes that take one piece of work after the other.  They are forked from one that has imported torch once."""

import collections
import contextlib
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import NamedTuple

from info_geometry.files import ROOT, InputError
from learning.runs.run import EXIT_REQUEUE, SKIPPED

PRELOADED = ["torch", "sklearn.datasets", "learning.stage", "learning.supervise"]


class Work(NamedTuple):
    """One run, to be taken to a stage: the module of its script, and the words of its command line.

    about: what there may be more work about, such as a run that is imprinted in several ways; a process that has begun
    with it goes on with it.  number: for who hands out the work.  leave: what another process holds is left to it.
    """

    module: str
    words: tuple[str, ...]
    about: tuple = ()
    number: int = 0
    leave: bool = False


class Outcome(NamedTuple):
    """What came of it: `done`, `skipped (already complete)`, `failed`, `diverged`, or `held`, by another process;
    (name, seed) of the run, where that could be said; and the error, if there was one."""

    what: str
    run: tuple[str, int] | None = None
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether the stage of the run is complete."""
        return self.what in ("done", SKIPPED)


class Interrupted(Exception):
    """The process was told to end, by a signal."""

    def __init__(self, number: int):
        super().__init__(f"signal {number}")
        self.code = 130 if number == signal.SIGINT else EXIT_REQUEUE


class Signals:
    """While the block runs, signals that tell the process to end are kept, and `check` raises Interrupted."""

    def __enter__(self):
        self._told, self._handlers = [], {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self._handlers[number] = signal.signal(number, lambda number, _: self._told.append(number))
        return self

    def __exit__(self, *_):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def check(self) -> None:
        if self._told:
            raise Interrupted(self._told[0])


def outcomes(waiting: collections.deque[Work], jobs: int, signals: Signals) -> Iterator[tuple[Work, Outcome]]:
    """Yield each Work with its Outcome, in the order in which they are done, by as many processes as `jobs`.

    waiting: who takes what is yielded may add to it meanwhile.  Each is taken by whichever process is free.  What
    another process holds is passed over, and waited for at the end, unless the Work says that it is left to that one.
    A process that dies does not stop the others.  Raises Interrupted on a signal, once all processes have ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    if jobs > 1:  # one thread a process
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    _start_server()
    held, free, busy = collections.deque(), [], {}
    try:
        while waiting or held or busy:
            while (waiting or held) and (free or len(busy) < jobs):
                process, pipe, last = free.pop() if free else (*_start(context), ())
                work = _next(waiting, last, {other.about for _, other in busy.values()}) if waiting else held.popleft()
                with contextlib.suppress(BrokenPipeError):  # it is gone, which is found below
                    pipe.send(work)
                busy[pipe] = process, work
            signals.check()
            for pipe in connection.wait(list(busy), timeout=0.1):
                process, work = busy.pop(pipe)
                try:
                    outcome = pipe.recv()
                    free.append((process, pipe, work.about))
                except (EOFError, ConnectionResetError):
                    process.join()
                    signals.check()  # a scheduler may tell all processes at once
                    outcome = Outcome("failed", None, f"a process ended with code {process.exitcode} on {_said(work)}")
                if outcome.what == "held" and not work.leave and "--wait" not in work.words:
                    held.append(work._replace(words=(*work.words, "--wait")))
                else:
                    yield work, outcome
    except BaseException:
        for process in [*(process for process, *_ in free), *(process for process, _ in busy.values())]:
            process.terminate()  # a run that is being trained finishes its step and saves itself
        raise
    finally:
        for pipe in [*(pipe for _, pipe, _ in free), *busy]:
            pipe.close()  # the end, for a process that waits for work
        for process in [*(process for process, *_ in free), *(process for process, _ in busy.values())]:
            process.join()


def _next(waiting, last, others):
    """Take, for a process that was at `last`, more work about that, or else about nothing that others are at."""
    more = [work for work in waiting if work.about and work.about == last]
    rest = [work for work in waiting if not work.about or work.about not in others]
    work = (more or rest or waiting)[0]
    waiting.remove(work)
    return work


def _said(work):
    return " ".join([work.module, *work.words])


def _start_server():
    """Start the server that processes are forked from, deaf to what a scheduler tells all processes at once.

    Without it nobody would know when they have ended, and who waits for them would end before they have saved.
    """
    numbers = signal.SIGTERM, signal.SIGUSR1
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]  # which what is started inherits
    try:
        forkserver.ensure_running()
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def _start(context):
    """Return a process that takes work, and the pipe through which it does."""
    pipe, other = context.Pipe()
    process = context.Process(target=_take_work, args=(other,))
    process.start()
    other.close()
    return process, pipe


def _take_work(pipe):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, it comes to all; the one that hands out work tells us
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: sys.exit(EXIT_REQUEUE))
    with tempfile.TemporaryDirectory() as folder:
        while True:
            try:
                work = pipe.recv()
            except EOFError:  # there is no more
                return
            outcome = _outcome(work, Path(folder) / "report.jsonl")
            with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
                pipe.send(outcome)


def _outcome(work, report):
    report.unlink(missing_ok=True)
    error = ""
    try:
        script(work.module).main([*work.words, "--report", str(report)])
    except InputError as failure:
        error = str(failure)
    except SystemExit as end:
        if end.code == EXIT_REQUEUE:
            raise
        error = f"a stage ended with code {end.code}"
    except Exception:  # a fault of ours: it is said, and others go on
        error = traceback.format_exc()
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    if not lines:
        return Outcome("failed", None, error)
    return told(lines[-1])


def told(line: str) -> Outcome:
    """Return the Outcome that a line of a stage's --report tells."""
    said = json.loads(line)
    return Outcome(said["outcome"], said["run"] and tuple(said["run"]), said["error"])


def script(module: str):
    """Return the module of an entry script, which no package holds, from its file below the repository's root."""
    if module not in sys.modules:
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(module, path)
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        sys.modules[module] = found
    return sys.modules[module]
