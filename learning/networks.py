"""Architectures, each split into a body, which gives the features that are imprinted, and a linear head."""
import itertools

import torch
import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError


class Network(nn.Module):
    """A body (B, channels, height, width) -> features (B, F), and a head features -> logits (B, outputs).

    Without outputs, the head leaves features as they are.
    """

    def __init__(self, body, features, outputs):
        super().__init__()
        self.body, self.head = body, nn.Linear(features, outputs) if outputs else nn.Identity()

    def forward(self, images):
        """Return the logits (B, outputs)."""
        return self.head(self.body(images))


def small_cnn(channels, size, outputs):
    """Return a CNN of three convolutions, 16, 32 and 64 channels wide, for images of 8 to 32 pixels."""
    layers, widths = [], (channels, 16, 32, 64)
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        stride = 1 if i == 0 and size < 16 else 2
        layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), widths[-1], outputs)


def wrn_16_4(channels, size, outputs):
    """Return the wide residual network WRN-16-4 for images of 32 pixels (Zagoruyko and Komodakis 2016)."""
    layers, before = [nn.Conv2d(channels, 16, 3, padding=1, bias=False)], 16
    for width, stride in ((64, 1), (128, 2), (256, 2)):
        layers += [_WideBlock(before, width, stride), _WideBlock(width, width, 1)]
        before = width
    layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = Network(nn.Sequential(*layers), before, outputs)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class _WideBlock(nn.Module):
    """Normalise, rectify and convolve, twice, beside an identity, or a projection where the width changes."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.projection = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else None

    def forward(self, x):
        active = F.relu(self.norm1(x))
        residual = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return residual + (x if self.projection is None else self.projection(active))


def resnet50_blurpool(channels, size, outputs):
    """Return ResNet-50 (He et al. 2016) that blurs before it subsamples (Zhang 2019), as the paper trains."""
    import torchvision

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
    for name, child in module.named_children():
        # the first convolution sees 3 channels of pixels, which the published recipe leaves as they are
        if isinstance(child, nn.Conv2d) and max(child.stride) > 1 and child.in_channels >= 16:
            setattr(module, name, _BlurredConv(child))
        else:
            _blur_strided(child)


NETWORKS = {function.__name__: function for function in (small_cnn, wrn_16_4, resnet50_blurpool)}


def build(name, channels, size, outputs, seed):
    """Return the network `name` with initial weights drawn from `seed`; raise InputError for an unknown name."""
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; there are {', '.join(NETWORKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](channels, size, outputs)


def on(device, network):
    """Return a network on a device, on GPUs with channels last in memory, which their convolutions want."""
    return network.to(device, memory_format=torch.channels_last if device.type == "cuda" else torch.preserve_format)


def autocast(device, precision):
    """Return a context in which convolutions and matrix products on a GPU have a precision; on CPU it is float32."""
    return torch.autocast(device.type, getattr(torch, precision), precision != "float32" and device.type == "cuda")


def parameter_groups(network, weight_decay):
    """Return optimiser groups: weights of convolutions and linear maps decay, norm layers and biases do not."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
