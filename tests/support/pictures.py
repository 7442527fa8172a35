"""For the tests: encoded images of every kind."""

import io

import numpy as np
from PIL import Image


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, kind="JPEG", **options):
    """Return the bytes of an image or an array of pixels in a format of Pillow's."""
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation):
    """Return EXIF data that say an orientation, 1 to 8."""
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif.tobytes()


def bands(mode, pixels):
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(pixels[..., k])) for k in range(len(mode))])


PIXELS = {
    "noise": noise(40, 44, 4),
    "smooth": np.clip(np.add.outer(3 * np.arange(40), 2 * np.arange(44))[..., None] + [0, 60, 20, 5], 0, 255).astype(
        np.uint8
    ),
}
JPEGS = {
    "jpeg": lambda x: encoded(x[..., :3]),
    "jpeg without subsampling": lambda x: encoded(x[..., :3], quality=100, subsampling=0),
    "progressive jpeg": lambda x: encoded(x[..., :3], progressive=True),
    "grey jpeg": lambda x: encoded(x[..., 0]),
    "cmyk jpeg": lambda x: encoded(bands("CMYK", x)),
}
KINDS = {
    **JPEGS,
    "png": lambda x: encoded(x[..., :3], "PNG"),
    "png with alpha": lambda x: encoded(x, "PNG"),
    "grey png with alpha": lambda x: encoded(bands("LA", x), "PNG"),
    "png of 16 bits": lambda x: encoded(x[..., 0].astype(np.uint16) * 257, "PNG"),
    "png with a palette": lambda x: encoded(Image.fromarray(x[..., :3]).quantize(17), "PNG"),
    "png with a palette with alpha": lambda x: encoded(Image.fromarray(x).quantize(17), "PNG"),
    "png of one bit": lambda x: encoded(Image.fromarray(x[..., 0]).convert("1"), "PNG"),
    "gif": lambda x: encoded(x[..., :3], "GIF"),
    "cmyk tiff": lambda x: encoded(bands("CMYK", x), "TIFF"),
    "tiff of 16 bits": lambda x: encoded(x[..., 0].astype(np.uint16) * 257, "TIFF"),
    "tiff of numbers from 0 to 1": lambda x: encoded((x[..., 0] / 255).astype(np.float32), "TIFF"),
    "jpeg 2000": lambda x: encoded(x[..., :3], "JPEG2000"),
    "pgm of 16 bits": lambda x: encoded(x[..., 0].astype(np.int32) * 257, "PPM"),
}
