"""For the tests of the geometry: inpca.py, slowly; models, and files that hold them."""

import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.storage import trajectories
from tests.support import slow_inpca
from tests.support.prediction_files import LABELS, C, N, T, write_each_quantity
from tests.support.synthetic import random_models


@pytest.fixture
def slow(tmp_path):
    return slow_inpca.Command(tmp_path)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The distances by one process that is not interrupted."""
    command = slow_inpca.Command(tmp_path_factory.mktemp("truth"))
    code, text = slow_inpca.end(*command.start())
    assert code == 0 and command.notes() == list(range(slow_inpca.N)), text
    return command.distances()


@pytest.fixture
def models():
    return random_models(np.random.default_rng(0), T, N, C)


@pytest.fixture
def path(tmp_path, models):
    target = tmp_path / "toy_all" / "preds_3.h5"
    predictions.write(target, models, labels=LABELS, t=[0, 1, 4, 12], task="all", seed=3, config={"lr": 0.1})
    return target


@pytest.fixture(params=["HDF5", "beside HDF5"])
def reading(request, monkeypatch):
    """Both ways in which chunks are read."""
    monkeypatch.setattr(trajectories, "pays", lambda size: request.param != "HDF5")


@pytest.fixture
def folder(tmp_path, models):
    """A folder with toy_all/preds_3.h5 of each quantity and a published file, in folders of their names."""
    write_each_quantity(tmp_path, models)
    return tmp_path
