"""WordNet 3.0 above the classes of our data sets: what is above a synset, how far two are apart, the tree of some.

A synset is a set of words of one meaning, and is named as in ImageNet (`n02084071`).  Those directly above it are its
hypernyms.  `wordnet.json`, made by make_wordnet.py, holds the synsets of the classes of ImageNet, TinyImageNet,
CIFAR-10 and Fashion-MNIST and everything above them.  Nouns form a graph without cycles, not a tree: a dog is a canine
and a domestic animal.  A step leads from a synset to one of its hypernyms.
"""

import functools
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from info_geometry.files import InputError

WORDNET = Path(__file__).with_name("wordnet.json")
ENTITY = "n00001740"  # above everything


@functools.cache
def table() -> dict[str, Any]:
    """Return the content of wordnet.json: `classes`, {data set: synsets}, and `synsets`, {synset: name, hypernyms}."""
    try:
        return json.loads(WORDNET.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{WORDNET}: not readable ({error}); get it from the repository again") from None


def name(synset: str) -> str:
    """Return the first word of a synset; raise InputError for one that is not in the table."""
    return _entry(synset)["name"]


def _entry(synset):
    if synset not in table()["synsets"]:
        raise InputError(
            f"{synset} is not in {WORDNET.name}, which holds the synsets of the classes of "
            f"{', '.join(table()['classes'])} and all above them; `python -m learning.tasks list DATASET "
            "--all` lists some"
        )
    return table()["synsets"][synset]


def steps_up(synset: str) -> dict[str, int]:
    """Return {ancestor: least number of steps up to it} of a synset, itself and entity included."""
    steps, waiting = {synset: 0}, [synset]
    for node in waiting:  # grows meanwhile: nearer ancestors come first
        for parent in _entry(node)["hypernyms"]:
            if parent not in steps:
                steps[parent] = steps[node] + 1
                waiting.append(parent)
    return steps


def ancestors(synset: str) -> set[str]:
    """Return a synset of the table and all its hypernyms, up to entity, as a set."""
    return set(steps_up(synset))


def path_length(a: str, b: str) -> int:
    """Return the number of steps on the shortest path from synset a up to a common ancestor and down to synset b.

        min over common ancestors c of up(a, c) + up(b, c),  up being the least number of steps up

    The edge counting of Rada et al. (1989, "Development and application of a metric on semantic nets"), as `path` of
    WordNet::Similarity counts it.  A path that goes down and up again does not count: two synsets are not near for
    sharing an exotic hyponym, of which the table besides holds only some.  Raises InputError for an unknown synset.
    """
    up_a, up_b = steps_up(a), steps_up(b)
    return min(up_a[c] + up_b[c] for c in up_a.keys() & up_b.keys())


def lowest(synsets: Collection[str]) -> list[str]:
    """Return the lowest common ancestors of synsets, those above no other common ancestor, as a list.

    In a tree there is one.  Here the first is the farthest below entity, and of those the first by number.
    """
    common = set.intersection(*map(ancestors, synsets))
    above = set().union(*(ancestors(node) - {node} for node in common))
    return sorted(common - above, key=lambda node: (-steps_up(node)[ENTITY], node))


def tree(synsets: Collection[str]) -> dict[str, tuple[str | None, int]]:
    """Return the smallest tree that holds these synsets: {node: (parent, steps up to it)}, parents before children.

    Nodes are the synsets, the branchings between them, and the first of their `lowest` common ancestors, which is the
    root and has the parent None.  Other synsets on the way are left out, and counted in the steps.  Depth first,
    children by number.

    Where several ways lead up to the root, a synset takes the one through the most of the given synsets (so that a dog
    comes below mammal, if both are given, though it is nearer to animal as a domestic animal), of these the shortest,
    of these the one through the smallest numbers.  So a way along the tree may be longer than `path_length`.
    """
    given, root = set(synsets), lowest(synsets)[0]

    @functools.cache
    def way(node):
        """Return the best way up as a tuple to minimise: less the synsets on it, its steps, its nodes."""
        if node == root:
            return -(node in given), 0, (node,)
        met, steps, nodes = min(way(parent) for parent in _entry(node)["hypernyms"] if root in ancestors(parent))
        return met - (node in given), steps + 1, (node, *nodes)

    up = {a: b for node in given for a, b in zip(way(node)[2], way(node)[2][1:])}  # the best way goes on as the best
    branches = Counter(up.values())
    kept = given | {root} | {node for node, count in branches.items() if count > 1}
    parents, children = {root: (None, 0)}, {}
    for node in sorted(kept - {root}):
        parent, steps = up[node], 1
        while parent not in kept:
            parent, steps = up[parent], steps + 1
        parents[node] = parent, steps
        children.setdefault(parent, []).append(node)
    ordered, waiting = {}, [root]
    while waiting:
        node = waiting.pop()
        ordered[node] = parents[node]
        waiting += reversed(children.get(node, []))
    return ordered
