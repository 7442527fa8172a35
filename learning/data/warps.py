"""Changes of images, each by numbers of its own: a part of it, other colours, a hole.

Numbers are between 0 and 1, drawn by who calls, so that a change follows from them alone.  Images (B, channels, height,
width) are normalised, on any device.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

RATIO = (3 / 4, 4 / 3)  # width to height of crops
GAIN, OFFSET = 0.4, 0.4  # at most, the latter in standard deviations of the pixels of the data set
SATURATION, TURN = 0.4, 0.1  # at most, the latter of the hue, in turns
JITTERED, GREY = 0.8, 0.2  # probabilities
ERASED, HOLE, SLANT = 0.5, (0.02, 0.33), (0.3, 3.3)  # share of the images; share of their area; height to width


def between(draws: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return draws stretched from 0 and 1 to low and high."""
    return low + (high - low) * draws


def crop(images: torch.Tensor, draws: torch.Tensor, area: float, mirror: bool) -> torch.Tensor:
    """Return of each image a random part, at its size: of `area` to 1 of it, and of a RATIO, as far as it fits.

    draws (B, 5): area, ratio, place across and down, side.  mirror: half of them are mirrored.
    """
    share, ratio = between(draws[:, 0], area, 1), between(draws[:, 1], *map(math.log, RATIO)).exp()
    extent = torch.stack([share * ratio, share / ratio], dim=1).sqrt().clamp(max=1)  # width, height
    centre = (1 - extent) * between(draws[:, 2:4], -1, 1)
    return cut(images, extent, centre, mirror & (draws[:, 4] < 0.5))


def cut(images: torch.Tensor, extent: torch.Tensor, centre: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Return of each image the part around `centre` (B, 2) that is `extent` (B, 2) wide and high, at its size.

    Coordinates go from -1 to 1 across an image: its view shows at u what it has at extent u + centre.
    """
    B, _, height, width = images.shape
    signed = torch.where(mirrored, -extent[:, 0], extent[:, 0])
    # what F.affine_grid returns, which multiplies a small matrix for each pixel of each image
    x = signed[:, None] * _places(width, images.device) + centre[:, :1]
    y = extent[:, 1:] * _places(height, images.device) + centre[:, 1:]
    grid = torch.stack([x[:, None, :].expand(B, height, width), y[:, :, None].expand(B, height, width)], dim=3)
    return F.grid_sample(images, grid.to(images.dtype), padding_mode="border", align_corners=False)


def _places(count, device):
    """Return the coordinates (count,) of the middles of pixels."""
    return torch.linspace(-1, 1, count, device=device) * (count - 1) / count


def jitter(images: torch.Tensor, draws: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return images in other colours: (1 - gain) m + offset + gain S x of a colour x, m being the mean of the image.

    S = G + saturation (cos t (1 - G) + sin t K): G x is the mean of the channels, the grey of x; what differs from it
    is stretched and turned, K x being the vector product of the axis of greys and x.  Images of one channel have no S.
    draws: six (B,): which are jittered, gain, offset, saturation, turn, and which are grey.
    """
    which, gain, offset, saturation, turn, grey = (draw[:, None, None, None].to(images.dtype) for draw in draws)
    much = (which < JITTERED).to(images.dtype)
    gain, offset = 1 + much * between(gain, -GAIN, GAIN), much * between(offset, -OFFSET, OFFSET)
    if images.shape[1] == 3:
        saturation = (1 + much * between(saturation, -SATURATION, SATURATION)) * (grey >= GREY)
        angle = 2 * math.pi * much * between(turn, -TURN, TURN)
        means = images.mean(dim=1, keepdim=True)
        turned = (images.roll(1, dims=1) - images.roll(2, dims=1)) / math.sqrt(3)
        images = means + saturation * (angle.cos() * (images - means) + angle.sin() * turned)
    return torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True), images, gain) + offset


def erase(images: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Return images of which ERASED have a hole, where pixels are 0, the mean (Zhong et al. 2020).

    draws (B, 5): which, share of the area, height to width, place down and across.  A hole lies inside its image.
    """
    share, slant = between(draws[:, 1], *HOLE), between(draws[:, 2], *map(math.log, SLANT)).exp()
    extent = torch.stack([share * slant, share / slant], dim=1).sqrt().clamp(max=1)  # height, width
    first = (1 - extent) * draws[:, 3:5]
    inside = []
    for axis, count in enumerate(images.shape[2:]):
        middles = (torch.arange(count, device=images.device) + 0.5) / count
        inside.append((middles >= first[:, axis, None]) & (middles < (first + extent)[:, axis, None]))
    hole = (draws[:, 0] < ERASED)[:, None, None] & inside[0][:, :, None] & inside[1][:, None, :]
    return images.masked_fill(hole[:, None], 0)
