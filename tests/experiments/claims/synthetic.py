"""For the tests of claims: files of trajectories that go towards the labels on ways of their own."""

import numpy as np

from info_geometry import predictions
from tests.support.synthetic import labels_of, training

N, C = 120, 10
LABELS = labels_of(N, C)


def write(folder, run, seed, direction, T=6, final=6.0, only=None):
    """Write a trajectory towards the labels, for the classes `only`; or towards nothing (final=0)."""
    models = training(np.random.default_rng([seed, len(run)]), LABELS, C, T, final=final, direction=direction)
    if only is not None:  # the other samples stay where training began
        models[:, ~np.isin(LABELS, only)] = models[:1, ~np.isin(LABELS, only)]
    path = folder / run / f"preds_{seed}.h5"
    predictions.write(path, models, labels=LABELS, t=np.arange(T))
    return predictions.open_trajectory(path)


def detour(number):
    return 2 * np.random.default_rng(number).standard_normal((N, C))
