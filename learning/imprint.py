"""Imprinting: turn any network into a probabilistic model over all classes of a data set, from one forward pass.

The prototype of class k is the mean penultimate feature of its samples; the prediction is
softmax_k(-||feature - prototype_k||^2) over all classes, whatever the network was trained on
(Ramesh et al. 2023, section 2; after Qi et al. 2018).  Other ways are a stated choice: learning/imprinting.py.
"""

import math
from collections.abc import Iterable, Sequence

import torch

from info_geometry.files import InputError
from learning.imprinting import RULES, USUAL, Imprinting
from learning.networks import autocast

LARGEST = 1e6  # temperature, or inverse temperature, that is fitted


@torch.inference_mode()
def features(body: torch.nn.Module, batches: Iterable[torch.Tensor], precision: str = "float32") -> torch.Tensor:
    """Return the features (N, F), float32, of batches of images (B, channels, height, width) in their order.

    precision: of convolutions on a GPU.
    """
    body.eval()
    found = []
    for images in batches:
        with autocast(images.device, precision):
            found.append(body(images).float())
    return torch.cat(found)


def prototypes(features: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the mean feature (C, F) of the samples of each class; features (N, F), labels (N,).

    Raises InputError for a class without samples.
    """
    counts = torch.bincount(labels, minlength=classes)
    if (counts == 0).any():
        missing = torch.nonzero(counts == 0).flatten().tolist()
        raise InputError(
            f"{len(missing)} of {classes} classes have no samples to imprint (the first is class "
            f"{missing[0]}); every class of the data set needs at least one"
        )
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    return sums / counts[:, None]


def scores(features: torch.Tensor, prototypes: torch.Tensor, rule: str = RULES[0], scale: float = 1.0) -> torch.Tensor:
    """Return the scores (N, C) of features f (N, F) and prototypes m (C, F), up to a number for each sample.

        squared_distance    -||f - m_k||^2
        normalised          scale * f . m_k / ||m_k||
        cosine              scale * f . m_k / (||f|| ||m_k||)

    ||f - m||^2 = ||f||^2 - 2 f . m + ||m||^2, where ||f||^2 does not depend on k and drops out of the softmax, so one
    matrix product is enough.  Both are first moved by the mean prototype, which keeps differences of large numbers
    small.
    """
    if rule == "squared_distance":
        centre = prototypes.mean(dim=0)
        features, prototypes = features - centre, prototypes - centre
        return features @ (2 * prototypes).T - prototypes.square().sum(dim=1)  # twice the fewer numbers
    if rule == "cosine":
        features = torch.nn.functional.normalize(features, dim=1)
    return scale * (features @ torch.nn.functional.normalize(prototypes, dim=1).T)


def probabilities(
    features: torch.Tensor,
    prototypes: torch.Tensor,
    rule: str = RULES[0],
    scale: float = 1.0,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Return softmax_k(score_k / temperature), (N, C), for features (N, F) and prototypes (C, F); see `scores`."""
    return torch.softmax(scores(features, prototypes, rule, scale) / temperature, dim=1)


def fitted_temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the temperature of the largest likelihood of labels (N,), between 1e-6 and 1e6, for scores (N, C).

    The mean of -sum_k q_k log softmax(b z)_k is convex in b = 1 / temperature, with the derivative
    mean_n sum_k (p_k - q_k) z_k: bisection of log b, in float64.  q = (N onehot + 1) / (N + C), Laplace's rule of
    succession as in Platt 1999, without which the likelihood of samples that are all right has no maximum.
    """
    N, C = scores.shape
    z = scores.double().T.contiguous()  # (C, N): sums over classes are several times as fast
    z -= z.amax(dim=0)  # p and q add up to 1, so that nothing changes, and powers stay below 1
    given = ((N * z.gather(0, labels[None]) + z.sum(dim=0)) / (N + C)).sum()
    low, high = -math.log(LARGEST), math.log(LARGEST)
    for _ in range(50):
        middle = (low + high) / 2
        powers = (math.exp(middle) * z).exp_()
        slope = ((powers * z).sum(dim=0) / powers.sum(dim=0)).sum() - given
        low, high = (low, middle) if slope > 0 else (middle, high)
    return math.exp(-(low + high) / 2)


def of_features(
    features: torch.Tensor,
    labels: torch.Tensor,
    classes: int,
    how: Imprinting = USUAL,
    training: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, float]:
    """Return the probabilities (N, C) of samples with features (N, F) and labels (N,), and the temperature.

    training: features and labels of training images, where `how` looks at them.
    """
    means = prototypes(*(training if how.prototypes == "training" else (features, labels)), classes)
    temperature = how.temperature
    if temperature is None:
        temperature = fitted_temperature(scores(training[0], means, how.rule, how.scale), training[1])
    return probabilities(features, means, how.rule, how.scale, temperature), temperature


def imprint(
    body: torch.nn.Module,
    batches: Iterable[torch.Tensor],
    labels: torch.Tensor,
    classes: int,
    precision: str = "float32",
) -> torch.Tensor:
    """Return the probabilities (N, C) of a body's imprinted model on the samples it is imprinted with."""
    return of_features(features(body, batches, precision), labels, classes)[0]


def of_head(
    network: torch.nn.Module,
    batches: Iterable[torch.Tensor],
    task: Sequence[int],
    classes: int,
    precision: str = "float32",
) -> torch.Tensor:
    """Return the probabilities (N, C) of a network's own head: softmax over the classes of its task, 0 elsewhere.

    task: the class that each output stands for.
    """
    found = torch.softmax(features(network, batches, precision), dim=1)
    whole = found.new_zeros(len(found), classes)
    whole[:, list(task)] = found
    return whole
