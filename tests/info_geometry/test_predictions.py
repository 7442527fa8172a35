"""The face of the file contract: the names people import, and what is written through them."""

import inspect

import numpy as np

from info_geometry import predictions
from info_geometry.storage import format

PROMISED = {
    "FORMAT_VERSION",
    "InputError",
    "QUANTITIES",
    "ROOTS",
    "Recorder",
    "TOLERANCE",
    "Trajectory",
    "as_labels",
    "as_trajectory",
    "block_size",
    "check",
    "check_shapes",
    "explain_rows",
    "fingerprint",
    "open_trajectory",
    "read_labels",
    "to_roots",
    "write",
}


def test_the_names_people_import_are_there_and_documented():
    assert set(predictions.__all__) >= PROMISED
    for name in predictions.__all__:
        found = getattr(predictions, name)
        assert not callable(found) or inspect.getdoc(found), name


def test_the_documented_attributes_are_those_that_are_written(tmp_path):
    predictions.write(tmp_path / "preds_0.h5", np.full((1, 2, 2), 0.5), labels=[0, 1])
    written = set(predictions.open_trajectory(tmp_path / "preds_0.h5").attributes)
    assert written == format.OURS - {"keep_order"}
    assert all(name in predictions.__doc__ for name in (*format.OURS, *predictions.QUANTITIES))
