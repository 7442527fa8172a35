"""Folders of a sweep."""

import pytest

from learning.runs.run import Folders


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "data", tmp_path / "checkpoints", tmp_path / "predictions")
