"""The all convolutional network, without batch norm."""

from torch import nn

from learning.networks.network import Network

LAYERS = (  # width, in widths of the first; side of the kernel; stride
    (1, 3, 1),
    (1, 3, 1),
    (1, 3, 2),
    (2, 3, 1),
    (2, 3, 1),
    (2, 3, 2),
    (2, 3, 1),
    (2, 1, 1),
)


def all_cnn(channels: int, size: int, outputs: int, width: int = 96) -> Network:
    """Return All-CNN-C (Springenberg et al. 2015, tables 1 and 2): nine convolutions, of which strides do the pooling.

    The last one, of 1 x 1 pixels, is the head: it is linear, as is the mean over pixels, so that their order says
    nothing.  Unlike in the paper borders are padded everywhere, which takes images of any size, outputs are no ReLUs,
    and there is no dropout.  As in `plain_cnn`, initial weights keep the variance of activations, and biases begin at
    0.  2 * width features: 192.
    """
    layers, before = [], channels
    for times, side, stride in LAYERS:
        conv = nn.Conv2d(before, times * width, side, stride, padding=side // 2)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU()]
        before = times * width
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before, outputs)
