"""A linear model: multinomial logistic regression."""

from torch import nn

from learning.networks.network import Network


def linear(channels: int, size: int, outputs: int) -> Network:
    """Return a head on pixels, which are its features: pixels-outputs.

    The body has no weights, so that predictions of imprinting are the same at each checkpoint; those of the head
    (`--head`) are not.
    """
    return Network(nn.Flatten(), channels * size**2, outputs)
