"""ConvMixer (Trockman and Kolter 2022)."""

from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network

KERNEL = 5


def conv_mixer(channels: int, size: int, outputs: int, width: int = 32, depth: int = 4, patch: int = 2) -> Network:
    """Return a network of `width` channels and one resolution: patches of pixels, and `depth` layers that mix them.

    A layer is a convolution of each channel by itself, KERNEL wide, beside an identity, and one of 1 x 1 pixels; GELU
    and batch norm come after each convolution.  `width` features: 32.  Published: width 256, depth 8, patch 2.
    Raises InputError where patches do not fill the image.
    """
    if size % patch:
        raise InputError(f"patch is {patch}; conv_mixer wants a divisor of {size}, the side of images")
    layers = _active(nn.Conv2d(channels, width, patch, patch), width)
    for _ in range(depth):
        mixed = _active(nn.Conv2d(width, width, KERNEL, padding=KERNEL // 2, groups=width), width)
        layers += [_Beside(nn.Sequential(*mixed)), *_active(nn.Conv2d(width, width, 1), width)]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), width, outputs)


def _active(conv, width):
    return [conv, nn.GELU(), nn.BatchNorm2d(width)]


class _Beside(nn.Module):
    """Add what a module makes of maps to these maps."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return x + self.module(x)
