"""The array of SLURM through a grid file, with stand-ins for what it calls."""

import os
import subprocess

import pytest

from info_geometry.files import ROOT

SCRIPT = ROOT / "learning" / "slurm_sweep.sh"


def submit(folder, code, *words, **environment):
    """Run the script as element 5 of 3-6; return its exit code, and what its programs were asked."""
    asked = folder / "asked"
    programs = {
        "srun": 'exec "$@"',
        "python": f'echo "$*" >> {asked}\nexit {code}',
        "scontrol": f'echo "scontrol $*" >> {asked}',
    }
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    given = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "1237",
        "SLURM_ARRAY_JOB_ID": "1234",
        "SLURM_ARRAY_TASK_ID": "5",
        "SLURM_ARRAY_TASK_MIN": "3",
        "SLURM_ARRAY_TASK_COUNT": "4",
        **environment,
    }
    found = subprocess.run(["sh", SCRIPT, *words], env=given, timeout=60)
    return found.returncode, asked.read_text().splitlines()


def test_it_is_a_script():
    assert subprocess.run(["sh", "-n", SCRIPT]).returncode == 0 and os.access(SCRIPT, os.X_OK)


@pytest.mark.parametrize("code, requeued", [(75, True), (0, False), (1, False), (130, False)])
def test_an_element_takes_what_is_free_and_is_requeued_when_its_time_is_up(tmp_path, code, requeued):
    """A run that failed, code 1, would be trained again and again if that requeued the element."""
    found, asked = submit(tmp_path, code, "grid of mine.yaml", "--jobs", "4")
    assert found == (0 if requeued else code)
    assert asked == ["-m learning.sweep grid of mine.yaml --jobs 4"] + ["scontrol requeue 1234_5"] * requeued


def test_parts_share_the_runs_among_the_elements(tmp_path):
    assert submit(tmp_path, 0, "grid.yaml", PARTS="1") == (0, ["-m learning.sweep grid.yaml --part 2/4"])
