"""Running statistics of batch norms, set anew: those of an average of weights mean nothing before."""

from collections.abc import Sequence

import torch
from torch import nn

from info_geometry.files import log

BATCH_NORMS = nn.modules.batchnorm._BatchNorm


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """Return the batch norms of a network that have running statistics."""
    return [x for x in network.modules() if isinstance(x, BATCH_NORMS) and x.track_running_stats]


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Sequence[torch.Tensor]) -> nn.Module:
    """Set the running statistics of a network's batch norms to the mean over batches of images, and return it.

    All else is as in evaluation.  What statistics there were plays no part, so that doing it twice changes nothing.
    """
    norms = batch_norms(network)
    network.eval()
    if not norms:
        log.info("there are no batch norms to recalibrate")
        return network
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
        norm.train()
    for images in batches:
        network(images)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.eval()
    return network
