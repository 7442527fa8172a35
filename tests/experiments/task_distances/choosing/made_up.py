"""Made-up measurements of choosing a source."""

import dataclasses

import numpy as np

from experiments.task_distances.choosing.measured import Measured
from experiments.task_distances.choosing.scores import LOOKING, SCORES

S, K = 3, 3


def measured(seed=0, good=(), bad=(), m=8, n=10, spread=0.04):
    """Return sources that lead to other accuracies, and scores that are noise, but good ones, or the opposite."""
    rng = np.random.default_rng(seed)
    true = 0.7 + spread * rng.standard_normal((m, n))
    accuracy = true + 0.003 * rng.standard_normal((S, m, n))
    mean = accuracy.mean(axis=0)
    scores = {name: rng.standard_normal((S, m, n)) for name in SCORES}
    scores |= {name: np.broadcast_to(mean, (S, m, n)) for name in good}
    scores |= {name: np.broadcast_to(-mean, (S, m, n)) for name in bad}
    holds = np.zeros((m, n), bool)
    holds[0] = True  # the first has learned all
    holds[1, : n // 2] = True
    names = ("all", *(f"s{k}" for k in range(m - 2)), "all:random_labels")
    return Measured(
        tuple(range(S)),
        names,
        tuple(f"t{k}" for k in range(n)),
        accuracy,
        np.ones_like(accuracy),
        np.full((S, n), 0.6),
        scores,
        {name: rng.standard_normal((S, K, m, n)) for name in LOOKING},
        holds,
    )


def changed(found, **changes):
    return dataclasses.replace(found, **changes)
