"""Packing again: images that were replaced under their names are packed, those that were only touched are not."""

import json
import logging
import os
import shutil

import numpy as np
import pytest

from info_geometry.files import InputError
from learning.data import folders, packed, packing, pixels, stamps
from tests.support import stages
from tests.support.packing import SIZE, SKIPPED, done, encoded, opened, pack
from tests.support.pictures import KINDS, PIXELS, turned

OTHER = encoded((60, 44), seed=5, quality=50)
NAME = "n2/1.JPEG"  # image 6, in the second file


@pytest.fixture
def there(mine, tmp_path):
    """Images packed from a source to change."""
    done(mine, tmp_path / "there")
    return tmp_path / "there"


@pytest.fixture
def reads(monkeypatch):
    """The number of times that an image was read to compare it."""
    found, whole = [], stamps.digest
    monkeypatch.setattr(stamps, "digest", lambda raw: found.append(len(raw)) or whole(raw))
    return found


def up_to_date(mine, there):
    for split in ("train", "val"):
        folder, found = folders.Folder(mine / split), opened(there / split)
        assert [found.read(i) for i in range(len(found.labels))] == [
            packing.reduced(folder.read(i), SIZE, 90) for i in range(len(folder.labels))
        ]


def test_replaced_image_is_packed(mine, there):
    before = stages.times(there)
    (mine / "train" / NAME).write_bytes(OTHER)
    assert done(mine, there).endswith("packing: 1 done, 1 skipped (already complete), 0 failed\n")
    up_to_date(mine, there)
    changed = {path for path, time in stages.times(there).items() if before[path] != time}
    assert changed == {"train/00001.h5", "train/index.json", ".stamps/train/00001.npy"}
    assert done(mine, there) == SKIPPED


def test_replaced_image_of_the_same_size_and_time_is_packed(mine, there):
    path = mine / "train" / NAME
    state, other = path.stat(), encoded((40, 60), seed=9, quality=20)
    path.write_bytes(other + bytes(state.st_size - len(other)))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size and "1 done, 1 skipped" in done(mine, there)
    up_to_date(mine, there)


def test_swapped_images_are_packed(mine, there):
    one, other = mine / "train" / "n1" / "0.JPEG", mine / "train" / "n3" / "0.JPEG"
    one.rename(mine / "third")
    other.rename(one)
    (mine / "third").rename(other)
    assert "1 done, 1 skipped" in done(mine, there)
    up_to_date(mine, there)


def touched(path):
    path.touch()


def copied(path):
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def linked(path):
    path.rename(path.parents[2] / path.name)
    path.symlink_to(path.parents[2] / path.name)


@pytest.mark.parametrize("change", [touched, copied, linked])
def test_image_that_was_only_touched_is_read_once_and_not_packed(mine, there, reads, change):
    before = stages.times(there)
    change(mine / "train" / NAME)
    assert done(mine, there) == SKIPPED and len(reads) == 1
    assert {path for path, time in stages.times(there).items() if before[path] != time} == {".stamps/train/00001.npy"}
    assert done(mine, there) == SKIPPED and len(reads) == 1


def test_unchanged_images_are_not_read(mine, there, reads):
    assert done(mine, there) == SKIPPED and not reads


@pytest.mark.parametrize("what", ["gone", "empty", "other"])
def test_without_stamps_images_are_read(mine, there, reads, what):
    path = there / ".stamps" / "val" / "00000.npy"
    assert np.load(path).shape == (4, 3)
    if what == "gone":
        path.unlink()
    elif what == "empty":
        path.write_bytes(b"")
    else:
        np.save(path, np.zeros((2, 3)))
    assert done(mine, there) == SKIPPED and len(reads) == 4
    assert done(mine, there) == SKIPPED and len(reads) == 4
    (mine / "val" / "n1" / "0.JPEG").write_bytes(OTHER)
    path.unlink()
    assert "1 done, 1 skipped" in done(mine, there)


def test_image_that_cannot_be_read_any_more_is_not_passed_over(mine, there):
    (mine / "train" / NAME).write_text("text")
    code, text = pack(mine, there)
    assert code == 1 and f"error: {mine}/train/{NAME}: " in text
    with pytest.raises(InputError, match="packing did not finish"):
        opened(there / "train")


def test_left_out_image_that_was_mended_is_packed(source, mine, tmp_path):
    (mine / "train" / NAME).write_text("text")
    target = tmp_path / "target"
    assert "1 left out" in done(mine, target, "--skip-corrupt")
    assert done(mine, target, "--skip-corrupt") == SKIPPED
    shutil.copy(source / "train" / NAME, mine / "train" / NAME)
    assert "train: 15 images of 3 classes, " in done(mine, target, "--skip-corrupt")
    up_to_date(mine, target)


def test_image_that_cannot_be_opened_is_left_out_once(mine, tmp_path):
    (mine / "train" / NAME).unlink()
    (mine / "train" / NAME).symlink_to("nowhere")
    assert "1 left out" in done(mine, tmp_path / "target", "--skip-corrupt")
    assert done(mine, tmp_path / "target", "--skip-corrupt") == SKIPPED


def test_old_files_are_never_published_beside_new_ones(mine, there, monkeypatch):
    """Packing that ends between two files leaves no index."""
    for name in ("n1/0.JPEG", "n3/4.JPEG"):
        (mine / "train" / name).write_bytes(OTHER)
    write_part = packing.write_part

    def ends(path, *arguments, **options):
        if path.name == "00003.h5":
            raise InputError("it ended")
        write_part(path, *arguments, **options)

    monkeypatch.setattr(packing, "write_part", ends)
    assert pack(mine, there)[0] == 1
    with pytest.raises(InputError, match="packing did not finish"):
        opened(there / "train")
    monkeypatch.undo()
    done(mine, there)
    up_to_date(mine, there)


def test_what_another_version_packed_is_packed_again_with_a_word(mine, there, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "info_geometry")
    monkeypatch.setattr(packing, "RECIPE", packed.RECIPE + 1)
    assert "packing: 2 done" in done(mine, there)
    said = [record.getMessage() for record in caplog.records]
    assert [line.startswith(f"{there}/{split}: was packed from") for split, line in zip(("train", "val"), said)]
    assert len(said) == 2


def test_what_an_earlier_version_packed_is_read_with_a_word(packed_copy, caplog):
    caplog.set_level(logging.INFO, "info_geometry")
    opened(packed_copy / "val")
    assert not caplog.records
    path = packed_copy / "val" / "index.json"
    index = {key: value for key, value in packed.read_index(path.parent).items() if key != "recipe"}
    path.write_text(json.dumps(index))
    assert len(opened(packed_copy / "val").labels) == 6
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{packed_copy}/val: packed by an earlier version, ")
    assert record.getMessage().endswith("where there are such, run 01_training/write_imagenet.py again")


def test_packed_data_keep_the_order_of_their_index(tmp_path):
    """As of numbered folders that an earlier version packed in the order of texts."""
    for split in ("train", "val"):
        stages.write_images(tmp_path / "source" / split, ["9", "10"], per_class=2, size=20)
    done(tmp_path / "source", tmp_path / "packed")
    assert opened(tmp_path / "packed" / "val").class_names == ["9", "10"]
    path = tmp_path / "packed" / "val" / "index.json"
    path.write_text(json.dumps({**packed.read_index(path.parent), "classes": ["10", "9"]}))
    assert opened(tmp_path / "packed" / "val").class_names == ["10", "9"]


# What images become


@pytest.mark.parametrize("size", [(40, 30), (90, 60)])
def test_turned_images_are_packed_upright(size):
    raw = encoded(size, quality=60, exif=turned(6))
    found = pixels.decode(packing.reduced(raw, SIZE, 95)).float()
    assert found.shape[1] > found.shape[2]  # higher than wide
    plain = pixels.decode(packing.reduced(encoded(size, quality=60), SIZE, 95)).float()
    assert (found - plain.rot90(-1, (1, 2))).abs().mean() < 4


def test_numbers_of_sixteen_bits_are_packed_as_they_are_read():
    raw = KINDS["png of 16 bits"](PIXELS["smooth"])
    found = pixels.decode(packing.reduced(raw, SIZE, 95)).float()
    assert (found - pixels.decode(raw).float()).abs().mean() < 3
