"""Which labels are wrong.  It follows from the data set and the configuration, as which images are seen does."""

import numpy as np

from learning.split import Split

NOISE_SEED = 20210220  # of wrong labels


def noisy(outputs: np.ndarray, own: Split, classes: int, share: float, draw: int = 0) -> np.ndarray:
    """Return a copy of outputs (N,), of which a share of the images learned from, and of those held out, is random.

    Which images these are, and what each is called, does not depend on the share: those of a smaller one are among
    those of a larger.  draw: 0, 1, ...: of the numbers that both follow from.  A random label may be the right one.
    Multiplying 32 random bits up keeps to the raw bit stream, the only part of numpy.random that is promised to stay.
    """
    bits = np.random.PCG64(NOISE_SEED + draw).random_raw(2 * len(outputs)) >> np.uint64(32)
    turn, label = bits[::2], (bits[1::2] * np.uint64(classes) >> np.uint64(32)).astype(outputs.dtype)
    found = outputs.copy()
    for indices in (own.training, own.validation):
        chosen = indices[np.argsort(turn[indices], kind="stable")][: round(share * len(indices))]
        found[chosen] = label[chosen]
    return found
