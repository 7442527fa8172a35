"""Corruptions of small images, and where those of ImageNet-C lie.

The kinds are those of Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
perturbations": Gaussian noise as strong as in their ImageNet-C, contrast as low as in their CIFAR-10-C.  The blur is
ours: it is as wide a part of the image for any size of images.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from scipy.special import ive

from info_geometry.files import InputError
from learning.tasks.datasets import did_you_mean

KINDS = ("noise", "blur", "contrast")
SEVERITIES = (1, 2, 3, 4, 5)
NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviations, in units of 255
BLUR = (0.4, 0.7, 1.0, 1.4, 2.0)  # standard deviations, in pixels of an image of SIDE pixels
SIDE = 28
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)  # what is left of it
REACH = 4  # of the blur, in standard deviations
SEED = 2019  # of the noise
BLOCK = 64  # images that are floating-point numbers at once


def corrupted(pixels: torch.Tensor, kind: str, severity: int) -> torch.Tensor:
    """Return corrupted images, bytes of the same shape and on the same device, rounded and clamped to 0..255.

    pixels (N, channels, H, W): bytes.  kind: of KINDS; `noise` adds independent Gaussian numbers, `blur` takes a
    Gaussian mean of the neighbours, the image being mirrored at its border, `contrast` moves pixels towards the mean of
    their channel of their image.  severity: 1 to 5.

    The noise of an image follows from the severity, the number of the image and its shape alone; the global random
    numbers are neither used nor moved.  Raises InputError for anything else.
    """
    if kind not in KINDS:
        raise InputError(f"unknown corruption {kind!r}{did_you_mean(kind, KINDS)} There are {', '.join(KINDS)}.")
    if severity not in SEVERITIES:
        raise InputError(f"severity {severity} of {kind}: expected {', '.join(map(str, SEVERITIES))}")
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        shape = tuple(pixels.shape)
        raise InputError(f"expected bytes (N, channels, height, width), not {pixels.dtype} of shape {shape}")
    generator, found = torch.Generator().manual_seed(SEED + severity), torch.empty_like(pixels)
    for start in range(0, len(pixels), BLOCK):
        images = pixels[start : start + BLOCK].float()
        if kind == "noise":
            images = images + 255 * NOISE[severity - 1] * _noise(images, generator)
        elif kind == "blur":
            images = _blurred(images, BLUR[severity - 1] * min(images.shape[2:]) / SIDE)
        else:
            images = torch.lerp(images.mean(dim=(2, 3), keepdim=True), images, CONTRAST[severity - 1])
        found[start : start + BLOCK] = images.round().clamp(0, 255).to(torch.uint8)
    return found


def _noise(images, generator):
    """Return normal numbers, drawn image after image: those of an image do not depend on how many follow it."""
    drawn = [torch.randn(images.shape[1:], generator=generator) for _ in images]
    return torch.stack(drawn).to(images.device)


def _blurred(images, sigma):
    """Return images (B, channels, H, W) blurred along columns, then along rows, by a Gaussian of sigma pixels.

    It is the Gaussian of a grid, exp(-t) I_n(t) for t = sigma^2 (Lindeberg 1990, "Scale-space for discrete signals"),
    whose variance is t however small.  Of one that is looked up at pixels, nothing is left beside 0 in small images.
    """
    reach = min(math.ceil(REACH * sigma), min(images.shape[2:]) - 1)  # no image is mirrored twice
    weights = torch.tensor([ive(abs(n), sigma**2) for n in range(-reach, reach + 1)], dtype=torch.float64)
    kernel = (weights / weights.sum()).to(images)
    planes = F.pad(images, [reach] * 4, mode="reflect").flatten(0, 1)[:, None]
    return F.conv2d(F.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None, :]).reshape(images.shape)


def imagenet_c(root: Path, kind: str, severity: int) -> Path:
    """Return the folder of images of ImageNet-C, `<root>/<kind>/<severity>`, as its archives are laid out.

    kind: a name of theirs, as `gaussian_noise`.  Raises InputError if there is no such folder, naming what there is.
    """
    root, folder = Path(root), Path(root) / kind / str(severity)
    if folder.is_dir():
        return folder
    if not root.is_dir():
        raise InputError(f"{folder} is missing: there is no folder {root}; expected ImageNet-C unpacked there")
    if not (root / kind).is_dir():
        raise InputError(f"{folder} is missing: {root} has no kind {kind!r}, but {_folders(root)}")
    raise InputError(f"{folder} is missing: {root / kind} has no severity {severity}, but {_folders(root / kind)}")


def _folders(root):
    return ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "no folders at all"
