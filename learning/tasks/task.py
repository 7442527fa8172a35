"""A task: a name and ordered class ids of one data set, from a rule, a WordNet synset, a list of ids or a file.

Almost every task of the paper is the set of classes below one synset of WordNet 3.0, so a data set states the synset of
each of its classes (`wordnet.json`, made by make_wordnet.py) and every synset above them is a task.
"""

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, valid_name
from learning.tasks import wordnet
from learning.tasks.wordnet import WORDNET, ancestors

RANDOM_LABELS_SEED = 20230501  # of the task `randomlab`: every run of it, whatever its own seed, sees the same labels
# Data set: number of classes, class names.  ImageNet's are WordNet's; ids stand for CIFAR-100's.
DATASETS = {
    "digits": (10, ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")),
    "fashion": (
        10,
        ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "cifar10": (10, ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")),
    "cifar100": (100, None),
    "imagenet": (1000, None),
}
# Rule: what it says, class ids among `n` classes.
RULES = {
    "all": ("every class", range),
    "3rd": ("every third class, from 0", lambda n: range(0, n, 3)),
    "even": ("classes 0, 2, 4, ...", lambda n: range(0, n, 2)),
    "odd": ("classes 1, 3, 5, ...", lambda n: range(1, n, 2)),
    "low": ("the first half of the classes", lambda n: range(n // 2)),
    "high": ("the second half of the classes", lambda n: range(n // 2, n)),
    "randomlab": ("every class, one random label per image", range),
}
# Data set: short name of a task -> its synset.  Those of ImageNet are the paper's.
NAMED_SYNSETS = {
    "imagenet": {
        "vert": "n01471682",
        "instr": "n03575240",
        "dog": "n02084071",
        "reptile": "n01661091",
        "bird": "n01503061",
        "invertebrate": "n01905661",
        "conveyance": "n03100490",
        "mammal": "n01861778",
        "device": "n03183080",
    },
    "fashion": {
        "clothing": "n03051540",
        "garment": "n03419014",
        "footwear": "n03380867",
        "shirt": "n04197391",
        "shoe": "n04199027",
    },
    "cifar10": {"animal": "n00015388", "mammal": "n01861778", "vehicle": "n04524313"},
}


@dataclass(frozen=True)
class Task:
    """A name, a data set and class ids in increasing order: output k of a network stands for class `classes[k]`."""

    name: str
    dataset: str
    classes: tuple[int, ...]
    synset: str | None = None
    random_labels: bool = False

    @property
    def run(self):
        """The name of its folders of checkpoints and predictions."""
        return f"{self.dataset}_{self.name}"


def load(dataset, name, class_names=None):
    """Return the Task that `name` states: a rule, a named synset, `n########`, ids `0,3,7`, or a `.json` file of ids.

    `class_names` are the class folders, in order, of an image folder that holds other classes than the whole data set
    (a small ImageNet, say).  Class ids are then positions in that list, and synsets are asked of the folder names.

    Raises InputError for an unknown data set or task, a synset without classes, and ids that are not distinct classes.
    """
    count, name = class_count(dataset), str(name)
    if class_names is not None:
        count = len(class_names)
    named, synset, source = NAMED_SYNSETS.get(dataset, {}), None, f"task {name!r}"
    if name in RULES:
        ids = RULES[name][1](count)
    elif name in named or re.fullmatch("n[0-9]{8}", name):
        synset = named.get(name, name)
        ids = _classes_below(synset, dataset, class_names)
    elif name.endswith(".json"):
        return _from_file(dataset, name, class_names, count)
    elif "," in name or re.fullmatch("[0-9]+|classes_[0-9]+(-[0-9]+)*", name):
        parts = name.removeprefix("classes_").split("-" if name.startswith("classes_") else ",")
        ids = [int(part) if re.fullmatch(" *[0-9]{1,9} *", part) else part for part in parts]
        name = "classes_" + "-".join(map(str, _checked(ids, count, source, dataset)))
        if len(name) > 100:
            raise InputError(f"a list of {len(ids)} class ids is too long to name a folder; write it to a .json file")
    else:
        known = [*RULES, *named]
        raise InputError(
            f"{dataset} has no task {name!r}{_near(name, known)} There are {', '.join(known)}, a synset "
            "such as n02084071, class ids such as 0,3,7, and the path of a .json file of class ids."
        )
    return Task(name, dataset, _checked(ids, count, source, dataset), synset, name == "randomlab")


def random_labels(count, classes):
    """Return (count,) int64 labels, uniform over `classes` classes; the first n do not depend on how many follow.

    Multiplying 32 random bits up keeps to the raw bit stream, the only part of numpy.random that is promised to stay.
    """
    bits = np.random.PCG64(RANDOM_LABELS_SEED).random_raw(count) >> np.uint64(32)
    return (bits * np.uint64(classes) >> np.uint64(32)).astype(np.int64)


def targets(random, images):
    """Return the class (N,) that each training image counts as: its own, or with `random` its random label."""
    return random_labels(len(images.labels), images.classes) if random else images.labels


def class_count(dataset):
    """Return the number of classes; raise InputError for an unknown data set."""
    if dataset not in DATASETS:
        raise InputError(f"unknown data set {dataset!r}{_near(dataset, DATASETS)} There are {', '.join(DATASETS)}.")
    return DATASETS[dataset][0]


def class_names(dataset):
    """Return the name of each class, in class order."""
    if dataset == "imagenet":
        return [wordnet.table()["synsets"][synset]["name"] for synset in class_synsets(dataset)]
    return list(DATASETS[dataset][1] or map(str, range(class_count(dataset))))


def class_synsets(dataset):
    """Return the synset of each class, in class order, or None for a data set that states none."""
    class_count(dataset)
    return wordnet.table()["classes"].get(dataset)


def place(task):
    """Return the synset at which a task stands in WordNet, or None if it stands at none.

    That is the synset it states, or else the lowest one that holds its classes, if that holds no other class of the
    data set: `all` stands at the lowest synset above all classes, and `3rd` nowhere.  Labels that are random leave
    classes without a meaning.
    """
    synsets = class_synsets(task.dataset)
    if task.synset is not None or synsets is None or task.random_labels:
        return task.synset
    inside = {synsets[k] for k in task.classes}
    return next(
        (
            node
            for node in wordnet.lowest(inside)
            if {synset for synset in synsets if node in ancestors(synset)} == inside
        ),
        None,
    )


def _classes_below(synset, dataset, folders):
    synsets, table = class_synsets(dataset) if folders is None else folders, wordnet.table()["synsets"]
    alien = [each for each in synsets or () if each not in table]
    if not synsets or alien:
        why = f"class folder {alien[0]!r} is no synset of {WORDNET.name}" if alien else f"{dataset} states no synsets"
        raise InputError(f"{why}, so {synset} is no task here; use a rule or class ids")
    ids = [k for k, each in enumerate(synsets) if synset in ancestors(each)]
    if not ids:
        name = table[synset]["name"] if synset in table else f"which is not in {WORDNET.name}"
        raise InputError(
            f"{synset} ({name}) holds no class of {dataset}; `python -m learning.tasks list {dataset} "
            "--all` lists the synsets that do"
        )
    return ids


def _from_file(dataset, path, folders, count):
    try:
        ids = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a JSON file of class ids") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path}: not JSON ({error}); expected {{"labels": [0, 3, 7]}}') from None
    ids = ids.get("labels") if isinstance(ids, dict) else ids
    if not isinstance(ids, list) or not ids:
        raise InputError(f'{path}: no class ids found; expected {{"labels": [0, 3, 7]}} or [0, 3, 7]')
    name = valid_name(Path(path).stem.removeprefix(f"{dataset}_"), f"{path}: task name")
    task = Task(name, dataset, _checked(ids, count, path, dataset))
    try:
        namesake = load(dataset, name, folders)
    except InputError:  # the name is free
        return task
    if namesake.classes != task.classes or namesake.random_labels:
        raise InputError(f"{path}: not the classes of the task {name!r} of {dataset}; give the file another name")
    return namesake


def _checked(ids, count, source, dataset):
    """Return the ids as an increasing tuple; raise InputError unless they are at least two distinct classes."""
    for k in ids:
        if not isinstance(k, int) or isinstance(k, bool):
            raise InputError(f"{source}: {k!r:.40} is not a class id; expected integers from 0 to {count - 1}")
        if not 0 <= k < count:
            raise InputError(f"{source}: class {k} does not exist; {dataset} has the classes 0 to {count - 1}")
    twice = [k for k, times in Counter(ids).items() if times > 1]
    if twice:
        raise InputError(f"{source}: class {twice[0]} appears twice; name each class once")
    if len(ids) < 2:
        raise InputError(f"{source}: found {len(ids)} of the {count} classes; a task needs at least 2")
    return tuple(sorted(ids))


def _near(word, known):
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else "."
