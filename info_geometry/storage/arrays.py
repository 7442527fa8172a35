"""What people hand in, as arrays of numpy: arrays and tensors of any framework, and lists of them."""

import numpy as np

from info_geometry.files import InputError
from info_geometry.files.errors import first_line


def as_array(values: object, name: object) -> np.ndarray:
    """Return an array, a tensor (on any device, with or without a gradient), or nested lists of these as an array.

    Floats that numpy does not have, such as bfloat16, become float32, which holds them exactly.
    name: for messages.  Raises InputError for what is no array of numbers.
    """
    if hasattr(values, "detach"):  # a tensor of torch
        values = values.detach().cpu()
        try:
            return values.numpy()
        except TypeError:  # bfloat16, 8 bits
            return values.float().numpy()
    try:
        if isinstance(values, (list, tuple)) and any(
            hasattr(x, "shape") or isinstance(x, (list, tuple)) for x in values
        ):
            return np.stack([as_array(x, name) for x in values])
        array = np.asarray(values)
    except InputError:
        raise
    except Exception as error:  # what other frameworks raise for arrays on a GPU, and numpy for ragged lists
        raise InputError(
            f"{name}: expected an array of numbers, not {type(values).__name__} ({first_line(error)})"
        ) from error
    if array.dtype.kind == "V" and array.dtype.fields is None and "float" in array.dtype.name:  # of ml_dtypes: JAX
        array = array.astype(np.float32)
    return array


def describe(array: np.ndarray) -> str:
    """Return shape and type of an array in words."""
    return f"an array of shape {array.shape} and type {array.dtype}"
