"""Packing: what is read is what was packed, whatever interrupts it or cannot be read, and with what it was packed."""

import io
import os
import random
import shutil
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from info_geometry.files import InputError
from learning.data import folders, packed, packing, pixels
from tests.support import stages
from tests.support.packing import SIZE, SKIPPED, done, encoded, flip, layout, opened, pack, same


@pytest.mark.parametrize("part", [1, 4, 7, 15, 16])
def test_packed_images_are_the_reduced_ones_in_the_order_of_the_folders(source, tmp_path, part):
    done(source, tmp_path, part=part)
    for split, number in (("train", 15), ("val", 6)):
        folder, found = folders.Folder(source / split), opened(tmp_path / split)
        assert all(found.read(i) == packing.reduced(folder.read(i), SIZE, 90) for i in range(number))
        assert np.array_equal(found.labels, folder.labels) and found.labels.dtype == folder.labels.dtype
        assert found.class_names == folder.class_names == ["n1", "n2", "n3"] and found.root == tmp_path / split
        assert [found.name(i) for i in range(number)] == [
            f"{tmp_path / split}/{i // part:05d}.h5: image {i % part}" for i in range(number)
        ]
        assert sorted(path.name for path in found.root.glob("*.h5")) == [
            f"{k:05d}.h5" for k in range(-(-number // part))
        ]


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
    found = Image.open(io.BytesIO(packing.reduced(encoded((width, height)), SIZE, 90)))
    scale = SIZE / min(width, height)
    assert min(found.size) == SIZE
    assert abs(found.width - width * scale) <= 1 and abs(found.height - height * scale) <= 1


@pytest.mark.parametrize("size", [(48, 48), (48, 300), (47, 31), (1, 1), (1, 500), (300, 2)])
@pytest.mark.parametrize("mode, form", [("RGB", "JPEG"), ("L", "JPEG"), ("P", "PNG")])
def test_smaller_images_keep_their_size(size, mode, form):
    assert Image.open(io.BytesIO(packing.reduced(encoded(size, mode, form), SIZE, 90))).size == size


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
    assert (packing.reduced(raw, SIZE, 90) == raw) == kept


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
    found = packing.reduced(raw, SIZE, 95)
    assert Image.open(io.BytesIO(found)).format == "JPEG" and Image.open(io.BytesIO(found)).mode == "RGB"
    shown = decode_jpeg(torch.frombuffer(bytearray(found), dtype=torch.uint8), mode=ImageReadMode.UNCHANGED)
    expected = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).transpose(2, 0, 1)
    assert shown.shape == expected.shape == (3, 44, 60)
    difference = np.abs(shown.numpy().astype(float) - expected)
    assert difference.mean() < (5 if options.get("mode") == "P" else 2)  # colours have half the resolution
    assert torch.equal(pixels.decode(found), shown)


# Going on


def test_second_time_nothing_is_done(source, packed_copy):
    before = stages.times(packed_copy)
    assert done(source, packed_copy) == SKIPPED and stages.times(packed_copy) == before


@pytest.mark.parametrize("size, quality", [(32, 90), (SIZE, 60)])
def test_other_settings_pack_again(source, packed_copy, size, quality):
    done(source, packed_copy, "--quality", quality, size=size)
    found, folder = opened(packed_copy / "train"), folders.Folder(source / "train")
    assert [found.read(i) for i in range(15)] == [packing.reduced(folder.read(i), size, quality) for i in range(15)]


def test_added_image_is_packed(mine, packed_copy):
    before = stages.times(packed_copy)
    (mine / "train" / "n2" / "7.JPEG").write_bytes(encoded())
    assert "packing: 1 done, 1 skipped" in done(mine, packed_copy)
    found = opened(packed_copy / "train")
    assert found.labels.tolist() == [0] * 5 + [1] * 6 + [2] * 5
    assert found.read(10) == packing.reduced(encoded(), SIZE, 90)
    unchanged = {path for path, time in stages.times(packed_copy).items() if time == before[path]}
    assert unchanged == {f"train/{k:05d}.h5" for k in range(2)} | {f"val/{x}" for x in os.listdir(packed_copy / "val")}


def test_files_of_more_images_are_removed(mine, packed_copy, tmp_path):
    shutil.rmtree(mine / "train" / "n3")
    shutil.rmtree(mine / "val" / "n3")
    done(mine, packed_copy)
    done(mine, tmp_path / "fresh")
    assert stages.contents(packed_copy, "*/*") == stages.contents(tmp_path / "fresh", "*/*")
    assert len(list(packed_copy.glob("train/*.h5"))) == 3 and len(list(packed_copy.glob("val/*.h5"))) == 1


def test_images_that_change_their_class_change_their_label(mine, packed_copy):
    """Files further on hold the images of the same names as before; only their classes have other numbers."""
    for split, i in (("train", 4), ("val", 1)):
        (mine / split / "n1b").mkdir()
        (mine / split / "n1" / f"{i}.JPEG").rename(mine / split / "n1b" / f"{i}.JPEG")
    done(mine, packed_copy)
    for split in ("train", "val"):
        assert opened(packed_copy / split).labels.tolist() == folders.Folder(mine / split).labels.tolist()


def test_packing_again_that_fails_does_not_leave_the_old_index(mine, packed_copy):
    (mine / "train" / "n2" / "7.JPEG").write_text("text")
    assert pack(mine, packed_copy)[0] == 1
    with pytest.raises(InputError, match="packing did not finish"):
        opened(packed_copy / "train")


# Disks that fail


def test_full_disk_ends_the_packing(source, tmp_path, monkeypatch):
    tried = []

    def write_part(path, *_, **__):
        tried.append(path)
        time.sleep(0.03)
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(packing, "write_part", write_part)
    code, text = pack(source, tmp_path, part=1)
    assert code == 1 and "No space left" in text and len(tried) < 15, len(tried)


def test_flipped_bits_anywhere_never_give_other_images(source, target, packed_copy):
    path, whole, rng = packed_copy / "train" / "00001.h5", opened(target / "train"), random.Random(7)
    good = path.read_bytes()
    index = (packed_copy / "train" / "index.json").read_bytes()
    head = layout(path)[0]  # half of the flips before the images
    for k in range(60):
        place = rng.randrange(head if k % 2 else len(good))
        path.write_bytes(good)
        flip(path, place, rng.randrange(8))
        try:
            same(opened(packed_copy / "train"), whole)
        except InputError as error:
            assert str(path) in str(error)
        (packed_copy / "train" / "index.json").unlink()
        code, text = pack(source, packed_copy)
        if code == 0:
            same(opened(packed_copy / "train"), whole)
        else:
            assert str(path) in text and not (packed_copy / "train" / "index.json").exists()
        (packed_copy / "train" / "index.json").write_bytes(index)


def test_disk_that_writes_something_else_is_noticed(source, tmp_path, monkeypatch):
    write_part = packing.write_part

    def badly(path, *arguments, **options):
        write_part(path, *arguments, **options)
        if path.name == "00001.h5":
            flip(path, layout(path)[1])

    monkeypatch.setattr(packing, "write_part", badly)
    code, text = pack(source, tmp_path)
    assert code == 1 and text.count("00001.h5: image 1: checksum mismatch; delete the file and") == 2
    assert "packing: 0 done, 0 skipped (already complete), 2 failed" in text
    assert not list(tmp_path.glob("*/index.json"))


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
