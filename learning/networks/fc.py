"""Multilayer perceptrons of given widths, with batch norm, as Mao et al. (2024) train them."""

import itertools
import re

from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network


def fc(channels: int, size: int, outputs: int, widths: str = "256-128") -> Network:
    """Return a perceptron whose hidden layers have these widths: pixels-256-128-outputs, with 128 features.

    Each hidden layer is a linear map with biases, a batch norm without weights of its own, and ReLU; initial weights
    are torch's.  Published: 1024-512-256-128.  Raises InputError where widths are no numbers.
    """
    if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)*", widths):
        raise InputError(f"widths is {widths!r}; fc wants those of its hidden layers, such as 256-128")
    layers, hidden = [nn.Flatten()], [int(width) for width in widths.split("-")]
    for before, after in itertools.pairwise((channels * size**2, *hidden)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after, affine=False), nn.ReLU()]
    return Network(nn.Sequential(*layers), hidden[-1], outputs)
