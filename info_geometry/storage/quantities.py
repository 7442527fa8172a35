"""What stored numbers stand for, and how they are read as square roots of probabilities.

sqrt_probability    float16   sqrt(p)
probability         float16   p
fourth_root_8bit    uint8     round(255 (p / max p)^(1/4)), max of the row: half the bytes
"""

from typing import Any

import numpy as np

from info_geometry.files import InputError

TYPES = {"sqrt_probability": np.float16, "probability": np.float16, "fourth_root_8bit": np.uint8}
# stored numbers are roots = (number * unit) ** power, of any norm; 8 bits are below 2^-10, so that the squared norm of
# a row, whatever its largest number, is less than 2, and that of zeros, 0, is further from 1 than any other
ROOTS = {"sqrt_probability": (1.0, 1.0), "probability": (1.0, 0.5), "fourth_root_8bit": (1 / (32 * 255), 2.0)}
PUBLISHED = "published"  # probabilities in float16 rounded to 5 decimals, in chunks that h5py chooses, with LZ4
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
    if stored.dtype != np.float16:
        out[...] = stored
    elif out.dtype == np.float32:
        _widen(stored, out)
    else:
        floats = np.empty(stored.shape, np.float32)
        _widen(stored, floats)
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
            sound = (np.abs(sums - 1) <= tolerance) & (out.min(axis=1) >= 0)
        out /= np.sqrt(sums)[:, None]
    return sound


def _widen(halves, out):
    """Put float16 into float32, exactly; numpy takes 1 to 14 ns a number for this, and most where they are tiny.

    The bits of a half h >= 0, 13 to the left and 112 added to the exponent, are those of the float, except where h
    is subnormal; there they are if the exponent is 1 more and 2^-14 is then taken away, which is larger for all others.
    """
    bits = halves.view(np.uint16)
    if not bits.size or bits.max() >= 0x7C00:  # infinite, not a number, or a sign
        out[...] = halves
        return
    shifted = out.view(np.uint32)
    shifted[...] = bits
    shifted <<= 13
    shifted += np.uint32(113 << 23)
    subnormal = out - np.float32(2.0**-14)
    shifted -= np.uint32(1 << 23)
    np.minimum(out, subnormal, out=out)


def explain_rows(rows: np.ndarray, where: str, tolerance: float) -> None:
    """Raise InputError saying what is wrong if the rows (N, C) are not probabilities within `tolerance`."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{where}: {np.sum(~finite)} of {len(rows)} rows are not finite; the first is sample {np.argmin(finite)}"
        )
    sums = rows.sum(axis=1)
    if rows.min() < 0 or np.abs(sums - 1).max() > tolerance:
        first = int(np.argmax((rows.min(axis=1) < 0) | (np.abs(sums - 1) > tolerance)))
        negative = ", some entries are negative" if rows.min() < 0 else ""
        raise InputError(
            f"{where}: rows sum to {sums.min():.4g}..{sums.max():.4g}{negative} (first: sample {first}); "
            "these look like logits or features: store softmax outputs"
        )


def on_cpu(array: object) -> object:
    """Return a tensor as what numpy takes; anything else as it is."""
    if not hasattr(array, "detach"):
        return array
    array = array.detach().cpu()
    return array.float() if str(array.dtype) == "torch.bfloat16" else array  # numpy has no bfloat16


def describe(array: np.ndarray) -> str:
    """Return shape and type of an array in words."""
    return f"an array of shape {array.shape} and type {array.dtype}"
