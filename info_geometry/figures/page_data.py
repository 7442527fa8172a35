"""What the page holds of its models: columns by which they are coloured, and many models in few bytes.

Numbers of many models are 16 bits each in base64, little-endian: a number of a column from its smallest, 0, to its
largest, 65534, so that it is off by at most a 130,000th of that range; 65535 is unknown.  Of columns with few different
values the number says which one.
"""

import base64

import numpy as np

KNOWN = ("progress", "progress_bhattacharyya", "accuracy")  # from 0 to 1
PLACES = ("run", "seed", "checkpoint", "t")  # which model it is: no columns of their own
LEVELS = 24  # of text in a column, at most: more colours are not told apart
UNKNOWN = 65535
DIGITS = 5  # of a number


def columns(index: dict) -> list[dict]:
    """Return what the columns of an index (M,) are called and hold: those by which models can be coloured.

    Of text (and of yes or no) `levels`, sorted, up to 24 of them; of numbers their `low` and `high`,
    which are 0 and 1 for accuracy and progress.  Others, and what is known of no model, are left out.
    """
    found = []
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
                found.append({"key": name, "levels": None, "low": short(ends[0]), "high": short(ends[1])})
        else:
            levels = np.unique(values.astype(str)).tolist()
            if len(levels) <= LEVELS:
                found.append({"key": name, "levels": levels, "low": 0, "high": len(levels) - 1})
    return found


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


def exact(value: float) -> float | int:
    """Return a number as it was given: whole ones without a point."""
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def short(values: object) -> object:
    """Return a number or an array as (nested) lists of numbers of a few digits; what is not finite becomes None."""
    values = np.asarray(values, float)
    if values.ndim:
        return [short(row) for row in values] if values.ndim > 1 else [_short(value) for value in values.tolist()]
    return _short(float(values))


def _short(value):
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
