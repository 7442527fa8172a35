"""Folders of images: what counts as an image and as a class, in which order they come, and what is said of the rest."""

import logging
import os
import shutil

import numpy as np
import pytest
import torchvision
from PIL import Image

from info_geometry.files import InputError
from learning import data
from learning.data import folders
from tests.support import stages
from tests.support.pictures import KINDS, PIXELS, encoded, noise

PICTURE = encoded(noise(8, 8, 3))


@pytest.fixture
def root(tmp_path):
    """Two classes of three images."""
    stages.write_images(tmp_path / "val", ["a", "b"], per_class=3, size=8)
    return tmp_path / "val"


@pytest.fixture
def said(caplog):
    """Return what was said since the last call."""
    caplog.set_level(logging.INFO, "info_geometry")

    def lines():
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return lines


def names(root):
    found = folders.Folder(root)
    return [str(found.name(i).relative_to(root)) for i in range(len(found.labels))]


# What is an image


def test_nothing_is_said_of_images_alone(root, said):
    assert names(root) == ["a/0.JPEG", "a/1.JPEG", "a/2.JPEG", "b/0.JPEG", "b/1.JPEG", "b/2.JPEG"] and not said()


@pytest.mark.parametrize("ending", [".jfif", "", ".JPG", ".webp", ".Jpeg", ".gif", ".dat", ".2", ".jp2", ".avif"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "jpeg 2000"])
def test_images_are_taken_whatever_they_are_called(root, said, ending, kind):
    (root / "a" / f"x{ending}").write_bytes(KINDS[kind](PIXELS["smooth"]))
    assert f"a/x{ending}" in names(root) and not said()
    found = data.load("imagenet", "val", root.parent)
    assert [images.shape for images in found.batches(data.evaluation_plan(7, 7, 16))] == [(7, 3, 16, 16)]


def test_what_is_no_image_is_counted_and_named(root, said):
    for name in ("notes.txt", "empty", "boxes.xml", "drawing.svg"):
        (root / "b" / name).write_text("" if name == "empty" else "text")
    (root / "b" / "array.npy").write_bytes(b"\x93NUMPY")
    os.mkfifo(root / "b" / "pipe")  # which nobody writes to
    assert len(names(root)) == 6
    (line,) = said()
    assert line == (
        f"{root}: left out: 6 that cannot be read as images (b/array.npy, b/boxes.xml, b/drawing.svg, b/empty, "
        "b/notes.txt, ...)"
    )


def test_images_beside_class_folders_are_counted_and_named(root, said):
    (root / "stray.JPEG").write_bytes(PICTURE)
    (root / "wnids.txt").write_text("a\nb\n")
    assert len(names(root)) == 6
    assert said() == [f"{root}: left out: 1 in no class folder (stray.JPEG)"]


def test_a_file_called_as_an_image_is_taken_and_named_when_it_is_read(root):
    (root / "a" / "x.jpg").write_text("<html>not found</html>")
    found = data.load("imagenet", "val", root.parent)
    with pytest.raises(InputError, match=f"^{root}/a/x.jpg: not a readable image"):
        list(found.batches(data.evaluation_plan(7, 7, 16)))


# What is a class


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", ".git", "#recycle", "$RECYCLE.BIN"]
)
@pytest.mark.parametrize("where", ["", "a"])
def test_hidden_folders_are_no_classes_and_their_files_no_images(root, said, name, where):
    (root / where / name / "deep").mkdir(parents=True)
    for place in (name, f"{name}/deep"):
        (root / where / place / "0-checkpoint.JPEG").write_bytes(PICTURE)
    found = folders.Folder(root)
    assert found.class_names == ["a", "b"] and len(found.labels) == 6
    assert said() == [f"{root}: left out: 1 hidden ({os.path.join(where, name)})"]


def test_hidden_files_are_no_images(root, said):
    for name in ("._0.JPEG", ".DS_Store", ".0.jpg"):
        (root / "a" / name).write_bytes(PICTURE)
    assert len(names(root)) == 6
    assert said() == [f"{root}: left out: 3 hidden (a/.0.jpg, a/.DS_Store, a/._0.JPEG)"]


def test_class_of_hidden_and_other_files_alone_is_named(root, said):
    (root / "c" / ".thumbnails").mkdir(parents=True)
    (root / "c" / ".thumbnails" / "0.JPEG").write_bytes(PICTURE)
    (root / "c" / "0.txt").write_text("text")
    with pytest.raises(InputError, match=f"^{root}: no images in 1 of 3 class folders \\(c\\); complete or remove"):
        folders.Folder(root)
    assert said() == [f"{root}: left out: 1 hidden (c/.thumbnails), 1 that cannot be read as images (c/0.txt)"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_cannot_be_read_is_named(root):
    (root / "b").chmod(0)
    with pytest.raises(InputError, match=f"^{root}/b: cannot be read"):
        folders.Folder(root)
    (root / "b").chmod(0o755)


# Order


def test_order_is_that_of_torchvision_but_for_numbers(tmp_path):
    for name in ("zebra", "Ant", "ant", "bee 2", "é", "n2"):
        for place in ("", "10", "9", "images", "10/x"):
            (tmp_path / name / place).mkdir(parents=True, exist_ok=True)
            for file in ("10.png", "9.JPEG", "b.PNG", "B.png"):
                (tmp_path / name / place / file).touch()
    (tmp_path / "link").symlink_to(tmp_path / "zebra")
    (tmp_path / "Ant" / "link").symlink_to(tmp_path / "zebra")
    expected, found = torchvision.datasets.ImageFolder(tmp_path), folders.Folder(tmp_path)
    assert found.class_names == expected.classes and found.labels.tolist() == expected.targets
    assert [str(found.name(i)) for i in range(len(found.labels))] == [path for path, _ in expected.samples]


@pytest.mark.parametrize(
    "given, expected",
    [
        (range(12), range(12)),
        (["01", "2", "10", "003"], ["01", "2", "003", "10"]),
        (["00", "01", "10"], ["00", "01", "10"]),
        (["class_10", "class_9", "class_1"], ["class_1", "class_9", "class_10"]),
        (["n02085620", "n01514668", "n00000010"], ["n00000010", "n01514668", "n02085620"]),
        (["10", "9", "dog"], ["10", "9", "dog"]),
        (["a10", "b9", "a9"], ["a10", "a9", "b9"]),
        (["2", "10", "1b"], ["10", "1b", "2"]),
        (["1.5", "1.25"], ["1.25", "1.5"]),
        (["one"], ["one"]),
    ],
)
def test_classes_are_in_the_order_of_their_numbers_where_they_have_nothing_else(given, expected):
    assert folders.ordered(map(str, given)) == list(map(str, expected))


def test_order_of_numbers_is_said_and_kept_by_labels(tmp_path, said):
    for number in (0, 1, 2, 10, 9):
        (tmp_path / str(number)).mkdir()
        Image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(tmp_path / str(number) / "0.png")
    found = folders.Folder(tmp_path)
    assert [found.name(i).parent.name for i in range(5)] == found.class_names == ["0", "1", "2", "9", "10"]
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    (line,) = said()
    assert line.startswith(f"{tmp_path}: classes are in the order of their numbers (0, 1, 2, 9, 10), not of texts")
    shutil.rmtree(tmp_path / "10")
    folders.Folder(tmp_path)
    assert not said()  # it is the order of texts


# What is not there


def test_folder_that_is_not_there_says_what_is(root):
    with pytest.raises(InputError, match=f"^{root.parent}/train: no such folder \\({root.parent} holds val; rename"):
        folders.Folder(root.parent / "train")
    with pytest.raises(InputError, match=f"^{root}/a/x/y: no such folder; it should hold one folder of images a class"):
        folders.Folder(root / "a" / "x" / "y")


def test_archives_are_to_be_unpacked(tmp_path):
    for name in ("n01440764.tar", "n01443537.tar"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"^{tmp_path}: 2 archives, such as n01440764.tar, .* unpack each"):
        folders.Folder(tmp_path)
