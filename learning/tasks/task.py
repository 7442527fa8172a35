"""A task: a name and ordered class ids of one data set, from a rule, a WordNet synset, a list of ids or a file.

Almost every task of the paper is the set of classes below one synset of WordNet 3.0.  So a data set states the synset
of each of its classes, and every synset above at least two of them is a task.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from info_geometry.files import InputError, valid_name
from learning.tasks import lists, wordnet
from learning.tasks.datasets import class_names, class_synsets, did_you_mean, facts

RANDOM_LABELS_SEED = 20230501  # of the task `randomlab`: every run of it, whatever its own seed, sees the same labels
# Rule: what it says, and a function of the number n of classes that gives the ids.
RULES = {
    "all": ("every class", range),
    "3rd": ("every third class, from 0", lambda n: range(0, n, 3)),
    "even": ("classes 0, 2, 4, ...", lambda n: range(0, n, 2)),
    "odd": ("classes 1, 3, 5, ...", lambda n: range(1, n, 2)),
    "low": ("the first half of the classes", lambda n: range(n // 2)),
    "high": ("the second half of the classes", lambda n: range(n // 2, n)),
    "randomlab": ("every class, one random label per image", range),
}


@dataclass(frozen=True)
class Task:
    """A name, a data set and class ids, which increase: output k of a network stands for class `classes[k]`."""

    name: str
    dataset: str
    classes: tuple[int, ...]
    synset: str | None = None
    random_labels: bool = False

    @property
    def run(self) -> str:
        """The name of the run that learns it, before a method or a variant is added to it."""
        return f"{self.dataset}_{self.name}"


def load(dataset: str, name: str | Path, class_names: Sequence[str] | None = None) -> Task:
    """Return the Task that `name` states: a rule, a named synset, `n########`, ids `0,3,7`, or a file of
    class ids, synsets or names, `.json` or `.txt` (see `lists`).

    `class_names` are the class folders, in order, of an image folder that holds other classes than the whole data set
    (a small ImageNet, say).  Class ids are then positions in that list, and synsets are asked of the folder names.

    Raises InputError for an unknown data set or task, a synset without classes, and ids that are not distinct classes.
    """
    known, name, synset = facts(dataset), str(name), None
    count, named = known.classes if class_names is None else len(class_names), known.named_tasks
    source = f"task {name!r}"
    if name in RULES:
        ids = RULES[name][1](count)
    elif name in named or re.fullmatch("n[0-9]{8}", name):
        synset = named.get(name, name)
        ids = _classes_below(synset, dataset, class_names)
    elif name.endswith(lists.ENDINGS):
        return _from_file(dataset, name, class_names, count)
    elif "," in name or re.fullmatch("[0-9]+|classes_[0-9]+(-[0-9]+)*", name):
        parts = name.removeprefix("classes_").split("-" if name.startswith("classes_") else ",")
        ids = [int(part) if re.fullmatch(" *[0-9]{1,9} *", part) else part for part in parts]
        name = "classes_" + "-".join(map(str, _checked(ids, count, source, dataset)))
        if len(name) > 100:
            raise InputError(f"a list of {len(ids)} class ids is too long to name a folder; write it to a .json file")
    else:
        names = [*RULES, *named]
        raise InputError(
            f"{dataset} has no task {name!r}{did_you_mean(name, names)} There are {', '.join(names)}, a synset "
            "such as n02084071, class ids such as 0,3,7, and the path of a .json or .txt file of class ids or synsets."
        )
    return Task(name, dataset, _checked(ids, count, source, dataset), synset, name == "randomlab")


def random_labels(count: int, classes: int) -> np.ndarray:
    """Return (count,) int64 labels, uniform over `classes` classes; the first n do not depend on how many follow.

    Multiplying 32 random bits up keeps to the raw bit stream, the only part of numpy.random that is promised to stay.
    """
    bits = np.random.PCG64(RANDOM_LABELS_SEED).random_raw(count) >> np.uint64(32)
    return (bits * np.uint64(classes) >> np.uint64(32)).astype(np.int64)


def targets(random: bool, images: Any) -> np.ndarray:
    """Return the class (N,) that each training image counts as: its own, or if `random` its random label."""
    return random_labels(len(images.labels), images.classes) if random else images.labels


def told(task: Task, class_names: Sequence[str]) -> str:
    """Return which classes a task is of, by id and name, for people to see that these are meant.

    class_names: of all classes: those of an image folder are the names of the folders.
    """
    table = wordnet.table()["synsets"]
    names = [f"{name}, {table[name]['name']}" if name in table else name for name in class_names]
    some = [f"{k} ({names[k]})" for k in task.classes[:8]]
    more = f" and {len(task.classes) - 8} more" if len(task.classes) > 8 else ""
    return f"{task.run}: {len(task.classes)} classes, {', '.join(some)}{more}"


def place(task: Task) -> str | None:
    """Return the synset at which a task stands in WordNet, or None if it stands at none.

    That is the synset it states, or else the lowest one that holds its classes, if that holds no other class of the
    data set: `all` stands at the lowest synset above all classes, and `3rd` nowhere.  Neither does `randomlab`: with
    random labels a class means nothing.
    """
    synsets = class_synsets(task.dataset)
    if task.synset is not None or synsets is None or task.random_labels:
        return task.synset
    inside = {synsets[k] for k in task.classes}
    return next(
        (
            node
            for node in wordnet.lowest(inside)
            if {synset for synset in synsets if node in wordnet.ancestors(synset)} == inside
        ),
        None,
    )


def _classes_below(synset, dataset, folders):
    """Return the ids of the classes below a synset; folders: names of the classes, where they are not all there are."""
    synsets, table = class_synsets(dataset) if folders is None else folders, wordnet.table()["synsets"]
    alien = [each for each in synsets or () if each not in table]
    if not synsets or alien:
        why = (
            f"class folder {alien[0]!r} is no synset of {wordnet.WORDNET.name}"
            if alien
            else f"{dataset} states no synsets"
        )
        raise InputError(f"{why}, so {synset} is no task here; use a rule or class ids")
    ids = [k for k, each in enumerate(synsets) if synset in wordnet.ancestors(each)]
    if not ids:
        name = table[synset]["name"] if synset in table else f"which is not in {wordnet.WORDNET.name}"
        raise InputError(
            f"{synset} ({name}) holds no class of {dataset}; `python -m learning.tasks list {dataset} "
            "--all` lists the synsets that do"
        )
    return ids


def _from_file(dataset, path, folders, count):
    """Return the task of the classes that a file lists (see `lists`), called like the file."""
    ids = lists.ids(lists.read(path), path, _known(dataset, folders), dataset)
    name = valid_name(Path(path).stem.removeprefix(f"{dataset}_"), f"{path}: task name")
    task = Task(name, dataset, _checked(ids, count, path, dataset))
    try:
        namesake = load(dataset, name, folders)
    except InputError:  # the name is free
        return task
    if namesake.classes != task.classes or namesake.random_labels:
        raise InputError(f"{path}: not the classes of the task {name!r} of {dataset}; give the file another name")
    return namesake


def _known(dataset, folders):
    """Return {what a list may call a class: its id}: its folder or synset, and its name where no other has that."""
    if folders is not None:
        return {name: k for k, name in enumerate(folders)}
    names, synsets = class_names(dataset), class_synsets(dataset) or []
    once = {name: k for k, name in enumerate(names) if names.count(name) == 1}
    return {**once, **{synset: k for k, synset in enumerate(synsets)}}


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
