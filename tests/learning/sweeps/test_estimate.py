"""What a sweep takes: bytes by hand, what finished runs say instead, and a disk that does not hold it."""

import collections
import shutil

import pytest

from info_geometry.files import InputError
from learning.runs.run import Folders
from learning.sweeps import estimate, standing
from tests.support.sweeps import grid, plan, write

Usage = collections.namedtuple("Usage", "total used free")


def stands(planned, folders):
    return standing.of_all(planned, [grid()] * len(planned), folders)


def test_disk_is_the_sum_over_what_is_missing(folders):
    planned = [[plan("a", s, checkpoints=10**6 * (s + 1), predictions=1000) for s in range(4)]]
    assert estimate.disk(planned, stands(planned, folders), folders) == (10 * 10**6, 4000)
    assert estimate.disk([*planned, planned[0]], stands([*planned] * 2, folders), folders) == (10 * 10**6, 4000)
    write(folders, "a", 0, steps=1, diverged={"step": 1, "error": "it did"})
    write(folders, "a", 1, steps=4)
    assert estimate.disk(planned, stands(planned, folders), folders) == (7 * 10**6, 3000)
    assert estimate.disk([[]], [[]], folders) == (0, 0)


def test_what_finished_runs_take_counts_more_than_what_was_expected(folders):
    planned = [[plan("a", s, checkpoints=1000, predictions=100) for s in range(5)], [plan("b", 0, 1)]]
    folder = write(folders, steps=4, stored=["a"])
    (folder / "ckpt").mkdir()
    (folder / "ckpt" / "0_0.pth").write_bytes(b"x" * 2000)
    (folder / "last.pth").write_bytes(b"x" * 1000)
    folders.file("a", 0).write_bytes(b"x" * 50)
    assert estimate.disk(planned, stands(planned, folders), folders) == (4 * 3000 + 100, 4 * 50 + 10)


def test_a_disk_that_does_not_hold_it_is_named(monkeypatch, folders):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**9))
    estimate.check_disk(5 * 10**8, 5 * 10**8, folders)
    message = f"{folders.checkpoints} and {folders.predictions}: this sweep needs about 1.1 GB, 1 GB free; make room"
    with pytest.raises(InputError, match=message):
        estimate.check_disk(6 * 10**8, 5 * 10**8, folders)


def test_two_disks_are_not_one(monkeypatch, tmp_path):
    where = Folders(tmp_path, tmp_path / "one" / "not there yet", tmp_path / "two")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(estimate, "_device", lambda folder: "/one/" in str(folder))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**9))
    estimate.check_disk(6 * 10**8, 6 * 10**8, where)
    with pytest.raises(InputError, match=f"^{where.predictions}: this sweep needs about 1.1 GB"):
        estimate.check_disk(6 * 10**8, 11 * 10**8, where)


def test_lines_say_runs_disk_and_time(folders):
    planned = [[plan("a", s, checkpoints=10**9, predictions=0) for s in range(5)]]
    one, two = estimate.lines(planned, stands(planned, folders), folders, 2)
    assert one.startswith("5 runs, 5 of them not complete: about 5 GB of checkpoints and 0 MB of predictions, ")
    assert two == "time: not known before a run is finished; --status says it then"
    write(folders, steps=4, seconds=900, stored=["a"])
    planned[0].append(plan("a", 5, run=None, words=("digits",), stored=(None,), error="no such task"))
    _, two, three = estimate.lines(planned, stands(planned, folders), folders, 2)
    assert two == "time: about 2 hours of training left with --jobs 2, by what 1 runs took"
    assert three == "1 runs will fail: no such task"
