"""Packed images: every process reads the same, and no damage goes unnoticed."""

import json
import multiprocessing
import os
import pickle
import resource
import shutil

import h5py
import numpy as np
import pytest
import torch

from info_geometry.files import InputError
from learning import data
from learning.data import folders, packed
from tests.support import stages
from tests.support.packing import SIZE, batches, done, flip, layout, opened, same, write_source


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
    for folder, kind in ((source, folders.Folder), (target, packed.Packed)):
        (tmp_path / kind.__name__).mkdir()
        (tmp_path / kind.__name__ / "imagenet").symlink_to(folder)
        for place in (folder, tmp_path / kind.__name__):
            for split, number in (("train", 15), ("val", 6)):
                found = data.load("imagenet", split, place)
                assert isinstance(found.source, kind) and len(found.labels) == number and found.classes == 3


def test_packing_that_did_not_finish_is_said(source, packed_copy):
    (packed_copy / "train" / "index.json").unlink()
    message = f"^{packed_copy}/train: packing did not finish; run 01_training/write_imagenet.py"
    with pytest.raises(InputError, match=message):
        data.load("imagenet", "train", packed_copy)
    assert len(data.load("imagenet", "val", packed_copy).labels) == 6
    before = stages.times(packed_copy)
    assert "packing: 1 done, 1 skipped" in done(source, packed_copy)
    assert before.items() <= stages.times(packed_copy).items() and len(opened(packed_copy / "train").labels) == 15


@pytest.mark.parametrize("image, place", [(0, 0), (2, 9), (3, -1)])
def test_flipped_bit_names_the_file_and_the_image(target, packed_copy, image, place):
    path, whole = packed_copy / "train" / "00001.h5", opened(target / "train")
    places = layout(path)
    flip(path, range(places[image], places[image + 1])[place])
    found = opened(packed_copy / "train")
    assert all(found.read(i) == whole.read(i) for i in range(15) if i != 4 + image)
    for workers in (0, 1):
        with pytest.raises(InputError) as raised:
            batches(found, workers)
        assert str(raised.value) == (
            f"{path}: image {image}: checksum mismatch; delete the file and run 01_training/write_imagenet.py again"
        )


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
def test_offsets_that_do_not_fit_are_refused(packed_copy, change):
    with h5py.File(packed_copy / "train" / "00001.h5", "r+") as file:
        file["offsets"][:] = change(file["offsets"][:])
    with pytest.raises(InputError, match=f"^{packed_copy}/train/00001.h5: offsets do not fit"):
        opened(packed_copy / "train")


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
def test_damaged_file_is_refused(packed_copy, name, damage):
    damage(packed_copy / "train" / name)
    message = refused(packed_copy)
    assert message.startswith(f"{packed_copy}/train") and "\n" not in message and "predictions" not in message


def test_message_about_a_damaged_file_says_what_to_run(target, tmp_path):
    messages = []
    for number, (name, damage) in enumerate(param.values for param in DAMAGES):
        folder = shutil.copytree(target, tmp_path / str(number))
        damage(folder / "train" / name)
        messages.append(refused(folder))
    assert [message for message in messages if "write_imagenet" not in message] == []


@pytest.mark.parametrize("name, damage", DAMAGES)
def test_doing_as_the_message_says_mends_it(source, target, packed_copy, name, damage):
    path = packed_copy / "train" / name
    damage(path)
    if "delete" in refused(packed_copy).lower():
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    done(source, packed_copy)
    same(opened(packed_copy / "train"), opened(target / "train"))


@pytest.mark.parametrize("content", ["null", "[]", "1", '"text"', "{}", '{"format_version": 1}'])
def test_index_that_is_something_else_is_refused(packed_copy, content):
    (packed_copy / "train" / "index.json").write_text(content)
    assert refused(packed_copy).startswith(f"{packed_copy}/train/index.json: ")


@pytest.mark.parametrize("counts", [[], ["four"], [None], [15], [4, 4, "4", 3], [4, 4, 4.5, 3], [4, -4, 8, 7], [[4]]])
def test_index_with_counts_that_are_none_is_refused(packed_copy, counts):
    index = packed.read_index(packed_copy / "train")
    (packed_copy / "train" / "index.json").write_text(json.dumps({**index, "images": counts}))
    assert refused(packed_copy).startswith(f"{packed_copy}/train")


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
