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

    classes: their number.  images: how many there are to train on and to evaluate on, of all classes.
    evaluation_split: the split whose samples all networks predict; the other one is `train`.
    channels, size: of an image; size is its side in pixels, where files differ the side at which networks see it.
    Inputs that are no images, but d numbers, have d channels and one pixel.
    mean, std: of the bytes of each channel, over the training images; 0 and 1 of numbers, which are taken as they are.
    mirror: a mirror image shows the same thing.  area: the least part of an image that is enough to see what it shows.
    blur: images are large enough to be blurred.  (What views do with the three: learning/data/views.py.)
    class_names: in class order; None: the names of the synsets, or the ids where there are none.
    synsets: those of the classes, in class order; None: there are none, or wordnet.json alone states them (ImageNet).
    named_tasks: {short name of a task: the synset above its classes}.
    decay: c of the spectrum of Gaussian inputs (learning/data/gaussian.py); None: there are others.
    """

    name: str
    classes: int
    images: tuple[int, int]
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
    decay: float | None = None

    @property
    def of_images(self) -> bool:
        """Whether inputs are images, which can be shifted, mirrored, blurred and cut."""
        return self.size > 1


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
# The folders of its classes, in their order.
TINYIMAGENET_CLASSES = """
n01443537 n01629819 n01641577 n01644900 n01698640 n01742172 n01768244 n01770393 n01774384 n01774750 n01784675
n01855672 n01882714 n01910747 n01917289 n01944390 n01945685 n01950731 n01983481 n01984695 n02002724 n02056570
n02058221 n02074367 n02085620 n02094433 n02099601 n02099712 n02106662 n02113799 n02123045 n02123394 n02124075
n02125311 n02129165 n02132136 n02165456 n02190166 n02206856 n02226429 n02231487 n02233338 n02236044 n02268443
n02279972 n02281406 n02321529 n02364673 n02395406 n02403003 n02410509 n02415577 n02423022 n02437312 n02480495
n02481823 n02486410 n02504458 n02509815 n02666196 n02669723 n02699494 n02730930 n02769748 n02788148 n02791270
n02793495 n02795169 n02802426 n02808440 n02814533 n02814860 n02815834 n02823428 n02837789 n02841315 n02843684
n02883205 n02892201 n02906734 n02909870 n02917067 n02927161 n02948072 n02950826 n02963159 n02977058 n02988304
n02999410 n03014705 n03026506 n03042490 n03085013 n03089624 n03100240 n03126707 n03160309 n03179701 n03201208
n03250847 n03255030 n03355925 n03388043 n03393912 n03400231 n03404251 n03424325 n03444034 n03447447 n03544143
n03584254 n03599486 n03617480 n03637318 n03649909 n03662601 n03670208 n03706229 n03733131 n03763968 n03770439
n03796401 n03804744 n03814639 n03837869 n03838899 n03854065 n03891332 n03902125 n03930313 n03937543 n03970156
n03976657 n03977966 n03980874 n03983396 n03992509 n04008634 n04023962 n04067472 n04070727 n04074963 n04099969
n04118538 n04133789 n04146614 n04149813 n04179913 n04251144 n04254777 n04259630 n04265275 n04275548 n04285008
n04311004 n04328186 n04356056 n04366367 n04371430 n04376876 n04398044 n04399382 n04417672 n04456115 n04465501
n04486054 n04487081 n04501370 n04507155 n04532106 n04532670 n04540053 n04560804 n04562935 n04596742 n04597913
n06596364 n07579787 n07583066 n07614500 n07615774 n07695742 n07711569 n07715103 n07720875 n07734744 n07747607
n07749582 n07753592 n07768694 n07871810 n07873807 n07875152 n07920052 n09193705 n09246464 n09256479 n09332890
n09428293 n12267677
"""
# Facts of both CIFAR-10 and CIFAR-100; mean and std are CIFAR-10's.
CIFAR = {
    "images": (50_000, 10_000),
    "evaluation_split": "test",
    "channels": 3,
    "size": 32,
    "mean": (125.3, 123.0, 113.9),
    "std": (63.0, 62.1, 66.7),
    "mirror": True,
    "area": 0.2,
}
# Facts of all Gaussian inputs (Mao et al. 2024).
GAUSSIAN = {
    "classes": 5,
    "images": (5000, 1000),
    "evaluation_split": "test",
    "channels": 200,
    "size": 1,
    "mean": (0.0,) * 200,
    "std": (1.0,) * 200,
    "mirror": False,
    "area": 1.0,
}

_ALL = (
    DataSet(
        name="digits",
        classes=10,
        images=(1198, 599),
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
        images=(60_000, 10_000),
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
        name="tinyimagenet",
        classes=200,
        images=(100_000, 10_000),
        evaluation_split="val",
        channels=3,
        size=64,
        mean=(122.4, 114.2, 101.2),  # as Wortsman et al. (2021) have them: 0.480, 0.448, 0.397 of 255
        std=(70.4, 68.6, 71.9),
        mirror=True,
        area=0.2,
        synsets=tuple(TINYIMAGENET_CLASSES.split()),
        named_tasks={
            "animal": "n00015388",
            "mammal": "n01861778",
            "dog": "n02084071",
            "conveyance": "n03100490",
            "device": "n03183080",
        },
    ),
    DataSet(
        name="imagenet",
        classes=1000,
        images=(1_281_167, 50_000),
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
    DataSet(name="sloppy", decay=0.5, **GAUSSIAN),
    DataSet(name="flat", decay=0.001, **GAUSSIAN),
    DataSet(name="isotropic", decay=0.0, **GAUSSIAN),
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
