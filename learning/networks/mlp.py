"""Multilayer perceptrons: linear maps with biases, and nothing but ReLU between them."""

import itertools

from torch import nn

from learning.networks.network import Network


def mlp_small(channels: int, size: int, outputs: int, width: int = 64) -> Network:
    """Return a perceptron with one hidden layer of `width` units, which are its features: pixels-64-outputs."""
    return _perceptron(channels * size**2, (width,), outputs)


def mlp(channels: int, size: int, outputs: int, width: int = 256) -> Network:
    """Return a perceptron with hidden layers of `width`, `width` and half of `width` units: pixels-256-256-128-outputs.

    width / 2 features, rounded down.
    """
    return _perceptron(channels * size**2, (width, width, width // 2), outputs)


def _perceptron(pixels, widths, outputs):
    """Return a perceptron with hidden layers of these widths.

    As in `plain_cnn`, initial weights keep the variance of activations (He et al. 2015, equation 10), and biases begin
    at 0.
    """
    layers = []
    for before, after in itertools.pairwise((pixels, *widths)):
        linear = nn.Linear(before, after)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return Network(nn.Sequential(nn.Flatten(), *layers), widths[-1], outputs)
