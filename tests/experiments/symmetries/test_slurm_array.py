"""The array of SLURM: each element takes a pair of networks, and is requeued when its time is up."""

import os
import subprocess

import pytest

from info_geometry.files import ROOT

SCRIPT = ROOT / "experiments" / "symmetries" / "slurm_array.sh"


@pytest.mark.parametrize("code, requeued", [(75, True), (0, False), (1, False)])
def test_an_element_takes_a_pair(tmp_path, code, requeued):
    asked = tmp_path / "asked"
    programs = {
        "srun": 'exec "$@"',
        "python": f'echo "$*" >> {asked}\nexit {code}',
        "scontrol": f'echo "scontrol $*" >> {asked}',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_ID": "1234"}
    found = subprocess.run(["sh", SCRIPT, "--set", "epochs=20"], env=given)
    assert found.returncode == (0 if requeued else code)
    lines = asked.read_text().splitlines()
    assert lines[0] == (
        "-m learning.sweep experiments/symmetries/runs.yaml --jobs 4 --among 14 15 --checkpoints-folder "
        "checkpoints/symmetries --predictions predictions/symmetries --set epochs=20"
    )
    assert lines[1:] == (["scontrol requeue 1234"] if requeued else [])
