"""For the tests of the geometry: inpca.py, slowly."""

import pytest

from tests.support.slow_inpca import Command, N, end


@pytest.fixture
def slow(tmp_path):
    return Command(tmp_path)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The distances by one process that is not interrupted."""
    command = Command(tmp_path_factory.mktemp("truth"))
    code, text = end(*command.start())
    assert code == 0 and command.notes() == list(range(N)), text
    return command.distances()
