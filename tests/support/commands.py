"""For the tests of commands: what they write, and how to start one in a process of its own."""

import os
import subprocess
import sys

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


def names(path):
    return sorted(p.name for p in path.iterdir())


def figures(*stems):
    return [f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")]
