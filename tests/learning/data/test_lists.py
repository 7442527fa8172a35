"""Evaluation images side by side get the classes that their list says, and the order that folders would give them."""

import logging
import tarfile

import numpy as np
import pytest
import scipy.io

from info_geometry.files import InputError
from learning import data
from learning.data import folders
from tests.support.packing import done, opened, same
from tests.support.pictures import encoded, noise
from tests.support.stages import write_images

CLASSES = ["n01440764", "n01443537", "n02102040"]  # of which the kit has other numbers
IDS = {"n01440764": 3, "n01443537": 1, "n02102040": 2, "n00000001": 4}  # the last one is above others
SAID = [1, 0, 2, 2, 0, 1, 0, 2, 1]  # class of each image


def image(k):
    return f"ILSVRC2012_val_{k + 1:08d}.JPEG"


@pytest.fixture
def flat(tmp_path):
    """Nine images in val/, of three classes, beside train/ in folders."""
    write_images(tmp_path / "data" / "train", CLASSES, per_class=2, size=8)
    (tmp_path / "data" / "val").mkdir()
    for k in range(len(SAID)):
        (tmp_path / "data" / "val" / image(k)).write_bytes(encoded(noise(8, 8, 3, seed=k)))
    return tmp_path / "data"


def kit(folder):
    """Write the files of ImageNet's development kit that say classes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(number, name, "words", "gloss", int(number == 4)) for name, number in IDS.items()]
    kinds = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")]
    scipy.io.savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=kinds)[:, None]})
    numbers = "".join(f"{IDS[CLASSES[k]]}\n" for k in SAID)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(numbers)


def kit_above(root):
    kit(root / "ILSVRC2012_devkit_t12" / "data")


def kit_beside(root):
    kit(root / "val")


def kit_in_archive(root):
    kit(root / "ILSVRC2012_devkit_t12" / "data")
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        archive.add(root / "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12")
    for path in (root / "ILSVRC2012_devkit_t12" / "data").iterdir():
        path.unlink()


def kaggle(root):
    lines = [f"{image(k)[:-5]},{CLASSES[c]} 1 2 3 4 {CLASSES[0]} 5 6 7 8" for k, c in enumerate(SAID)]
    (root.parent / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *reversed(lines)]))


def tiny(root):
    (root / "val").rename(root / "moved")
    (root / "val").mkdir()
    (root / "moved").rename(root / "val" / "images")
    lines = [f"{image(k)}\t{CLASSES[c]}\t0\t0\t62\t62\r\n" for k, c in enumerate(SAID)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))


LISTS = [kit_above, kit_beside, kit_in_archive, kaggle, tiny]


@pytest.mark.parametrize("write", LISTS)
def test_classes_are_those_of_the_list(flat, caplog, write):
    caplog.set_level(logging.INFO, "info_geometry")
    write(flat)
    found = folders.Folder(flat / "val")
    order = sorted(range(len(SAID)), key=lambda k: (SAID[k], k))
    assert found.class_names == CLASSES and found.labels.tolist() == sorted(SAID)
    assert [found.name(i).name for i in range(len(SAID))] == [image(k) for k in order]
    assert [found.read(i) for i in range(len(SAID))] == [encoded(noise(8, 8, 3, seed=k)) for k in order]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{flat}/val: the classes of 9 images are those in {flat.parent}")


@pytest.mark.parametrize("write", [kit_above, tiny])
def test_listed_and_sorted_images_are_the_same_data(flat, tmp_path, write):
    write(flat)
    for k, c in enumerate(SAID):
        (tmp_path / "sorted" / "val" / CLASSES[c]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sorted" / "val" / CLASSES[c] / image(k)).write_bytes(encoded(noise(8, 8, 3, seed=k)))
    listed = folders.Folder(flat / "val")
    same(listed, folders.Folder(tmp_path / "sorted" / "val"))
    data.check_classes(data.load("imagenet", "train", flat), data.load("imagenet", "val", flat))
    done(flat, tmp_path / "packed", size=100)
    same(opened(tmp_path / "packed" / "val"), listed)


def refused(root):
    with pytest.raises(InputError) as raised:
        folders.Folder(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_a_list_it_says_how_to_sort(flat):
    message = refused(flat / "val")
    assert message.startswith(f"{flat}/val: 9 images lie side by side ({image(0)}, ...), and no list of their classes")
    for name in ("one folder a class", "ILSVRC2012_devkit_t12.tar.gz", "LOC_val_solution.csv", "val_annotations.txt"):
        assert name in message


def test_list_that_leaves_images_out_is_refused(flat):
    kaggle(flat)
    (flat / "val" / image(20)).write_bytes(encoded(noise(8, 8, 3)))
    message = refused(flat / "val")
    assert message.startswith(f"{flat.parent}/LOC_val_solution.csv: says no class of 1 of 10 images in {flat}/val")
    assert image(20) in message
    (flat.parent / "LOC_val_solution.csv").unlink()
    kit_above(flat)
    assert "says no class of 1 of 10 images" in refused(flat / "val")


def test_list_of_other_names_is_refused(flat):
    """Unless there is another one: folders above may hold those of other data."""
    (flat / "val_annotations.txt").write_text("val_0.JPEG\tn01440764\n")
    message = refused(flat / "val")
    assert message.startswith(f"{flat}/val_annotations.txt: says no class of 9 of 9 images in {flat}/val ({image(0)})")
    kaggle(flat)
    assert folders.Folder(flat / "val").labels.tolist() == sorted(SAID)


@pytest.mark.parametrize("damage", ["gone", "empty", "other", "number"])
def test_kit_that_is_not_whole_is_refused(flat, damage):
    kit_above(flat)
    folder = flat / "ILSVRC2012_devkit_t12" / "data"
    if damage == "gone":
        (folder / "meta.mat").unlink()
    elif damage == "empty":
        (folder / "meta.mat").write_bytes(b"")
    elif damage == "other":
        scipy.io.savemat(folder / "meta.mat", {"something": np.zeros(3)})
    else:
        (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("7\n" * 9)
    message = refused(flat / "val")
    assert message.startswith(f"{folder}/ILSVRC2012_validation_ground_truth.txt: not the classes of ImageNet's")
    assert message.endswith("unpack ILSVRC2012_devkit_t12.tar.gz again")


def test_archive_that_is_not_whole_is_refused(flat):
    (flat / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"\x1f\x8b not whole")
    assert refused(flat / "val").startswith(f"{flat}/ILSVRC2012_devkit_t12.tar.gz: not the classes of")


def test_files_are_left_where_they_are(flat):
    kit_in_archive(flat)
    before = sorted(path for path in flat.rglob("*"))
    folders.Folder(flat / "val")
    assert sorted(path for path in flat.rglob("*")) == before
