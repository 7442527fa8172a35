"""How many single channels are selective for one class: what a permutation with scales keeps, and a rotation loses.

    index of a channel = (m_max - m_rest) / (m_max + m_rest)                             (Morcos et al. 2018)

m_max is the largest mean activity of a channel over a class, m_rest its mean over the means of all other classes.
Activities are of rectified features, not below 0: 1 says that a channel is active for one class alone, 0 for all alike.
"""

import numpy as np

from info_geometry.files import InputError

SELECTIVE = 0.5  # index of a channel that counts: three times as active for one class as for the others


def indices(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the selectivity index (C,) of channels; NaN of a dead one.

    features (N, C, ...), not below 0, a mean over pixels being an activity; labels (N,): at least two classes.
    Raises InputError where shapes differ, features are negative, or there is one class.
    """
    x, labels = np.asarray(features, np.float64), np.asarray(labels)
    if x.ndim < 2 or labels.shape != x.shape[:1]:
        raise InputError(f"expected features (N, C, ...) and labels (N,), not {x.shape} and {labels.shape}")
    if x.min() < 0:
        raise InputError(f"the least feature is {x.min():.3g}, expected none below 0: take them after a ReLU")
    classes, of = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError("all samples are of one class; an index compares classes")
    activity = x.reshape(*x.shape[:2], -1).mean(axis=2)
    sums = np.zeros((len(classes), x.shape[1]))
    np.add.at(sums, of, activity)
    means = np.sort(sums / np.bincount(of)[:, None], axis=0)
    largest, rest = means[-1], means[:-1].mean(axis=0)
    total = largest + rest
    return np.divide(largest - rest, total, out=np.full(len(total), np.nan), where=total > 0)


def selective(features: np.ndarray, labels: np.ndarray, threshold: float = SELECTIVE) -> tuple[int, int]:
    """Return the number of channels whose index is above a threshold, and of those that are alive; see `indices`."""
    found = indices(features, labels)
    return int((found > threshold).sum()), int((~np.isnan(found)).sum())


def transformed(features: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return features (N, C, ...) before an activation, with a matrix (D, C) applied to channels, and rectified."""
    x = np.asarray(features)
    if matrix.shape[1] != x.shape[1]:
        raise InputError(f"a matrix {matrix.shape} does not fit {x.shape[1]} channels")
    return np.maximum(np.moveaxis(np.tensordot(matrix, x, axes=(1, 1)), 0, 1), 0)
