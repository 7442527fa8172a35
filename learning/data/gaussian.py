"""Gaussian inputs whose variances decay, with labels by a random network: do sloppy data make what is learned sloppy?

    x ~ N(0, diag(lambda_k / d)),  lambda_k = b exp(-c k),  k = 0 .. d - 1,  b = 50 c, or 1 for c = 0  (Mao et al. 2024)

Labels are the largest output of a teacher: a network without biases, tanh behind each layer but the last, whose weights
are Gaussian, of variance 1 in the first layer and 1 / (inputs) in others; or they are random.  c = 0.5 is sloppy: a few
directions hold all variance; of c = 0.001 and 0 nearly all directions do.

All follow from a seed: Gaussian numbers are the inverse distribution function of the raw bit stream of PCG64, the only
part of numpy.random that is promised to stay.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from info_geometry.files import InputError

SIZE = 200  # d
DECAYS = (0.0, 0.001, 0.5)  # c
TEACHERS = ((200, 50, 5), (200, 100, 5), (200, 50, 50, 5))
CLASSES = 5
SEED = 5
TRAINING, EVALUATION = 5000, 1000
IMAGES, EVALUATED, WEIGHTS, LABELS = range(4)  # streams of one seed


@dataclass(frozen=True)
class Synthetic:
    """inputs (N, d) float32, labels (N,) int64 to learn from, and evaluation_inputs, evaluation_labels."""

    inputs: np.ndarray
    labels: np.ndarray
    evaluation_inputs: np.ndarray
    evaluation_labels: np.ndarray


def spectrum(decay: float, size: int = SIZE) -> np.ndarray:
    """Return lambda_k = b exp(-c k), (d,), of a decay c.  Raises InputError for a negative one."""
    if not (np.isfinite(decay) and decay >= 0) or size < 1:
        raise InputError(f"the decay of the spectrum is {decay} of {size} inputs, expected 0 or more of 1 or more")
    return (50 * decay if decay else 1.0) * np.exp(-decay * np.arange(size))


def gaussian(shape: tuple, seed: int, stream: int) -> np.ndarray:
    """Return standard Gaussian numbers, float64, that follow from a seed and a stream: 53 bits each, mapped."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(int(np.prod(shape))) >> np.uint64(11)
    return ndtri((bits.astype(np.float64) + 0.5) / 2.0**53).reshape(shape)


def teacher(widths: tuple[int, ...], seed: int = SEED) -> list[np.ndarray]:
    """Return the weights (inputs, outputs) of each layer of a teacher of these widths, first that of the inputs."""
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"a teacher has widths {widths}; expected those of inputs, hidden layers and classes")
    layers = list(itertools.pairwise(widths))
    return [
        gaussian(layer, seed, WEIGHTS + 4 * (i + 1)) / (np.sqrt(layer[0]) if i else 1) for i, layer in enumerate(layers)
    ]


def answers(weights: list[np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Return the class (N,) that a teacher gives to each of the inputs (N, d)."""
    hidden = np.asarray(inputs, np.float64)
    for layer in weights[:-1]:
        hidden = np.tanh(hidden @ layer)
    return (hidden @ weights[-1]).argmax(axis=1)


def generate(
    decay: float,
    widths: tuple[int, ...] | None = TEACHERS[0],
    *,
    seed: int = SEED,
    training: int = TRAINING,
    evaluation: int = EVALUATION,
    classes: int = CLASSES,
) -> Synthetic:
    """Return data whose spectrum decays as `decay` says, with labels of a teacher of `widths`, or random ones of None.

    A larger set begins with a smaller one, and inputs of the same seed are the same but for their scales, whatever the
    decay.  classes: of random labels alone; those of a teacher are its last width.
    """
    size = SIZE if widths is None else widths[0]
    scales = np.sqrt(spectrum(decay, size) / size)
    sets = []
    for count, stream in ((training, IMAGES), (evaluation, EVALUATED)):
        inputs = (gaussian((count, size), seed, stream) * scales).astype(np.float32)
        if widths is None:
            bits = np.random.PCG64(np.random.SeedSequence([seed, LABELS, stream])).random_raw(count) >> np.uint64(32)
            labels = (bits * np.uint64(classes) >> np.uint64(32)).astype(np.int64)
        else:
            labels = answers(teacher(widths, seed), inputs)
        sets += [inputs, labels.astype(np.int64)]
    return Synthetic(*sets)
