"""The facts of each data set: each is stated here, and all of `learning` and the experiments read it here.

A new data set is one entry of DATASETS and one loader in `learning/data/sets.py`.  If it states the synsets of its
classes, `python -m learning.tasks.make_wordnet` adds what is above them to `wordnet.json`, and they are tasks.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from info_geometry.files import InputError
from learning.tasks import wordnet


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set before any of its files is read.

    classes: their number.  evaluation_split: the split whose samples all networks predict; the other one is `train`.
    channels, size: of an image; size is its side in pixels, where files differ the side at which networks see it.
    mean, std: of the bytes of each channel, over the training images.
    mirror: a mirror image shows the same thing.  area: the least part of an image that is enough to see what it shows.
    blur: images are large enough to be blurred.  (What views do with the three: learning/data/views.py.)
    class_names: in class order; None: the names of the synsets, or the ids where there are none.
    synsets: those of the classes, in class order; None: there are none, or wordnet.json alone states them (ImageNet).
    named_tasks: {short name of a task: the synset above its classes}.
    """

    name: str
    classes: int
    evaluation_split: str
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror: bool
    area: float
    blur: bool = False
    class_names: tuple[str, ...] | None = None
    synsets: tuple[str, ...] | None = None
    named_tasks: Mapping[str, str] = field(default_factory=dict)


# Class: its synset, in class order.
FASHION_CLASSES = {
    "T-shirt": "n03595614",
    "trouser": "n04489008",
    "pullover": "n04021028",
    "dress": "n03236735",
    "coat": "n03057021",
    "sandal": "n04133789",
    "shirt": "n04197391",
    "sneaker": "n03472535",
    "bag": "n02773037",
    "ankle boot": "n02872752",
}
CIFAR10_CLASSES = {
    "airplane": "n02691156",
    "automobile": "n02958343",
    "bird": "n01503061",
    "cat": "n02121620",
    "deer": "n02430045",
    "dog": "n02084071",
    "frog": "n01639765",
    "horse": "n02374451",
    "ship": "n04194289",
    "truck": "n04490091",
}
# Facts of both CIFAR-10 and CIFAR-100; mean and std are CIFAR-10's.
CIFAR = {
    "evaluation_split": "test",
    "channels": 3,
    "size": 32,
    "mean": (125.3, 123.0, 113.9),
    "std": (63.0, 62.1, 66.7),
    "mirror": True,
    "area": 0.2,
}

_ALL = (
    DataSet(
        name="digits",
        classes=10,
        evaluation_split="test",
        channels=1,
        size=8,
        mean=(4.88,),
        std=(6.02,),
        mirror=False,
        area=0.5,
        class_names=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ),
    DataSet(
        name="fashion",
        classes=10,
        evaluation_split="test",
        channels=1,
        size=28,
        mean=(72.94,),
        std=(90.02,),
        mirror=True,
        area=0.3,
        class_names=tuple(FASHION_CLASSES),
        synsets=tuple(FASHION_CLASSES.values()),
        named_tasks={
            "clothing": "n03051540",
            "garment": "n03419014",
            "footwear": "n03380867",
            "shirt": "n04197391",
            "shoe": "n04199027",
        },
    ),
    DataSet(
        name="cifar10",
        classes=10,
        class_names=tuple(CIFAR10_CLASSES),
        synsets=tuple(CIFAR10_CLASSES.values()),
        named_tasks={"animal": "n00015388", "mammal": "n01861778", "vehicle": "n04524313"},
        **CIFAR,
    ),
    DataSet(name="cifar100", classes=100, **CIFAR),
    DataSet(
        name="imagenet",
        classes=1000,
        evaluation_split="val",
        channels=3,
        size=224,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        mirror=True,
        area=0.08,
        blur=True,
        named_tasks={  # the paper's
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
    ),
)
DATASETS: Mapping[str, DataSet] = {each.name: each for each in _ALL}


def facts(dataset: str) -> DataSet:
    """Return the facts of a data set; raise InputError for an unknown one."""
    if dataset not in DATASETS:
        raise InputError(
            f"unknown data set {dataset!r}{did_you_mean(dataset, DATASETS)} There are {', '.join(DATASETS)}."
        )
    return DATASETS[dataset]


def class_names(dataset: str) -> list[str]:
    """Return the name of each class, in class order; raise InputError for an unknown data set."""
    stated, synsets = facts(dataset).class_names, class_synsets(dataset)
    if stated is None and synsets is not None:
        return [wordnet.name(synset) for synset in synsets]
    return list(stated or map(str, range(facts(dataset).classes)))


def class_synsets(dataset: str) -> list[str] | None:
    """Return the synset of each class, in class order, or None for a data set that states none."""
    stated = facts(dataset).synsets
    return wordnet.table()["classes"].get(dataset) if stated is None else list(stated)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return how a sentence about an unknown word goes on: with the known word that is most like it, or `.`."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]}?" if found else "."
