"""Decoding: every kind of image gives the pixels that it was made of, upright, whichever decoder is there."""

import builtins
import io
import struct
import sys
import types
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from info_geometry.files import InputError
from learning import data
from learning.data import encoded as images
from learning.data import pixels
from learning.tasks import facts
from tests.support.pictures import JPEGS, KINDS, PIXELS, bands, encoded, noise, turned

TURNS = {  # what each orientation of EXIF makes of an image
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: np.rot90,
}


def decoded(raw):
    return pixels.decode(raw).permute(1, 2, 0).numpy()


@pytest.fixture(autouse=True)
def choose_again():
    """The decoder is chosen once; tests hide some."""
    pixels.jpeg_decoder.cache_clear()
    yield
    pixels.jpeg_decoder.cache_clear()


def hide(monkeypatch, *names):
    """Let packages be not installed."""
    whole = builtins.__import__

    def some(name, *rest):
        if name.split(".")[0] in names:
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", some)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PIXELS)
def test_every_kind_of_image_is_read_as_pillow_reads_it(kind, name):
    raw = KINDS[kind](PIXELS[name])
    found = pixels.decode(raw)
    with Image.open(io.BytesIO(raw)) as image:
        expected = np.asarray(image.convert("RGBA" if "palette" in kind else "RGB")).astype(int)[..., :3]
    if kind.endswith("16 bits") or "numbers" in kind:
        expected = PIXELS[name][..., [0, 0, 0]].astype(int)
    assert found.dtype == torch.uint8 and found.shape == (3, 40, 44)
    assert np.abs(found.permute(1, 2, 0).numpy() - expected).max() <= 2


def test_what_is_read_is_what_was_saved():
    x = PIXELS["smooth"]
    assert np.array_equal(decoded(KINDS["png"](x)), x[..., :3])
    ink = (255.0 - x[..., :3]) * (255.0 - x[..., 3:]) / 255  # what it leaves of the light
    for kind, expected in (("jpeg", x[..., :3]), ("grey jpeg", x[..., [0, 0, 0]]), ("cmyk jpeg", ink)):
        assert np.abs(decoded(KINDS[kind](x)) - expected.astype(float)).mean() < 4
    assert np.array_equal(decoded(KINDS["png with alpha"](x)), x[..., :3])  # colours below transparency
    assert np.array_equal(decoded(KINDS["grey png with alpha"](x)), x[..., [0, 0, 0]])


# Numbers that are no bytes


def png_of_16_bits(values):
    """Return a PNG of grey (height, width) or colours (height, width, 3), which Pillow does not write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_sixteen_bits_of_grey_become_what_those_of_colours_do():
    values = np.random.default_rng(0).integers(0, 65536, (7, 9, 3))
    grey = np.repeat(values[..., :1], 3, axis=2)
    assert np.array_equal(decoded(png_of_16_bits(values)), values >> 8)
    for raw in (png_of_16_bits(values[..., 0]), encoded(values[..., 0].astype(np.uint16), "TIFF")):
        assert np.array_equal(decoded(raw), grey >> 8)
    big_endian = Image.frombytes("I;16B", (9, 7), values[..., 0].astype(">u2").tobytes())
    assert np.array_equal(decoded(encoded(big_endian, "TIFF")), grey >> 8)


@pytest.mark.parametrize(
    "values, said",
    [
        (np.full((4, 4), 70000, np.int32), "integers of 32 bits do not say which number is white"),
        (np.full((4, 4), 255, np.float32), "floating-point pixels from 255 to 255, expected 0 (black) to 1 (white)"),
        (np.full((4, 4), -0.5, np.float32), "floating-point pixels from -0.5 to -0.5, expected"),
        (np.full((4, 4), np.nan, np.float32), "floating-point pixels from nan to nan, expected"),
    ],
)
def test_numbers_that_say_no_white_are_refused_by_name(tmp_path, values, said):
    raw = encoded(values, "TIFF")
    with pytest.raises(ValueError) as raised:
        pixels.decode(raw)
    assert said in str(raised.value) and "convert it to 8" in str(raised.value)
    for name in ("a", "b"):
        (tmp_path / "val" / name).mkdir(parents=True)
        (tmp_path / "val" / name / "0.tif").write_bytes(raw)
    with pytest.raises(InputError, match=f"{tmp_path}/val/a/0.tif: not a readable image .*convert it to 8"):
        list(data.load("imagenet", "val", tmp_path).batches(data.evaluation_plan(2, 2, 16)))


# Orientation


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_stand_upright_as_exif_says(kind, orientation):
    x = np.zeros((16, 24, 3), np.uint8)
    x[:8, :8] = 250  # the corner says how it stands
    x[:8, 8:] = 120
    raw = encoded(x, kind, exif=turned(orientation), quality=95)
    found, expected = decoded(raw), TURNS[orientation](x)
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 4


def test_orientation_outside_of_exif_turns_nothing():
    """Of XMP the fast decoders know nothing."""
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = encoded(noise(16, 24, 3))
    raw = raw[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + raw[2:]
    with Image.open(io.BytesIO(raw)) as image:
        assert pixels.rgb(image).size == (24, 16) and pixels.decode(raw).shape == (3, 16, 24)


def test_damaged_exif_leaves_the_pixels():
    raw = encoded(noise(16, 24, 3), exif=turned(6)).replace(b"MM\0*", b"MM\0?")
    assert sorted(pixels.decode(raw).shape) == [3, 16, 24]
    with Image.open(io.BytesIO(raw)) as image:
        assert sorted(pixels.rgb(image).size) == [16, 24]


# Decoders


def jpegs():
    rng = np.random.default_rng(0)
    for x in (*PIXELS.values(), rng.integers(0, 256, (45, 41, 4), dtype=np.uint8)):
        yield from (make(x) for make in JPEGS.values())
        yield from (encoded(x[..., :3], exif=turned(k)) for k in range(10))


def test_all_decoders_give_the_same_bits(monkeypatch):
    """Pillow, torchvision's and, where it is installed, torchcodec's."""
    raw, found = list(jpegs()), []
    for hidden in ((), ("torchcodec",), ("torchcodec", "torchvision")):
        with monkeypatch.context() as patch:
            pixels.jpeg_decoder.cache_clear()
            hide(patch, *hidden)
            found.append([pixels.decode(each) for each in raw])
            if len(hidden) == 2:
                assert pixels.jpeg_decoder() is None
    assert all(torch.equal(one, other) for others in found[1:] for one, other in zip(found[0], others))


def test_torchcodec_is_taken_where_it_is(monkeypatch):
    marked = torch.zeros(3, 5, 7, dtype=torch.uint8)
    module = types.ModuleType("torchcodec.decoders")
    module.decode_jpeg = lambda raw, mode: marked
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    assert pixels.decode(encoded(noise(8, 8, 3))) is marked
    assert pixels.decode(encoded(noise(8, 8, 3), "PNG")).shape == (3, 8, 8)
    pixels.jpeg_decoder.cache_clear()
    del module.decode_jpeg  # of a version that decodes films only
    assert pixels.decode(encoded(noise(8, 8, 3))).shape == (3, 8, 8)


def test_batches_hold_turned_images_upright():
    x = np.zeros((40, 40, 3), np.uint8)
    x[:, 20:] = 255

    class Source:
        class_names, root, labels = ["only"], "memory", np.zeros(2, np.int64)
        raw = (encoded(x), encoded(np.rot90(x), exif=turned(6)))

        def read(self, i):
            return self.raw[i]

        def name(self, i):
            return str(i)

    (found,) = images.EncodedImages(Source(), facts("imagenet")).batches(data.evaluation_plan(2, 2, 32))
    assert (found[0] - found[1]).abs().mean() < 0.05


def test_modes_that_no_file_above_has():
    x = PIXELS["noise"]
    for mode in ("YCbCr", "HSV"):
        image = Image.fromarray(x[..., :3]).convert(mode)
        assert np.array_equal(np.asarray(pixels.rgb(image)), np.asarray(image.convert("RGB")))
    assert np.array_equal(np.asarray(pixels.rgb(bands("RGBX", x))), x[..., :3])
