"""A task: a name and ordered class ids of one data set, from a rule, a WordNet synset, a list of ids or a file.

    python -m learning.tasks list imagenet              the named tasks of a data set and their numbers of classes
    python -m learning.tasks list imagenet --all        ... and every WordNet synset above at least two of its classes
    python -m learning.tasks show imagenet n02084071    the classes of a task, one a line: class id, synset, name

Almost every task of the paper is the set of classes below one synset of WordNet 3.0, so a data set states the synset of
each of its classes (`wordnet.json`, made by make_wordnet.py) and every synset above them is a task.
"""

import argparse
from collections import Counter

from info_geometry.files import command
from learning.tasks import wordnet
from learning.tasks.task import DATASETS, NAMED_SYNSETS, RULES, class_count, class_names, class_synsets, load
from learning.tasks.wordnet import ancestors


def _list(dataset, every):
    count, named, synsets = class_count(dataset), NAMED_SYNSETS.get(dataset, {}), class_synsets(dataset) or []
    sizes = Counter(node for synset in synsets for node in ancestors(synset))
    shown = [(task, sizes[synset], synset) for task, synset in named.items()]
    if every:
        shown += sorted(((node, size, node) for node, size in sizes.items() if size > 1), key=lambda x: (-x[1], x[0]))
    rules = [(rule, len(ids(count)), "-", words) for rule, (words, ids) in RULES.items()]
    named = [(task, size, synset, wordnet.table()["synsets"][synset]["name"]) for task, size, synset in shown]
    return [("task", "classes", "synset", "name"), *rules, *named]


def _show(dataset, name):
    task, names = load(dataset, name), class_names(dataset)
    synsets = class_synsets(dataset) or ["-"] * len(names)
    return [(k, synsets[k], names[k]) for k in task.classes]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (("list", "the tasks of a data set"), ("show", "the classes of a task")):
        verbs.add_parser(verb, help=what).add_argument("dataset", metavar="DATASET", help=", ".join(DATASETS))
    verbs.choices["list"].add_argument("--all", action="store_true", help="also every synset above two of its classes")
    verbs.choices["show"].add_argument("task", metavar="TASK", help="a rule, named task, synset, id list or .json file")
    options = parser.parse_args()
    rows = _list(options.dataset, options.all) if options.verb == "list" else _show(options.dataset, options.task)
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    print("\n".join(lines), flush=True)  # flushed here, so that a reader who left (`| head`) is noticed by `command`


if __name__ == "__main__":
    command(main)
