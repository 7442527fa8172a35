"""Sums that are shared, stopped and gone on with: whatever happens on the way, they are those of one pass."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from info_geometry import files, inpca
from info_geometry.files import ROOT, InputError
from info_geometry.sums import sharing
from tests.support import stages
from tests.support.stages import until
from tests.support.synthetic import write_runs


class Job:
    """Processes that take turns in this one; the main one comes first, and last to a sum."""

    def __init__(self, count):
        self.members, self.said, self.parts = [Member(self, rank, count) for rank in range(count)], None, []


class Member:
    def __init__(self, job, rank, count):
        self._job, self.rank, self.count, self.main = job, rank, count, rank == 0

    def tell(self, message=None):
        if self.main:
            self._job.said = message
        return self._job.said

    def sum(self, array):
        self._job.parts.append(array)
        return sum(self._job.parts) if self.main else array


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


# --- who does what --------------------------------------------------------------------------------------------------


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


# --- files ----------------------------------------------------------------------------------------------------------


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


# --- signals and processes ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, (0, 1, 0)),
        ({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, (2, 4, 1)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "MASTER_ADDR": "a"}, (2, 4, 1)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1"}, (0, 1, 0)),  # in an allocation, by hand
    ],
    ids=str,
)
def test_who_we_are(environment, expected, monkeypatch):
    for name in (
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "SLURM_PROCID",
        "SLURM_NTASKS",
        "SLURM_LOCALID",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    processes = sharing.Processes()
    assert (processes.rank, processes.count, processes.local) == expected
    assert sharing.Processes(alone=True).count == 1


def test_others_that_cannot_be_met(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(InputError, match=r"process 0 of 2 cannot meet .* MASTER_PORT"), sharing.Processes():
        pass
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        monkeypatch.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        with (
            pytest.raises(InputError, match=r"process 0 of 2 cannot meet the others at localhost:\d+"),
            sharing.Processes(),
        ):
            pass


# --- the command, in processes of its own ---------------------------------------------------------------------------

# Blocks of 5 samples that take 0.1 s; notes say who did what; distances are stored, and figures are not drawn.
SLOW = """
import os, runpy, signal, time
from pathlib import Path
import numpy as np
from matplotlib.figure import Figure
from info_geometry.figures import embedding as plot_embedding
from info_geometry.sums import sharing, streaming

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell that starts pytest with & takes away
here = Path(__file__).parent
notes = here / f"notes_{os.environ.get('RANK', 0)}_{os.getpid()}"
streaming._block_size = lambda sides: 5
sharing.SAVE_EVERY = float(os.environ.get("EVERY", 1000))
Figure.savefig = lambda self, target, **options: Path(target).write_text("a figure")
done = sharing.State.done

def slowly(state, start, stop, products):
    done(state, start, stop, products)
    with open(notes, "a") as file:
        file.write(f"{start} {stop}\\n")
    time.sleep(0.1)

def store(folder, D, index):
    np.save(here / "D.npy", D)
    return []

sharing.State.done, plot_embedding.distance_matrix = slowly, store
runpy.run_module("info_geometry.inpca", run_name="__main__", alter_sys=True)
"""
N, BLOCKS = 60, 12


class Command:
    """inpca.py on 240 models, in a process forked from the server of `stages`, or in those that torchrun starts."""

    def __init__(self, folder):
        self.folder = folder
        write_runs(folder / "predictions", N=N, T=60)
        (folder / "slow.py").write_text(SLOW)
        self.words = ["--predictions", str(folder / "predictions"), "--plots", str(folder / "plots")]

    def start(self, *arguments, **environment):
        output = self.folder / f"output_{time.monotonic_ns()}.txt"
        process = stages.start(
            stages._main, str(self.folder / "slow.py"), [*self.words, *arguments], str(output), environment, None
        )
        return process, output

    def by_hand(self, count, *arguments, **environment):
        """Start processes as srun would."""
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        return [
            self.start(
                *arguments,
                RANK=str(rank),
                WORLD_SIZE=str(count),
                LOCAL_RANK=str(rank),
                MASTER_ADDR="localhost",
                MASTER_PORT=str(port),
                **environment,
            )
            for rank in range(count)
        ]

    def torchrun(self, count, *arguments, script=True, **environment):
        """Start torchrun; its output goes to a pipe."""
        what = [self.folder / "slow.py"] if script else ["-m", "info_geometry.inpca"]
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count, *what]
        return subprocess.Popen(
            [*map(str, words), *self.words, *arguments],
            cwd=ROOT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def notes(self, rank="*"):
        """Return the samples that were done since the last call of `forget`, in the order of their numbers."""
        lines = [line.split() for p in self.folder.glob(f"notes_{rank}_*") for line in p.read_text().splitlines()]
        return sorted(n for a, b in lines for n in range(int(a), int(b)))

    def forget(self):
        for p in self.folder.glob("notes_*"):
            p.unlink()

    def pid(self, rank):
        return int(next(self.folder.glob(f"notes_{rank}_*")).name.split("_")[2])

    def states(self):
        return sorted((self.folder / "predictions" / "embedding").glob(".toy.distances*"))

    def kept(self):
        """Return how many samples the state files hold."""
        return sum(sharing.length(np.load(p)["intervals"]) for p in self.states())

    def distances(self):
        assert sorted(p.name for p in (self.folder / "predictions" / "embedding").iterdir()) == ["toy.npz"]
        return np.load(self.folder / "D.npy")

    def unfinished(self):
        names = [p.name for p in (self.folder / "predictions" / "embedding").iterdir()]
        assert names and all(re.fullmatch(r"\.toy\.distances\.\d\.npz", name) for name in names), names


def end(process, output, timeout=120):
    """Return (exit code, output) when a process has ended; no output may be a traceback."""
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise TimeoutError(output.read_text())
    text = output.read_text()
    assert "Traceback" not in text, text
    return process.exitcode, text


def end_torchrun(process, timeout=120):
    """Return the same of torchrun, which has tracebacks of its own."""
    try:
        return process.wait(timeout), process.stdout.read()
    except subprocess.TimeoutExpired:
        process.terminate()
        raise


@pytest.fixture
def slow(tmp_path):
    return Command(tmp_path)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The distances by one process that is not interrupted."""
    command = Command(tmp_path_factory.mktemp("truth"))
    code, text = end(*command.start())
    assert code == 0 and command.notes() == list(range(N)), text
    return command.distances()


def same(D, truth, tolerance=1e-12):
    np.testing.assert_allclose(D, truth, rtol=0, atol=tolerance)


def resume(slow, truth, count=1):
    """Go on with what is kept, by one process or several; assert that only the missing samples were done."""
    kept, _ = slow.kept(), slow.forget()
    for process, output in [slow.start("--resume")] if count == 1 else slow.by_hand(count, "--resume"):
        code, text = end(process, output)
        assert code == 0, text
    assert len(slow.notes()) == N - kept and len(set(slow.notes())) == N - kept
    same(slow.distances(), truth)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(slow, truth, number):
    process, output = slow.start()
    until(lambda: len(slow.notes()) >= 20)
    os.kill(process.pid, number)
    code, text = end(process, output)
    kept = slow.kept()
    assert code == 130 and f"interrupted: {kept} samples are done and kept; the same command with --resume" in text
    assert kept >= len(slow.notes()) >= 20 and kept < N
    slow.unfinished()
    resume(slow, truth)
    code, text = end(*slow.start("--resume"))
    assert code == 0 and "skipped (already complete" in text


@pytest.mark.slow
def test_sums_over_groups_of_samples_are_shared_and_resumed(slow, truth):
    process, output = slow.start("--bootstrap")
    until(lambda: len(slow.notes()) >= 20)
    os.kill(process.pid, signal.SIGINT)
    code, text = end(process, output)
    assert code == 130, text
    kept, _ = slow.kept(), slow.forget()
    ended = [end(*started) for started in slow.by_hand(2, "--resume", "--bootstrap")]
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(slow.notes()) == N - kept and "other samples" in ended[0][1]
    same(slow.distances(), truth)


@pytest.mark.slow
@pytest.mark.parametrize("every", ["-1", "1000"])
def test_killed_and_resumed(slow, truth, every):
    """At most what was not yet kept is lost."""
    process, output = slow.start(EVERY=every)
    until(lambda: len(slow.notes()) >= 20)
    process.kill()
    end(process, output)
    assert (slow.kept() > 0) == (every == "-1")
    resume(slow, truth, 3)


@pytest.mark.slow
def test_interrupted_and_begun_again(slow, truth):
    process, output = slow.start()
    until(lambda: len(slow.notes()) >= 10)
    os.kill(process.pid, signal.SIGINT)
    end(process, output)
    slow.forget()
    code, text = end(*slow.start())
    assert code == 0 and "since --resume is not said" in text and slow.notes() == list(range(N))
    same(slow.distances(), truth)


@pytest.mark.slow
def test_distances_outlive_what_fails_after_them(slow, truth):
    """Figures that cannot be written, say."""
    (slow.folder / "plots" / "toy").mkdir(parents=True)
    (slow.folder / "plots" / "toy" / "spectrum.png").mkdir()
    code, text = end(*slow.start())
    assert code == 1 and "error: cannot write" in text and slow.kept() == N
    (slow.folder / "plots" / "toy" / "spectrum.png").rmdir()
    slow.forget()
    code, text = end(*slow.start("--resume"))
    assert code == 0 and slow.notes() == [] and "60 samples are done already" in text
    same(slow.distances(), truth)


@pytest.mark.slow
def test_other_predictions_are_not_resumed(slow, truth):
    process, output = slow.start("--seeds", "0")
    until(lambda: len(slow.notes()) >= 10)
    os.kill(process.pid, signal.SIGTERM)
    end(process, output)
    slow.forget()
    code, text = end(*slow.start("--resume"))
    assert code == 0 and "not used" in text and slow.notes() == list(range(N))
    same(slow.distances(), truth)


@pytest.mark.slow
def test_torchrun(slow, truth):
    code, text = end_torchrun(slow.torchrun(2, script=False))
    assert code == 0 and "240 models, 60 samples, 5 classes" in text and "rror" not in text, text
    means = inpca.load(slow.folder / "predictions" / "embedding" / "toy.npz").column_means
    np.testing.assert_allclose(means, truth.mean(axis=0), rtol=0, atol=1e-10)
    assert slow.states() == []
    code, text = end_torchrun(slow.torchrun(2, script=False))
    assert code == 0 and "skipped (already complete" in text and text.count("240 models") == 1, text


@pytest.mark.slow
@pytest.mark.parametrize("victim, survivors", [(0, 1), (1, 3)])
def test_torchrun_when_one_is_killed(slow, truth, victim, survivors):
    process = slow.torchrun(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    os.kill(slow.pid(victim), signal.SIGKILL)
    code, text = end_torchrun(process, 60)
    assert code != 0 and f"process {1 - victim} of 2: " in text and "--resume" in text, text
    assert slow.kept() >= 10
    slow.unfinished()
    resume(slow, truth, survivors)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_torchrun_when_it_is_told_to_end(slow, truth, number):
    process = slow.torchrun(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    process.send_signal(number)
    code, text = end_torchrun(process, 60)
    assert code != 0 and "interrupted: process 0 of 2" in text and "interrupted: process 1 of 2" in text, text
    assert slow.kept() >= 20
    resume(slow, truth)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_srun_when_one_is_killed(slow, truth, victim):
    """The other ends its share, finds that it is alone, and keeps what it has."""
    both = slow.by_hand(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    both[victim][0].kill()
    code, text = end(*both[1 - victim], 60)
    assert code == 1 and f"error: process {1 - victim} of 2: another process of this job was lost" in text
    assert ".cc:" not in text, "where in its source gloo noticed is of no use"
    assert "--resume" in text and slow.kept() == N // 2
    resume(slow, truth)


@pytest.mark.slow
def test_srun_when_all_are_told_to_end(slow, truth):
    both = slow.by_hand(2)
    until(lambda: min(len(slow.notes(rank)) for rank in (0, 1)) >= 10)
    for process, _ in both:
        os.kill(process.pid, signal.SIGTERM)
    for code, text in (end(process, output, 60) for process, output in both):
        assert code == 130 and "samples are done and kept" in text
    resume(slow, truth, 2)


def damage(slow, sample):
    path = slow.folder / "predictions" / "toy_even" / "preds_1.h5"
    with h5py.File(path, "r+") as file:
        file["data"][7, sample, 2] = np.nan
    return rf"error: {path}: checkpoint 7 \(t = 128\): 1 of 60 rows are not finite; the first is sample {sample}"


@pytest.mark.slow
@pytest.mark.parametrize("sample", [3, 47])
def test_bad_input_in_one_process_ends_all(slow, sample):
    message = damage(slow, sample)
    code, text = end_torchrun(slow.torchrun(2), 90)
    assert code != 0 and re.search(message, text), text
    (slow.folder / "predictions" / "embedding").exists() and slow.unfinished()
    both = [end(process, output, 90) for process, output in slow.by_hand(2)]
    assert [code for code, _ in both] == [1, 1], both
    found = [re.search(message, text) is not None for _, text in both]
    assert found == [sample < N // 2, sample >= N // 2], both
    assert "another process of this job was lost or stopped (see its message)" in both[0 if sample >= N // 2 else 1][1]


@pytest.mark.slow
def test_bad_arguments_end_all(slow):
    for arguments, message in ((["nowhere"], "has no run 'nowhere'"), (["--landmarks", "1"], "expected 2 to 240")):
        found = [end(process, output, 90) for process, output in slow.by_hand(2, *arguments)]
        assert max(code for code, _ in found) == 1 and any(message in text for _, text in found), found
        assert not any("was lost" in text for _, text in found), found


# --- the example for a cluster --------------------------------------------------------------------------------------


SLURM = ROOT / "info_geometry" / "slurm_inpca.sh"


def cluster(folder, srun, python):
    """Write stand-ins for what the script calls; they note what they were asked."""
    commands = {
        "srun": srun,
        "python": python,
        "scontrol": f'[ "$1" = show ] && printf "node1\\nnode2\\n" || echo "scontrol $*" >> {folder}/asked',
    }
    (folder / "bin").mkdir()
    for name, text in commands.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)


def submit(folder, *arguments, **environment):
    return subprocess.run(
        ["sh", SLURM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "SLURM_JOB_ID": "1234",
            "SLURM_JOB_NODELIST": "node[1-2]",
            **environment,
        },
    )


def test_the_script_for_slurm_is_one():
    assert subprocess.run(["sh", "-n", SLURM]).returncode == 0 and os.access(SLURM, os.X_OK)


@pytest.mark.parametrize("code, requeued", [(130, True), (143, True), (0, False), (1, False)])
def test_slurm_requeues_what_was_interrupted(tmp_path, code, requeued):
    cluster(
        tmp_path,
        'while [ "${1#-}" != "$1" ]; do shift; done\n'
        'for rank in 0 1; do SLURM_PROCID=$rank SLURM_NTASKS=2 "$@" || code=$?; done; exit "${code:-0}"',
        f'echo "$SLURM_PROCID of $SLURM_NTASKS at $MASTER_ADDR:$MASTER_PORT: $*" >> {tmp_path}/asked; exit {code}',
    )
    found = submit(tmp_path, "imagenet_all", "--name", "mine")
    assert found.returncode == (0 if requeued else code), found.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    expected = "node1:21234: -m info_geometry.inpca imagenet_all --name mine --resume"
    assert asked[:2] == [f"{rank} of 2 at {expected}" for rank in (0, 1)]
    assert asked[2:] == (["scontrol requeue 1234"] if requeued else [])


def test_slurm_does_not_end_the_others_when_one_fails(tmp_path):
    """Their code, 130, would be that of srun, the highest, and bad input would be requeued forever."""
    cluster(tmp_path, 'case " $* " in *" --kill-on-bad-exit=0 "*) exit 1;; *) exit 130;; esac', "exit 1")
    assert submit(tmp_path).returncode == 1 and not (tmp_path / "asked").exists()


@pytest.mark.slow
def test_slurm_processes_find_each_other(slow, truth):
    """srun is a stand-in that starts two processes at once, which know no more than SLURM says."""
    cluster(
        slow.folder,
        'while [ "${1#-}" != "$1" ]; do shift; done\nfor rank in 0 1; do\n'
        'SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NTASKS=2 MASTER_ADDR=localhost "$@" & done; wait',
        f'shift 2; exec {sys.executable} {slow.folder}/slow.py "$@"',
    )
    found = submit(slow.folder, *slow.words, OMP_NUM_THREADS="1")
    assert found.returncode == 0 and found.stdout.count("240 models") == 1, found.stderr
    assert slow.notes() == list(range(N)) and len(list(slow.folder.glob("notes_*"))) == 2
    same(slow.distances(), truth)
