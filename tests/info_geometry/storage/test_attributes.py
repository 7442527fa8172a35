"""Attributes: what people give is encoded, or refused before the first model is recorded."""

import argparse
import dataclasses
import datetime
import enum
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from info_geometry import predictions
from info_geometry.files import InputError
from info_geometry.storage.attributes import encoded


@dataclasses.dataclass
class Settings:
    rate: float
    data: Path


class Kind(enum.Enum):
    FIRST = "first"


@pytest.mark.parametrize(
    "value, expected",
    [
        ("text", "text"),
        (3, 3),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (Path("/data"), "/data"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (Kind.FIRST, "first"),
        (torch.device("cpu"), "cpu"),
        ("a\0b", "a\\x00b"),
        ("a\udcff", "a\\udcff"),
    ],
)
def test_texts_and_numbers(value, expected):
    assert encoded("key", value, "a.h5") == expected and type(encoded("key", value, "a.h5")) is type(expected)


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"lr": np.float32(0.5), "data": Path("/data")}, {"lr": 0.5, "data": "/data"}),
        ({1: 2, "a": (3, None)}, {"1": 2, "a": [3, None]}),
        ({"b", "a"}, ["a", "b"]),
        (np.array([[1, 2]]), [[1, 2]]),
        (torch.tensor([0.5]).bfloat16(), [0.5]),
        (np.array(["2024-01-01"], "datetime64[D]"), ["2024-01-01"]),
        (Settings(0.1, Path("x")), {"rate": 0.1, "data": "x"}),
        (argparse.Namespace(epochs=3), {"epochs": 3}),
        (True, True),
        (np.bool_(True), True),
        (2**70, 2**70),
        (None, None),
    ],
)
def test_what_is_neither_is_json(value, expected):
    assert json.loads(encoded("key", value, "a.h5")) == expected


def test_what_cannot_be_stored_is_refused_before_a_model_is_taken(tmp_path):
    path, taken = tmp_path / "mine" / "preds_0.h5", []

    def models():
        taken.append(1)
        yield np.full((2, 2), 0.5)

    for name, value, message in (
        ("config", {"f": lambda: 0}, "the attribute config holds a function; give texts"),
        ("labels_sha256", "mine", "the attribute labels_sha256 is written by this program"),
        ("t_name", 3, "t_name is 3, expected a text"),
    ):
        with pytest.raises(InputError, match=message):
            predictions.write(path, models(), labels=[0, 1], **{name: value})
    assert not taken and not path.exists()


def test_what_was_given_is_read_back(tmp_path):
    path = tmp_path / "mine" / "preds_0.h5"
    given = {"config": {"data": Path("/data"), "sizes": (1, 2)}, "note": "a\0b", "rate": np.float32(0.25)}
    predictions.write(path, np.full((1, 2, 2), 0.5), labels=[0, 1], **given)
    found = predictions.open_trajectory(path).attributes
    assert found["config"] == {"data": "/data", "sizes": [1, 2]}
    assert found["note"] == "a\\x00b" and found["rate"] == 0.25
