"""The shallow all-convolutional network, with batch norm, of Mao et al. (2024)."""

from torch import nn

from learning.networks.network import Network

LAYERS = ((2, 1), (2, 2), (3, 1), (3, 2))  # width, in halves of the first; stride


def all_cnn_norm(channels: int, size: int, outputs: int, width: int = 96) -> Network:
    """Return four convolutions of 3 x 3, `width` and 1.5 `width` channels wide, of which two subsample, and a head.

    ReLU and batch norm come after each.  The published one, of width 96, has a last convolution of 1 x 1 to the
    classes, with ReLU and batch norm, before it averages over space; here a linear head comes after the average, with
    as many weights, since scores that are never negative stay unsure for long.  1.5 * width features: 144.
    """
    layers, before = [], channels
    for halves, stride in LAYERS:
        after = halves * width // 2
        layers += [nn.Conv2d(before, after, 3, stride, padding=1), nn.ReLU(), nn.BatchNorm2d(after)]
        before = after
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before, outputs)
