"""What the page offers as colours, and numbers of 16 bits."""

import base64

import numpy as np
import pytest

from info_geometry.figures import page_data


def test_any_column_of_numbers_or_few_levels_is_a_colour():
    index = {name: np.array(["x"]) for name in page_data.PLACES} | {
        "network": np.array(["vgg", "mlp", "vgg"]),
        "augmented": np.array([True, False, True]),
        "batch": np.array([64, 128, 256]),
        "progress": np.array([0.2, np.nan, 0.4]),
        "name": np.arange(3).astype(str),
        "nothing": np.array([np.nan] * 3),
        "pairs": np.zeros((3, 2)),
        "objects": np.array([None, {}, 1]),
        "absent": None,
    }
    found = {x["key"]: (x["levels"], x["low"], x["high"]) for x in page_data.columns(index)}
    assert found == {
        "progress": (None, 0, 1),
        "network": (["mlp", "vgg"], 0, 1),
        "augmented": (["False", "True"], 0, 1),
        "batch": (None, 64, 256),
        "name": (["0", "1", "2"], 0, 2),
    }
    index["name"] = np.arange(page_data.LEVELS + 1).astype(str)
    assert "name" not in {x["key"] for x in page_data.columns(index)}


def test_levels_do_not_depend_on_the_order_of_models():
    values = np.array(list("cabcab"))
    for order in (np.arange(6), np.arange(6)[::-1]):
        [column] = page_data.columns({"letter": values[order]})
        codes = page_data.codes(values[order], column)
        assert [column["levels"][int(i)] for i in codes] == values[order].tolist()


@pytest.mark.parametrize("values", [[0.1, -3, np.nan, 7e3], [2.5, 2.5], [np.nan, np.inf, 1]])
def test_sixteen_bits_hold_a_number_to_a_part_of_the_range(values):
    x = np.array(values)
    known = np.isfinite(x)
    low, high = x[known].min(), x[known].max()
    found = page_data.packed(x, low, high)
    bits = np.frombuffer(base64.b64decode(found["bits"]), "<u2").astype(float)
    np.testing.assert_array_equal(bits == page_data.UNKNOWN, ~known)
    back = low + (high - low) * bits[known] / (page_data.UNKNOWN - 1)
    np.testing.assert_allclose(back, x[known], rtol=0, atol=(high - low) / 130_000)
