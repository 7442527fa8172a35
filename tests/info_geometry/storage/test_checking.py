"""Checking: damage anywhere in a file is found, and said where it is."""

import random

import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.files import InputError
from info_geometry.storage import format
from tests.support.prediction_files import LABELS, N, flip_bit, refused

pytestmark = pytest.mark.usefixtures("reading")


@pytest.mark.parametrize("row", [0, 30, N - 1])
def test_bit_rot_is_found_and_placed(tmp_path, monkeypatch, models, row):
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: 8)
    path = tmp_path / "a.h5"
    predictions.write(path, models, labels=LABELS)
    first, last = flip_bit(path, 2, row)
    message = f"checkpoint 2, samples {first}-{last}: checksum mismatch"
    refused(path, message)
    trajectory = predictions.open_trajectory(path)
    for size in (1, 7, N):
        refused(path, message, lambda _, size=size: list(trajectory.blocks(size)))
    refused(path, message, lambda _: distance.pairwise([trajectory]))


def test_any_flipped_bit_is_found_or_harmless(path, models):
    """Checksums cover the payload and what HDF5 needs to find it; texts are covered by fingerprints and formats."""
    good, content, chance = predictions.open_trajectory(path), path.read_bytes(), random.Random(0)
    roots = good.roots()
    for _ in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            predictions.check(path)
        except InputError as error:
            assert str(path) in str(error)
        else:
            found = predictions.open_trajectory(path)
            np.testing.assert_array_equal(found.roots(), roots)
            np.testing.assert_array_equal(found.t, good.t)
            np.testing.assert_array_equal(found.labels, good.labels)


def test_files_without_labels_are_sound(tmp_path, models):
    path = tmp_path / "mine" / "preds_0.h5"
    predictions.write(path, models)
    assert "sound" in predictions.check(path) and "no labels" in predictions.check(path)
    assert predictions.open_trajectory(path).labels is None
