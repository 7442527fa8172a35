"""A task: a name and ordered class ids of one data set, from a rule, a WordNet synset, a list of ids or a file.

    python -m learning.tasks list imagenet              the named tasks of a data set and their numbers of classes
    python -m learning.tasks list imagenet --all        ... and every WordNet synset above at least two of its classes
    python -m learning.tasks show imagenet n02084071    the classes of a task, one a line: class id, synset, name

Almost every task of the paper is the set of classes below one synset of WordNet 3.0.  So a data set states the synset
of each of its classes, and every synset above at least two of them is a task.
"""

import argparse
from collections import Counter
from collections.abc import Sequence

from info_geometry.files import command
from learning import tasks
from learning.tasks import wordnet


def listed(dataset: str, every: bool) -> list[tuple]:
    """Return the rows (task, classes, synset, name), a heading first, of the tasks of a data set that have a name.

    every: also of all synsets above at least two of its classes, those with the most classes first.
    """
    data_set, synsets = tasks.facts(dataset), tasks.class_synsets(dataset) or []
    sizes = Counter(node for synset in synsets for node in wordnet.ancestors(synset))
    rules = [(rule, len(ids(data_set.classes)), "-", words) for rule, (words, ids) in tasks.RULES.items()]
    named = [(task, sizes[synset], synset) for task, synset in data_set.named_tasks.items()]
    if every:
        named += sorted(((node, size, node) for node, size in sizes.items() if size > 1), key=lambda x: (-x[1], x[0]))
    return [("task", "classes", "synset", "name"), *rules, *((*row, wordnet.name(row[2])) for row in named)]


def shown(dataset: str, name: str) -> list[tuple]:
    """Return the rows (class id, synset, name) of the classes of a task."""
    task, names = tasks.load(dataset, name), tasks.class_names(dataset)
    synsets = tasks.class_synsets(dataset) or ["-"] * len(names)
    return [(k, synsets[k], names[k]) for k in task.classes]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (("list", "the tasks of a data set"), ("show", "the classes of a task")):
        verbs.add_parser(verb, help=what).add_argument("dataset", metavar="DATASET", help=", ".join(tasks.DATASETS))
    verbs.choices["list"].add_argument("--all", action="store_true", help="also every synset above two of its classes")
    verbs.choices["show"].add_argument(
        "task", metavar="TASK", help="a rule, named task, synset, id list, or file of ids or synsets (.json, .txt)"
    )
    options = parser.parse_args(argv)
    rows = listed(options.dataset, options.all) if options.verb == "list" else shown(options.dataset, options.task)
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    print("\n".join(lines), flush=True)  # flushed here, so that a reader who left (`| head`) is noticed by `command`


if __name__ == "__main__":
    command(main)
