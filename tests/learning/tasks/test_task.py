"""Tasks: the published lists are their synsets' classes, small ones are what they say, bad input gets its answer."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from info_geometry.files import ROOT, InputError, valid_name
from learning import tasks
from learning.tasks import wordnet

DOG, WHOLE, ARTIFACT = "n02084071", "n00003553", "n00021939"
REFERENCE = Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared" / "reference"))
# Task: number of classes and SHA-256 of the JSON text of the class ids, of the lists published with the paper.
PUBLISHED = {
    "vert": (337, "6b4889ac2f469ef2382cc4bc30236e3612517945e7ae54dfcada23c3f0fc4d26"),
    "instr": (358, "0f7194b15889efb8d4f254f17880f87b75f621e27d87c0179ceeeb6bc94e0d8f"),
    "dog": (118, "69ed52a509edb84fc3d07f8a2bcb718a1915b63d87153877236781d452391fcb"),
    "bird": (59, "49a12fc0eb4fb4c06c2ed7ef74a057ad3b0c11b63e2bf3f77d99af5fe557c942"),
    "3rd": (334, "740070db039e50d51f68d5bb330954088108022f4f2451cb1a639ca273b57b9f"),
}


def write_ids(folder, content, name="imagenet_mine.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_task_has_the_classes_published(name):
    classes = tasks.load("imagenet", name).classes
    assert (len(classes), hashlib.sha256(json.dumps(list(classes)).encode()).hexdigest()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_file_is_its_synsets_classes(name):
    path = REFERENCE / f"imagenet_{name}.json"
    if not path.exists():
        pytest.skip(f"reference data not found: {path} (set REFERENCE_DATA)")
    assert tuple(json.loads(path.read_text())["labels"]) == tasks.load("imagenet", name).classes
    assert tasks.load("imagenet", path) == tasks.load("imagenet", name)


@pytest.mark.parametrize(
    "name, size",
    [
        ("all", 1000),
        ("randomlab", 1000),
        ("reptile", 36),
        ("invertebrate", 61),
        ("conveyance", 72),
        ("mammal", 218),
        ("device", 130),
        ("n00001740", 1000),
        ("n01503061", 59),
    ],
)
def test_sizes_of_other_imagenet_tasks(name, size):
    assert len(tasks.load("imagenet", name).classes) == size


@pytest.mark.parametrize(
    "dataset, name, classes",
    [
        ("fashion", "clothing", (0, 1, 2, 3, 4, 6)),
        ("fashion", "garment", (0, 1, 2, 4, 6)),
        ("fashion", "footwear", (5, 7, 9)),
        ("cifar10", "animal", (2, 3, 4, 5, 6, 7)),
        ("cifar10", "vehicle", (0, 1, 8, 9)),
        ("cifar10", "n03100490", (0, 1, 8, 9)),
        ("cifar10", "mammal", (3, 4, 5, 7)),
        ("digits", "all", tuple(range(10))),
        ("digits", "3rd", (0, 3, 6, 9)),
        ("digits", "even", (0, 2, 4, 6, 8)),
        ("digits", "odd", (1, 3, 5, 7, 9)),
        ("digits", "low", (0, 1, 2, 3, 4)),
        ("digits", "high", (5, 6, 7, 8, 9)),
        ("digits", "7,3,0", (0, 3, 7)),
        ("digits", "0, 3, 7", (0, 3, 7)),
        ("cifar100", "98,99", (98, 99)),
    ],
)
def test_small_tasks(dataset, name, classes):
    task = tasks.load(dataset, name)
    assert task.classes == classes
    assert task.random_labels is False
    assert valid_name(task.run, "run") == f"{dataset}_{task.name}"
    assert tasks.load(dataset, task.name) == task, "the name of a run is enough to find its task again"


def test_random_label_task_is_marked():
    task = tasks.load("digits", "randomlab")
    assert task.random_labels and task.classes == tuple(range(10)) and task.run == "digits_randomlab"


def test_list_of_ids_gets_a_name_fit_for_a_folder():
    assert tasks.load("digits", "7,3,0").name == "classes_0-3-7"
    with pytest.raises(InputError, match="too long"):
        tasks.load("imagenet", ",".join(map(str, range(100))))


def test_class_folders_of_a_small_image_folder():
    folders = ["n01440764", "n01514668", "n02085620", "n02123045", "n02504458", "n03100240"]
    assert tasks.load("imagenet", "vert", folders).classes == (0, 1, 2, 3, 4)
    assert tasks.load("imagenet", "mammal", folders).classes == (2, 3, 4)
    assert tasks.load("imagenet", "high", folders).classes == (3, 4, 5)
    with pytest.raises(InputError, match="class 6 does not exist"):
        tasks.load("imagenet", "0,6", folders)
    with pytest.raises(InputError, match="found 1 of the 6 classes"):
        tasks.load("imagenet", "bird", folders)


@pytest.mark.parametrize("folder", ["hen", "n99999999"])
def test_class_folders_that_are_no_synsets_allow_rules_and_ids_only(folder):
    folders = ["n01440764", "n01443537", folder]
    assert tasks.load("imagenet", "all", folders).classes == (0, 1, 2)
    assert tasks.load("imagenet", "1,2", folders).classes == (1, 2)
    with pytest.raises(InputError, match=f"class folder '{folder}' is no synset"):
        tasks.load("imagenet", "vert", folders)


@pytest.mark.parametrize(
    "dataset, name, message",
    [
        ("imagnet", "all", "unknown data set 'imagnet'; did you mean imagenet\\? There are digits, fashion"),
        ("imagenet", "vertt", "no task 'vertt'; did you mean vert\\? There are all, 3rd"),
        ("fashion", "dog", "fashion has no task 'dog'.*clothing"),
        ("fashion", "n02084071", "n02084071 \\(dog\\) holds no class of fashion"),
        ("fashion", "n00000001", "n00000001 \\(which is not in wordnet.json\\) holds no class"),
        ("fashion", "n02773037", "task 'n02773037': found 1 of the 10 classes; a task needs at least 2"),
        ("digits", "n02084071", "digits states no synsets"),
        ("cifar100", "n02084071", "cifar100 states no synsets"),
        ("digits", "3", "found 1 of the 10 classes"),
        ("digits", "0,3,3", "class 3 appears twice"),
        ("digits", "0,10", "class 10 does not exist; digits has the classes 0 to 9"),
        ("digits", "0,-1", "'-1' is not a class id"),
        ("digits", "0,,1", "'' is not a class id"),
        ("digits", "0," + "9" * 5000, "is not a class id"),
        ("digits", "../all", "digits has no task"),
        ("digits", "", "digits has no task"),
        ("digits", "nowhere/digits_a.json", "nowhere/digits_a.json: cannot be read"),
    ],
)
def test_bad_names(dataset, name, message):
    with pytest.raises(InputError, match=message):
        tasks.load(dataset, name)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"labels": [84, 85, 84]}, "class 84 appears twice"),
        ([1, 1], "class 1 appears twice"),
        ({"labels": [0, 1000]}, "class 1000 does not exist; imagenet has the classes 0 to 999"),
        ({"labels": [0, -1]}, "class -1 does not exist"),
        ({"labels": [0, "dog"]}, "'dog' is no class of imagenet; did you mean dough"),
        (["n02869837", "n00000001"], "'n00000001' is no class of imagenet"),
        ({"dog": 1}, "no class ids found"),
        ({"labels": [0, 1.0]}, "1.0 is not a class id"),
        ({"labels": [0, True]}, "True is not a class id"),
        ({"labels": [0, None]}, "None is not a class id"),
        ({"labels": [7]}, "found 1 of the 1000 classes; a task needs at least 2"),
        ({"labels": []}, "no class ids found"),
        ({"classes": [0, 1]}, "no class ids found"),
        ([], "no class ids found"),
        ("7", "no class ids found"),
        ("", "not JSON"),
        ('{"labels": [0, 1', "not JSON"),
        ("[" * 100000, "not JSON"),
    ],
)
def test_bad_task_files(tmp_path, content, message):
    path = write_ids(tmp_path, content)
    with pytest.raises(InputError, match=message) as raised:
        tasks.load("imagenet", path)
    assert str(raised.value).startswith(f"{path}: ")


def test_task_files(tmp_path):
    mine = tasks.load("imagenet", write_ids(tmp_path, {"labels": [9, 2, 4]}))
    assert mine == tasks.Task("mine", "imagenet", (2, 4, 9))
    assert tasks.load("digits", write_ids(tmp_path, [9, 2], "pair.json")).name == "pair"
    with pytest.raises(InputError, match="can be part of a path"):
        tasks.load("digits", write_ids(tmp_path, [9, 2], "my pair.json"))


BONNET, MAMBA, LANGUR = (tasks.class_synsets("imagenet").index(x) for x in ("n02869837", "n01749939", "n02488291"))
SYNSETS = "n02869837", "n01749939", "n02488291"


@pytest.mark.parametrize(
    "ending, text",
    [
        ("txt", "\n".join(SYNSETS) + "\n"),
        ("txt", " ".join(SYNSETS)),
        ("txt", "# ImageNet-3\r\nn02869837 bonnet, poke bonnet\r\nn01749939\tgreen mamba\r\n\r\nn02488291 langur"),
        ("csv", "wnid,name\n" + "".join(f"{synset},x\n" for synset in SYNSETS)),
        ("txt", f"{BONNET}\n{MAMBA}\n{LANGUR}\n"),
        ("txt", f"{BONNET}, {MAMBA},{LANGUR}"),
        ("txt", "\ufeffbonnet\nGreen Mamba\nlangur\n"),
        ("json", json.dumps(SYNSETS)),
        ("json", json.dumps({"labels": SYNSETS})),
        ("json", json.dumps(dict.fromkeys(SYNSETS, "a name"))),
        ("json", json.dumps({k: [synset, "a name"] for k, synset in enumerate(SYNSETS)})),
        ("json", json.dumps(dict.fromkeys((BONNET, MAMBA, LANGUR), "a name"))),
        ("json", json.dumps([[synset, "a name"] for synset in SYNSETS])),
        ("json", json.dumps([BONNET, MAMBA, LANGUR])),
    ],
)
def test_lists_of_classes_as_people_have_them(tmp_path, ending, text):
    (tmp_path / f"mine.{ending}").write_text(text, encoding="utf-8", newline="")
    found = tasks.load("imagenet", tmp_path / f"mine.{ending}")
    assert found == tasks.Task("mine", "imagenet", tuple(sorted((BONNET, MAMBA, LANGUR))))


def test_lists_name_the_folders_of_fewer_classes(tmp_path):
    (tmp_path / "mine.txt").write_text("n02869837\nn01749939\n")
    assert tasks.load("imagenet", tmp_path / "mine.txt", ["n01749939", "n02488291", "n02869837"]).classes == (0, 2)
    with pytest.raises(InputError, match="'n02869837' is no class of imagenet"):
        tasks.load("imagenet", tmp_path / "mine.txt", ["n01749939", "n02488291"])
    (tmp_path / "own.txt").write_text("dogs\ncats\n")
    assert tasks.load("imagenet", tmp_path / "own.txt", ["birds", "cats", "dogs"]).classes == (1, 2)
    (tmp_path / "own.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"own.txt: no text; expected class ids, synsets or names"):
        tasks.load("imagenet", tmp_path / "own.txt")


def test_classes_of_a_task_are_told_by_name():
    task = tasks.load("imagenet", "1,2", ["n01749939", "n02488291", "n02869837"])
    names = ["n01749939", "n02488291", "n02869837"]
    assert tasks.told(task, names) == "imagenet_classes_1-2: 2 classes, 1 (n02488291, langur), 2 (n02869837, bonnet)"
    whole = tasks.load("digits", "all")
    assert tasks.told(whole, tasks.class_names("digits")).endswith("7 (seven) and 2 more")


@pytest.mark.parametrize("name, ids", [("bird", [0, 1]), ("all", [0, 1]), ("randomlab", list(range(1000)))])
def test_task_file_cannot_take_the_name_of_another_task(tmp_path, name, ids):
    with pytest.raises(InputError, match="give the file another name"):
        tasks.load("imagenet", write_ids(tmp_path, ids, f"imagenet_{name}.json"))


def test_random_labels_are_fixed_and_uniform():
    labels = tasks.random_labels(50000, 10)
    assert labels.dtype == np.int64 and labels.shape == (50000,)
    np.random.seed(3)  # as a run might
    np.testing.assert_array_equal(tasks.random_labels(50000, 10), labels)
    np.testing.assert_array_equal(tasks.random_labels(777, 10), labels[:777])
    assert tasks.random_labels(12, 1000).tolist() == [908, 227, 274, 518, 731, 138, 651, 225, 248, 12, 251, 773]
    counts = np.bincount(labels, minlength=10)
    assert counts.shape == (10,)
    assert ((counts - 5000) ** 2 / 5000).sum() < 27.9  # chi-squared with 9 degrees of freedom: 1 in 1,000
    assert abs(np.corrcoef(labels[1:], labels[:-1])[0, 1]) < 0.02
    assert len(tasks.random_labels(0, 10)) == 0


@pytest.mark.parametrize(
    "dataset, name, synset",
    [
        ("imagenet", "all", wordnet.ENTITY),
        ("imagenet", "dog", DOG),
        ("imagenet", "n02084071", DOG),
        ("fashion", "all", ARTIFACT),
        ("cifar10", "all", WHOLE),
        ("cifar10", "0,1,8,9", "n04524313"),
        ("fashion", "5,7,9", "n03380867"),
        ("imagenet", "3rd", None),
        ("fashion", "3rd", None),
        ("fashion", "even", None),
        ("imagenet", "randomlab", None),
        ("fashion", "randomlab", None),
        ("digits", "all", None),
        ("cifar100", "odd", None),
    ],
)
def test_place_of_tasks(dataset, name, synset):
    task = tasks.load(dataset, name)
    assert tasks.place(task) == synset
    if synset:
        below = [k for k, each in enumerate(tasks.class_synsets(dataset)) if synset in wordnet.ancestors(each)]
        assert tuple(below) == task.classes
