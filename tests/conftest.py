"""For all tests."""

import os
import signal

# one thread a process: small networks are faster so, and several processes test at a time
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure():
    """Let processes that tests start be interrupted: a shell that starts pytest with & takes that away from all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
