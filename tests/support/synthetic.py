"""Synthetic predictions for the tests: random models, and trajectories that look like training."""

import numpy as np

from info_geometry import predictions


def random_models(rng, T, N, C, concentration=0.3):
    """Return probabilities (T, N, C), from a Dirichlet distribution."""
    return rng.dirichlet(np.full(C, concentration), (T, N))


def labels_of(N, C, seed=7):
    return np.random.default_rng(seed).integers(0, C, N)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def training(rng, labels, C, T=8, final=6.0, direction=None):
    """Return probabilities (T, N, C) that go from near ignorance towards the labels, with a detour of this run."""
    N = len(labels)
    detour = rng.standard_normal((N, C)) if direction is None else direction + 0.3 * rng.standard_normal((N, C))
    times = np.linspace(0, 1, T)[:, None, None]
    noise = 0.05 * rng.standard_normal((T, N, C))
    return softmax(final * times * np.eye(C)[labels] + 4 * times * (1 - times) * detour + noise)


def write_runs(folder, dataset="toy", tasks=("all", "even"), seeds=(0, 1), N=60, C=5, T=6):
    """Write predictions/<dataset>_<task>/preds_<seed>.h5 and return the labels."""
    labels = labels_of(N, C)
    for i, task in enumerate(tasks):
        direction = 2 * np.random.default_rng(i).standard_normal((N, C))
        for seed in seeds:
            models = training(np.random.default_rng([*dataset.encode(), i, seed]), labels, C, T, direction=direction)
            predictions.write(
                folder / f"{dataset}_{task}" / f"preds_{seed}.h5",
                models,
                labels=labels,
                t=2.0 ** np.arange(T),
                t_name="step",
                task=task,
                seed=seed,
                dataset=dataset,
            )
    return labels
