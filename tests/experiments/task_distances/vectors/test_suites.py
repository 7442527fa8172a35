"""Suites: what is written there are tasks, and what is no suite is said to be none."""

import pytest

from experiments.task_distances import training
from experiments.task_distances.config import TaskConfig
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.vectors import suites
from info_geometry.files import ROOT, InputError
from learning import grids
from learning.config import read_yaml
from learning.tasks import facts, place

NAMES = sorted(path.stem for path in suites.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_task_of_a_suite_resolves(name):
    dataset, words = suites.read(name)
    found = suites.resolved(dataset, words)
    assert len(found) == len(words) > 5 and len({word.name for word in found}) == len(words)
    assert all(max(word.task.classes) < facts(dataset).classes for word in found)


@pytest.mark.parametrize("name", NAMES)
def test_every_condition_of_a_suite_can_be_trained(name):
    dataset, words = suites.read(name)
    configs = ROOT / "experiments" / "task_distances" / "01_training" / "configs"
    config = TaskConfig(**read_yaml(configs / f"{dataset}_tasks.yaml"))
    for word in suites.resolved(dataset, words):
        training.check(word.condition, len(word.task.classes), facts(dataset).size, config)


def test_those_of_make_tasks_are_those_of_the_suites():
    for size, name in ((FULL, "fashion"), (QUICK, "digits")):
        assert suites.read(name) == (size.dataset, size.suite)


def test_superclasses_of_cifar_100_divide_its_classes():
    dataset, words = suites.read("cifar100")
    own = [word.task for word in suites.resolved(dataset, words) if len(word.task.classes) == 5]
    assert len(own) == 20 and sorted(k for task in own for k in task.classes) == list(range(100))


def test_synsets_of_imagenet_stand_in_wordnet():
    dataset, words = suites.read("imagenet")
    found = suites.resolved(dataset, words)
    assert sum(place(word.task) is not None for word in found) >= 20


@pytest.mark.parametrize("file, size", [("vectors", FULL), ("vectors_quick", QUICK)])
def test_runs_of_the_suite_are_all_in_the_grids(file, size):
    every = grids.read(ROOT / "experiments" / "task_distances" / f"{file}.yaml")
    found = set()
    for grid in every:
        if not grid.variant:
            condition = dict(grid.settings).get("condition", ("plain",))
            assert len(condition) == 1 and grid.imprint == ("--imprinting cosine --scale 10",)
            found |= {(task, condition[0]) for task in grid.task}
    words = suites.resolved(size.dataset, size.suite)
    assert found == {(word.text.split(":")[0], word.condition.label) for word in words}


@pytest.mark.parametrize(
    "text, told",
    [
        (None, "there is no suite 'fashoin'; there are cifar100, digits, fashion, imagenet, or give a YAML file"),
        ("tasks: [all]\n", "is no suite; expected the two keys dataset and tasks"),
        ("dataset: digits\ntasks: all\n", "tasks is 'all'; expected a list of texts"),
        ("dataset: digits\ntasks: [0, 1]\n", "expected a list of texts"),
        ("dataset: digit\ntasks: [all]\n", "unknown data set 'digit'"),
    ],
)
def test_what_is_no_suite(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(InputError, match=told.replace("[", r"\[")):
        suites.read(path if text else "fashoin")


@pytest.mark.parametrize(
    "words, told",
    [
        (["all", "all:plain"], "'all' and 'all:plain' are the same task; name each once"),
        (["0,1", "1,0"], "'0,1' and '1,0' are the same task"),
        (["randomlab"], "say the condition, all:random_labels"),
        (["all:rotated"], "condition is 'rotated'"),
        (["allx"], "digits has no task 'allx'"),
    ],
)
def test_words_that_state_no_suite(words, told):
    with pytest.raises(InputError, match=told):
        suites.resolved("digits", words)
