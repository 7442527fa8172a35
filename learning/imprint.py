"""Imprinting: turn any network into a probabilistic model over all classes of a data set, from one forward pass.

The prototype of class k is the mean penultimate feature of its samples; the prediction is
softmax_k(-||feature - prototype_k||^2) over all classes, whatever the network was trained on
(Ramesh et al. 2023, section 2; after Qi et al. 2018).
"""

from collections.abc import Iterable, Sequence

import torch

from info_geometry.files import InputError
from learning.networks import autocast


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


def probabilities(features: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """Return softmax_k(-||feature - prototype_k||^2), (N, C), for features (N, F) and prototypes (C, F).

    ||f - p||^2 = ||f||^2 - 2 f . p + ||p||^2, where ||f||^2 does not depend on k and drops out of the softmax, so one
    matrix product is enough.  Both are first moved by the mean prototype, which keeps differences of large numbers
    small.
    """
    centre = prototypes.mean(dim=0)
    features, prototypes = features - centre, prototypes - centre
    return torch.softmax(2 * features @ prototypes.T - prototypes.square().sum(dim=1), dim=1)


def imprint(
    body: torch.nn.Module,
    batches: Iterable[torch.Tensor],
    labels: torch.Tensor,
    classes: int,
    precision: str = "float32",
) -> torch.Tensor:
    """Return the probabilities (N, C) of a body's imprinted model on the samples it is imprinted with."""
    found = features(body, batches, precision)
    return probabilities(found, prototypes(found, labels, classes))


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
