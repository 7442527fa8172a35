"""Atomic writes: what is under its final name is complete, whatever happened to its writer."""

import os
import re
import stat

import pytest

from info_geometry import files
from info_geometry.files import InputError
from tests.support.prediction_files import names
from tests.support.processes import started


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
        with pytest.raises(InputError, match=rf"cannot write {path}: (Is a directory|Not a directory|File exists)$"):
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
    process = started(code, path)
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
    process = started(code, path)
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert path.read_text() == "old" and files.remove_orphans(tmp_path, "a.txt") == 1 and names(tmp_path) == ["a.txt"]
