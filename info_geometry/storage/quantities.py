"""What stored numbers stand for, and how they are read as square roots of probabilities.

sqrt_probability    float16   sqrt(p)
probability         float16   p
fourth_root_8bit    uint8     round(255 (p / max p)^(1/4)), max of the row: half the bytes
"""

import functools
from typing import Any

import numpy as np

from info_geometry.files import InputError

TYPES = {"sqrt_probability": np.float16, "probability": np.float16, "fourth_root_8bit": np.uint8}
# stored numbers are roots = (number * unit) ** power, of any norm; 8 bits are below 2^-10, so that the squared norm of
# a row, whatever its largest number, is less than 2, and that of zeros, 0, is further from 1 than any other
ROOTS = {"sqrt_probability": (1.0, 1.0), "probability": (1.0, 0.5), "fourth_root_8bit": (1 / (32 * 255), 2.0)}
PUBLISHED = "published"  # probabilities in float16 rounded to 5 decimals, in chunks that h5py chooses, with LZ4
STACK = "numpy.stack([1 - p, p], axis=-1)"  # for messages: one probability p of two classes, as probabilities
TOLERANCE = 2e-3  # of row sums; storing roots or probabilities in float16 moves them by less than 1e-3
STEP = 1 << 18  # numbers worked on at once: they should stay in cache


def type_of(quantity: str) -> type:
    """Return the type of the numbers of a quantity, or of those of a published file."""
    return TYPES.get(quantity, np.float16)


def tolerance(quantity: str, C: int) -> float:
    """Return by how much the squared norm of a row of C roots may differ from 1, before it is made 1 (see ROOTS).

    The largest of 8 bits in a row is 255, so the squared norm is from 2^-20 to C 2^-20, and that of zeros is not.
    """
    if quantity == "fourth_root_8bit":
        return 1 - 2.0**-21
    # rounding to 5 decimals moves each of the C entries of a published row by up to 5e-6
    return TOLERANCE + 5e-6 * C if quantity == PUBLISHED else TOLERANCE


def encode(probabilities: np.ndarray, quantity: str) -> np.ndarray:
    """Return probabilities (..., C), float64 with rows that sum to 1, as a quantity, or `PUBLISHED`, stores them."""
    if quantity == "sqrt_probability":
        return np.sqrt(probabilities).astype(np.float16)
    if quantity == "fourth_root_8bit":
        return eight_bits(np.sqrt(probabilities))
    return (np.round(probabilities, 5) if quantity == PUBLISHED else probabilities).astype(np.float16)


def eight_bits(roots: np.ndarray) -> np.ndarray:
    """Return square roots as 8 bits: each row is made as large as fits, since its norm is known to be 1.

    Rounding moves a fourth root by at most h = 1/510 of the largest of its row, and the row of square roots, of norm
    1, by at most 2 h C^(1/4) + h^2 C^(1/2): 0.7 % for 10 classes, 2.2 % for 1,000, in directions that hardly add up.
    """
    return np.rint(255 * np.sqrt(roots / roots.max(axis=-1, keepdims=True))).astype(np.uint8)


def to_roots(numbers: Any, quantity: str) -> Any:
    """Return the square roots of probabilities, not normalised, that stored numbers (array or tensor) stand for."""
    unit, power = ROOTS[quantity]
    return numbers if unit == power == 1 else (numbers * unit) ** power


def decode(stored: np.ndarray, quantity: str, tolerance: float, out: np.ndarray) -> np.ndarray:
    """Put the square roots of stored probabilities (n, C), rows of unit norm, into `out`; return which are sound (n,).

    tolerance: how much squared norms may differ from 1.
    """
    positive = False
    if stored.dtype != np.float16:
        out[...] = stored
    elif out.dtype == np.float32:
        positive = widen(stored, out)
    else:
        floats = np.empty(stored.shape, np.float32)
        positive = widen(stored, floats)
        out[...] = floats
    with np.errstate(invalid="ignore", divide="ignore"):
        if quantity == "probability":
            np.sqrt(out, out=out)
        elif quantity == "fourth_root_8bit":
            np.multiply(out, out, out=out)  # whole numbers below 2^16: exact
        sums = np.einsum("nc,nc->n", out, out)
        if quantity == "fourth_root_8bit":
            sound = stored.max(axis=1) == 255
        else:
            sound = np.abs(sums - 1) <= tolerance
            if not positive:
                sound &= out.min(axis=1) >= 0
        out /= np.sqrt(sums)[:, None]
    return sound


def rounding_variance(stored: np.ndarray, roots: np.ndarray, what: Any) -> np.ndarray:
    """Return the mean square by which rounding moves each entry of the roots (..., C), of unit norm, of what is stored.

    what: the Trajectory, of which `quantity` and `published` count.  A number x that is rounded to units u is moved by
    u^2 / 12 on average: so a root is by that, one that comes of a probability p by u^2 / (48 p), and one that comes of
    the fourth root f, of length S = sum f^4, by (2 f)^2 / (12 S), but for the largest, which is exact.  A probability
    that became 0 may have been half a unit: to become one unit later is no more than rounding, u.
    What lies along the row is lost when that is made a unit vector: (1 - root^2) of it is left.  Where probabilities
    were rounded before they were stored (the attribute `rounded`), that adds to it.
    """
    if what.quantity == "fourth_root_8bit":
        numbers = stored.astype(np.float32)
        variance = numbers**2 / (3 * (numbers**4).sum(axis=-1, keepdims=True))
        variance[stored == 255] = 0
    elif stored.dtype == np.float16:  # there are 65,536 of them
        variance = _variances(what.quantity, what.published)[stored.view(np.uint16)]
    else:
        variance = _variance(stored, what.quantity, what.published)
    if given := what.attributes.get("rounded"):
        p = np.square(roots)
        unit = _unit(p, given)
        variance = variance + np.where(p > unit / 2, unit**2 / (48 * np.maximum(p, unit)), unit)
    return variance * (1 - np.square(roots))


@functools.cache
def _variances(quantity, published):
    """Return the `_variance` of all numbers of 16 bits, (65536,), in the order of their bits."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _variance(np.arange(1 << 16, dtype=np.uint16).view(np.float16), quantity, published)


def _variance(stored, quantity, published):
    """Return the mean square by which rounding moves the root, of any norm, of each stored float."""
    unit = np.spacing(np.abs(stored)).astype(np.float32)
    if quantity == "sqrt_probability":
        return unit**2 / 12
    unit = np.maximum(unit, 1e-5) if published else unit
    return np.where(stored > 0, unit**2 / (48 * np.maximum(stored.astype(np.float32), unit)), unit)


def _unit(p, rounded):
    """Return the unit to which probabilities p were rounded: `rounded`, in words of `rounding`."""
    if rounded.startswith("to "):
        return np.float32(10.0 ** -int(rounded.split()[1]))
    bits = 8 if rounded == "in bfloat16" else 11
    return np.ldexp(np.float32(1), np.maximum(np.frexp(p)[1], -13 if bits == 11 else -125) - bits)


def rounding_bound(what: Any, C: int) -> float:
    """Return what rounding adds to d_B of near models at most, for C classes; 0 for numbers of 32 bits and more."""
    given = what.attributes.get("rounded")
    if given:  # coarser than what is stored: steps are looked at
        return 1.0
    if what.quantity == "fourth_root_8bit":
        return C**0.5 / (3 * 255**2)  # sum f^2 <= (C sum f^4)^(1/2), and the largest f is 255
    if what.dtype != np.float16:
        return 0.0
    relative = 2.0**-20 / (48 if what.quantity == "probability" else 12)
    return relative + C * (1e-5 if what.published else 2.0**-24)


def widen(halves: np.ndarray, out: np.ndarray) -> bool:
    """Put float16 into float32, exactly; return whether all are seen to be finite and not negative.

    numpy takes 1 to 14 ns a number for this, and most where they are tiny.

    The bits of a half h >= 0, 13 to the left and 112 added to the exponent, are those of the float, except where h
    is subnormal; there they are if the exponent is 1 more and 2^-14 is then taken away, which is larger for all others.
    """
    bits = halves.view(np.uint16)
    if not bits.size or bits.max() >= 0x7C00:  # infinite, not a number, or a sign
        out[...] = halves
        return False
    shifted = out.view(np.uint32)
    shifted[...] = bits
    shifted <<= 13
    shifted += np.uint32(113 << 23)
    subnormal = out - np.float32(2.0**-14)
    shifted -= np.uint32(1 << 23)
    np.minimum(out, subnormal, out=out)
    return True


def explain_rows(rows: np.ndarray, where: str, tolerance: float) -> float:
    """Return within what tolerance the rows (N, C), float64, are probabilities: the given one, or that of `rounding`.

    Raises InputError saying what they are instead, if they are not.
    """
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{where}: {np.sum(~finite)} of {len(rows)} rows are not finite; the first is sample {np.argmin(finite)}"
        )
    sums = rows.sum(axis=1)
    bad = (rows.min(axis=1) < 0) | (np.abs(sums - 1) > tolerance)
    if not bad.any():
        return tolerance
    rounded, wider = rounding(rows)
    if rows.min() >= 0 and np.abs(sums - 1).max() <= wider:
        return wider
    negative = ", some entries are negative" if rows.min() < 0 else ""
    raise InputError(
        f"{where}: rows sum to {sums.min():.4g}..{sums.max():.4g}{negative} (first: sample {int(np.argmax(bad))}); "
        + _what_else(rows, sums, rounded)
    )


def rounding(rows: np.ndarray) -> tuple[str, float]:
    """Return how coarsely probabilities (N, C) are rounded ("" if they are not), and by how much rows may miss 1.

    Softmax in half precision moves a sum by some units of 2^-8 (bfloat16) or 2^-11 (float16); rounding to d decimals
    by up to C / 2 of the last one, of which no more than 0.1 is taken.  What numbers were rounded to is seen in them.
    """
    singles = rows.astype(np.float32)
    if not (singles.view(np.uint32) & 0xFFFF).any():
        return "in bfloat16", 4 * 2.0**-8
    half = (singles.astype(np.float16) == singles).all()
    exact = np.abs(rows) * (2.0**-11 if half else 1e-7) + 1e-7  # how far the type itself moves a decimal number
    for decimals in range(1, 7):
        if (np.abs(rows - np.round(rows, decimals)) <= exact).all():
            return f"to {decimals} decimals", min(0.1, rows.shape[1] * 0.5 * 10.0**-decimals) + 4 * 2.0**-11
    return ("in float16", 4 * 2.0**-11) if half else ("", 0.0)


def _what_else(rows, sums, rounded):
    """Return what rows (N, C) that are no probabilities look like, and what to store instead."""
    if rows.max() <= 1e-6 and np.abs(np.exp(rows).sum(axis=1) - 1).max() < 0.05:
        return "these are log-probabilities: store exp() of them"
    if rows.min() < 0:
        if rows.min() > -1e-2 and np.abs(sums - 1).max() < 0.05:
            return "entries below 0 are hardly rounding: set them to 0"
        return "these look like logits or features: store softmax outputs"
    if np.abs(sums - 100).max() < 5:
        return "these are percent: divide by 100"
    if rows.max() > 1:
        return "these look like logits, features or counts: store softmax outputs"
    if rows.shape[1] == 1:
        return f"one probability p of two classes: store both, {STACK}"
    if rounded.startswith("to ") and np.abs(sums - 1).max() < 0.5:
        return f"they are rounded {rounded}, which takes too much away: store more decimals"
    return (
        "entries are from 0 to 1, like sigmoids of classes that do not exclude each other: store softmax outputs "
        f"(of one probability p of two classes, {STACK})"
    )
