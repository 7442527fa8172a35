"""The example for a cluster, with stand-ins for what it calls."""

import os
import subprocess
import sys

import pytest

from info_geometry.files import ROOT
from tests.support.slow_inpca import N, same

SLURM = ROOT / "info_geometry" / "slurm_inpca.sh"


def cluster(folder, srun, python):
    """Write stand-ins for what the script calls; they note what they were asked."""
    commands = {
        "srun": srun,
        "python": python,
        "scontrol": f'[ "$1" = show ] && printf "node1\\nnode2\\n" || echo "scontrol $*" >> {folder}/asked',
    }
    (folder / "bin").mkdir()
    for name, text in commands.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)


def submit(folder, *arguments, **environment):
    return subprocess.run(
        ["sh", SLURM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "SLURM_JOB_ID": "1234",
            "SLURM_JOB_NODELIST": "node[1-2]",
            **environment,
        },
    )


def test_the_script_for_slurm_is_one():
    assert subprocess.run(["sh", "-n", SLURM]).returncode == 0 and os.access(SLURM, os.X_OK)


@pytest.mark.parametrize("code, requeued", [(130, True), (143, True), (0, False), (1, False)])
def test_slurm_requeues_what_was_interrupted(tmp_path, code, requeued):
    cluster(
        tmp_path,
        'while [ "${1#-}" != "$1" ]; do shift; done\n'
        'for rank in 0 1; do SLURM_PROCID=$rank SLURM_NTASKS=2 "$@" || code=$?; done; exit "${code:-0}"',
        f'echo "$SLURM_PROCID of $SLURM_NTASKS at $MASTER_ADDR:$MASTER_PORT: $*" >> {tmp_path}/asked; exit {code}',
    )
    found = submit(tmp_path, "imagenet_all", "--name", "mine")
    assert found.returncode == (0 if requeued else code), found.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    expected = "node1:21234: -m info_geometry.inpca imagenet_all --name mine --resume"
    assert asked[:2] == [f"{rank} of 2 at {expected}" for rank in (0, 1)]
    assert asked[2:] == (["scontrol requeue 1234"] if requeued else [])


def test_slurm_does_not_end_the_others_when_one_fails(tmp_path):
    """Their code, 130, would be that of srun, the highest, and bad input would be requeued forever."""
    cluster(tmp_path, 'case " $* " in *" --kill-on-bad-exit=0 "*) exit 1;; *) exit 130;; esac', "exit 1")
    assert submit(tmp_path).returncode == 1 and not (tmp_path / "asked").exists()


@pytest.mark.slow
def test_slurm_processes_find_each_other(slow, truth):
    """srun is a stand-in that starts two processes at once, which know no more than SLURM says."""
    cluster(
        slow.folder,
        'while [ "${1#-}" != "$1" ]; do shift; done\nfor rank in 0 1; do\n'
        'SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NTASKS=2 MASTER_ADDR=localhost "$@" & done; wait',
        f'shift 2; exec {sys.executable} {slow.folder}/slow.py "$@"',
    )
    found = submit(slow.folder, *slow.words, OMP_NUM_THREADS="1")
    assert found.returncode == 0 and found.stdout.count("240 models") == 1, found.stderr
    assert slow.notes() == list(range(N)) and len(list(slow.folder.glob("notes_*"))) == 2
    same(slow.distances(), truth)
