"""Tasks: subsets of the classes of a data set.  `python -m learning.tasks` lists and shows them."""

from learning.tasks.task import (
    DATASETS,
    NAMED_SYNSETS,
    RANDOM_LABELS_SEED,
    RULES,
    Task,
    class_count,
    class_names,
    class_synsets,
    load,
    place,
    random_labels,
    targets,
)

__all__ = [
    "DATASETS",
    "NAMED_SYNSETS",
    "RANDOM_LABELS_SEED",
    "RULES",
    "Task",
    "class_count",
    "class_names",
    "class_synsets",
    "load",
    "place",
    "random_labels",
    "targets",
]
