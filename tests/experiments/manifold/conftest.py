"""The files of one small sweep, which the tests of what is measured share, and must leave as they are."""

import pytest

from tests.experiments.manifold import generated


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return generated.sweep(tmp_path_factory.mktemp("study"))
