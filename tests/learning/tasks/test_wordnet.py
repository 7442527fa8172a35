"""WordNet: a graph without cycles, path lengths against a slow search, known facts, the tree of any set of synsets."""

import itertools
import json
import random

import pytest

from info_geometry.files import InputError
from learning import tasks
from learning.tasks import wordnet

DOG, BIRD, REPTILE, MAMMAL, VERTEBRATE = "n02084071", "n01503061", "n01661091", "n01861778", "n01471682"
ANIMAL, WHOLE, ARTIFACT, COVERING = "n00015388", "n00003553", "n00021939", "n03122748"
NAMED = {
    (dataset, name): synset for dataset, known in tasks.DATASETS.items() for name, synset in known.named_tasks.items()
}
SYNSETS = sorted(wordnet.table()["synsets"])


def hypernyms(node):
    return wordnet.table()["synsets"][node]["hypernyms"]


def test_wordnet_is_a_graph_without_cycles_below_entity():
    synsets = json.loads(wordnet.WORDNET.read_text())["synsets"]
    assert {parent for node in synsets.values() for parent in node["hypernyms"]} <= set(synsets)
    assert [name for name, node in synsets.items() if not node["hypernyms"]] == ["n00001740"]
    left = {name: set(node["hypernyms"]) for name, node in synsets.items()}
    while left:  # a graph without cycles can be taken down from the top, layer by layer
        tops = {name for name, parents in left.items() if not parents & left.keys()}
        assert tops, "a cycle"
        left = {name: parents for name, parents in left.items() if name not in tops}


def slow_path_length(a, b):
    """Search breadth first over synsets and directions: a path may turn from up to down once, and not back."""
    hyponyms = {}
    for node in SYNSETS:
        for parent in hypernyms(node):
            hyponyms.setdefault(parent, []).append(node)
    layer, seen, length = {(a, "up")}, set(), 0
    while not any(node == b for node, _ in layer):
        seen |= layer
        up = {(parent, "up") for node, way in layer if way == "up" for parent in hypernyms(node)}
        down = {(child, "down") for node, _ in layer for child in hyponyms.get(node, [])}
        layer, length = (up | down) - seen, length + 1
    return length


def slow_ancestors(node):
    return {node}.union(*(slow_ancestors(parent) for parent in hypernyms(node)))


def test_path_length_is_that_of_a_breadth_first_search():
    pairs = list(itertools.combinations(sorted(set(NAMED.values())), 2))
    rng = random.Random(0)
    pairs += [tuple(rng.sample(SYNSETS, 2)) for _ in range(60)]
    for a, b in pairs:
        assert wordnet.path_length(a, b) == wordnet.path_length(b, a) == slow_path_length(a, b), (a, b)


def test_path_length_of_known_synsets():
    assert wordnet.path_length(DOG, DOG) == 0
    assert wordnet.path_length(DOG, MAMMAL) == 4, "dog, canine, carnivore, placental, mammal"
    assert wordnet.path_length(DOG, ANIMAL) == 2, "dog, domestic animal, animal"
    assert wordnet.path_length(DOG, BIRD) == 5, "dog, domestic animal, animal, chordate, vertebrate, bird"
    assert wordnet.path_length(BIRD, REPTILE) == 2, "by vertebrate"
    for synset in SYNSETS[::20]:
        assert all(wordnet.path_length(synset, parent) == 1 for parent in hypernyms(synset))


def test_ancestors_and_steps_are_those_of_a_slow_search():
    for synset in SYNSETS[::10]:
        steps = wordnet.steps_up(synset)
        assert set(steps) == wordnet.ancestors(synset) == slow_ancestors(synset)
        assert steps[synset] == 0 and wordnet.ENTITY in steps
        for node in set(steps) - {synset}:
            assert steps[node] == 1 + min(steps[x] for x in steps if node in hypernyms(x))


def test_numbers_of_classes_are_those_of_tasks():
    for (dataset, name), synset in NAMED.items():
        below = [k for k, each in enumerate(tasks.class_synsets(dataset)) if synset in wordnet.ancestors(each)]
        assert tuple(below) == tasks.load(dataset, name).classes


def test_lowest_synsets_above_all_classes():
    assert wordnet.lowest(tasks.class_synsets("imagenet")) == [wordnet.ENTITY]
    assert wordnet.lowest(tasks.class_synsets("cifar10")) == [WHOLE]
    assert wordnet.lowest(tasks.class_synsets("fashion")) == [ARTIFACT]
    assert wordnet.lowest([DOG]) == wordnet.lowest([DOG, DOG]) == [DOG]
    assert wordnet.lowest([DOG, MAMMAL]) == [MAMMAL] and wordnet.lowest([BIRD, REPTILE]) == [VERTEBRATE]


def test_lowest_synsets_hold_all_and_have_no_such_synset_below():
    rng, several = random.Random(1), 0
    for _ in range(300):
        chosen = rng.sample(SYNSETS, 2)
        found = wordnet.lowest(chosen)
        common = slow_ancestors(chosen[0]) & slow_ancestors(chosen[1])
        assert set(found) == {x for x in common if not any(x in slow_ancestors(y) - {y} for y in common)}
        several += len(found) > 1
    assert several, "nouns are no tree"


def check_tree(given):
    """Assert what makes a tree the smallest one that holds these synsets, and return it."""
    tree = wordnet.tree(given)
    root, *others = tree
    assert root == wordnet.lowest(given)[0] and tree[root] == (None, 0) and set(given) <= set(tree)
    order, children = list(tree), {}
    for node in others:
        parent, steps = tree[node]
        assert parent in wordnet.ancestors(node) - {node} and order.index(parent) < order.index(node)
        assert steps >= wordnet.steps_up(node)[parent]
        children.setdefault(parent, []).append(node)
    assert all(len(children.get(node, [])) > 1 for node in tree if node not in given), "others are branchings"
    for node, below in children.items():
        assert below == sorted(below), "children by number"
        assert given and (node in given or len(below) > 1)
    return tree


@pytest.mark.parametrize("dataset", ["imagenet", "fashion", "cifar10"])
def test_tree_of_every_set_of_named_tasks(dataset):
    named = list(tasks.facts(dataset).named_tasks.values())
    for size in range(1, len(named) + 1):
        for given in itertools.combinations(named, size):
            tree = check_tree(given)
            for node in given:  # a task is drawn below every other that holds its classes
                above, parent = set(), tree[node][0]
                while parent:
                    above, parent = above | {parent}, tree[parent][0]
                assert set(given) & wordnet.ancestors(node) - {node} <= above


def test_tree_of_random_synsets():
    rng = random.Random(2)
    for _ in range(200):
        given = rng.sample(SYNSETS, rng.randint(1, 12))
        tree = check_tree(given)
        assert wordnet.tree(given[::-1]) == tree == wordnet.tree(given + given[:1])
        assert list(wordnet.tree(given[::-1])) == list(tree)


def test_trees_of_named_tasks():
    fashion = [*tasks.facts("fashion").named_tasks.values(), ARTIFACT]
    assert [
        (wordnet.name(node), parent and wordnet.name(parent), steps)
        for node, (parent, steps) in wordnet.tree(fashion).items()
    ] == [
        ("artifact", None, 0),
        ("covering", "artifact", 1),
        ("clothing", "covering", 1),
        ("garment", "clothing", 1),
        ("shirt", "garment", 1),
        ("footwear", "covering", 1),
        ("shoe", "footwear", 1),
    ]
    assert wordnet.tree([DOG, REPTILE, MAMMAL])[DOG] == (MAMMAL, 4), "not as a domestic animal"
    assert wordnet.tree([DOG, REPTILE, ANIMAL])[DOG] == (ANIMAL, 2), "the shortest way"
    assert wordnet.tree([DOG]) == {DOG: (None, 0)}


@pytest.mark.parametrize(
    "function",
    [wordnet.name, wordnet.ancestors, lambda x: wordnet.path_length(DOG, x), lambda x: wordnet.tree([DOG, x])],
)
def test_unknown_synsets(function):
    with pytest.raises(InputError, match=r"n99999999 is not in wordnet\.json, which holds .*imagenet"):
        function("n99999999")


def test_unreadable_table(tmp_path, monkeypatch):
    wordnet.table.cache_clear()
    try:
        for content in (None, "{"):
            path = tmp_path / "wordnet.json"
            if content:
                path.write_text(content)
            monkeypatch.setattr(wordnet, "WORDNET", path)
            with pytest.raises(InputError, match=r"wordnet\.json: not readable .*get it from the repository again"):
                wordnet.table()
    finally:
        monkeypatch.undo()
        wordnet.table.cache_clear()
