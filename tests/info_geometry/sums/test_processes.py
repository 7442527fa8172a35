"""Which processes share a sum, and what is said where they cannot meet."""

import socket

import pytest

from info_geometry.files import InputError
from info_geometry.sums.processes import Processes


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, (0, 1, 0)),
        ({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, (2, 4, 1)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "MASTER_ADDR": "a"}, (2, 4, 1)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1"}, (0, 1, 0)),  # in an allocation, by hand
    ],
    ids=str,
)
def test_who_we_are(environment, expected, monkeypatch):
    for name in (
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "SLURM_PROCID",
        "SLURM_NTASKS",
        "SLURM_LOCALID",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = Processes()
    assert (found.rank, found.count, found.local) == expected
    assert Processes(alone=True).count == 1


def test_others_that_cannot_be_met(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(InputError, match=r"process 0 of 2 cannot meet .* MASTER_PORT"), Processes():
        pass
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        monkeypatch.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        with (
            pytest.raises(InputError, match=r"process 0 of 2 cannot meet the others at localhost:\d+"),
            Processes(),
        ):
            pass
