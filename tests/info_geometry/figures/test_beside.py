"""Work that copies of the process do: it is done, whatever becomes of them."""

import os
import time

import pytest

from info_geometry.figures import beside, style

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be copied here")


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(beside, "threads", lambda: 2)


def writer(path, before=lambda: None):
    def work():
        before()
        path.write_text(str(os.getpid()))

    return work


def by_another(path):
    return path.read_text() != str(os.getpid())


def test_work_is_done_here_or_in_copies(tmp_path):
    beside.do(writer(tmp_path / "0"))
    with beside.copies():
        for i in range(1, 4):
            beside.do(writer(tmp_path / str(i)))
    beside.do(writer(tmp_path / "4"))
    assert [by_another(tmp_path / str(i)) for i in range(5)] == [False, True, True, True, False]


def test_what_fails_in_a_copy_is_done_here(tmp_path):
    here = os.getpid()
    with beside.copies():
        beside.do(writer(tmp_path / "a", lambda: 1 / (os.getpid() == here)))
        beside.do(writer(tmp_path / "b", lambda: os.getpid() == here or os.kill(os.getpid(), 9)))
    assert not by_another(tmp_path / "a") and not by_another(tmp_path / "b")


def test_a_copy_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    here = os.getpid()
    monkeypatch.setattr(beside, "PATIENCE", 0.2)
    started = time.monotonic()
    with beside.copies():
        beside.do(writer(tmp_path / "a", lambda: os.getpid() == here or time.sleep(60)))
    assert not by_another(tmp_path / "a") and time.monotonic() - started < 30


def test_what_fails_here_too_is_said(tmp_path, monkeypatch):
    fork, copied = os.fork, []
    monkeypatch.setattr(os, "fork", lambda: copied.append(fork()) or copied[-1])
    with pytest.raises(ZeroDivisionError), beside.copies():
        beside.do(writer(tmp_path / "a", lambda: 1 / 0))
    with pytest.raises(KeyError), beside.copies():
        beside.do(writer(tmp_path / "b", lambda: time.sleep(60)))
        raise KeyError
    assert not list(tmp_path.iterdir())
    assert len(copied) == 2
    for pid in copied:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # none is left


def test_one_processor_does_all_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "threads", lambda: 1)
    with beside.copies():
        beside.do(writer(tmp_path / "a"))
    assert not by_another(tmp_path / "a")


def test_a_figure_looks_the_same_whoever_writes_it(tmp_path, monkeypatch):
    def draw(folder):
        figure = style.Figure((2, 2))
        figure.add_subplot().plot([0, 1], label="a")
        return style.save(figure, folder, "figure")

    draw = style.STYLE(draw)
    with beside.copies():
        draw(tmp_path / "copy")
    draw(tmp_path / "here")
    monkeypatch.setattr(beside, "_well", lambda pid, patience=None: bool(os.waitpid(pid, 0)) and False)
    with beside.copies():
        draw(tmp_path / "again")
    for kind in ("png", "pdf"):
        files = [(tmp_path / folder / f"figure.{kind}").read_bytes() for folder in ("here", "copy", "again")]
        assert files[0] == files[1] == files[2]
