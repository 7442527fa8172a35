"""ResNet-18 (He et al. 2016) for small images."""

from torch import nn

from learning.networks.network import Network


def resnet18_small(channels: int, size: int, outputs: int) -> Network:
    """Return ResNet-18 that begins with 3 x 3 pixels and does not pool, for images of 32 to 64 pixels; 512 features.

    It subsamples three times, before its stages 2, 3 and 4, where ResNet-18 does five times.
    """
    import torchvision  # takes seconds, and small networks do without

    body = torchvision.models.resnet18()
    body.conv1, body.maxpool = nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.Identity()
    nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's convolutions
    features, body.fc = body.fc.in_features, nn.Identity()
    return Network(body, features, outputs)
