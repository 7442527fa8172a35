"""For all tests."""
import signal


def pytest_configure():
    """Let processes that tests start be interrupted: a shell that starts pytest with & takes that away from all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
