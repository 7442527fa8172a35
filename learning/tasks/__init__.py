"""Tasks: subsets of the classes of a data set.  `python -m learning.tasks` lists and shows them."""

from learning.tasks.datasets import DATASETS, DataSet, class_names, class_synsets, facts
from learning.tasks.task import RANDOM_LABELS_SEED, RULES, Task, load, place, random_labels, targets, told

__all__ = [
    "DATASETS",
    "RANDOM_LABELS_SEED",
    "RULES",
    "DataSet",
    "Task",
    "class_names",
    "class_synsets",
    "facts",
    "load",
    "place",
    "random_labels",
    "targets",
    "told",
]
