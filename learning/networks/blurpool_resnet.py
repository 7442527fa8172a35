"""ResNet-50 (He et al. 2016) that blurs before it subsamples (Zhang 2019), as the paper trains."""

import torch
import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network


def resnet50_blurpool(channels: int, size: int, outputs: int) -> Network:
    """Return ResNet-50 for images of 3 channels, with blurred subsampling; 2,048 features.

    Raises InputError for another number of channels.
    """
    import torchvision  # takes seconds, and small networks do without

    if channels != 3:
        raise InputError(f"resnet50_blurpool takes images of 3 channels, not {channels}")
    body = torchvision.models.resnet50()
    features, body.fc = body.fc.in_features, nn.Identity()
    _blur_strided(body)
    return Network(body, features, outputs)


class _BlurredConv(nn.Module):
    """A strided convolution behind a 3 x 3 binomial filter of every channel, so that it does not alias."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv
        binomial = torch.tensor([1.0, 2.0, 1.0])
        blur = torch.outer(binomial, binomial) / 16
        self.register_buffer("blur", blur.expand(conv.in_channels, 1, 3, 3).clone(), persistent=False)

    def forward(self, x):
        return self.conv(F.conv2d(x, self.blur.to(x.dtype), padding=1, groups=x.shape[1]))


def _blur_strided(module):
    """Put a blur before the strided convolutions of a module."""
    for name, child in module.named_children():
        # the first convolution sees 3 channels of pixels, which the published recipe leaves as they are
        if isinstance(child, nn.Conv2d) and max(child.stride) > 1 and child.in_channels >= 16:
            setattr(module, name, _BlurredConv(child))
        else:
            _blur_strided(child)
