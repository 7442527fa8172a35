"""Choices of how tasks are embedded, and the folders that they name."""

import dataclasses
import math
from pathlib import Path

import pytest

from experiments.task_distances import probes
from experiments.task_distances.vectors.choices import METHODS, NAMED, Choices, file_name
from experiments.task_distances.vectors.choices import VARIATIONAL as OWN
from experiments.task_distances.vectors.measured import METHODS as MEASURED
from experiments.task_distances.vectors.measured import VARIATIONAL, quicker
from info_geometry.files import InputError


def test_usual_choices_are_called_by_the_method():
    assert [Choices(method).name for method in METHODS] == list(METHODS)
    assert Choices().decay == probes.DECAY
    folder = Choices(subset=1).folder(Path("predictions"), "fashion_all_plain_probe", 3)
    assert folder == Path("predictions/fashion_all_plain_probe_vectors/seed_3/exact-subset1")
    assert file_name("all", "blur7") == "all_blur7.npz"


def test_every_other_choice_is_in_the_name():
    others = {"images": 7, "samples": 5, "decay": 0.3, "subset": 2, "untrained": True}
    others |= dict.fromkeys(("draws", *OWN), 3)
    assert others.keys() | {"method"} == {field.name for field in dataclasses.fields(Choices)} >= set(NAMED)
    for key, value in others.items():
        method = "sampled" if key == "draws" else "variational"
        assert Choices(method, **{key: value}).name not in (Choices(method).name, Choices("exact").name)
    every = [*MEASURED.values(), *VARIATIONAL.values()]
    assert len({each.name for each in every}) == len(every) == len({quicker(each).name for each in every})


def test_options_are_those_of_embed():
    assert Choices("sampled", draws=3).options() == {"draws": 3}
    assert Choices("variational", beta=0.1, tolerance=math.inf).options() == {"beta": 0.1, "tolerance": math.inf}
    assert Choices().options() == {}


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"method": "gradient"}, "--method is 'gradient', expected one of exact"),
        ({"images": 1}, "--images is 1, expected 2 or more"),
        ({"samples": 0}, "--samples is 0"),
        ({"subset": -1}, "--subset is -1"),
        *(({"decay": x}, f"--decay is {x}, expected a positive number") for x in (0.0, -1.0, math.nan, math.inf)),
        ({"draws": 3}, "--draws is of --method sampled and predictions; leave it out"),
        ({"method": "sampled", "beta": 1e-3}, "--beta is of --method variational"),
        ({"method": "variational", "steps": 0}, "--steps is 0, expected a positive number"),
        ({"tolerance": math.inf}, "--tolerance is of --method variational"),
        ({"method": "variational", "beta": math.inf}, "--beta is inf"),
    ],
)
def test_choices_that_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        Choices(**changes)
