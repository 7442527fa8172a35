"""HDF5: attributes are read as what they are."""

import numpy as np

from info_geometry.files import hdf5


def test_hdf5_numbers_and_texts():
    assert hdf5.plain("text") == "text" and hdf5.plain('{"a": [1]}') == {"a": [1]} and hdf5.plain("{no") == "{no"
    assert type(hdf5.plain(np.int64(3))) is int and type(hdf5.plain(np.float32(3))) is float
    assert hdf5.plain(np.ones(2)) is None and hdf5.plain(b"bytes") is None
