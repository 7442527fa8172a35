"""Sums that are shared, stopped and gone on with: whatever happens on the way, they are those of one pass."""

import itertools
import os
import re
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from info_geometry import files
from info_geometry.files import InputError
from info_geometry.sums import sharing


class Job:
    """Processes that take turns in this one; the main one comes first, and last to a sum."""

    def __init__(self, count):
        self.members, self.said = [Member(self, rank, count) for rank in range(count)], None


class Member:
    def __init__(self, job, rank, count):
        self._job, self.rank, self.count, self.main, self._given = job, rank, count, rank == 0, []

    def tell(self, message=None):
        if self.main:
            self._job.said = message
        return self._job.said

    def sum(self, array):
        self._given.append(array)
        return sum(member._given[len(self._given) - 1] for member in self._job.members) if self.main else array


class Products:
    """Sums of values (N, 2, 2) over the samples it was given; one of each sample is floored."""

    def __init__(self, values):
        self._values, self._total, self.floored = values, np.zeros((2, 2)), 0

    def add(self, start, stop):
        self._total += self._values[start:stop].sum(axis=0)
        self.floored += stop - start

    def log(self):
        return self._total.copy()


def begin(path, count=1, key="key", resume=True):
    return [sharing.State(path, key, member, resume=resume) for member in Job(count).members]


def compute(states, values, block=3, limits=None):
    """Let each process do its samples, but for those told to stop after so many blocks; return what all got."""
    products = [Products(values) for _ in states]
    for k, (state, product) in enumerate(zip(states, products)):
        parts = [(n, min(n + block, b)) for a, b in state.missing(len(values)) for n in range(a, b, block)]
        for i, (a, b) in enumerate(parts):
            product.add(a, b)
            if limits and i == limits[k]:
                state._stop = signal.SIGINT
                with pytest.raises(sharing.Stopped, match="--resume"):
                    state.done(a, b, product)
                break
            state.done(a, b, product)
    if limits is None:
        return [state.result(product) for state, product in reversed(list(zip(states, products)))][-1]


def expect(found, values):
    np.testing.assert_allclose(found[0], values.sum(axis=0), rtol=1e-12)
    assert found[1] == len(values)


def left(path):
    return sorted(p.name for p in path.parent.iterdir())


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal((40, 2, 2))


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".toy.distances"


@given(st.sets(st.integers(0, 60)), st.integers(1, 7), st.integers(60, 80))
def test_what_is_missing_is_shared_equally(edges, count, N):
    """The parts are a partition of what is not done, of equal size up to 1."""
    edges = sorted(edges)
    done = [(a, b) for a, b in zip(edges[::2], edges[1::2])]
    shares = []
    for member in Job(count).members:
        state = sharing.State("/nowhere/x", "key", member)
        state._done_before = done
        shares.append([n for a, b in state.missing(N) for n in range(a, b)])
    todo = sorted(set(range(N)) - {n for a, b in done for n in range(a, b)})
    assert list(itertools.chain(*shares)) == todo
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


runs_of_processes = st.lists(st.integers(0, 6), min_size=1, max_size=4)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 50), st.lists(st.tuples(runs_of_processes, st.integers(1, 9)), max_size=4), st.integers(1, 5))
def test_any_history_gives_the_sums_of_one_pass(N, history, count):
    """Each time other processes, in other blocks, each stopped after other numbers of blocks."""
    values = np.random.default_rng(N).standard_normal((N, 2, 2)) + 10
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for limits, block in history:
            compute(begin(path, len(limits)), values, block, limits)
        states = begin(path, count)
        expect(compute(states, values), values)
        expect(compute(begin(path, 2), values), values)  # kept, until told that they are not needed
        states[0].remove()
        assert left(path) == []


@pytest.mark.parametrize("every", [0, 1000])
def test_what_was_not_kept_is_done_again(path, values, every, monkeypatch):
    """As after SIGKILL: nothing is written at the end, only from time to time."""
    monkeypatch.setattr(sharing, "SAVE_EVERY", every)
    monkeypatch.setattr(time, "monotonic", itertools.count().__next__)
    for state in begin(path, 2):
        products, (first, _) = Products(values), state.missing(40)[0]
        for n in (first, first + 5):
            products.add(n, n + 5)
            state.done(n, n + 5, products)
    states = begin(path, 3)
    assert sum(sharing.length(state.missing(40)) for state in states) == (40 if every else 30)
    expect(compute(states, values), values)


def stopped(path, values, limits=(2, 3), key="key"):
    compute(begin(path, len(limits), key), values, limits=limits)
    return [path.with_name(f"{path.name}.{rank}.npz") for rank in range(len(limits))]


@pytest.fixture
def said(monkeypatch, caplog):
    monkeypatch.setattr(files.log, "level", 0)
    with caplog.at_level("INFO"):
        yield lambda: caplog.text


def test_files_of_another_computation_are_not_used(path, values, said):
    stopped(path, values + 1, key=["other files"])
    states = begin(path)
    assert states[0].missing(40) == [(0, 40)] and "of other predictions or options, and not used" in said()
    expect(compute(states, values), values)
    assert left(path) == [".toy.distances.0.npz"]


def test_going_on_is_said(path, values, said):
    stopped(path, values)
    expect(compute(begin(path), values), values)
    assert "21 samples are done already" in said()


def test_without_resume_what_is_left_is_said_and_removed(path, values, said):
    stopped(path, values)
    states = begin(path, resume=False)
    assert left(path) == [] and states[0].missing(40) == [(0, 40)]
    assert "21 samples of this one done; it is removed" in said() and "--resume is not said" in said()


@pytest.mark.parametrize("percent", [0, 1, 50, 99])
def test_a_truncated_file_is_skipped(path, values, percent, said):
    one, other = stopped(path, values)
    content = other.read_bytes()
    other.write_bytes(content[: len(content) * percent // 100])
    states = begin(path, 3)
    assert re.search(rf"warning: {other} is not readable \(.+\); its samples are done again", said())
    assert [sharing.length(state.missing(40)) for state in states] == [10, 10, 11] and left(path) == [one.name]
    expect(compute(states, values), values)


def test_damage_anywhere_does_no_harm(path, values):
    """A bit that is wrong is noticed, or of no importance."""
    stopped(path, values)
    contents = {p: p.read_bytes() for p in path.parent.iterdir()}
    rng = np.random.default_rng(0)
    for _ in range(150):
        for p, content in contents.items():
            damaged = bytearray(content)
            damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
            p.write_bytes(damaged)
        expect(compute(begin(path), values), values)


def test_other_content_is_skipped(path, values, said):
    one, other = stopped(path, values)
    with np.load(other) as x:
        content = dict(x)
    for change in ({"intervals": np.zeros(3)}, {"floored": "a"}, {"key": np.array([None])}):
        np.savez(other, **{**content, **change})
        saved = one.read_bytes()
        expect(compute(begin(path), values), values)
        assert f"{other} is not readable" in said()
        one.write_bytes(saved)
    np.save(other.open("wb"), values)
    expect(compute(begin(path), values), values)


def test_files_that_overlap_are_not_counted_twice(path, values):
    """Killed after the sums of all were written, before the parts were removed."""
    one, other = stopped(path, values)
    part = other.read_bytes()
    assert sharing.length(begin(path)[0]._intervals) == 21 and left(path) == [one.name]
    other.write_bytes(part)
    states = begin(path, 2)
    assert left(path) == [one.name] and sum(sharing.length(s.missing(40)) for s in states) == 19
    other.write_bytes(part)
    expect(compute(states, values), values)
    other.write_bytes(part)
    expect(compute(begin(path), values), values)


def test_what_killed_writers_leave_is_removed(path, values):
    path.with_name(f".{path.name}.1.npz.123.tmp").write_bytes(b"half")
    path.with_name("toy.npz").write_bytes(b"another file")
    path.with_name(f"{path.name}.distances.0.npz").write_bytes(b"of a picture of another name")
    states = begin(path, resume=False)
    expect(compute(states, values), values)
    states[0].remove()
    assert left(path) == [".toy.distances.distances.0.npz", "toy.npz"]


def test_a_full_disk_does_not_end_it(path, values, monkeypatch, said):
    """But where nothing is kept because it is stopped, that is an error."""
    monkeypatch.setattr(sharing, "SAVE_EVERY", -1)
    states = begin(path)

    def full(path):
        raise InputError(f"cannot write {path}: No space left on device")

    with monkeypatch.context() as faults:
        faults.setattr(sharing, "atomic_path", full)
        expect(compute(states, values), values)
        assert "No space left on device; the computation goes on, but what is done is not kept" in said()
        state, products = begin(path)[0], Products(values)
        state.missing(40)
        state._stop = signal.SIGTERM
        with pytest.raises(InputError, match="No space left"):
            state.done(0, 3, products)
    assert left(path) == []


def test_saving_takes_a_small_part_of_the_time(path, values, monkeypatch):
    """However large the sums are: of a file that takes 10 seconds, the next is written 200 seconds later."""
    monkeypatch.setattr(sharing, "SAVE_EVERY", 5)
    clock, written = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def slow(state, *sums):
        written.append(clock[0])
        clock[0] += 10

    monkeypatch.setattr(sharing.State, "_write", slow)
    state, products = begin(path)[0], Products(values)
    for n in range(500):
        clock[0] += 1
        state.done(n, n + 1, products)
    assert written == [6, 217, 428]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_and_a_second_one_does_not(path, values, number):
    class Second(Exception):
        pass

    def handler(number, frame):
        raise Second

    before = signal.signal(number, handler)
    try:
        state, products = begin(path)[0], Products(values)
        with pytest.raises(sharing.Stopped, match=r"^3 samples are done and kept"), state.signals():
            os.kill(os.getpid(), number)
            products.add(0, 3)
            state.done(0, 3, products)
        assert signal.getsignal(number) is handler
        state = begin(path)[0]
        with pytest.raises(Second), state.signals():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        signal.signal(number, signal.SIG_IGN)  # as a shell does for what it starts in the background
        with state.signals():
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
