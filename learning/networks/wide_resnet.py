"""Wide residual networks (Zagoruyko and Komodakis 2016)."""

import torch.nn.functional as F
from torch import nn

from learning.networks.network import Network


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
