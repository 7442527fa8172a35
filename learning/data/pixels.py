"""From the bytes of an image file to 8-bit RGB pixels, the same ones whichever decoder is there.

Images are turned upright as their EXIF orientation says.  Transparency is dropped, and the colours below it kept.
Of 16 bits the upper eight stay, as Pillow and libpng have it for colours; floating-point pixels go from 0, black, to 1,
white; what does not say which number is white is refused.

JPEGs are decoded by torchcodec where it is installed, else by torchvision (which announces that its decoders will go),
both a third faster than Pillow, which reads everything else.  All three give the same pixels to the bit.
"""

import functools
import io
import re
import warnings
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageOps

JPEG = b"\xff\xd8\xff"  # how files of this format begin


def decode(raw: bytes) -> torch.Tensor:
    """Return the pixels (3, height, width), uint8, of an encoded image, be it grey, CMYK, or no JPEG at all.

    Raises whatever Pillow raises for what is no complete image, and ValueError for pixels that say no white.
    """
    fast = jpeg_decoder() if raw[:3] == JPEG else None
    if fast:
        try:
            return fast(torch.frombuffer(bytearray(raw), dtype=torch.uint8))
        except (RuntimeError, ValueError):  # Pillow says better what is wrong
            pass
    with Image.open(io.BytesIO(raw)) as image:
        return torch.from_numpy(np.array(rgb(image))).permute(2, 0, 1)


@functools.cache
def jpeg_decoder() -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return the fastest decoder of JPEGs that is there: bytes (n,) -> pixels (3, height, width); None: only Pillow."""
    try:
        from torchcodec.decoders import decode_jpeg

        return functools.partial(decode_jpeg, mode="RGB")
    except (ImportError, OSError, RuntimeError):  # not there, without images (before 0.16), or of another torch
        pass
    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:
        return None
    return functools.partial(decode_jpeg, mode=ImageReadMode.RGB, apply_exif_orientation=True)


def reason(error: Exception) -> str:
    """Return what Pillow says of a damaged image, in one line and without addresses in memory."""
    return " ".join(re.sub("<_io.*>", "", str(error)).split()) or type(error).__name__


def rgb(image: Image.Image) -> Image.Image:
    """Return an image of Pillow's, of any mode, upright and in 8-bit RGB; raises as `decode` does."""
    # what Pillow writes as 16 bits of grey comes back as 32 from formats that know no other integers
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    image = _upright(image)
    if deep:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode == "I":
        raise ValueError("integers of 32 bits do not say which number is white: convert it to 8 or 16 bits")
    elif image.mode == "F":
        image = Image.fromarray(_bytes(np.asarray(image)))
    elif image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of the direct way, which gives the same colours
    return image.convert("RGB")


def _upright(image):
    """Return an image, loaded, turned as its EXIF orientation says: by EXIF alone, as other decoders do, not by XMP."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of EXIF that is damaged
        image.load()
        for key in ("xmp", "XML:com.adobe.xmp"):
            image.info.pop(key, None)
        try:
            return ImageOps.exif_transpose(image)
        except Exception:  # damaged EXIF makes Pillow raise almost anything; the pixels are whole
            return image


def _bytes(values):
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"floating-point pixels from {low:.3g} to {high:.3g}, expected 0 (black) to 1 (white): convert it to 8 bits"
        )
    return np.rint(values * 255).astype(np.uint8)
