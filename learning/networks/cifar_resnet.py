"""The residual networks of He et al. (2016, section 4.2) for CIFAR-10."""

import torch.nn.functional as F
from torch import nn

from learning.networks.network import Network


def cifar_resnet20(channels: int, size: int, outputs: int, width: int = 16) -> Network:
    """Return ResNet-20, `width` channels wide and twice doubled, for images of 32 pixels; 4 * width features, 64.

    Shortcuts where the width changes are projections with a norm layer, as in the code of Wortsman et al. (2021); He et
    al. pad with zeros.
    """
    layers, before = [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()], width
    for after, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        layers += [_Block(before, after, stride), _Block(after, after, 1), _Block(after, after, 1)]
        before = after
    network = Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before, outputs)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class _Block(nn.Module):
    """Convolve and normalise, twice, add an identity, or a projection where the width changes, and rectify."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        residual = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(residual + self.shortcut(x))
