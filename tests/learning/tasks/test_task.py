"""Tasks: the published lists are their synsets' classes, WordNet's table is sound, bad input gets its answer."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from info_geometry.files import ROOT, InputError, valid_name
from learning import tasks
from learning.tasks import make_wordnet, wordnet

REFERENCE = Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared" / "reference"))
DATA_NOUN = Path("/usr/share/wordnet/data.noun")

# Task: number of classes and SHA-256 of the JSON text of the class ids, of the lists published with the paper.
PUBLISHED = {
    "vert": (337, "6b4889ac2f469ef2382cc4bc30236e3612517945e7ae54dfcada23c3f0fc4d26"),
    "instr": (358, "0f7194b15889efb8d4f254f17880f87b75f621e27d87c0179ceeeb6bc94e0d8f"),
    "dog": (118, "69ed52a509edb84fc3d07f8a2bcb718a1915b63d87153877236781d452391fcb"),
    "bird": (59, "49a12fc0eb4fb4c06c2ed7ef74a057ad3b0c11b63e2bf3f77d99af5fe557c942"),
    "3rd": (334, "740070db039e50d51f68d5bb330954088108022f4f2451cb1a639ca273b57b9f"),
}


def command_line(*arguments):
    command = [sys.executable, "-m", "learning.tasks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


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
        ({"labels": [0, "dog"]}, "'dog' is not a class id"),
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


def test_data_sets_have_as_many_names_and_synsets_as_classes():
    for dataset, (count, _) in tasks.DATASETS.items():
        assert len(tasks.class_names(dataset)) == count == tasks.class_count(dataset)
        synsets = tasks.class_synsets(dataset)
        assert synsets is None or len(set(synsets)) == len(synsets) == count
        for name in tasks.NAMED_SYNSETS.get(dataset, {}):
            assert len(tasks.load(dataset, name).classes) >= 2
    for dataset, table in make_wordnet.SYNSETS.items():
        assert list(table) == tasks.class_names(dataset) and list(table.values()) == tasks.class_synsets(dataset)
    imagenet = tasks.class_synsets("imagenet")
    assert imagenet == sorted(set(imagenet)), "classes are numbered in the order of their folders"


def test_wordnet_is_a_graph_without_cycles_below_entity():
    synsets = json.loads(wordnet.WORDNET.read_text())["synsets"]
    assert {parent for node in synsets.values() for parent in node["hypernyms"]} <= set(synsets)
    assert [name for name, node in synsets.items() if not node["hypernyms"]] == ["n00001740"]
    left = {name: set(node["hypernyms"]) for name, node in synsets.items()}
    while left:  # a graph without cycles can be taken down from the top, layer by layer
        tops = {name for name, parents in left.items() if not parents & left.keys()}
        assert tops, "a cycle"
        left = {name: parents for name, parents in left.items() if name not in tops}


def test_wordnet_table_is_made_again_identically():
    if not DATA_NOUN.exists():
        pytest.skip(f"{DATA_NOUN} not found (Debian: apt-get install wordnet-base)")
    text, licence = make_wordnet.make(DATA_NOUN, tasks.class_synsets("imagenet"))
    assert text == wordnet.WORDNET.read_text(encoding="utf-8")
    assert licence == make_wordnet.LICENSE.read_text(encoding="utf-8")


def test_licence_is_complete():
    words = " ".join(make_wordnet.LICENSE.read_text().split())
    assert words.startswith("This software and database is being provided to you")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in words
    assert words.endswith("LICENSEE agrees to preserve same.")


def test_imagenet_list_from_folder_or_file(tmp_path):
    synsets = tasks.class_synsets("imagenet")
    listing, train = tmp_path / "synsets.txt", tmp_path / "train"
    listing.write_text("\n".join(reversed(synsets)))
    for synset in synsets:
        (train / synset).mkdir(parents=True)
    assert make_wordnet.read_imagenet(listing) == make_wordnet.read_imagenet(train) == synsets
    (train / synsets[5]).rmdir()
    with pytest.raises(InputError, match="found 999 synsets, expected 1000"):
        make_wordnet.read_imagenet(train)
    with pytest.raises(InputError, match="cannot be read"):
        make_wordnet.read_imagenet(tmp_path / "nowhere")


HEADER = "  14 WordNet 3.0 Copyright 2006 by Princeton University.  \n"


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "not the nouns of WordNet 3.0"),
        ("  14 WordNet 3.1 Copyright 2011 by Princeton University.  \n", "not the nouns of WordNet 3.0"),
        (HEADER + "00001740 03 n 01 entity 0 003 ~ 0000", "damaged"),
        (HEADER + "00001740 03 n 01 entity 0 000 | that which is  \n", "is not there; expected the complete nouns"),
    ],
)
def test_bad_wordnet_files(tmp_path, content, message):
    path = tmp_path / "data.noun"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        make_wordnet.make(path, ["n01440764"])


def test_missing_wordnet_is_said(tmp_path):
    with pytest.raises(InputError, match="install Debian's wordnet-base"):
        make_wordnet.make(tmp_path / "data.noun", [])


def test_list_prints_tasks_and_sizes():
    result = command_line("list", "imagenet")
    rows = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert result.returncode == 0 and rows[0] == ["task", "classes", "synset", "name"]
    assert ["dog", "118", "n02084071", "dog"] in rows and ["vert", "337", "n01471682", "vertebrate"] in rows
    assert ["3rd", "334", "-", "every third class, from 0"] in rows
    every = command_line("list", "fashion", "--all").stdout.splitlines()
    assert sum(line.startswith("n0") for line in every) > 5
    assert all(len(tasks.load("fashion", line.split()[0]).classes) == int(line.split()[1]) for line in every[1:])


def test_show_prints_one_class_a_line():
    lines = command_line("show", "imagenet", "n02084071").stdout.splitlines()
    assert len(lines) == 118 and lines[0].split() == ["151", "n02085620", "Chihuahua"]
    lines = command_line("show", "digits", "low").stdout.splitlines()
    assert lines[0].split() == ["0", "-", "zero"] and len(lines) == 5


def test_command_answers_bad_input_with_one_message():
    result = command_line("show", "imagenet", "dgo")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("error: imagenet has no task 'dgo'; did you mean dog?")


def test_command_bears_a_reader_that_leaves():
    line = f"{sys.executable} -m learning.tasks list imagenet --all | head -1"
    result = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.startswith("task") and result.stderr == ""


def test_tasks_do_not_import_torch():
    code = "import sys, learning.tasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
