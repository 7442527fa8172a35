"""What claims about information in the weights are about: arrays, of which the first axis is S seeds.

K values of beta, T checkpoints of a run.  What is known of a network (`inspecting`) has the names it is stored under,
and besides: `accuracy` on other images; `ignorance`, the mean d_B of what it predicts to equal probabilities;
`information`, norm plus determinant, in nats; `trace_of_all`, N tr F; `fineness`, log2(1 / sigma) of the noise it
bears.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from experiments.weight_information.transition import beta_50
from info_geometry.files import InputError

CLASSES = 10
MATCHED = 0.5  # nats, the cross entropy of draws at which variational networks are compared
REACHED = 0.25  # nats, the cross entropy at which batch sizes are compared
MEASURES = {"KL": "kl", "log-determinant": "information", "trace": "trace_of_all", "noise": "fineness"}
POSTERIORS = "isotropic", "diagonal", "low_rank"
NUISANCES = "position", "stripes"


@dataclass(frozen=True)
class Sweep:
    """Variational networks that differ in beta (K,), of N samples and a share of random labels: {what: (S, K)}."""

    beta: np.ndarray
    samples: int
    label_noise: float
    known: Mapping[str, np.ndarray]

    def __getitem__(self, what: str) -> np.ndarray:
        """Return what is known, (S, K)."""
        return self.known[what]

    @property
    def thresholds(self) -> np.ndarray:
        """beta_50 (S,): where the accuracy on training images falls; nan where it does not."""
        return np.array([_threshold(self.beta, each) for each in self["training_accuracy"]])

    def at(self, what: str, cross_entropy: float = MATCHED) -> np.ndarray:
        """Return what is known at a cross entropy of draws, (S,)."""
        return np.array([matched(x, y, cross_entropy) for x, y in zip(self["cross_entropy_of_draws"], self[what])])


@dataclass(frozen=True)
class Course:
    """Ordinary networks through training, at epochs (T,): {what: (S, T)}; and the length of the trajectory (S,)."""

    epochs: np.ndarray
    samples: int
    label_noise: float
    known: Mapping[str, np.ndarray]
    steps: np.ndarray  # d_B between neighbouring checkpoints, (S, T - 1)
    length: np.ndarray

    def __getitem__(self, what: str) -> np.ndarray:
        """Return what is known, (S, T)."""
        return self.known[what]

    def at(self, what: str, cross_entropy: float = REACHED) -> np.ndarray:
        """Return what is known where the cross entropy of training images first falls to a value, (S,)."""
        return np.array([matched(x, y, cross_entropy) for x, y in zip(self["cross_entropy"], self[what])])


@dataclass(frozen=True)
class Measured:
    """All that is measured.

    by_noise: {label noise: Sweep} of 500 images; by_samples: {(label noise, N): Sweep}, 500 among them; posteriors:
    {name: Sweep} of random labels; again: {label noise: Sweep} that began with memorising networks; bounded: {label
    noise: Sweep} of 5,000 images; nuisances: {name: Sweep}; batches: {size: Course}; ordinary: {(label noise, N):
    Course}.
    """

    seeds: tuple[int, ...]
    by_noise: Mapping[float, Sweep]
    by_samples: Mapping[tuple[float, int], Sweep]
    posteriors: Mapping[str, Sweep]
    again: Mapping[float, Sweep]
    bounded: Mapping[float, Sweep]
    nuisances: Mapping[str, Sweep]
    untrained: Mapping[str, Mapping[str, np.ndarray]]
    course: Course
    batches: Mapping[int, Course]
    ordinary: Mapping[tuple[float, int], Course]

    @property
    def conditions(self) -> dict[tuple[float, int], Sweep]:
        """All sweeps of the same posterior and images, by label noise and N."""
        return {**{(noise, x.samples): x for noise, x in self.by_noise.items()}, **self.by_samples}


def _threshold(beta, accuracy):
    try:
        return beta_50(beta, accuracy, 1 / CLASSES)
    except InputError:
        return float("nan")


def matched(cross_entropy: np.ndarray, values: np.ndarray, target: float) -> float:
    """Return a value where the cross entropy (K,) is `target`, between the first neighbours that enclose it, or nan.

    The logarithm of positive values is taken as linear in the cross entropy, others are themselves.
    """
    below = cross_entropy < target
    where = np.flatnonzero(below[1:] != below[:-1])
    if not len(where):
        return float("nan")
    i = where[0]
    part = (target - cross_entropy[i]) / (cross_entropy[i + 1] - cross_entropy[i])
    first, second = values[i], values[i + 1]
    if first > 0 and second > 0:
        return float(first ** (1 - part) * second**part)
    return float(first + part * (second - first))
