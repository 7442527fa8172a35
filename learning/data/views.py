"""Views: random variants of images that leave what they show as it is, weak ones and strong ones.

Every image has parameters of its own, drawn from a key and its position in the batch.  A crop, a resize, a shift and a
mirror image are then one affine map of coordinates an image (`grid_sample`, for all at once), and brightness, contrast,
saturation, hue and grey one affine map of its colours.  torchvision's transforms (v2) give all images of a batch the
same parameters, and have to go image by image.  Milliseconds for a batch of 128, on one core of an AMD EPYC (torch
2.14, torchvision 0.29), by `python benchmarks/views.py`:

    images        views     here    v2, image by image
    1 x 28 x 28   weak       0.3                   3.5
    1 x 28 x 28   strong     0.5                  11.0
    3 x 32 x 32   weak       0.7                   3.6
    3 x 32 x 32   strong     4.5                  31.4

Images are normalised, as `batches` of a set of images yields them.  Brightness and contrast are both affine maps of
pixels, so they are drawn as an offset and a gain of normalised pixels, which needs no range of pixels; nothing is
clipped.
"""

import math

import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning.data.memory import move
from learning.tasks.datasets import DATASETS, DataSet

RATIO = (3 / 4, 4 / 3)  # width to height of crops
GAIN, OFFSET = 0.4, 0.4  # at most, the latter in standard deviations of the pixels of the data set
SATURATION, TURN = 0.4, 0.1  # at most, the latter of the hue, in turns
SIGMA = (0.1, 2.0)  # of the blur, in pixels
JITTERED, GREY, BLURRED = 0.8, 0.2, 0.5  # probabilities


def weak(images: torch.Tensor, key: int, dataset: str) -> torch.Tensor:
    """Return images shifted by whole pixels, up to an eighth of their side, half of them mirrored where they may be.

    images (B, channels, height, width): normalised, on any device; what is shifted in continues their border.
    key: an integer from 0 to 2^63 - 1.  dataset: its facts say whether images may be mirrored.  An image's view follows
    from key, its position in the batch and data set alone, up to rounding; the global random numbers are neither used
    nor moved.
    """
    known, draws = _known(dataset), _draws(images, key)
    sides = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    most = sides // 8
    shifts = (draws[:, :2] * (2 * most + 1)).floor() - most
    return _cut(images, torch.ones_like(shifts), 2 * shifts / sides, known.mirror & (draws[:, 2] < 0.5))


def strong(images: torch.Tensor, key: int, dataset: str) -> torch.Tensor:
    """Return random crops of images, at their size, mirrored where they may be, in other colours; arguments as `weak`.

    The views of SimCLR (Chen et al. 2020, appendix A): a crop of `area` to 1 of the image and of a RATIO, as far as it
    fits; JITTERED of the images have another gain, offset, saturation and hue; GREY of them lose their colour.
    """
    known, draws = _known(dataset), _draws(images, key)
    area, ratio = _between(draws[:, 0], known.area, 1), _between(draws[:, 1], *map(math.log, RATIO)).exp()
    extent = torch.stack([area * ratio, area / ratio], dim=1).sqrt().clamp(max=1)  # width, height
    centre = (1 - extent) * _between(draws[:, 2:4], -1, 1)
    images = _cut(images, extent, centre, known.mirror & (draws[:, 4] < 0.5))
    images = _jitter(images, draws[:, 5:11].unbind(dim=1))
    return _blur(images, draws[:, 11], draws[:, 12]) if known.blur else images


def _known(dataset: str) -> DataSet:
    if dataset not in DATASETS:
        raise InputError(f"there are no views of the data set {dataset!r}, but of {', '.join(DATASETS)}")
    return DATASETS[dataset]


def _draws(images, key):
    """Return numbers (B, 13) between 0 and 1, a row an image, of a generator started from the key."""
    return move(torch.rand(len(images), 13, generator=torch.Generator().manual_seed(key)), images.device)


def _between(draws, low, high):
    return low + (high - low) * draws


def _cut(images, extent, centre, mirrored):
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


def _jitter(images, draws):
    """Return images in other colours: (1 - gain) m + offset + gain S x of a colour x, m being the mean of the image.

    S = G + saturation (cos t (1 - G) + sin t K): G x is the mean of the channels, the grey of x; what differs from it
    is stretched and turned, K x being the vector product of the axis of greys and x.  Images of one channel have no S.
    """
    which, gain, offset, saturation, turn, grey = (draw[:, None, None, None].to(images.dtype) for draw in draws)
    much = (which < JITTERED).to(images.dtype)
    gain, offset = 1 + much * _between(gain, -GAIN, GAIN), much * _between(offset, -OFFSET, OFFSET)
    if images.shape[1] == 3:
        saturation = (1 + much * _between(saturation, -SATURATION, SATURATION)) * (grey >= GREY)
        angle = 2 * math.pi * much * _between(turn, -TURN, TURN)
        means = images.mean(dim=1, keepdim=True)
        turned = (images.roll(1, dims=1) - images.roll(2, dims=1)) / math.sqrt(3)
        images = means + saturation * (angle.cos() * (images - means) + angle.sin() * turned)
    return torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True), images, gain) + offset


def _blur(images, which, strength):
    """Return images of which BLURRED are blurred by a Gaussian, a tenth of their side wide at most."""
    B, channels, height, width = images.shape
    reach = max(1, min(height, width) // 20)
    sigma = torch.where(which < BLURRED, _between(strength, *SIGMA), SIGMA[0])  # of which nothing is left beside 0
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.softmax(-places.square() / (2 * sigma.square()[:, None]), dim=1).to(images.dtype)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None, None]
    images = F.pad(images, [reach] * 4, mode="reflect").reshape(1, B * channels, height + 2 * reach, width + 2 * reach)
    images = F.conv2d(F.conv2d(images, kernel, groups=B * channels), kernel.mT, groups=B * channels)
    return images.reshape(B, channels, height, width)
