"""What a process has read is read once, and anew as soon as a file of it is another one; nobody sees a stranger's."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from info_geometry.files import InputError
from learning import data
from learning.data import small
from learning.data.kept import MOST, kept
from learning.data.memory import TensorImages
from tests.support import tiny_imagenet


def images(number):
    return TensorImages(torch.full((2, 1, 4, 4), number, dtype=torch.uint8), [0, 1], 2, (0.0,), (1.0,))


@pytest.fixture
def reading(tmp_path):
    """A function that keeps images for a name, and the list of what was read so far."""
    file, read = tmp_path / "file", []
    file.write_bytes(b"one")

    def take(what, paths=(file,)):
        return kept((tmp_path, what), paths, lambda: read.append(what) or images(len(read)))

    return take, read, file


def test_the_same_is_read_once_and_each_gets_a_set_of_its_own(reading):
    take, read, _ = reading
    first, second = take("a"), take("a")
    assert read == ["a"] and first.pixels.data_ptr() == second.pixels.data_ptr()
    first.labels = np.array([1, 1])
    assert take("a").labels.tolist() == [0, 1]


def replace(file):
    (file.parent / "new").write_bytes(b"two")
    state = file.stat()
    os.utime(file.parent / "new", ns=(state.st_atime_ns, state.st_mtime_ns))  # as cp --preserve and rsync do
    os.replace(file.parent / "new", file)


def overwrite(file):
    state = file.stat()
    while file.stat().st_ctime_ns == state.st_ctime_ns:  # the clock of file systems goes in steps of milliseconds
        file.write_bytes(b"two")  # of the same length
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("change", [replace, overwrite, os.remove, lambda file: file.write_bytes(b"longer")])
def test_a_file_that_is_another_one_is_noticed(reading, change):
    take, read, file = reading
    take("a")
    change(file)
    take("a")
    take("a")
    assert read == ["a", "a"]


def test_more_and_fewer_files_are_noticed(reading, tmp_path):
    take, read, file = reading
    for paths in ([file], [file, tmp_path / "other"], [tmp_path / "other", file], [file]):
        take("a", paths)
    assert len(read) == 4


def test_the_oldest_is_given_back(reading):
    take, read, _ = reading
    names = [str(number) for number in range(MOST)]
    for name in [*names, *names, "one more", names[1], names[0]]:
        take(name)
    assert read == [*names, "one more", names[0]]


def test_what_could_not_be_read_is_not_kept(reading, tmp_path):
    take, read, file = reading

    def fail():
        raise InputError("damaged")

    for _ in range(2):
        with pytest.raises(InputError, match="damaged"):
            kept((tmp_path, "a"), [file], fail)
    assert take("a") is not None and read == ["a"]


def test_tinyimagenet_is_decoded_once(tmp_path, monkeypatch):
    root, count, decoded = tmp_path / "tiny-imagenet-200", [], small.decoded
    tiny_imagenet.write(root, per_class=2)
    monkeypatch.setattr(small, "decoded", lambda source, i: count.append(i) or decoded(source, i))
    sets = [data.load("tinyimagenet", split, tmp_path) for split in ("train", "val", "train", "val")]
    assert (
        len(count) == 12 and torch.equal(sets[0].pixels, sets[2].pixels) and sets[2].class_names == sets[0].class_names
    )
    path = next((root / "train").rglob("*.JPEG"))
    Image.new("RGB", (64, 64), "red").save(path, format="PNG")
    changed = data.load("tinyimagenet", "train", tmp_path)
    assert len(count) == 18 and (changed.pixels != sets[0].pixels).flatten(1).any(dim=1).sum() == 1
