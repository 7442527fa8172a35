"""What the page holds of its models: columns by which they are coloured, and many models in few bytes.

Numbers of many models are 16 bits each in base64, little-endian: a number of a column from its smallest, 0, to its
largest, 65534, so that it is off by at most a 130,000th of that range; 65535 is unknown.  Of columns with few different
values the number says which one.
"""

import base64
import math
from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_hex

from info_geometry.figures import style
from info_geometry.files import InputError

KNOWN = ("progress", "progress_bhattacharyya", "accuracy")  # from 0 to 1
PLACES = ("run", "seed", "checkpoint", "t")  # which model it is: no columns of their own
TASK = "task"  # what the page calls the run
LEVELS = len(style.PALETTE)  # of text in a column, at most, unless it is said which colours they have
UNKNOWN = 65535
DIGITS = 5  # of a number, or of its place between the ends of its column


def columns(index: dict, colours: Mapping[str, Mapping[str, object]] | None = None) -> list[dict]:
    """Return what the columns of an index (M,) are called and hold: those by which models can be coloured.

    Of text (and of yes or no) `levels`, sorted, up to 8 of them, and their `colours`; of numbers their `low` and
    `high`, which are 0 and 1 for accuracy and progress.  Others, and what is known of no model, are left out.
    colours: {column of text: {level: colour}}; of these there may be any number of levels, which stand in this order.

    Raises InputError for a column named task, and for colours of a column that is not there or not of all its levels.
    """
    if TASK in index:
        raise InputError(f"index: a column is named {TASK!r}, which is what the page calls the run; rename it")
    found, colours = [], dict(colours or {})
    for name in (*KNOWN, *(name for name in index if name not in (*KNOWN, *PLACES))):
        if index.get(name) is None:
            continue
        values = np.asarray(index[name])
        text = values.dtype.kind in "USb" or (values.dtype == object and all(isinstance(x, str) for x in values))
        if values.ndim != 1 or not (text or values.dtype.kind in "uif"):
            continue
        if not text:
            known = values[np.isfinite(values)]
            if len(known):
                ends = (0.0, 1.0) if name in KNOWN else (float(known.min()), float(known.max()))
                found.append({"key": name, "levels": None, "low": ends[0], "high": ends[1]})
        else:
            levels, own = np.unique(values.astype(str)).tolist(), colours.pop(name, None)
            if own is not None:
                if missing := [level for level in levels if level not in own]:
                    raise InputError(f"colours of {name!r}: there is none of {missing[0]!r}; say that of each level")
                levels = [level for level in own if level in levels]
            elif len(levels) > LEVELS:
                continue
            looks = style.PALETTE if own is None else [to_hex(own[level]) for level in levels]
            ends = {"low": 0, "high": len(levels) - 1}
            found.append({"key": name, "levels": levels, "colours": list(looks[: len(levels)]), **ends})
    if colours:
        raise InputError(f"colours of {next(iter(colours))!r}: the index has no such column of text")
    return found


def digits(column: dict) -> int:
    """Return how many digits tell the numbers of a column apart, also where they differ little: 5 of their range."""
    size, extent = max(abs(column["low"]), abs(column["high"])), column["high"] - column["low"]
    return DIGITS + max(0, math.ceil(math.log10(size / extent))) if extent > 0 else 17


def codes(values: np.ndarray, column: dict) -> np.ndarray:
    """Return the numbers (M,) of a column: those of text are the numbers of its levels."""
    if column["levels"] is None:
        return np.asarray(values, float)
    numbers = {level: i for i, level in enumerate(column["levels"])}
    return np.array([numbers[value] for value in np.asarray(values).astype(str)], float)


def packed(values: np.ndarray, low: float, high: float) -> dict:
    """Return numbers (M,), of which the known lie within low..high, as 16 bits in base64."""
    values = np.asarray(values, float)
    scaled = (values - low) / ((high - low) or 1.0) * (UNKNOWN - 1)
    bits = np.where(np.isfinite(values), np.clip(np.rint(scaled), 0, UNKNOWN - 1), UNKNOWN)
    return {"low": low, "high": high, "bits": _base64(bits.astype("<u2"))}


def listed(values: np.ndarray) -> dict:
    """Return numbers (M,) exactly: as a list of the different ones, and which of them each is."""
    different, which = np.unique(np.asarray(values, float), return_inverse=True)
    size = 2 if len(different) <= UNKNOWN else 4
    return {"values": [exact(x) for x in different.tolist()], "size": size, "bits": _base64(which.astype(f"<u{size}"))}


def _base64(numbers):
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def exact(value: float) -> float | int | None:
    """Return a number as it was given: whole ones without a point; what is not finite becomes None."""
    if not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def short(values: object, digits: int = DIGITS) -> object:
    """Return a number or an array as (nested) lists of numbers of a few digits; what is not finite becomes None."""
    values = np.asarray(values, float)
    if values.ndim > 1:
        return [short(row, digits) for row in values]
    return [_short(value, digits) for value in values.tolist()] if values.ndim else _short(float(values), digits)


def _short(value, digits):
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
