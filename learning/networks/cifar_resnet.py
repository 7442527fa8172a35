"""The residual networks of He et al. (2016, section 4.2) for CIFAR-10."""

import torch.nn.functional as F
from torch import nn

from learning.networks.network import Network


def cifar_resnet20(channels: int, size: int, outputs: int) -> Network:
    """Return ResNet-20, 16, 32 and 64 channels wide, for images of 32 pixels; 64 features.

    Shortcuts where the width changes are projections with a norm layer, as in the code of Wortsman et al. (2021); He et
    al. pad with zeros.
    """
    layers, before = [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [_Block(before, width, stride), _Block(width, width, 1), _Block(width, width, 1)]
        before = width
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
