"""ResNet-50 with blurred subsampling: the blur is a binomial filter, before every stride but the first."""

import itertools

import torch
from torch import nn

from learning import networks
from learning.networks import blurpool_resnet


def test_blurring_is_a_binomial_filter_before_the_stride():
    conv = nn.Conv2d(16, 5, 1, stride=2, bias=False)
    blurred, x = blurpool_resnet._BlurredConv(conv), torch.randn(1, 16, 9, 9, dtype=torch.float64)
    kernel, expected = (0.25, 0.5, 0.25), torch.zeros(1, 16, 9, 9, dtype=torch.float64)
    padded = nn.functional.pad(x, [1] * 4)
    for i, j in itertools.product(range(3), repeat=2):
        expected += kernel[i] * kernel[j] * padded[..., i : i + 9, j : j + 9]
    assert torch.allclose(blurred.double()(x), conv(expected), atol=1e-12)


def test_blurring_hides_which_pixels_the_stride_keeps():
    conv = nn.Conv2d(16, 4, 1, stride=2, bias=False)
    chequered = (torch.arange(12)[:, None] + torch.arange(12)) % 2 * 2.0 - 1  # the highest frequency there is
    images = torch.stack([chequered, chequered.roll(1, 0)]).expand(16, 2, 12, 12).transpose(0, 1)
    plain, blurred = conv(images), blurpool_resnet._BlurredConv(conv)(images)[..., 1:-1, 1:-1]
    assert torch.allclose(plain[0], -plain[1]) and plain.abs().max() > 0.1  # aliases to a constant of either sign
    assert blurred.abs().max() < 1e-6


def test_strided_convolutions_of_resnet_are_blurred():
    body = networks.build("resnet50_blurpool", 3, 64, 10, 0).body
    blurred = {id(module.conv) for module in body.modules() if isinstance(module, blurpool_resnet._BlurredConv)}
    strided = {id(module) for module in body.modules() if isinstance(module, nn.Conv2d) and max(module.stride) > 1}
    assert strided - blurred == {id(body.conv1)} and blurred < strided and len(blurred) == 6
