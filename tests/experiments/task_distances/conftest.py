"""A probe that has learned digits, and tasks of digits."""

import numpy as np
import pytest
import torch

from learning import data, networks, tasks
from learning.data import normalise

TASKS = "all", "even", "odd", "low", "high"


@pytest.fixture(scope="session")
def digits():
    """Return normalised images (N, 1, 8, 8) and labels (N,) of the digits that networks learn from."""
    images = data.load("digits", "train", "")
    return normalise(images.pixels, images._mean, images._std), images.labels


@pytest.fixture(scope="session")
def probe(digits):
    """Return a small_cnn that has learned all digits, in 150 steps on 300 images."""
    x, y = digits[0][:300], torch.from_numpy(digits[1][:300])
    network = networks.build("small_cnn", 1, 8, 10, 0, width=4)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
    assert loss.item() < 0.1
    return network


@pytest.fixture(scope="session")
def task(digits):
    """Return a function: the name of a task, and which half of its images -> images (N, 1, 8, 8), labels (N,)."""

    def images_of(name, half=None):
        x, y = digits
        chosen = np.flatnonzero(np.isin(y, tasks.load("digits", name).classes))
        chosen = chosen if half is None else chosen[half::2]
        return x[torch.from_numpy(chosen)], y[chosen]

    return images_of
