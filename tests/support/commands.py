"""For the tests of commands: what they write, and how to start one in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from info_geometry import files
from info_geometry.files import ROOT

PACKAGE = ROOT / "info_geometry"
INPCA_FIGURES = ["distances", "inpca_3d", "inpca_axes", "spectrum"]
TRAJECTORY_FIGURES = ["lengths", "progress", "trajectories"]


def subprocess_run(arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def run_here(main, monkeypatch, capsys, *arguments):
    """Run a command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(files.log, "handlers", [])
    with pytest.raises(SystemExit) as raised:
        files.command(lambda: main([str(word) for word in arguments]))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return raised.value.code, captured.out, captured.err


def made(target):
    """Return the commands that make would run for a target, one a line, from the one that begins with the runs."""
    usual = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "-n", target, f"BIN={Path(sys.executable).parent}", "JOBS=2"],
        cwd=ROOT,
        env=usual,  # make that runs make prints which folders it enters and leaves
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.replace("\\\n", " ").splitlines()
    begin = next(k for k, line in enumerate(lines) if "learning.sweep" in line or line.startswith("mkdir"))
    return lines[begin:]


def names(path):
    return sorted(p.name for p in path.iterdir())


def figures(*stems):
    return [f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")]
