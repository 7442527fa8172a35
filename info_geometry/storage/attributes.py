"""What whoever stores predictions says of them, as attributes of an HDF5 file: texts, numbers, or JSON."""

import dataclasses
import datetime
import enum
import json
from collections.abc import Mapping
from pathlib import PurePath

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage.arrays import as_array


def encoded(name: str, value: object, where: object) -> str | int | float:
    """Return what the attribute `name` holds for a value: a text, a number, or a JSON text of anything else.

    Paths, dates, enumerations, arrays, tensors, sets, dataclasses and namespaces, however deep, become what JSON has.
    where: the file, for messages.  Raises InputError for values of other types.
    """
    value = _plain(value, f"{where}: the attribute {name}")
    if isinstance(value, str):
        # HDF5 ends a text at a NUL, and takes no half of a surrogate pair
        return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    ):
        return value
    return json.dumps(value, sort_keys=True)


def _plain(value, where):
    """Return a value as texts, numbers, None, lists and dicts of these."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        return value.item()
    if isinstance(value, (PurePath, datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(_plain(key, where)): _plain(entry, where) for key, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(entry, where) for entry in value), key=str)
    if isinstance(value, (list, tuple, range)):
        return [_plain(entry, where) for entry in value]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        array = as_array(value, where)
        if array.dtype.kind in "biufUMO":
            return _plain(array.astype(str).tolist() if array.dtype.kind == "M" else array.tolist(), where)
    if type(value).__module__.partition(".")[0] in ("torch", "numpy", "jax") and not callable(value):
        return str(value)  # a device, a type of numbers
    if isinstance(value, np.dtype | type):
        return getattr(value, "__name__", str(value))
    if hasattr(value, "__dict__") and type(value).__name__ in ("Namespace", "SimpleNamespace"):
        return _plain(vars(value), where)
    raise InputError(f"{where} holds a {type(value).__name__}; give texts, numbers, lists or dicts of these")
