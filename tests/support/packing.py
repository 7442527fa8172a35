"""For the tests: images of several kinds, and their packing, here with threads or in a process of its own."""

import concurrent.futures
import contextlib
import io
import os
import shutil
import subprocess
import time
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from info_geometry.files import InputError
from learning import data
from learning.data import encoded as image_files
from learning.data import packed, packing
from learning.tasks import facts
from tests.support import stages
from tests.support.stages import until

WRITE = "supervised_imagenet/01_training/write_imagenet.py"
write_imagenet = stages.script(WRITE)
SIZE, PART = 48, 4  # what most tests pack with
SLOWLY = ("--size", 290)
SKIPPED = "packing: 0 done, 2 skipped (already complete), 0 failed\n"
KINDS = [
    {"size": (96, 70), "quality": 95},
    {"size": (40, 60), "quality": 60},
    {"size": (64, 64), "mode": "L"},
    {"size": (50, 90), "mode": "CMYK"},
    {"size": (30, 30), "mode": "P", "form": "PNG"},
]


def pack(source, target, *words, part=PART, size=SIZE):
    """Run write_imagenet here, with threads in place of processes; return (exit code, what it printed)."""
    printed, threads = io.StringIO(), concurrent.futures.ThreadPoolExecutor
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        patch.setattr(packing, "PART", part)
        patch.setattr(concurrent.futures, "ProcessPoolExecutor", lambda workers, *_: threads(workers))
        try:
            code = write_imagenet.main([*map(str, (source, target, "--size", size, "--workers", 2, *words))])
        except InputError as error:
            code = 1
            print(f"error: {error}")
        except SystemExit as end:
            code = end.code
    return code, printed.getvalue()


def done(*arguments, **options):
    """Pack what must succeed; return what was printed."""
    code, text = pack(*arguments, **options)
    assert code == 0, text
    return text


class Packing(stages.Stage):
    """write_imagenet in a process, which leads a group of its own with its workers."""

    def __init__(self, source, target, *words, part=PART, file_size=None):
        self.output = target.with_name(f"output_{time.monotonic_ns()}.txt")
        words = [*map(str, (source, target, "--size", SIZE, "--workers", 2, *words))]
        self.process = stages.start(_packing, part, words, str(self.output), file_size)
        until(lambda: os.getpgid(self.process.pid) == self.process.pid)

    def send_all(self, number):
        os.killpg(self.process.pid, number)

    def alive(self):
        """Return how many processes of the group there are."""
        lines = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True).stdout.splitlines()
        return sum(group == str(self.process.pid) and state[0] != "Z" for group, state in map(str.split, lines))


def _packing(part, words, output, file_size):
    os.setpgid(0, 0)
    packing.PART = part
    stages._main(WRITE, words, output, {}, file_size)


def encoded(size=(60, 44), mode="RGB", form="JPEG", seed=0, **options):
    """Return the bytes of a smooth image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    image = image.quantize() if mode == "P" else image.convert(mode)  # convert() would add the noise of dithering
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write_source(root, train=5, val=2, classes=("n1", "n2", "n3"), kinds=KINDS):
    """Write images of several kinds; all are called JPEG."""
    for split, number in (("train", train), ("val", val)):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(number):
                raw = encoded(seed=zlib.crc32(f"{split} {name} {i}".encode()), **kinds[i % len(kinds)])
                (root / split / name / f"{i}.JPEG").write_bytes(raw)
    return root


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """15 images to train on, and 6."""
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def target(source, tmp_path_factory):
    """The same images packed: files of 4, 4, 4 and 3, and of 4 and 2."""
    folder = tmp_path_factory.mktemp("target")
    assert done(source, folder).endswith("packing: 2 done, 0 skipped (already complete), 0 failed\n")
    return folder


@pytest.fixture
def mine(source, tmp_path):
    """A source to change."""
    return shutil.copytree(source, tmp_path / "mine")


@pytest.fixture
def packed_copy(target, tmp_path):
    """A packed folder to damage."""
    return shutil.copytree(target, tmp_path / "copied")


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """Images that take a second to pack: 200, 5 of them different, and 4."""
    root = tmp_path_factory.mktemp("many")
    stages.write_images(root / "train", ["a", "b"], per_class=5, size=300)
    stages.write_images(root / "val", ["a", "b"], per_class=2, size=300)
    for name in ("a", "b"):
        for i in range(5, 100):
            os.link(root / "train" / name / f"{i % 5}.JPEG", root / "train" / name / f"{i}.JPEG")
    return root


def same(one, other):
    """Assert that two sources hold the same images and labels."""
    assert [one.read(i) for i in range(len(one.labels))] == [other.read(i) for i in range(len(other.labels))]
    assert one.labels.tolist() == other.labels.tolist() and one.class_names == other.class_names


def opened(root):
    return packed.Packed(root)


def batches(source, workers=0):
    """Return batches to train on and others for evaluation."""
    number = len(source.labels)
    plan = [*data.training_plan(np.arange(number), 4, 1, 0, resolution=32), *data.evaluation_plan(number, 4, 32)]
    found = image_files.EncodedImages(source, facts("imagenet"))
    return list(found.batches(plan, augmentation="random_resized_crop", workers=workers))


def flip(path, place, bit=3):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1 << bit
    path.write_bytes(raw)


def layout(path):
    """Return where the bytes of images lie in a file: first byte of each image, ..., end."""
    with h5py.File(path, "r") as file:
        return (file["jpeg"].id.get_offset() + file["offsets"][:]).tolist()
