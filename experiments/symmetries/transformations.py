"""Fixed transformations: a matrix between a layer and its activation, behind which the rest of a network learns anew.

    f_{>l} . sigma . A . f_{<=l},  A and all before it held fixed                    (Godfrey et al. 2022, section 3)

With A in the group of sigma the rest can undo it: sigma(A x) = phi(A) sigma(x), so that f_{>l} . phi(A)^-1 gives the
network back.  With a rotation it cannot.  A = identity says what retraining alone changes.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from experiments.symmetries.stitches import Fixed
from experiments.symmetries.stitching import Stitched, Training, cut, features


def transformed(network: nn.Module, layer: str, matrix: torch.Tensor) -> Stitched:
    """Return a copy of a network with a matrix (n, n), its stitch, after a layer: a convolution before its activation.

    Raises InputError for a layer that is not there; a matrix that does not fit is answered when it meets features.
    """
    front, back = cut(network, layer)
    return Stitched(front.requires_grad_(False), Fixed(matrix), back).eval()


def retrain(network: Stitched, images: torch.Tensor, outputs: torch.Tensor, how: Training, seed: int = 0) -> Stitched:
    """Return a copy of a transformed network whose second half learned on images (N, ...) with right outputs (N,).

    What comes before is computed once.  The rate rises to `how.rate` in a tenth of the steps and falls linearly to 0.
    """
    found = copy.deepcopy(network)
    with torch.no_grad():
        given = torch.cat([found.stitch(part) for part in features(found.front, images).split(500)])
    back = found.back.train()
    optimiser = (torch.optim.Adam if how.adam else torch.optim.SGD)(back.parameters(), lr=how.rate)
    generator, number = torch.Generator().manual_seed(seed), 0
    steps = max(1, len(given) // how.batch_size)
    for _ in range(how.epochs):
        for chosen in torch.randperm(len(given), generator=generator).split(how.batch_size)[:steps]:
            part = (number + 0.5) / (how.epochs * steps)
            optimiser.param_groups[0]["lr"] = how.rate * min(10 * part, (1 - part) / 0.9)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(back(given[chosen]), outputs[chosen]).backward()
            optimiser.step()
            number += 1
    back.eval()
    return found
