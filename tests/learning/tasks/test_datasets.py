"""Data sets: what is stated of them is consistent, and each fact stands once."""

import ast

import pytest

from info_geometry.files import ROOT, InputError
from learning import tasks

STATED = ROOT / "learning" / "tasks" / "datasets.py"
SOURCES = [
    path
    for folder in ("learning", "supervised_imagenet", "experiments", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != STATED
]


def test_data_sets_have_as_many_names_and_synsets_as_classes():
    for dataset, known in tasks.DATASETS.items():
        assert known.name == dataset and tasks.facts(dataset) is known
        assert len(tasks.class_names(dataset)) == known.classes
        synsets = tasks.class_synsets(dataset)
        assert synsets is None or len(set(synsets)) == len(synsets) == known.classes
        for name in known.named_tasks:
            assert len(tasks.load(dataset, name).classes) >= 2
    imagenet = tasks.class_synsets("imagenet")
    assert imagenet == sorted(set(imagenet)), "classes are numbered in the order of their folders"


def test_images_are_described_for_each_channel():
    for known in tasks.DATASETS.values():
        assert len(known.mean) == len(known.std) == known.channels
        assert all(0 <= level < 255 for level in known.mean) and all(0 < level < 255 for level in known.std)
        assert 0 < known.area <= 1 and known.of_images == (known.decay is None)


def test_facts_cannot_be_changed():
    with pytest.raises(AttributeError):
        tasks.facts("digits").classes = 11


def test_unknown_data_set():
    with pytest.raises(
        InputError, match=r"unknown data set 'fashon'; did you mean fashion\? There are digits, fashion"
    ):
        tasks.facts("fashon")


def test_each_fact_stands_once():
    """No other module has a table by data sets, but for that of their loaders, nor the numbers of one."""
    levels = {level for known in tasks.DATASETS.values() for level in (*known.mean, *known.std)}
    levels = {level for level in levels if level % 1}  # whole numbers may mean something else
    synsets = {synset for known in tasks.DATASETS.values() for synset in known.named_tasks.values()}
    tables, numbers = [], []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                if len(keys & tasks.DATASETS.keys()) > 1:
                    tables.append(path.relative_to(ROOT).as_posix())
            elif isinstance(node, ast.Constant) and (node.value in synsets or node.value in levels):
                numbers.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert tables == ["learning/data/sets.py"] and numbers == []
