"""Stitching: the first layers of one network, a stitch, and the last layers of another (Lenc and Vedaldi 2015).

    S(f1, f2, l, phi) = f2_{>l} . phi . f1_{<=l}                                       (Godfrey et al. 2022, section 4)

    images, outputs = ...                       # (N, channels, size, size), and the right output of each (N,)
    stitch = stitches.Monomial(48, seed=0)
    stitched = stitching.stitched(sender, receiver, "5", stitch, images, outputs)
    print(stitched(images).argmax(dim=1))

Features of f1 are computed once, in evaluation; only phi learns; and the batch norms of the second half are
recalibrated under the phi that is used, `hard()`, since running statistics of f2 are of other features.
"""

import copy
import dataclasses
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

from experiments.symmetries.stitches import Lasso, Stitch, apply
from info_geometry.files import InputError
from learning.networks import without_statistics
from learning.networks.recalibration import BATCH_NORMS, batch_norms, recalibrate

BATCH = 500  # images, or features, that go through a half at once


@dataclasses.dataclass(frozen=True)
class Training:
    """How a stitch learns: epochs of batches, by SGD or Adam, at a rate that falls linearly to 0."""

    epochs: int = 4
    batch_size: int = 125
    rate: float = 0.01
    adam: bool = True


class Stitched(nn.Module):
    """The first half of a network, a stitch, and the second half of another: images -> logits."""

    def __init__(self, front: nn.Module, stitch: Stitch, back: nn.Module):
        super().__init__()
        self.front, self.stitch, self.back = front, stitch, back

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, outputs)."""
        return self.back(self.stitch(self.front(images)))


def layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of a network's body, one after the other, by their names: their composition is the body.

    A residual block is one of them, so that nothing passes a cut by.  Raises InputError for a body that is no sequence.
    """
    body = getattr(network, "body", None)
    if isinstance(body, nn.Sequential):
        return dict(body.named_children())
    if type(body).__name__ == "ResNet":  # torchvision's
        found = {name: getattr(body, name) for name in ("conv1", "bn1", "relu", "maxpool")}
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            found |= {f"{stage}.{name}": block for name, block in getattr(body, stage).named_children()}
        return {**found, "avgpool": body.avgpool, "flatten": nn.Flatten()}
    raise InputError(f"the body of {getattr(network, 'name', 'this network')} is no sequence that could be cut")


def cut(network: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    """Return copies of the halves of a network: images -> features after a layer, and these features -> logits.

    Both are in evaluation.  Raises InputError, with the layers that there are, for another name.
    """
    if not isinstance(getattr(network, "head", None), nn.Module):
        raise InputError(
            "expected a network with a `body`, a sequence of layers, and a `head`: learning.networks.Network"
        )
    own = copy.deepcopy(network).eval()
    modules = layers(own)
    names = list(modules)[:-1]
    if layer not in names:
        raise InputError(f"there is no layer {layer!r} to cut after; there are {', '.join(names)}")
    after = names.index(layer) + 1
    every = [*modules.values(), own.head]
    return nn.Sequential(*every[:after]).eval(), nn.Sequential(*every[after:]).eval()


@torch.no_grad()
def rectified(network: nn.Module, images: torch.Tensor) -> list[str]:
    """Return the layers after which no feature map of some images is below 0 anywhere: G_ReLU acts there."""
    found, x = [], images
    for name, module in layers(copy.deepcopy(network).eval()).items():
        x = module(x)
        if x.ndim == 4 and x.shape[2] > 1 and float(x.min()) >= 0:
            found.append(name)
    return found


@torch.no_grad()
def features(front: nn.Module, images: torch.Tensor, batch_size: int = BATCH) -> torch.Tensor:
    """Return the features (N, C, height, width) of images after the first half of a network."""
    return torch.cat([front(part) for part in images.split(batch_size)])


def stitched(
    sender: nn.Module,
    receiver: nn.Module,
    layer: str,
    stitch: Stitch,
    images: torch.Tensor,
    outputs: torch.Tensor,
    how: Training = Training(),
    seed: int = 0,
) -> Stitched:
    """Return the network of two halves, whose stitch was trained, if it can be, and whose batch norms are recalibrated.

    images (N, channels, size, size), outputs (N,): to train and to recalibrate on.  The two networks stay as they are.
    Raises InputError for a layer that is not there, and features that the stitch does not fit.
    """
    front, back = cut(sender, layer)[0], cut(receiver, layer)[1]
    given = features(front, images)
    there, rows = features(cut(receiver, layer)[0], images[:2]).shape[1], len(stitch.hard())
    if rows != there:
        raise InputError(f"layer {layer}: a stitch to {rows} channels, where the receiver has {there}")
    fit(stitch, back, given, outputs, how, seed)
    recalibrated(back, stitch.hard(), given.split(BATCH))
    return Stitched(front, stitch, back).eval()


@torch.no_grad()
def recalibrated(back: nn.Module, matrix: torch.Tensor, given: Iterable[torch.Tensor]) -> nn.Module:
    """Recalibrate the batch norms of a second half, if it has any, on features under a matrix, and return it."""
    if batch_norms(back):
        recalibrate(back, [apply(matrix, part) for part in given])
    return back.eval()


def fit(
    stitch: Stitch, back: nn.Module, given: torch.Tensor, outputs: torch.Tensor, how: Training, seed: int = 0
) -> list[float]:
    """Train a stitch on features (N, C, ...) with right outputs (N,), and return the mean loss of each epoch.

    The second half learns nothing; its batch norms average over each batch.  The order follows from the seed.
    """
    parameters = list(stitch.parameters())
    if not parameters:
        stitch.eval()
        return []
    if how.adam and isinstance(stitch, Lasso):
        raise InputError("proximal steps of lasso follow steps along the gradient; take Training(adam=False, rate=0.1)")
    back.requires_grad_(False)
    optimiser = (torch.optim.Adam if how.adam else torch.optim.SGD)(parameters, lr=how.rate)
    generator, losses, number = torch.Generator().manual_seed(seed), [], 0
    steps = max(1, len(given) // how.batch_size)
    stitch.train(), back.eval()
    for norm in back.modules():
        if isinstance(norm, BATCH_NORMS):
            norm.train()
    with without_statistics(back):
        for _ in range(how.epochs):
            total = 0.0
            for chosen in torch.randperm(len(given), generator=generator).split(how.batch_size)[:steps]:
                stitch.cool(number / (how.epochs * steps))
                rate = how.rate * (1 - (number + 0.5) / (how.epochs * steps))
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad(set_to_none=True)
                loss = F.cross_entropy(back(stitch(given[chosen])), outputs[chosen])
                (loss + stitch.penalty()).backward()
                optimiser.step()
                stitch.project_(rate)
                total, number = total + float(loss.detach()) / steps, number + 1
            losses.append(total)
    stitch.cool(1.0)
    stitch.eval(), back.eval()
    return losses
