"""A small CNN for small images."""

import itertools

from torch import nn

from learning.networks.network import Network


def small_cnn(channels: int, size: int, outputs: int, width: int = 16) -> Network:
    """Return a CNN of three convolutions for images of 8 to 32 pixels, `width` channels wide and twice doubled.

    It has 4 * width features: 64.
    """
    layers, widths = [], (channels, width, 2 * width, 4 * width)
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        stride = 1 if i == 0 and size < 16 else 2
        layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), widths[-1], outputs)
