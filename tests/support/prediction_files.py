"""Prediction files that tests write, damage and compare."""

import hashlib
import os

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.files import InputError
from info_geometry.storage import quantities
from tests.support.synthetic import labels_of, softmax

T, N, C = 4, 50, 6
LABELS = labels_of(N, C)
LAYOUT = {"chunks": (1, N, C), "compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(path, message, read=predictions.check):
    """Assert that a file is refused with InputError, in a message that names it."""
    with pytest.raises(InputError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)


def spoil(models, value, where=(2, 8, 1)):
    models = models.copy()
    models[where] = value
    return models


def random_walk(rng, N, C, confidence, step):
    """Return models (6, N, C) that walk on from a network with this confidence (a logit) in its labels."""
    start = confidence * np.eye(C)[rng.integers(0, C, N)] + 2 * rng.standard_normal((N, C))
    return softmax(start + np.cumsum(step * rng.standard_normal((6, N, C)), axis=0))


def data_of(path):
    with h5py.File(path) as file:
        return file["data"][:]


def replace(file, name, array):
    del file[name]
    file[name] = array


def append_files(path, *sources, labels=LABELS, **options):
    options.setdefault("keep_order", len(sources) > 1)  # each begins at t = 0
    with predictions.Recorder(path, labels=labels, **options) as recorder:
        for source in sources:
            recorder.append_file(source)


def write_by_hand(path, array, quantity="sqrt_probability", labels=LABELS, **layout):
    """Write a prediction file with another program: the same content in another layout."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=array, **layout)
        file["t"], file["labels"] = np.arange(len(array)) / 2, labels
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        file.attrs.update(
            format_version=1,
            quantity=quantity,
            t_name="t",
            data_sha256=digest,
            labels_sha256=predictions.fingerprint(labels),
        )
    return path


def same_models(path, arrays, times, quantity="sqrt_probability"):
    """Assert that a sound file holds these models as they were stored elsewhere."""
    expected = np.concatenate(arrays).astype(quantities.TYPES[quantity])
    trajectory = predictions.open_trajectory(path)
    assert ": sound" in predictions.check(path) and trajectory.quantity == quantity
    assert np.array_equal(data_of(path), expected) and trajectory.t.tolist() == times
    assert trajectory.attributes["data_sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()


def flip_bit(path, checkpoint, row):
    """Flip one bit in the middle of the chunk that holds a sample; return the samples of the chunk."""
    with h5py.File(path) as file:
        data = file["data"]
        info = data.id.get_chunk_info_by_coord((checkpoint, row, 0))
        rows = data.chunks[1]
    with open(path, "r+b") as file:
        file.seek(info.byte_offset + info.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    return row // rows * rows, min(row // rows * rows + rows, data_rows(path)) - 1


def data_rows(path):
    with h5py.File(path) as file:
        return file["data"].shape[1]


def publish(path, models, **compression):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.round(models, 5).astype(np.float16), chunks=(1, N, C), **compression)


def write_each_quantity(folder, models):
    """Write <name>/toy_all/preds_3.h5 for each quantity and a published file, in folders of their names."""
    for quantity in predictions.QUANTITIES:
        predictions.write(
            folder / quantity / "toy_all" / "preds_3.h5",
            models,
            labels=LABELS,
            t=[0, 1, 4, 12],
            quantity=quantity,
            t_name="step",
            task="all",
            seed=3,
            config={"lr": 0.1},
        )
    (folder / "published" / "toy_all").mkdir(parents=True)
    publish(folder / "published" / "toy_all" / "preds_3.h5", models)
    (folder / "published" / "labels").mkdir()
    np.save(folder / "published" / "labels" / "toy_val_labels.npy", LABELS)


def opened(folder, quantity="sqrt_probability"):
    return predictions.open_trajectory(folder / quantity / "toy_all" / "preds_3.h5")
