"""What the channels of hidden spaces do on images, as the layers see it that read them."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from experiments.symmetries.anatomy import Space


@torch.no_grad()
def features(network: nn.Module, spaces: Sequence[Space], images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    """Return {space: of each reader what it is given, (channels, B * positions)}, for images (B, channels, size, size).

    Of heads: where they look, softmax(q k^T / sqrt d), (heads, B * tokens^2); maps within a head do not change it.
    The network is left in evaluation mode.
    """
    found = {space.name: [] for space in spaces}
    hooks = []
    for space in spaces:

        def keep(module, given, space=space):
            seen = looks(module, given[0]) if space.activation == "softmax" else by_channel(given[0])
            found[space.name].append(seen)

        hooks += [network.get_submodule(reader).register_forward_pre_hook(keep) for reader in space.readers]
    try:
        network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def by_channel(x: torch.Tensor) -> torch.Tensor:
    """Return maps (B, channels, height, width), tokens (B, T, channels) or features (B, channels) as (channels, n)."""
    return x.movedim(1 if x.ndim == 4 else -1, 0).flatten(1).clone()


def looks(attention: nn.MultiheadAttention, tokens: torch.Tensor) -> torch.Tensor:
    """Return where the heads of an attention look, (heads, B * T * T), for tokens (B, T, width)."""
    projected = nn.functional.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    q, k, _ = projected.unflatten(2, (3, attention.num_heads, attention.head_dim)).unbind(2)
    scores = torch.einsum("bshd,bthd->hbst", q, k) / math.sqrt(attention.head_dim)
    return scores.softmax(dim=-1).flatten(1)


def correlations(
    network: nn.Module, other: nn.Module, spaces: Sequence[Space], batches: Iterable[torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return {space: (channels, channels)}, correlations of the channels of two networks over batches of images.

    Row: channel of the first network.  Over all images and positions, in float64, a mean over the readers of a space.
    A channel that does not vary correlates with none: 0.
    """
    sums = {}
    for images in batches:
        pair = [features(each, spaces, images) for each in (network, other)]
        for space in spaces:
            for reader, (x, y) in enumerate(zip(*(found[space.name] for found in pair))):
                x, y = x.double(), y.double()
                added = [torch.tensor(float(x.shape[1])), x.sum(1), y.sum(1), (x * x).sum(1), (y * y).sum(1), x @ y.T]
                before = sums.get((space.name, reader), [0.0] * len(added))
                sums[space.name, reader] = [a + b for a, b in zip(before, added)]
    found = {}
    for (name, _), given in sums.items():
        found.setdefault(name, []).append(_correlation(*given))
    return {name: torch.stack(each).mean(dim=0) for name, each in found.items()}


def _correlation(n, x, y, xx, yy, xy):
    spread = [(square / n - (total / n).square()).clamp(min=0) for total, square in ((x, xx), (y, yy))]
    alive = [variance > 1e-12 * square / n for variance, square in zip(spread, (xx, yy))]
    covariance = xy / n - torch.outer(x / n, y / n)
    scale = torch.outer(spread[0], spread[1]).sqrt()
    return torch.where(torch.outer(*alive), covariance / scale, 0.0).clamp(-1, 1)
