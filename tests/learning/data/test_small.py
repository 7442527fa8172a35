"""TinyImageNet: whole images of both splits in their order, found where people put them, and refused where damaged."""

import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from info_geometry.files import InputError
from learning import data, tasks
from learning.data import kept, small
from tests.support import tiny_imagenet
from tests.support.tiny_imagenet import CLASSES

FOLDER = "tiny-imagenet-200"


def loaded(folder, split="val"):
    return data.load("tinyimagenet", split, folder)


def refused(folder, split="val"):
    with pytest.raises(InputError) as raised:
        loaded(folder, split)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def tiny(tmp_path):
    """A small TinyImageNet, in a folder of data, and its evaluation images."""
    return tmp_path, tiny_imagenet.write(tmp_path / FOLDER, per_class=4)


def in_order(evaluation):
    """Return the numbers of evaluation images: by their class, then by the text of their names."""
    return sorted(range(len(evaluation)), key=lambda i: (evaluation[i][0], f"val_{i}.JPEG"))


def test_evaluation_images_are_whole_and_in_the_order_of_folders(tiny):
    folder, evaluation = tiny
    found = loaded(folder)
    order = in_order(evaluation)
    assert order != sorted(order) and found.labels.tolist() == [evaluation[i][0] for i in order]
    expected = np.stack([evaluation[i][1] for i in order])
    assert np.array_equal(found.pixels.permute(0, 2, 3, 1).numpy(), expected)
    assert (found.classes, found.channels, found.size) == (3, 3, 64) and found.class_names == CLASSES
    known = tasks.facts("tinyimagenet")
    (images,) = found.batches(data.evaluation_plan(len(evaluation), 100))
    slow = (expected - np.array(known.mean)) / np.array(known.std)
    assert np.abs(images.permute(0, 2, 3, 1).numpy() - slow).max() < 1e-5


def test_training_images_are_those_of_their_folders(tiny, caplog):
    folder, _ = tiny
    found = loaded(folder, "train")
    assert not caplog.records  # lists of boxes are no surprise
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and found.class_names == CLASSES
    for i in (0, 5, 11):
        name = CLASSES[i // 4]
        with Image.open(folder / FOLDER / "train" / name / "images" / f"{name}_{i % 4}.JPEG") as image:
            assert np.array_equal(found.pixels[i].permute(1, 2, 0).numpy(), np.asarray(image))
    data.check_classes(found, loaded(folder))


@pytest.mark.parametrize("below", ["", "images"])
def test_val_that_was_sorted_is_the_same_data(tiny, below):
    folder, _ = tiny
    before = loaded(folder)
    tiny_imagenet.sort_val(folder / FOLDER, below=below)
    after = loaded(folder)
    assert torch.equal(before.pixels, after.pixels) and np.array_equal(before.labels, after.labels)
    assert before.class_names == after.class_names


@pytest.mark.parametrize("place", ["tiny-imagenet-200", "tinyimagenet", "."])
def test_it_is_found_where_people_put_it(tmp_path, place):
    tiny_imagenet.write(tmp_path / place)
    assert len(loaded(tmp_path).labels) == len(loaded(tmp_path, "train").labels) == 12


def test_other_data_beside_it_are_not_taken(tiny):
    folder, _ = tiny
    (folder / "train" / "n00000001").mkdir(parents=True)
    assert loaded(folder, "train").class_names == CLASSES


def test_where_it_is_not_it_says_where_to_put_it(tmp_path):
    message = refused(tmp_path, "train")
    assert message.startswith(f"{tmp_path}/train: no such folder, and TinyImageNet is not downloaded; unpack ")
    assert message.endswith(f"tiny-imagenet-200.zip into {tmp_path}, or say with --data where it is")
    tiny_imagenet.write(tmp_path / FOLDER)
    shutil.rmtree(tmp_path / FOLDER / "val")
    assert refused(tmp_path).startswith(f"{tmp_path}/{FOLDER}/val: no such folder")


def test_without_the_list_of_classes_it_says_which(tiny):
    folder, _ = tiny
    (folder / FOLDER / "val" / "val_annotations.txt").unlink()
    message = refused(folder)
    assert message.startswith(f"{folder}/{FOLDER}/val: 12 images lie side by side (val_0.JPEG, ...), and no list")
    assert "val_annotations.txt" in message


def test_list_that_leaves_an_image_out_is_refused(tiny):
    folder, _ = tiny
    path = folder / FOLDER / "val" / "val_annotations.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert refused(folder).startswith(f"{path}: says no class of 1 of 12 images in {folder}/{FOLDER}/val")


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("content", [b"", b"not an image", 700], ids=["empty", "text", "truncated"])
def test_file_that_is_no_image_is_named(tiny, monkeypatch, content, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    folder, _ = tiny
    path = folder / FOLDER / "train" / CLASSES[1] / "images" / f"{CLASSES[1]}_2.JPEG"
    path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    message = refused(folder, "train")
    assert message.startswith(f"{path}: not a readable image (") and message.endswith("; replace or remove it")


def test_images_of_another_size_are_refused(tiny):
    folder, _ = tiny
    path = folder / FOLDER / "val" / "images" / "val_3.JPEG"
    Image.new("RGB", (64, 48)).save(path, format="PNG")
    assert refused(folder) == f"{path}: 64 x 48 pixels, expected 64 x 64; these are not the images of tinyimagenet"


def test_grey_jpegs_have_three_equal_channels(tiny):
    folder, _ = tiny
    grey = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = folder / FOLDER / "train" / CLASSES[0] / "images" / f"{CLASSES[0]}_0.JPEG"
    Image.fromarray(grey).save(path, format="JPEG", quality=95)
    with Image.open(path) as image:
        assert image.mode == "L"
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(loaded(folder, "train").pixels[0].permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_number_of_threads_changes_nothing(tiny, monkeypatch, threads):
    folder, _ = tiny
    expected, seen, decoded = loaded(folder).pixels, set(), small.decoded
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr(small, "decoded", lambda *of: seen.add(threading.get_ident()) or decoded(*of))
    monkeypatch.setattr(kept, "_kept", {})  # so that they are decoded again
    assert torch.equal(loaded(folder).pixels, expected)
    assert (threading.get_ident() in seen) == (threads == "1")


def test_tasks_are_asked_of_the_folders(tiny):
    folder, _ = tiny
    names = loaded(folder).class_names
    assert tasks.load("tinyimagenet", "mammal", names).classes == (1, 2)
    assert tasks.load("tinyimagenet", "n00015388", names).classes == (0, 1, 2)
    part = loaded(folder).part(np.array([4, 5, 0]))
    assert part.class_names == names and part.labels.tolist() == [1, 1, 0]


def test_classes_that_differ_are_named(tiny):
    folder, _ = tiny
    shutil.rmtree(folder / FOLDER / "train" / CLASSES[2])
    with pytest.raises(InputError) as raised:
        data.check_classes(loaded(folder, "train"), loaded(folder))
    where = f"{folder}/{FOLDER}/train and {folder}/{FOLDER}/val"
    assert str(raised.value).startswith(f"{where} have different classes (2 and 3; only val has {CLASSES[2]})")


def test_they_are_shifted_and_mirrored_in_training(tiny):
    found = loaded(tiny[0], "train")
    plan = [data.Batch(torch.arange(12), torch.arange(12), key=5)]
    (augmented,), (plain,) = found.batches(plan, augmentation="crop_flip"), found.batches(plan)
    assert augmented.shape == plain.shape == (12, 3, 64, 64) and not torch.equal(augmented, plain)
    for image, other in zip(augmented, plain):
        padded = torch.nn.functional.pad(other, [4] * 4)
        variants = [x[:, i : i + 64, j : j + 64] for x in (padded, padded.flip(2)) for i in range(9) for j in range(9)]
        assert any(torch.equal(image, variant) for variant in variants)
    with pytest.raises(InputError, match="is for images decoded when needed; use none, crop_flip or full"):
        next(found.batches(plan, augmentation="random_resized_crop"))
