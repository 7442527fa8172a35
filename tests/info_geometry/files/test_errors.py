"""Commands: errors reach the user as sentences, and the exit code says how it went."""

import sys

import pytest

from info_geometry import files
from info_geometry.files import InputError
from tests.support.processes import started


@pytest.fixture(autouse=True)
def no_handlers_left(monkeypatch):
    """Let commands that run in this process set up their log for the one test only."""
    monkeypatch.setattr(files.log, "handlers", [])
    monkeypatch.setattr(files.log, "level", files.log.level)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


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
    process = started(code)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 0
    process.stderr.close()


def test_interrupt_in_a_destructor_is_not_lost():
    code = """
        import signal, time
        from info_geometry import files

        class Closing:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)

        def main():
            Closing()
            time.sleep(60)

        files.command(main)
    """
    process = started(code)
    assert process.wait(30) == 130
    assert process.stderr.read() == "interrupted: the same command goes on from what is complete\n"


def test_other_errors_in_destructors_are_said():
    code = """
        from info_geometry import files

        class Closing:
            def __del__(self):
                1 / 0

        files.command(lambda: Closing() and None)
    """
    process = started(code)
    assert process.wait(30) == 0 and "ZeroDivisionError" in process.stderr.read()
