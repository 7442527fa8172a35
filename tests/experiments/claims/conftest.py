"""For the tests of claims: supervised runs of three seeds, written once."""

import dataclasses

import pytest

from experiments.claims.runs import RANDOM, TASKS, Runs
from tests.experiments.claims.synthetic import detour, write


@pytest.fixture(scope="package")
def written(tmp_path_factory):
    """Supervised runs of three seeds, each task on a way of its own; random labels go nowhere."""
    folder, found = tmp_path_factory.mktemp("claims"), {}
    for i, task in enumerate(TASKS):
        final, direction = (0.0, 0 * detour(0)) if task == RANDOM else (6.0, detour(i))
        found[task] = [write(folder, f"fashion_{task}", seed, direction, final=final) for seed in (5, 6, 7)]
    return Runs(found, fitted=dict(found))


@pytest.fixture
def runs(written):
    """The same, for one test to change."""
    copied = {
        field.name: dict(getattr(written, field.name))
        for field in dataclasses.fields(written)
        if isinstance(getattr(written, field.name), dict)
    }
    return dataclasses.replace(written, **copied)
