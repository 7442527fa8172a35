"""Stitching: the first layers of one network, a stitch, and the last layers of another (Lenc and Vedaldi 2015).

    S(f1, f2, l, phi) = f2_{>l} . phi . f1_{<=l}                                       (Godfrey et al. 2022, section 4)

Features of f1 are computed once, f1 being in evaluation; only phi learns; and norm layers of the second half are
recalibrated under the phi that is used, always before it predicts.
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from experiments.symmetries.stitches import Stitch
from info_geometry.files import InputError

BATCH_NORMS = nn.modules.batchnorm._BatchNorm


def layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the names and modules of a network's body one after the other: their composition is the body.

    A residual block is one of them, since nothing passes it by.  Raises InputError for a body that is no such sequence.
    """
    body = network.body
    if isinstance(body, nn.Sequential):
        return list(body.named_children())
    if type(body).__name__ == "ResNet":  # torchvision's
        found = [(name, getattr(body, name)) for name in ("conv1", "bn1", "relu", "maxpool")]
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            found += [(f"{stage}.{name}", block) for name, block in getattr(body, stage).named_children()]
        return [*found, ("avgpool", body.avgpool), ("flatten", nn.Flatten())]
    raise InputError(f"{type(body).__name__} is no sequence of layers between which it could be cut")


def cut(network: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    """Return the halves of a network: images -> features after a layer, and these features -> logits.

    Raises InputError, with the layers that there are, for another name.
    """
    names = [name for name, _ in layers(network)]
    if layer not in names[:-1]:
        raise InputError(f"there is no layer {layer!r} to cut after; there are {', '.join(names[:-1])}")
    modules = [module for _, module in layers(network)]
    after = names.index(layer) + 1
    return nn.Sequential(*modules[:after]), nn.Sequential(*modules[after:], network.head)


def rectified(network: nn.Module, images: torch.Tensor) -> list[str]:
    """Return the layers whose features of images are maps that are not negative: where G_ReLU acts."""
    found, x = [], images
    with torch.no_grad():
        for name, module in layers(copy.deepcopy(network).eval()):
            x = module(x)
            if x.ndim == 4 and float(x.min()) >= 0 and x.shape[2] > 1:
                found.append(name)
    return found


class Stitched(nn.Module):
    """A network of two halves and the stitch between them: images -> logits."""

    def __init__(self, front: nn.Module, stitch: Stitch, back: nn.Module):
        super().__init__()
        self.front, self.stitch, self.back = front, stitch, back

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, outputs)."""
        return self.back(self.stitch(self.front(images)))


@dataclasses.dataclass(frozen=True)
class Training:
    """How a stitch learns: epochs of batches, by SGD or Adam at a rate that falls linearly to 0."""

    epochs: int = 4
    batch_size: int = 125
    rate: float = 0.01
    adam: bool = True


@torch.no_grad()
def features(front: nn.Module, batches: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the features (N, C, h, w) of batches of images after the first half of a network, in evaluation."""
    front.eval()
    return torch.cat([front(images) for images in batches])


def fit(
    stitch: Stitch,
    back: nn.Module,
    given: torch.Tensor,
    outputs: torch.Tensor,
    how: Training,
    seed: int,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[float]:
    """Train a stitch on features (N, C, ...) with right outputs (N,); return the mean loss of each epoch.

    The second half is left as it is: in evaluation, but for its batch norms, which average over each batch, since
    running statistics of f2 are of other features.  Order follows from the seed.
    """
    parameters = [p for p in stitch.parameters() if p.requires_grad]
    for p in back.parameters():
        p.requires_grad_(False)
    optimiser = (torch.optim.Adam if how.adam else torch.optim.SGD)(parameters, lr=how.rate)
    generator, losses = torch.Generator().manual_seed(seed), []
    steps = max(1, len(given) // how.batch_size)
    for epoch in range(how.epochs):
        order, total = torch.randperm(len(given), generator=generator), 0.0
        with _batch_statistics(back):
            stitch.train()
            for number, chosen in enumerate(order.split(how.batch_size)[:steps]):
                rate = how.rate * (1 - (epoch * steps + number + 0.5) / (how.epochs * steps))
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad(set_to_none=True)
                loss = F.cross_entropy(back(stitch(given[chosen])), outputs[chosen])
                (loss + stitch.penalty()).backward()
                optimiser.step()
                stitch.project_(rate)
                total += float(loss.detach()) / steps
        losses.append(total)
        after_epoch(epoch)
    stitch.eval()
    return losses


class _batch_statistics:
    """While the block runs, batch norms of a module average over their batch and keep no statistics."""

    def __init__(self, module):
        self._norms = [x for x in module.modules() if isinstance(x, BATCH_NORMS)]
        module.eval()

    def __enter__(self):
        for norm in self._norms:
            norm.train()
            norm.track_running_stats = False

    def __exit__(self, *_):
        for norm in self._norms:
            norm.eval()
            norm.track_running_stats = True
