"""What the page offers as colours, and numbers of 16 bits."""

import base64

import numpy as np
import pytest

from info_geometry.figures import page_data, style
from info_geometry.files import InputError


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


def test_no_two_levels_share_a_colour():
    """There are as many levels as colours, unless the caller says which colours they have, in which order."""
    for count in (2, 8, 9):
        levels = np.arange(count).astype(str)
        found = page_data.columns({"name": levels})
        assert [len(set(x["colours"])) for x in found] == [count] * (count <= len(style.PALETTE))
    own = {level: (i / 10, 0, 0) for i, level in enumerate(levels[::-1])} | {"others": "red"}
    [column] = page_data.columns({"name": levels}, {"name": own})
    assert column["levels"] == levels[::-1].tolist() and column["high"] == 8
    assert column["colours"][0] == "#000000" and column["colours"][1] == "#1a0000"
    np.testing.assert_array_equal(page_data.codes(levels, column), 8 - np.arange(9))


def test_bad_columns_get_a_sentence():
    index = {"name": np.array(["a", "b"]), "loss": np.arange(2.0)}
    for colours, message in (
        ({"name": {"a": "red"}}, "colours of 'name': there is none of 'b'"),
        ({"nam": {}}, "colours of 'nam': the index has no such column of text"),
        ({"loss": {}}, "colours of 'loss': the index has no such column of text"),
    ):
        with pytest.raises(InputError, match=message):
            page_data.columns(index, colours)
    with pytest.raises(InputError, match="a column is named 'task', which is what the page calls the run"):
        page_data.columns({**index, "task": np.arange(2)})


@pytest.mark.parametrize("values", [1.7e9 + np.arange(960), 1 + 1e-7 * np.arange(50), [-3, 0.1], [5.0, 5.0]])
def test_numbers_that_differ_little_stay_apart(values):
    """Off by at most a 130,000th of the range in 16 bits, and a 20,000th in the text of few models."""
    x = np.array(values)
    [column] = page_data.columns({"time": x})
    bits = np.frombuffer(base64.b64decode(page_data.packed(x, column["low"], column["high"])["bits"]), "<u2")
    back = column["low"] + (column["high"] - column["low"]) * (bits / (page_data.UNKNOWN - 1))
    np.testing.assert_allclose(back, x, rtol=0, atol=np.ptp(x) / 130_000)
    text = np.array(page_data.short(x, page_data.digits(column)))
    np.testing.assert_allclose(text, x, rtol=0, atol=np.ptp(x) / 20_000)


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
