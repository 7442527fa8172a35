"""A small vision transformer (Dosovitskiy et al. 2021)."""

import torch
import torch.nn.functional as F
from torch import nn

from info_geometry.files import InputError
from learning.networks.network import Network


def vit(
    channels: int, size: int, outputs: int, width: int = 64, depth: int = 3, patch: int = 4, heads: int = 4
) -> Network:
    """Return a transformer of `depth` blocks over the patches of an image, and a class token whose end is its features.

    width: of tokens and of the hidden layers of MLPs; of its `heads` parts of the same size.  Positions are learned.
    Norm layers stand before attention, MLP and head; queries, keys and values have no biases; nothing is dropped;
    initial weights are torch's, positions and the class token N(0, 1).  Published (Mao et al. 2024): width 512, depth
    6, patch 4, heads 8.  `width` features: 64.  Raises InputError where patches do not fill the image, or heads the
    width.
    """
    if size % patch:
        raise InputError(f"patch is {patch}; vit wants a divisor of {size}, the side of images")
    if width % heads:
        raise InputError(f"width is {width}; vit wants a multiple of {heads}, its heads")
    return Network(_Body(channels, size, width, depth, patch, heads), width, outputs)


class _Body(nn.Module):
    """Tokens of patches and a class token, blocks, and the class token that comes out, normalised."""

    def __init__(self, channels, size, width, depth, patch, heads):
        super().__init__()
        self.embed = nn.Conv2d(channels, width, patch, patch)  # a linear map of each patch
        self.positions = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width))
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, images):
        patches = self.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), patches], dim=1) + self.positions
        return self.norm(self.blocks(tokens)[:, 0])


class _Block(nn.Module):
    """Add attention to tokens (B, T, width), and then an MLP, each of the normalised tokens."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, tokens):
        B, T, width = tokens.shape
        parts = self.queries_keys_values(self.norm1(tokens)).reshape(B, T, 3, self.heads, width // self.heads)
        attended = F.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))  # B, heads, T, width / heads
        tokens = tokens + self.out(attended.transpose(1, 2).reshape(B, T, width))
        return tokens + self.mlp(self.norm2(tokens))
