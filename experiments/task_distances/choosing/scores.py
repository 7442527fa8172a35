"""Scores of a source, a network that has learned, on a target task of which few images have labels.  Imports no torch.

X (N, F): features of the N target images under the source; P (N, C_s): what its own head predicts for them; y (N,):
their labels, of C classes.

    log_me, h_score, leep, nce   as transferability.py has them; the H-score is shrunk as Ledoit and Wolf say, since
                                 there may be fewer images than features
    imprinting                   the share of images that are predicted right by imprinting (cosine, scale 10), each
                                 with prototypes that it has no part in
    prediction_distance          the mean d_B of these predictions to the truth: with p of each image, and the truth
                                 1 at y, 1/N sum_n -log sum_k sqrt(p_nk 1[k = y_n]) = -1/(2 N) sum_n log p_n(y_n)
    task2vec                     d(source -> target) = d(a, b) - ALPHA d(a, 1): a, b are vectors of the source's own
                                 task and of the target by one common probe, d the scaled cosine, and 1 the trivial
                                 task, which needs all filters as much as each other (distances.py)
    task2vec_symmetric           d(a, b): the same with ALPHA = 0

and two fixed rankings, which do not look at the target: `parameters` of the network, and the `accuracy` that it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax
from scipy.stats import rankdata

from experiments.task_distances import transferability
from experiments.task_distances.distances import ALPHA, asymmetric
from experiments.task_distances.probes import classes_of
from info_geometry.files import InputError

SCALE = 10.0  # of cosines
SMALL = 1e-12  # length below which a feature has no direction


@dataclass(frozen=True)
class Score:
    """A score: its title, whether larger is better, and whether it looks at the target."""

    title: str
    larger: bool = True
    looks: bool = True

    def better(self, values: np.ndarray) -> np.ndarray:
        """Return values of which the larger is the better."""
        return np.asarray(values, float) if self.larger else -np.asarray(values, float)


SCORES = {
    "log_me": Score("LogME"),
    "h_score": Score("H-score"),
    "leep": Score("LEEP"),
    "nce": Score("NCE"),
    "imprinting": Score("imprinting accuracy"),
    "prediction_distance": Score("prediction distance", larger=False),
    "task2vec": Score("Task2Vec, asymmetric", larger=False),
    "task2vec_symmetric": Score("Task2Vec, symmetric", larger=False),
    "accuracy": Score("fixed: accuracy", looks=False),
    "parameters": Score("fixed: parameters", looks=False),
}
LOOKING = tuple(name for name, score in SCORES.items() if score.looks)


def of_images(X: np.ndarray, P: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return {score: value} of those scores that are of features X (N, F) and predictions P (N, C_s) of the source.

    Raises InputError if labels (N,) are of one class, if a class has one image, and as transferability.py does.
    """
    y, _ = classes_of(labels, len(X))
    log_p = left_out(X, y)
    return {
        "log_me": transferability.log_me(X, y),
        "h_score": transferability.h_score(X, y, transferability.SHRUNK),
        "leep": transferability.leep(P, y),
        "nce": transferability.nce(P, y),
        "imprinting": float((log_p.argmax(axis=1) == y).mean()),
        "prediction_distance": float(-log_p[np.arange(len(y)), y].mean() / 2),
    }


def of_vectors(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Return {score: value} of vectors (F,) of the source's own task and of the target, by one probe."""
    nothing = np.ones(len(a))
    return {
        "task2vec": asymmetric(a, b, nothing, ALPHA, "cosine"),
        "task2vec_symmetric": asymmetric(a, b, nothing, 0, "cosine"),
    }


def left_out(X: np.ndarray, labels: np.ndarray, scale: float = SCALE) -> np.ndarray:
    """Return log probabilities (N, C) of images with features X (N, F), each left out of what imprints it.

        log softmax_k(scale * cos(f_n, m_k)),   m_k: the mean feature of the images of class k other than n

    Images whose features are all 0 are as near to all classes.  Raises InputError for a class of one image.
    """
    X = np.asarray(X, np.float64)
    y, C = classes_of(labels, len(X))
    counts = np.bincount(y)
    if (counts < 2).any():
        raise InputError(
            f"{(counts < 2).sum()} of {C} classes have one image, which would be imprinted with nothing; expected 2 "
            "images or more of each class"
        )
    sums = np.eye(C)[y].T @ X
    means = sums / counts[:, None]
    cosines = _directions(X) @ _directions(means).T
    own = (sums[y] - X) / (counts[y] - 1)[:, None]
    cosines[np.arange(len(y)), y] = (_directions(X) * _directions(own)).sum(axis=1)
    return log_softmax(scale * cosines, axis=1)


def ranks(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return {score: ranks (m,)} of m sources, 1 the best; those that tie share the mean of their ranks."""
    return {name: rankdata(-SCORES[name].better(each)) for name, each in values.items()}


def mean_rank(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean rank (m,) over all scores that look at the target."""
    return np.mean([rank for name, rank in ranks(values).items() if SCORES[name].looks], axis=0)


def _directions(X):
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), SMALL)
