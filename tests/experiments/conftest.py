"""What tests of all experiments share."""

import pytest

from info_geometry.figures import style


@pytest.fixture
def saved(monkeypatch):
    """The figures that were saved: {name: figure}."""
    found = {}
    monkeypatch.setattr(style, "save", lambda figure, folder, name: found.setdefault(name, figure) and [folder / name])
    return found
