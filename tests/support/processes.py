"""Python code that tests run in a process of its own."""

import subprocess
import sys
import textwrap

from info_geometry.files import ROOT


def python(code, *arguments):
    """Run code to its end; return the completed process with its output as text."""
    return subprocess.run(_command(code, arguments), cwd=ROOT, capture_output=True, text=True)


def started(code, *arguments):
    """Start code; return the process, whose output can be read as text."""
    return subprocess.Popen(
        _command(code, arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _command(code, arguments):
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
