"""For all tests."""

import os
import shutil
import signal

import pytest

# one thread a process: small networks are faster so, and several processes test at a time
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure():
    """Let processes that tests start be interrupted: a shell that starts pytest with & takes that away from all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def made_once(factory, name, make):
    """Return the folder `name` that make(folder) fills: once, for all processes that test at a time."""
    from info_geometry.files import lock

    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, complete = root / name, root / f"{name}.complete"
    with lock(root / f".{name}.lock", name, wait=True):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A folder with one run of digits, trained and imprinted without interruption, for reading only."""
    from tests.support.stages import SMALL, STORE, TRAIN, done

    def make(folder):
        assert "training: 1 done, 0 skipped" in done(TRAIN, folder, "digits", **SMALL)
        assert "imprinting: 1 done, 0 skipped" in done(STORE, folder, "digits", **SMALL)

    return made_once(tmp_path_factory, "undisturbed", make)


@pytest.fixture
def copied(undisturbed, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(undisturbed, tmp_path / "copy")


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory):
    """A folder with one run of digits, trained by two processes without interruption, and imprinted."""
    from tests.support.runs import all_done, together
    from tests.support.stages import SMALL, STORE, done

    def make(folder):
        all_done(together(folder, "digits", **SMALL))
        done(STORE, folder, "digits")

    return made_once(tmp_path_factory, "two_processes", make)
