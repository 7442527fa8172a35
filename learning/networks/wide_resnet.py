"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network

WIDEN = 4  # channels of the first blocks in those of the first convolution


def wrn_16_4(channels: int, size: int, outputs: int, width: int = 16) -> Network:
    """Return WRN-16-4, 16 layers 4 times as wide as a ResNet's, for images of 32 pixels; 16 * width features, 256.

    width: channels of the first convolution.
    """
    layers, before = [nn.Conv2d(channels, width, 3, padding=1, bias=False)], width
    for after, stride in ((4 * width, 1), (8 * width, 2), (16 * width, 2)):
        layers += [_WideBlock(before, after, stride), _WideBlock(after, after, 1)]
        before = after
    layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = Network(nn.Sequential(*layers), before, outputs)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def wide_resnet(channels: int, size: int, outputs: int, width: int = 2, depth: int = 10) -> Network:
    """Return WRN-depth-4 as Mao et al. (2024) train it, for images of 8 pixels and more; 16 * width features, 32.

    width: channels of the first convolution.  Unlike in `wrn_16_4`, batch norms have no weights of their own, the
    second convolution of a block subsamples, projections see what enters a block and have biases, and initial weights
    are torch's.  Published: depth 10 and width 8; depth 16 and width 64.  Raises InputError for another depth than
    6 n + 4.
    """
    if depth < 10 or depth % 6 != 4:
        raise InputError(f"depth is {depth}; wide_resnet wants 10, 16, 22, ...: 6 n + 4")
    layers, before = [nn.Conv2d(channels, width, 3, padding=1, bias=False)], width
    for after, stride in ((WIDEN * width, 1), (2 * WIDEN * width, 2), (4 * WIDEN * width, 2)):
        for number in range((depth - 4) // 6):
            layers.append(_BareBlock(before, after, 1 if number else stride))
            before = after
    layers += [nn.BatchNorm2d(before, affine=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Network(nn.Sequential(*layers), before, outputs)


class _BareBlock(nn.Module):
    """Normalise, rectify and convolve, twice, beside an identity, or a projection where the shape changes."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before, affine=False), nn.BatchNorm2d(after, affine=False)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, stride, padding=1, bias=False)
        self.projection = nn.Conv2d(before, after, 1, stride) if before != after else nn.Identity()

    def forward(self, x):
        return self.projection(x) + self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class _WideBlock(nn.Module):
    """Normalise, rectify and convolve, twice, beside an identity, or a projection where the width changes."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.projection = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else None

    def forward(self, x):
        active = F.relu(self.norm1(x))
        residual = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return residual + (x if self.projection is None else self.projection(active))
