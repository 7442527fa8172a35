"""Gaussian inputs whose variances decay, with labels by a random network: do sloppy data make what is learned sloppy?

    x ~ N(0, diag(lambda_k / d)),  lambda_k = b exp(-c k),  k = 0 .. d - 1,  b = 50 c, or 1 for c = 0  (Mao et al. 2024)

Labels are the largest output of a teacher: a network without biases, tanh behind each layer but the last, whose weights
are Gaussian, of variance 1 in the first layer and 1 / (inputs) in others.  c = 0.5 is sloppy: a few directions hold all
variance; of c = 0.001 and 0 nearly all directions do.

All follow from a seed: Gaussian numbers are the inverse distribution function of the raw bit stream of PCG64, the only
part of numpy.random that is promised to stay.
"""

import itertools

import numpy as np
from scipy.special import ndtri

from info_geometry.files import InputError

HIDDEN = 50  # units of the teacher of data sets
SEED = 5  # of data sets
TRAINING, EVALUATION, WEIGHTS = 0, 1, 2  # streams of one seed


def spectrum(decay: float, size: int) -> np.ndarray:
    """Return lambda_k = b exp(-c k), (size,), of a decay c.  Raises InputError for a negative one."""
    if not (np.isfinite(decay) and decay >= 0) or size < 1:
        raise InputError(f"the decay of the spectrum is {decay} of {size} inputs, expected 0 or more of 1 or more")
    return (50 * decay if decay else 1.0) * np.exp(-decay * np.arange(size))


def normal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Return standard Gaussian numbers, float64, that follow from a seed and a stream: 53 bits each, mapped."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(int(np.prod(shape))) >> np.uint64(11)
    return ndtri((bits.astype(np.float64) + 0.5) / 2.0**53).reshape(shape)


def teacher(widths: tuple[int, ...], seed: int = SEED) -> list[np.ndarray]:
    """Return the weights (inputs, outputs) of each layer of a teacher of these widths, first that of the inputs."""
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"a teacher has widths {widths}; expected those of inputs, hidden layers and classes")
    layers = list(itertools.pairwise(widths))
    return [
        normal(layer, seed, WEIGHTS + 4 * (i + 1)) / (np.sqrt(layer[0]) if i else 1) for i, layer in enumerate(layers)
    ]


def answers(weights: list[np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Return the class (N,), int64, that a teacher gives to each of the inputs (N, d)."""
    hidden = np.asarray(inputs, np.float64)
    for layer in weights[:-1]:
        hidden = np.tanh(hidden @ layer)
    return (hidden @ weights[-1]).argmax(axis=1).astype(np.int64)


def generate(
    decay: float, count: int, widths: tuple[int, ...], *, evaluation: bool = False, seed: int = SEED
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (count, d), float32, and the labels (count,), int64, that a teacher of `widths` gives them.

    d is the first of the widths, the number of classes the last.  A larger set begins with a smaller one, and inputs of
    the same seed are the same but for their scales, whatever the decay; those for evaluation are others.
    """
    scales = np.sqrt(spectrum(decay, widths[0]) / widths[0])
    numbers = normal((count, widths[0]), seed, EVALUATION if evaluation else TRAINING)
    inputs = (numbers * scales).astype(np.float32)
    return inputs, answers(teacher(widths, seed), inputs)
