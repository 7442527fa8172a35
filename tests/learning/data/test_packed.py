"""Packed images: the same images in the same order, whatever interrupts the packing, and no damage goes unnoticed."""

import concurrent.futures
import contextlib
import io
import json
import multiprocessing
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from info_geometry.files import ROOT, InputError
from learning import data
from learning.data import encoded as images
from learning.data import packed
from tests.support import stages
from tests.support.stages import until

WRITE = "supervised_imagenet/01_training/write_imagenet.py"
write_imagenet = stages.script(WRITE)
SIZE, PART = 48, 4  # what most tests pack with
SLOWLY = ("--size", 290)
SKIPPED = "packing: 0 done, 2 skipped (already complete), 0 failed\n"


def pack(source, target, *words, part=PART, size=SIZE):
    """Run write_imagenet here, with threads in place of processes; return (exit code, what it printed)."""
    printed, threads = io.StringIO(), concurrent.futures.ThreadPoolExecutor
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        patch.setattr(packed, "PART", part)
        patch.setattr(concurrent.futures, "ProcessPoolExecutor", lambda workers, *_: threads(workers))
        patch.setattr(sys, "argv", [WRITE, *map(str, (source, target, "--size", size, "--workers", 2, *words))])
        try:
            code = write_imagenet.main()
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
    packed.PART = part
    stages._main(WRITE, words, output, {}, file_size)


def encoded(size=(60, 44), mode="RGB", form="JPEG", seed=0, **options):
    """Return the bytes of a smooth image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    image = image.quantize() if mode == "P" else image.convert(mode)  # convert() would add the noise of dithering
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


KINDS = [
    {"size": (96, 70), "quality": 95},
    {"size": (40, 60), "quality": 60},
    {"size": (64, 64), "mode": "L"},
    {"size": (50, 90), "mode": "CMYK"},
    {"size": (30, 30), "mode": "P", "form": "PNG"},
]


def write_source(root, train=5, val=2, classes=("n1", "n2", "n3"), kinds=KINDS):
    """Write images of several kinds; all are called JPEG."""
    for split, number in (("train", train), ("val", val)):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(number):
                raw = encoded(seed=zlib.crc32(f"{split} {name} {i}".encode()), **kinds[i % len(kinds)])
                (root / split / name / f"{i}.JPEG").write_bytes(raw)
    return root


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """15 images to train on, and 6."""
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
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
def copied(target, tmp_path):
    """A packed folder to damage."""
    return shutil.copytree(target, tmp_path / "copied")


@pytest.fixture(scope="module")
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
    return list(images.EncodedImages(source).batches(plan, augmentation="random_resized_crop", workers=workers))


# What is read is what was packed


@pytest.mark.parametrize("part", [1, 4, 7, 15, 16])
def test_packed_images_are_the_reduced_ones_in_the_order_of_the_folders(source, tmp_path, part):
    done(source, tmp_path, part=part)
    for split, number in (("train", 15), ("val", 6)):
        folder, found = images.Folder(source / split), opened(tmp_path / split)
        assert all(found.read(i) == packed.reduced(folder.read(i), SIZE, 90) for i in range(number))
        assert np.array_equal(found.labels, folder.labels) and found.labels.dtype == folder.labels.dtype
        assert found.class_names == folder.class_names == ["n1", "n2", "n3"] and found.root == tmp_path / split
        assert [found.name(i) for i in range(number)] == [
            f"{tmp_path / split}/{i // part:05d}.h5: image {i % part}" for i in range(number)
        ]
        assert sorted(path.name for path in found.root.glob("*.h5")) == [
            f"{k:05d}.h5" for k in range(-(-number // part))
        ]


def test_index_says_how_it_was_packed(target):
    index = packed.read_index(target / "train")
    assert index["images"] == [4, 4, 4, 3] and index["classes"] == ["n1", "n2", "n3"] and index["corrupt"] == []
    assert (index["size"], index["quality"]) == (SIZE, 90)


def test_pickling_leaves_open_files_behind(target):
    found = opened(target / "train")
    found.read(0), found.read(14)
    same(pickle.loads(pickle.dumps(found)), found)


@pytest.mark.parametrize(
    "method",
    ["fork", pytest.param("forkserver", marks=pytest.mark.slow), pytest.param("spawn", marks=pytest.mark.slow)],
)
def test_processes_read_the_same(target, method):
    found, before = opened(target / "train"), multiprocessing.get_start_method()
    expected = batches(found)  # files are open from now on
    multiprocessing.set_start_method(method, force=True)
    try:
        assert all(map(torch.equal, batches(found, workers=2), expected)) and len(expected) == 7
    finally:
        multiprocessing.set_start_method(before, force=True)


def test_packed_and_unpacked_folders_train_to_the_same_thing(tmp_path):
    write_source(tmp_path / "source", kinds=[{"size": (80, 60), "quality": 50}, {"size": (33, 70), "quality": 60}])
    done(tmp_path / "source", tmp_path / "target", "--quality", 95, size=100)
    for split in ("train", "val"):
        folder, found = (data.load("imagenet", split, tmp_path / name) for name in ("source", "target"))
        same(folder.source, found.source)
        assert all(map(torch.equal, batches(folder.source), batches(found.source)))


def test_data_are_found_packed_or_not_also_in_a_folder_imagenet(source, target, tmp_path):
    for folder, kind in ((source, images.Folder), (target, packed.Packed)):
        (tmp_path / kind.__name__).mkdir()
        (tmp_path / kind.__name__ / "imagenet").symlink_to(folder)
        for place in (folder, tmp_path / kind.__name__):
            for split, number in (("train", 15), ("val", 6)):
                found = data.load("imagenet", split, place)
                assert isinstance(found.source, kind) and len(found.labels) == number and found.classes == 3


def test_names_of_any_bytes(mine, tmp_path):
    for name in ("é.JPEG", os.fsdecode(b"\xff.JPEG"), "a\nb.JPEG"):
        (mine / "train" / "n2" / name).write_bytes(encoded())
    (mine / "train" / "n2" / os.fsdecode(b"\xfe.JPEG")).write_text("text")
    done(mine, tmp_path / "target", "--skip-corrupt")
    assert opened(tmp_path / "target" / "train").labels.tolist() == [0] * 5 + [1] * 8 + [2] * 5
    assert done(mine, tmp_path / "target", "--skip-corrupt").endswith(SKIPPED)


# What an image becomes


@pytest.mark.parametrize("width, height", [(100, 75), (75, 100), (94, 99), (49, 49), (333, 50), (50, 1000), (4001, 51)])
def test_short_side_is_the_size_and_the_aspect_ratio_stays(width, height):
    found = Image.open(io.BytesIO(packed.reduced(encoded((width, height)), SIZE, 90)))
    scale = SIZE / min(width, height)
    assert min(found.size) == SIZE
    assert abs(found.width - width * scale) <= 1 and abs(found.height - height * scale) <= 1


@pytest.mark.parametrize("size", [(48, 48), (48, 300), (47, 31), (1, 1), (1, 500), (300, 2)])
@pytest.mark.parametrize("mode, form", [("RGB", "JPEG"), ("L", "JPEG"), ("P", "PNG")])
def test_smaller_images_keep_their_size(size, mode, form):
    assert Image.open(io.BytesIO(packed.reduced(encoded(size, mode, form), SIZE, 90))).size == size


@pytest.mark.parametrize(
    "options, kept",
    [
        ({"quality": 50}, True),
        ({"quality": 89}, True),
        ({"quality": 100}, False),
        ({"quality": 100, "subsampling": 0}, False),
        ({"quality": 50, "size": (100, 49)}, False),
        ({"quality": 50, "size": (100, 48)}, True),
        ({"quality": 50, "progressive": True}, True),
        ({"quality": 20, "mode": "L"}, False),
        ({"quality": 20, "mode": "CMYK"}, False),
        ({"form": "PNG"}, False),
        ({"form": "PNG", "size": (1, 1)}, False),
    ],
)
def test_bytes_are_kept_if_and_only_if_nothing_changes_and_nothing_is_won(options, kept):
    raw = encoded(**options)
    assert (packed.reduced(raw, SIZE, 90) == raw) == kept


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "CMYK"},
        {"mode": "L"},
        {"mode": "P", "form": "PNG"},
        {"mode": "RGBA", "form": "PNG"},
        {"mode": "LA", "form": "PNG"},
        {"form": "PNG"},
        {"mode": "P", "form": "GIF"},
        {"form": "BMP"},
        {"form": "WEBP"},
        {"mode": "RGB", "quality": 100, "progressive": True},
    ],
)
def test_all_kinds_become_rgb_jpegs_that_look_as_pillow_has_them(options):
    raw = encoded(**options)
    found = packed.reduced(raw, SIZE, 95)
    assert Image.open(io.BytesIO(found)).format == "JPEG" and Image.open(io.BytesIO(found)).mode == "RGB"
    pixels = decode_jpeg(torch.frombuffer(bytearray(found), dtype=torch.uint8), mode=ImageReadMode.UNCHANGED)
    expected = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).transpose(2, 0, 1)
    assert pixels.shape == expected.shape == (3, 44, 60)
    difference = np.abs(pixels.numpy().astype(float) - expected)
    assert difference.mean() < (5 if options.get("mode") == "P" else 2)  # colours have half the resolution
    assert torch.equal(images.decode(found), pixels)


# Going on


def test_second_time_nothing_is_done(source, copied):
    before = stages.times(copied)
    assert done(source, copied) == SKIPPED and stages.times(copied) == before


@pytest.mark.parametrize("size, quality", [(32, 90), (SIZE, 60)])
def test_other_settings_pack_again(source, copied, size, quality):
    done(source, copied, "--quality", quality, size=size)
    found, folder = opened(copied / "train"), images.Folder(source / "train")
    assert [found.read(i) for i in range(15)] == [packed.reduced(folder.read(i), size, quality) for i in range(15)]


def test_added_image_is_packed(mine, copied):
    before = stages.times(copied)
    (mine / "train" / "n2" / "7.JPEG").write_bytes(encoded())
    assert "packing: 1 done, 1 skipped" in done(mine, copied)
    found = opened(copied / "train")
    assert found.labels.tolist() == [0] * 5 + [1] * 6 + [2] * 5
    assert found.read(10) == packed.reduced(encoded(), SIZE, 90)
    unchanged = {path for path, time in stages.times(copied).items() if time == before[path]}
    assert unchanged == {f"train/{k:05d}.h5" for k in range(2)} | {f"val/{x}" for x in os.listdir(copied / "val")}


def test_files_of_more_images_are_removed(mine, copied, tmp_path):
    shutil.rmtree(mine / "train" / "n3")
    shutil.rmtree(mine / "val" / "n3")
    done(mine, copied)
    done(mine, tmp_path / "fresh")
    assert stages.contents(copied, "*/*") == stages.contents(tmp_path / "fresh", "*/*")
    assert len(list(copied.glob("train/*.h5"))) == 3 and len(list(copied.glob("val/*.h5"))) == 1


def test_images_that_change_their_class_change_their_label(mine, copied):
    """Files further on hold the images of the same names as before; only their classes have other numbers."""
    for split, i in (("train", 4), ("val", 1)):
        (mine / split / "n11").mkdir()
        (mine / split / "n1" / f"{i}.JPEG").rename(mine / split / "n11" / f"{i}.JPEG")
    done(mine, copied)
    for split in ("train", "val"):
        assert opened(copied / split).labels.tolist() == images.Folder(mine / split).labels.tolist()


@pytest.mark.slow
def test_killed_at_random_moments_and_packed_as_if_not(many, tmp_path):
    done(many, tmp_path / "undisturbed")
    rng, target, before = random.Random(3), tmp_path / "target", {}
    for _ in range(6):
        packing, wanted = Packing(many, target), min(len(before) + rng.randrange(5), 50)
        until(lambda wanted=wanted: len(list(target.glob("train/*.h5"))) >= wanted)
        time.sleep(rng.random() * 0.03)
        packing.send_all(signal.SIGKILL)
        packing.wait()
        now = {path: time for path, time in stages.times(target).items() if path.endswith("h5")}
        assert before.items() <= now.items()
        before = now
    code, text = Packing(many, target).wait()
    assert code == 0 and before and before.items() <= stages.times(target).items(), text
    assert stages.contents(target, "*/*") == stages.contents(tmp_path / "undisturbed", "*/*")


def test_workers_end_with_the_process_that_was_killed(many, tmp_path):
    packing = Packing(many, tmp_path / "target", *SLOWLY)
    until(lambda: list(tmp_path.glob("target/train/*.h5")))
    assert packing.alive() == 3
    packing.send(signal.SIGKILL)
    until(lambda: not packing.alive(), timeout=5)
    assert not (tmp_path / "target" / "train" / "index.json").exists()


@pytest.mark.slow
def test_interrupt_ends_it_at_once_with_one_line(many, tmp_path):
    for number in range(10):  # while workers start, pack, and are told what to do
        target = tmp_path / f"target_{number}"
        packing = Packing(many, target, *SLOWLY)
        until(lambda target=target: (target / ".lock").exists())
        time.sleep(0.03 * number)
        packing.send_all(signal.SIGINT)
        start = time.monotonic()
        assert packing.wait() == (130, "interrupted: the same command goes on from what is complete\n")
        assert time.monotonic() - start < 5 and not packing.alive()


def test_worker_that_was_killed_is_said(many, tmp_path):
    packing = Packing(many, tmp_path / "target", *SLOWLY)
    until(lambda: list(tmp_path.glob("target/train/*.h5")))
    lines = subprocess.run(["ps", "-A", "-o", "pgid=,pid="], capture_output=True, text=True).stdout.splitlines()
    workers = {int(pid) for group, pid in map(str.split, lines) if int(group) == packing.process.pid != int(pid)}
    os.kill(max(workers), signal.SIGKILL)
    code, text = packing.wait()
    assert code == 1 and "Traceback" not in text and text.startswith("error: "), text


def test_packing_that_did_not_finish_is_said(source, copied):
    (copied / "train" / "index.json").unlink()
    with pytest.raises(InputError, match=f"^{copied}/train: packing did not finish; run 01_training/write_imagenet.py"):
        data.load("imagenet", "train", copied)
    assert len(data.load("imagenet", "val", copied).labels) == 6
    before = stages.times(copied)
    assert "packing: 1 done, 1 skipped" in done(source, copied)
    assert before.items() <= stages.times(copied).items() and len(opened(copied / "train").labels) == 15


def test_packing_again_that_fails_does_not_leave_the_old_index(mine, copied):
    (mine / "train" / "n2" / "7.JPEG").write_text("text")
    assert pack(mine, copied)[0] == 1
    with pytest.raises(InputError, match="packing did not finish"):
        opened(copied / "train")


def test_second_packer_is_refused(many, tmp_path):
    target = tmp_path / "target"
    packing = Packing(many, target, *SLOWLY)
    until(lambda: list(target.glob("train/*.h5")))
    code, text = pack(many, target)
    assert code == 1 and text.startswith(f"error: {target} is being written by pid {packing.process.pid} on host ")
    assert text.count("\n") == 1 and packing.wait()[0] == 0


def test_full_disk_is_said_and_leaves_nothing(many, tmp_path):
    code, text = Packing(many, tmp_path / "target", file_size=6000).wait()
    assert code == 1 and [path.name for path in tmp_path.glob("target/**/*") if path.is_file()] == [".lock"]
    assert f"error: cannot write {tmp_path}/target/train/" in text and "File too large (" in text
    assert "packing: 0 done, 0 skipped (already complete), 2 failed" in text and "Traceback" not in text


def test_full_disk_ends_the_packing(source, tmp_path, monkeypatch):
    tried = []

    def write_part(path, *_, **__):
        tried.append(path)
        time.sleep(0.03)
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(packed, "write_part", write_part)
    code, text = pack(source, tmp_path, part=1)
    assert code == 1 and "No space left" in text and len(tried) < 15, len(tried)


# Damage


def flip(path, place, bit=3):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1 << bit
    path.write_bytes(raw)


def layout(path):
    """Return where the bytes of images lie in a file: first byte of each image, ..., end."""
    with h5py.File(path, "r") as file:
        return (file["jpeg"].id.get_offset() + file["offsets"][:]).tolist()


@pytest.mark.parametrize("image, place", [(0, 0), (2, 9), (3, -1)])
def test_flipped_bit_names_the_file_and_the_image(target, copied, image, place):
    path, whole = copied / "train" / "00001.h5", opened(target / "train")
    places = layout(path)
    flip(path, range(places[image], places[image + 1])[place])
    found = opened(copied / "train")
    assert all(found.read(i) == whole.read(i) for i in range(15) if i != 4 + image)
    for workers in (0, 1):
        with pytest.raises(InputError) as raised:
            batches(found, workers)
        assert str(raised.value) == (
            f"{path}: image {image}: checksum mismatch; delete the file and run 01_training/write_imagenet.py again"
        )


def test_flipped_bits_anywhere_never_give_other_images(source, target, copied):
    path, whole, rng = copied / "train" / "00001.h5", opened(target / "train"), random.Random(7)
    good = path.read_bytes()
    index = (copied / "train" / "index.json").read_bytes()
    head = layout(path)[0]  # half of the flips before the images
    for k in range(60):
        place = rng.randrange(head if k % 2 else len(good))
        path.write_bytes(good)
        flip(path, place, rng.randrange(8))
        try:
            same(opened(copied / "train"), whole)
        except InputError as error:
            assert str(path) in str(error)
        (copied / "train" / "index.json").unlink()
        code, text = pack(source, copied)
        if code == 0:
            same(opened(copied / "train"), whole)
        else:
            assert str(path) in text and not (copied / "train" / "index.json").exists()
        (copied / "train" / "index.json").write_bytes(index)


def test_disk_that_writes_something_else_is_noticed(source, tmp_path, monkeypatch):
    write_part = packed.write_part

    def badly(path, *arguments, **options):
        write_part(path, *arguments, **options)
        if path.name == "00001.h5":
            flip(path, layout(path)[1])

    monkeypatch.setattr(packed, "write_part", badly)
    code, text = pack(source, tmp_path)
    assert code == 1 and text.count("00001.h5: image 1: checksum mismatch; delete the file and") == 2
    assert "packing: 0 done, 0 skipped (already complete), 2 failed" in text
    assert not list(tmp_path.glob("*/index.json"))


def truncated(path):
    os.truncate(path, path.stat().st_size * 2 // 3)


def truncated_by_one(path):
    os.truncate(path, path.stat().st_size - 1)


def empty(path):
    os.truncate(path, 0)


def gone(path):
    path.unlink()


def no_hdf5(path):
    path.write_text("no HDF5")


def a_folder(path):
    path.unlink()
    path.mkdir()


def another_kind(path):
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((3, 4, 5), np.float16)


def replaced(name, place):
    """Return a damage: an array of the file replaced by what place(file, elsewhere, name, array) puts there."""

    def damage(path):
        with h5py.File(path, "r+") as file:
            array = file[name][:]
            elsewhere = path.parent.parent / "elsewhere.h5"
            with h5py.File(elsewhere, "w") as other:
                other[name] = array
            del file[name]
            place(file, elsewhere, name, array)

    damage.__name__ = f"{name}_{place.__name__}"
    return damage


def external_link(file, elsewhere, name, array):
    file[name] = h5py.ExternalLink(elsewhere, name)


def soft_link(file, elsewhere, name, array):
    file["other"] = array
    file[name] = h5py.SoftLink("/other")


def virtual(file, elsewhere, name, array):
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[:] = h5py.VirtualSource(elsewhere, name, array.shape)
    file.create_virtual_dataset(name, layout)


def external_storage(file, elsewhere, name, array):
    elsewhere.write_bytes(array.tobytes())
    file.create_dataset(name, array.shape, array.dtype, external=[(str(elsewhere), 0, array.nbytes)])


def shorter(file, elsewhere, name, array):
    file[name] = array[:-1]


def of_fractions(file, elsewhere, name, array):
    file[name] = array.astype(np.float32)


def declared_only(file, elsewhere, name, array):
    file.create_dataset(name, array.shape, array.dtype)


def missing(file, elsewhere, name, array):
    pass


def of_other_classes(file, elsewhere, name, array):
    file[name] = array + 3


PARTS = [
    truncated,
    truncated_by_one,
    empty,
    gone,
    no_hdf5,
    a_folder,
    another_kind,
    replaced("labels", of_other_classes),
    *(
        replaced(name, place)
        for name in ("jpeg", "labels")
        for place in (
            external_link,
            soft_link,
            virtual,
            external_storage,
            shorter,
            of_fractions,
            declared_only,
            missing,
        )
    ),
]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 1,
        lambda x: x - 1,
        lambda x: x[::-1],
        lambda x: x[[0, 2, 1, 3, 4]],
        lambda x: x[[0, 1, 1, 3, 4]],
        lambda x: np.append(x[:-1], x[-1] + 1),
        lambda x: np.append(x[:-1], x[-1] - 1),
    ],
)
def test_offsets_that_do_not_fit_are_refused(copied, change):
    with h5py.File(copied / "train" / "00001.h5", "r+") as file:
        file["offsets"][:] = change(file["offsets"][:])
    with pytest.raises(InputError, match=f"^{copied}/train/00001.h5: offsets do not fit"):
        opened(copied / "train")


def other_version(index):
    index["format_version"] = 2


def fewer_images(index):
    index["images"][0] -= 1


def fewer_classes(index):
    del index["classes"][2:]


def no_classes(index):
    del index["classes"]


def changed(change):
    """Return a damage: an index that says something else."""

    def damage(path):
        index = json.loads(path.read_text())
        change(index)
        path.write_text(json.dumps(index))

    damage.__name__ = change.__name__
    return damage


INDEX = [
    truncated,
    empty,
    no_hdf5,
    changed(other_version),
    changed(fewer_images),
    changed(fewer_classes),
    changed(no_classes),
]
DAMAGES = [
    pytest.param(file, damage, id=f"{file}-{damage.__name__}")
    for file, damages in (("00001.h5", PARTS), ("index.json", INDEX))
    for damage in damages
]


def refused(folder):
    """Return what is said when the images of a packed folder are opened and read."""
    with pytest.raises(InputError) as raised:
        batches(data.load("imagenet", "train", folder).source)
    return str(raised.value)


@pytest.mark.parametrize("name, damage", DAMAGES)
def test_damaged_file_is_refused(copied, name, damage):
    damage(copied / "train" / name)
    message = refused(copied)
    assert message.startswith(f"{copied}/train") and "\n" not in message and "predictions" not in message


def test_message_about_a_damaged_file_says_what_to_run(target, tmp_path):
    messages = []
    for number, (name, damage) in enumerate(param.values for param in DAMAGES):
        folder = shutil.copytree(target, tmp_path / str(number))
        damage(folder / "train" / name)
        messages.append(refused(folder))
    assert [message for message in messages if "write_imagenet" not in message] == []


@pytest.mark.parametrize("name, damage", DAMAGES)
def test_doing_as_the_message_says_mends_it(source, target, copied, name, damage):
    path = copied / "train" / name
    damage(path)
    if "delete" in refused(copied).lower():
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    done(source, copied)
    same(opened(copied / "train"), opened(target / "train"))


@pytest.mark.parametrize("content", ["null", "[]", "1", '"text"', "{}", '{"format_version": 1}'])
def test_index_that_is_something_else_is_refused(copied, content):
    (copied / "train" / "index.json").write_text(content)
    assert refused(copied).startswith(f"{copied}/train/index.json: ")


@pytest.mark.parametrize("counts", [[], ["four"], [None], [15], [4, 4, "4", 3], [4, 4, 4.5, 3], [4, -4, 8, 7], [[4]]])
def test_index_with_counts_that_are_none_is_refused(copied, counts):
    index = packed.read_index(copied / "train")
    (copied / "train" / "index.json").write_text(json.dumps({**index, "images": counts}))
    assert refused(copied).startswith(f"{copied}/train")


def test_limit_of_open_files_is_not_taken_for_damage(source, tmp_path):
    done(source, tmp_path, part=1)
    found, limits = opened(tmp_path / "train"), resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptor = os.dup(0)
    os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptor + 8, limits[1]))
    try:
        for i in range(15):
            found.read(i)
    except InputError as error:
        assert "Delete" not in str(error), error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# Images that cannot be read


def spoil(root):
    """Damage three of the images to train on: 3, 4 and 7; return their paths."""
    paths = [root / "train" / "n1" / "3.JPEG", root / "train" / "n1" / "4.JPEG", root / "train" / "n2" / "2.JPEG"]
    os.truncate(paths[0], paths[0].stat().st_size // 2)
    paths[1].write_bytes(b"")
    paths[2].write_text("not found")
    return paths


def test_images_that_cannot_be_read_are_named(mine, tmp_path):
    paths, target = spoil(mine), tmp_path / "target"
    code, text = pack(mine, target)
    lines = text.splitlines()
    assert code == 1 and len(lines) == 6  # three images, train, val, how many
    for line, path in zip(lines, paths):
        assert line.startswith(f"error: {path}: ") and len(line) > len(f"error: {path}: ")
    assert lines[3].startswith(f"error: {mine}/train: 3 of 15 images cannot be read; replace them, or ")
    assert lines[5] == "packing: 1 done, 0 skipped (already complete), 1 failed"
    assert sorted(x.name for x in (target / "train").iterdir()) == ["00002.h5", "00003.h5"]  # without any of them


def test_twenty_are_named(mine, tmp_path):
    for i in range(10, 35):
        (mine / "val" / "n2" / f"{i}.JPEG").write_bytes(b"")
    code, text = pack(mine, tmp_path / "target")
    assert code == 1 and text.count(".JPEG: ") == 20 and "25 of 31 images cannot be read" in text


def test_images_that_cannot_be_read_are_left_out_if_asked(mine, target, tmp_path):
    paths, mended = spoil(mine), tmp_path / "mended"
    assert pack(mine, mended)[0] == 1
    before = stages.times(mended)
    text = done(mine, mended, "--skip-corrupt")
    assert text.count("left out: ") == 3 and f"{mended}/train: 12 images" in text and ", 3 left out" in text
    assert before.items() <= stages.times(mended).items()
    found, whole = opened(mended / "train"), opened(target / "train")
    rest = [i for i in range(15) if i not in (3, 4, 7)]
    assert [found.read(i) for i in range(12)] == [whole.read(i) for i in rest]
    assert found.labels.tolist() == whole.labels[rest].tolist()
    assert found.name(3).endswith("00001.h5: image 0") and found.name(5).endswith("00002.h5: image 0")
    index = packed.read_index(mended / "train")
    assert index["images"] == [3, 2, 4, 3] and index["size"] == SIZE
    assert [message.startswith(f"{path}: ") for message, path in zip(index["corrupt"], paths)] == [True] * 3
    before = stages.times(mended)
    assert done(mine, mended, "--skip-corrupt").endswith(SKIPPED) and stages.times(mended) == before


def test_images_that_were_replaced_are_packed(source, mine, target, tmp_path):
    paths, mended = spoil(mine), tmp_path / "mended"
    done(mine, mended, "--skip-corrupt")
    before = stages.times(mended)
    for path in paths[:2]:
        shutil.copy(source / path.relative_to(mine), path)
    code, text = pack(mine, mended)
    assert code == 1 and str(paths[2]) in text and "1 of 15 images cannot be read" in text
    shutil.copy(source / paths[2].relative_to(mine), paths[2])
    assert "packing: 1 done, 1 skipped" in done(mine, mended)
    assert stages.contents(mended, "*/*") == stages.contents(target, "*/*")
    after = stages.times(mended)
    assert all(after[f"train/{k:05d}.h5"] == before[f"train/{k:05d}.h5"] for k in (2, 3))


def test_no_image_of_a_file_can_be_read(mine, tmp_path):
    for i in range(5):
        (mine / "train" / "n2" / f"{i}.JPEG").write_bytes(b"")  # image 5 to 9; a file holds 4 to 7, two hold 8 to 11
    assert "5 left out" in done(mine, tmp_path / "target", "--skip-corrupt")
    code, text = pack(mine, tmp_path / "other", "--skip-corrupt", part=5)
    assert code == 1 and f"error: {mine}/train: no image from n2/0.JPEG on can be read" in text
    assert not (tmp_path / "other" / "train" / "index.json").exists()


def test_list_of_what_was_left_out_may_be_long(mine, tmp_path):
    for i in range(500):
        (mine / "val" / "n2" / f"{'long' * 50}{i}.JPEG").write_bytes(b"")
    done(mine, tmp_path / "target", "--skip-corrupt", part=1000)  # some 200 kB, in an attribute
    assert len(packed.read_index(tmp_path / "target" / "val")["corrupt"]) == 500
    (tmp_path / "target" / "val" / "index.json").unlink()
    done(mine, tmp_path / "target", "--skip-corrupt", part=1000)
    assert len(packed.read_index(tmp_path / "target" / "val")["corrupt"]) == 500
    assert opened(tmp_path / "target" / "val").labels.tolist() == [0, 0, 1, 1, 2, 2]


# Mistakes


def class_without_images(root, target):
    for split in ("train", "val"):
        (root / split / "n4").mkdir()
    return "n4"


def class_in_train_only(root, target):
    (root / "train" / "n4").mkdir()
    (root / "train" / "n4" / "0.JPEG").write_bytes(encoded())
    return "train and val have different class folders (4 and 3; only one of them has n4)"


def no_classes_at_all(root, target):
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    return f"{root}/val"


def no_val(root, target):
    shutil.rmtree(root / "val")
    return f"{root}/val: no such folder"


def no_source(root, target):
    shutil.rmtree(root)
    return f"{root}/train: no such folder"


def target_is_source(root, target):
    target.symlink_to(root)
    return "SOURCE and TARGET are the same folder"


def target_is_a_file(root, target):
    target.write_text("")
    return f"cannot write {target}/.lock"


@pytest.mark.parametrize(
    "mistake",
    [
        class_without_images,
        class_in_train_only,
        no_classes_at_all,
        no_val,
        no_source,
        target_is_source,
        target_is_a_file,
    ],
)
def test_mistake_is_said_in_a_line(mine, tmp_path, mistake):
    said = mistake(mine, tmp_path / "target")
    code, text = pack(mine, tmp_path / "target")
    assert code == 1 and text.startswith("error: ") and text.count("\n") == 1 and said in text
    assert not list(tmp_path.glob("target/*/*.h5"))


@pytest.mark.parametrize(
    "words",
    [
        ("--size", 0),
        ("--size", -5),
        ("--quality", 0),
        ("--quality", 96),
        ("--workers", 0),
        ("--workers", -1),
        ("--size", "big"),
        ("--quality", 50.5),
    ],
)
def test_settings_that_cannot_be(source, tmp_path, words):
    code, text = pack(source, tmp_path / "target", *words)
    assert code in (1, 2) and "error: " in text.splitlines()[-1] and words[0] in text.splitlines()[-1]
    assert not (tmp_path / "target").exists()


def test_real_command_says_a_mistake_without_traceback(mine, tmp_path):
    (mine / "val").rename(mine / "validation")
    code, text = Packing(mine, tmp_path / "target").wait()
    assert code == 1 and text.startswith(f"error: {mine}/val: no such folder") and text.count("\n") == 1


@pytest.mark.parametrize("words, code", [(["--help"], 0), (["a", "b", "--size", "0"], 1)])
def test_help_and_mistakes_are_answered_at_once(words, code):
    start = time.monotonic()
    command = [sys.executable, "-X", "importtime", "-m", "supervised_imagenet.01_training.write_imagenet", *words]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == code and time.monotonic() - start < 5
    assert "--skip-corrupt" in process.stdout if code == 0 else "error: --size and" in process.stderr
    assert "argparse" in process.stderr and " torch" not in process.stderr
