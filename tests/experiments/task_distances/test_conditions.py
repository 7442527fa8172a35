"""Words that say a task and its condition."""

import pytest

from experiments.task_distances import conditions
from experiments.task_distances.conditions import Condition
from experiments.task_distances.config import TaskConfig
from info_geometry.files import InputError

USUAL = {"dataset": "digits", "network": "mlp_small", "epochs": 2, "batch_size": 20, "learning_rate": 0.1}


@pytest.mark.parametrize(
    "word, expected",
    [
        ("all", ("all", Condition())),
        ("all:plain", ("all", Condition())),
        ("0,3,7:blur7", ("0,3,7", Condition("blur", 7))),
        ("shoe:blur", ("shoe", Condition("blur", conditions.FACTOR))),
        ("tasks/mine.json:permuted_labels", ("tasks/mine.json", Condition("permuted_labels"))),
    ],
)
def test_word_says_task_and_condition(word, expected):
    assert conditions.apart(word) == expected


@pytest.mark.parametrize("kind", conditions.KINDS)
def test_label_of_a_condition_reads_as_the_same(kind):
    condition = conditions.read(kind)
    assert conditions.read(condition.label) == condition and condition.kind == kind


@pytest.mark.parametrize(
    "word, told",
    [
        ("all:rotated", "condition is 'rotated', expected one of plain, blur"),
        ("all:flip2", "condition is 'flip2', expected one of"),
        ("all:blur1", "'blur1', which does not blur; expected a factor of at least 2"),
        ("all:", "condition is ''"),
        (":flip", "':flip' names no task"),
    ],
)
def test_word_that_says_none_is_refused(word, told):
    with pytest.raises(InputError, match=told):
        conditions.apart(word)


def test_configuration_holds_the_condition_in_one_spelling():
    assert TaskConfig(**USUAL, condition="blur").condition == "blur4"
    with pytest.raises(InputError, match="condition is 'sharp'"):
        TaskConfig(**USUAL, condition="sharp")
