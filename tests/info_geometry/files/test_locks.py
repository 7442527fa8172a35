"""Locks: one process writes a run, and others are told which one."""

import errno
import os
import signal
import socket
import threading

import pytest

from info_geometry import files
from info_geometry.files import InputError, locks
from tests.support.prediction_files import names
from tests.support.processes import started

WITHOUT = """
    import errno, fcntl, os
    def flock(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock = flock
"""
HOLD = """
    import sys, time
    from info_geometry import files
    with files.lock(sys.argv[1], "seed_0"):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def test_second_process_is_refused_and_told_who_holds_the_lock(tmp_path):
    path = tmp_path / "seed_0" / ".lock"
    holder = started(HOLD, path, 60)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError) as raised, files.lock(path, "seed_0"):
            pass
        who = f"pid {holder.pid} on host {socket.gethostname()}"
        assert str(raised.value).startswith(f"seed_0 is being written by {who}")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with files.lock(path, "seed_0"):  # the kernel has let go of it
            assert f"pid {os.getpid()} " in path.read_text()
    finally:
        holder.kill()
        holder.communicate()
    with files.lock(path, "seed_0"):
        pass


def test_waiting_for_the_lock(tmp_path, capsys):
    holder = started(HOLD, tmp_path / ".lock", 0.3)
    assert holder.stdout.readline() == "held\n"
    with files.lock(tmp_path / ".lock", "seed_0", wait=True):
        holder.communicate(timeout=5)
        assert holder.returncode == 0
    assert f"seed_0: waiting for pid {holder.pid} on host" in capsys.readouterr().err


def test_holder_of_a_lock(tmp_path):
    path = tmp_path / ".lock"
    assert files.holder(path) is None and files.holder(tmp_path / "nowhere" / ".lock") is None and names(tmp_path) == []
    with files.lock(path, "seed_0"):
        pass
    assert f"pid {os.getpid()} " in path.read_text() and files.holder(path) is None  # of one that let go of it
    holder = started(HOLD, path, 60)
    try:
        assert holder.stdout.readline() == "held\n"
        for _ in range(3):
            assert files.holder(path) == f"pid {holder.pid} on host {socket.gethostname()}"
        with pytest.raises(InputError, match=f"by pid {holder.pid} "), files.lock(path, "seed_0"):
            pass  # it is still held
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert files.holder(path) is None
    finally:
        holder.kill()
        holder.communicate()
    with files.lock(path, "seed_0"):  # who asked keeps nothing
        assert files.holder(path) == f"pid {os.getpid()} on host {socket.gethostname()}"


@pytest.fixture
def asking(tmp_path):
    """Ask all the time who holds a lock."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [files.holder(tmp_path / ".lock") for _ in iter(stop.is_set, True)])
    thread.start()
    yield
    stop.set()
    thread.join()


def test_asking_for_the_holder_is_in_nobodys_way(tmp_path, asking):
    for _ in range(1000):
        with files.lock(tmp_path / ".lock", "seed_0"):
            pass


def test_one_at_a_time_holds_a_lock_while_others_ask(tmp_path, asking, capsys):
    inside, most, taken, start = [], [], [], threading.Barrier(3)

    def take():
        start.wait()
        while len(taken) < 300:
            with files.lock(tmp_path / ".lock", "seed_0", wait=True):
                inside.append(True)
                most.append(len(inside))
                inside.pop()
                taken.append(True)

    takers = [threading.Thread(target=take) for _ in range(3)]
    for thread in takers:
        thread.start()
    for thread in takers:
        thread.join(60)
    assert not any(thread.is_alive() for thread in takers) and max(most) == 1


def test_lock_is_released_when_the_block_raises(tmp_path):
    with pytest.raises(ZeroDivisionError), files.lock(tmp_path / ".lock", "it"):
        raise ZeroDivisionError
    with files.lock(tmp_path / ".lock", "it"):
        pass


# --- file systems without locks -------------------------------------------------------------------------------------


@pytest.fixture(params=["ENOSYS", "EOPNOTSUPP", "ENOLCK", "no fcntl"])
def without(request, monkeypatch):
    """Have no locks of the kernel, as on Lustre without -o flock, or on Windows."""

    def flock(*_):
        raise OSError(getattr(errno, request.param), os.strerror(getattr(errno, request.param)))

    if request.param == "no fcntl":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", flock)


def test_second_process_is_refused_without_locks_of_the_kernel(tmp_path, without):
    path = tmp_path / "seed_0" / ".lock"
    process = started(WITHOUT + HOLD, path, 60)
    try:
        assert process.stdout.readline() == "held\n", process.stderr.read()
        who = f"pid {process.pid} on host {socket.gethostname()}"
        message = f"seed_0 is being written by {who}; .* delete {path}.held"
        with pytest.raises(InputError, match=message), files.lock(path, "seed_0"):
            pass
        before = {x.name: x.stat().st_mtime_ns for x in path.parent.iterdir()}
        assert files.holder(path) == who
        assert {x.name: x.stat().st_mtime_ns for x in path.parent.iterdir()} == before, "who asks writes nothing"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert files.holder(path) is None
        with files.lock(path, "seed_0"):  # its marker is taken over
            assert files.holder(path) == f"pid {os.getpid()} on host {socket.gethostname()}"
        assert names(path.parent) == [".lock"] and files.holder(path) is None
    finally:
        process.kill()
        process.communicate()


def test_waiting_without_locks_of_the_kernel(tmp_path, without, capsys):
    process = started(WITHOUT + HOLD, tmp_path / ".lock", 0.3)
    assert process.stdout.readline() == "held\n"
    with files.lock(tmp_path / ".lock", "seed_0", wait=True):
        process.communicate(timeout=5)
        assert process.returncode == 0
    assert f"seed_0: waiting for pid {process.pid} on host" in capsys.readouterr().err


def test_marker_of_another_computer_is_named(tmp_path, without):
    marker = tmp_path / ".lock.held"
    marker.write_text("77\nnode07\n1\n")
    message = rf"by pid 77 on host node07; .* if it is gone, delete {marker}"
    with pytest.raises(InputError, match=message), files.lock(tmp_path / ".lock", "seed_0"):
        pass
    assert marker.exists()


def test_other_errors_of_locks_are_said(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    message = rf"cannot lock {tmp_path}/.lock: Input/output error"
    with pytest.raises(InputError, match=message), files.lock(tmp_path / ".lock", "seed_0"):
        pass
    assert files.holder(tmp_path / ".lock") is None


def test_block_that_raises_lets_go_without_locks_of_the_kernel(tmp_path, without):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), files.lock(tmp_path / ".lock", "it"):
            raise ZeroDivisionError
    assert names(tmp_path) == [".lock"]
