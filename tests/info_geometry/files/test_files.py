"""Files: what is under its final name is complete, one process writes a run, errors reach the user as sentences."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading

import pytest

from info_geometry import files
from info_geometry.files import ROOT, InputError


@pytest.fixture(autouse=True)
def no_handlers_left(monkeypatch):
    """Let commands that run in this process set up their log for the one test only."""
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(files.log, "level", files.log.level)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def python(code, *arguments, **options):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_atomic_path_publishes_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with files.atomic_path(path) as temporary:
        temporary.write_text("complete")
        assert not path.exists()
        assert temporary.parent == path.parent and re.fullmatch(rf"\.a\.txt\.{os.getpid()}\.tmp", temporary.name)
    assert path.read_text() == "complete" and names(path.parent) == ["a.txt"]


def test_atomic_path_creates_with_the_normal_umask(tmp_path):
    files.write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), FileNotFoundError(2, "No such", "other.txt")])
def test_atomic_path_keeps_the_old_file_when_the_block_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), files.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder"):
        with pytest.raises(InputError, match=rf"cannot write {path}: .* GB free"):
            files.write_text(path, "text")
    assert names(tmp_path) == ["file", "folder"] and names(tmp_path / "folder") == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot write .*a\.txt: Permission denied"):
            files.write_text(tmp_path / "a.txt", "text")
    finally:
        tmp_path.chmod(0o700)


def test_full_disk_is_said_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = """
        import resource, sys
        from info_geometry import files
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        files.command(lambda: files.write_text(sys.argv[1], "x" * 10000))
    """
    process = python(code, path)
    _, err = process.communicate()
    assert process.returncode == 1 and err.startswith(f"error: cannot write {path}: File too large (")
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_orphans_of_a_name_are_removed(tmp_path):
    orphans = [".preds_1.h5.77.tmp", ".preds_1.h5.78.tmp"]
    others = [".preds_10.h5.77.tmp", "preds_1.h5", "preds_1.h5.77.tmp", ".hidden"]
    for name in orphans + others:
        (tmp_path / name).write_text("")
    assert files.remove_orphans(tmp_path, "preds_1.h5") == 2
    assert names(tmp_path) == sorted(others)
    assert files.remove_orphans(tmp_path) == 1 and files.remove_orphans(tmp_path / "nowhere") == 0


HOLD = """
    import sys, time
    from info_geometry import files
    with files.lock(sys.argv[1], "seed_0"):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def test_second_process_is_refused_and_told_who_holds_the_lock(tmp_path):
    path = tmp_path / "seed_0" / ".lock"
    holder = python(HOLD, path, 60)
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
    holder = python(HOLD, tmp_path / ".lock", 0.3)
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
    holder = python(HOLD, path, 60)
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


def raise_(error):
    raise error


@pytest.mark.parametrize(
    "main, code, message",
    [
        (lambda: None, 0, ""),
        (lambda: 0, 0, ""),
        (lambda: 3, 3, ""),
        (lambda: raise_(InputError("a.txt: broken")), 1, "error: a.txt: broken\n"),
        (lambda: raise_(KeyboardInterrupt()), 130, "interrupted: the same command goes on from what is complete\n"),
    ],
)
def test_exit_codes_of_commands(main, code, message, capsys):
    with pytest.raises(SystemExit) as raised:
        files.command(main)
    assert raised.value.code == code and capsys.readouterr().err == message


def test_programming_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        files.command(lambda: 1 / 0)


def test_reader_that_leaves_is_no_error():
    code = """
        from info_geometry import files
        files.command(lambda: [print("x" * 1000, flush=True) for _ in range(1000)] and 0)
    """
    process = python(code)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 0
    process.stderr.close()


@pytest.mark.parametrize("name", ["a", "digits_all", "preds_0.h5", "n01471682", "_x", "A-1", 10])
def test_valid_names(name):
    assert files.valid_name(name, "run") == str(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "a b", "-a", ".a", "a\n", "ä", "a\0", "a;b", "$(a)"])
def test_names_that_cannot_be_part_of_a_path(name):
    with pytest.raises(InputError, match="can be part of a path"):
        files.valid_name(name, "run")


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = """
        import sys, time
        from info_geometry import files
        with files.atomic_path(sys.argv[1]) as temporary:
            temporary.write_text("half")
            print("half", flush=True)
            time.sleep(60)
    """
    process = python(code, path)
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert path.read_text() == "old" and files.remove_orphans(tmp_path, "a.txt") == 1 and names(tmp_path) == ["a.txt"]
