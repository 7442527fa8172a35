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

import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning.data import warps
from learning.data.memory import move
from learning.tasks.datasets import DATASETS, DataSet

SIGMA = (0.1, 2.0)  # of the blur, in pixels
BLURRED = 0.5  # of the images


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
    return warps.cut(images, torch.ones_like(shifts), 2 * shifts / sides, known.mirror & (draws[:, 2] < 0.5))


def strong(images: torch.Tensor, key: int, dataset: str) -> torch.Tensor:
    """Return random crops of images, at their size, mirrored where they may be, in other colours; arguments as `weak`.

    The views of SimCLR (Chen et al. 2020, appendix A): a crop of `area` to 1 of the image and of a RATIO, as far as it
    fits; JITTERED of the images have another gain, offset, saturation and hue; GREY of them lose their colour.
    """
    known, draws = _known(dataset), _draws(images, key)
    images = warps.crop(images, draws[:, :5], known.area, known.mirror)
    images = warps.jitter(images, draws[:, 5:11].unbind(dim=1))
    return _blur(images, draws[:, 11], draws[:, 12]) if known.blur else images


def _known(dataset: str) -> DataSet:
    if dataset not in DATASETS or not DATASETS[dataset].of_images:
        shown = [name for name, known in DATASETS.items() if known.of_images]
        raise InputError(f"there are no views of the data set {dataset!r}, but of {', '.join(shown)}")
    return DATASETS[dataset]


def _draws(images, key):
    """Return numbers (B, 13) between 0 and 1, a row an image, of a generator started from the key."""
    return move(torch.rand(len(images), 13, generator=torch.Generator().manual_seed(key)), images.device)


def _blur(images, which, strength):
    """Return images of which BLURRED are blurred by a Gaussian, a tenth of their side wide at most."""
    B, channels, height, width = images.shape
    reach = max(1, min(height, width) // 20)
    sigma = torch.where(which < BLURRED, warps.between(strength, *SIGMA), SIGMA[0])  # of which nothing is left beside 0
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.softmax(-places.square() / (2 * sigma.square()[:, None]), dim=1).to(images.dtype)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None, None]
    images = F.pad(images, [reach] * 4, mode="reflect").reshape(1, B * channels, height + 2 * reach, width + 2 * reach)
    images = F.conv2d(F.conv2d(images, kernel, groups=B * channels), kernel.mT, groups=B * channels)
    return images.reshape(B, channels, height, width)
