"""The small CNN without batch norm."""

import itertools

from torch import nn

from learning.networks.network import Network


def plain_cnn(channels: int, size: int, outputs: int, width: int = 16) -> Network:
    """Return `small_cnn` with biases in place of batch norms: three convolutions, `width` channels and twice doubled.

    Initial weights keep the variance of activations (He et al. 2015, equation 10), and biases begin at 0: there is no
    norm layer to do it.  4 * width features: 64.
    """
    layers, widths = [], (channels, width, 2 * width, 4 * width)
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        stride = 1 if i == 0 and size < 16 else 2
        conv = nn.Conv2d(before, after, 3, stride, padding=1)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU()]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), widths[-1], outputs)
