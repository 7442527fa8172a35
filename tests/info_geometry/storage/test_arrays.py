"""Arrays of any framework become those of numpy, with the same numbers."""

import numpy as np
import pytest
import torch

from info_geometry.files import InputError
from info_geometry.storage.arrays import as_array

NUMBERS = np.array([[0.25, 0.75], [0.5, 0.5]])
TENSOR = torch.tensor(NUMBERS)


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        NUMBERS.tolist(),
        list(NUMBERS),
        TENSOR,
        TENSOR.clone().requires_grad_(),
        TENSOR.half(),
        TENSOR.bfloat16(),
        [TENSOR[0].clone().requires_grad_(), TENSOR[1]],
        [TENSOR[0].bfloat16(), TENSOR[1].bfloat16()],
    ],
)
def test_numbers_stay(values):
    np.testing.assert_array_equal(as_array(values, "mine"), NUMBERS)


def test_half_stays_half_and_bfloat16_is_held_exactly():
    assert as_array(TENSOR.half(), "mine").dtype == np.float16
    numbers = torch.linspace(0, 1, 1000).bfloat16()
    found = as_array(numbers, "mine")
    assert found.dtype == np.float32 and (torch.tensor(found).bfloat16() == numbers).all()


def test_bfloat16_of_other_frameworks():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    found = as_array(NUMBERS.astype(ml_dtypes.bfloat16), "mine")
    assert found.dtype == np.float32 and (found == NUMBERS).all()


def test_what_is_no_array_is_said():
    with pytest.raises(InputError, match="mine: expected an array of numbers, not list"):
        as_array([[1, 2], [3]], "mine")
