"""A compact convolutional transformer (Hassani et al. 2021) for small images."""

import torch
import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network

HEADS, BLOCKS = 2, 2


def small_cct(channels: int, size: int, outputs: int, width: int = 128) -> Network:
    """Return CCT-2/3x2: two convolutions make tokens of an image of 8 to 32 pixels, and two blocks look at them.

    width: of tokens, of the features (128), and of the hidden layers of MLPs; the first convolution is half as wide.
    From the paper it differs in that nothing is dropped, norm layers stand before attention and MLP alone, convolutions
    and attention have biases, and images below 16 pixels are pooled once.  Raises InputError for an odd width.
    """
    if width % HEADS:
        raise InputError(f"width is {width}; small_cct wants a multiple of {HEADS}, its heads")
    body = _Body(channels, size, width)
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.trunc_normal_(module.in_proj_weight, std=0.02)
    return Network(body, width, outputs)


class _Body(nn.Module):
    """Tokens from convolutions, blocks, and a mean over tokens with weights of its own for each image."""

    def __init__(self, channels, size, width):
        super().__init__()
        self.size, half = size, (size + 1) // 2
        self.conv1 = nn.Conv2d(channels, width // 2, 3, padding=1)
        self.conv2 = nn.Conv2d(width // 2, width, 3, padding=1)
        self.pool1 = nn.MaxPool2d(3, 2, padding=1) if size >= 16 else nn.Identity()
        self.pool2 = nn.MaxPool2d(3, 2, padding=1)
        side = (half + 1) // 2 if size >= 16 else half
        self.positions = nn.Parameter(torch.empty(1, side**2, width))
        nn.init.trunc_normal_(self.positions, std=0.2)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(BLOCKS))
        self.norm, self.importance = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, images):
        if tuple(images.shape[-2:]) != (self.size, self.size):
            raise InputError(
                f"small_cct was built for images of {self.size} pixels, not of {images.shape[-1]}: "
                "its positions are learned; leave out resolutions"
            )
        maps = self.pool2(F.relu(self.conv2(self.pool1(F.relu(self.conv1(images))))))
        tokens = maps.flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return (self.importance(tokens).softmax(dim=1) * tokens).sum(dim=1)


class _Block(nn.Module):
    """Add attention to tokens (B, T, width), and then an MLP, each of the normalised tokens."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, tokens):
        normed = self.norm1(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return tokens + self.mlp(self.norm2(tokens))
