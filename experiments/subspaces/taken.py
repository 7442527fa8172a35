"""The networks that are taken from a trained run: points of a subspace, models over time, averages of weights."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.subspaces import averages, coefficients
from experiments.subspaces.choices import LAST, Choices
from experiments.subspaces.config import SubspaceConfig, of_run
from experiments.subspaces.subspace import Subspace
from experiments.subspaces.training import initial, single
from info_geometry.files import InputError
from learning.runs import weights
from learning.runs.run import Run

Weights = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Taken:
    """Networks of one file: what t is, (t, state of a network), and what the file says of them besides."""

    t_name: str
    points: Iterator[tuple[float, Weights]]
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained run, whose checkpoints are all there; images: of training, for the shape of its networks."""

    run: Run
    folder: Path
    images: Any

    @functools.cached_property
    def config(self) -> SubspaceConfig:
        """The configuration that it was trained with."""
        return of_run(self.run.config)

    def network(self) -> torch.nn.Module:
        """Return a network of its architecture."""
        return single(self.run, self.images, self.run.seed)

    def subspace(self, step: int) -> Subspace:
        """Return the subspace that the checkpoint of a step holds."""
        subspace, path = initial(self.run, self.config, self.images), self.run.path(self.folder, step)
        weights.fit(weights.load(path), subspace if len(subspace) > 1 else subspace.vertices[0], path)
        return subspace

    def state(self, step: int) -> Weights:
        """Return the state of a single network at a step."""
        return self.subspace(step).vertices[0].state_dict()

    def last(self) -> Weights:
        """Return the state of a single network at the end."""
        return self.state(self.run.schedule[-1])

    def steps(self, checkpoints: Sequence[str]) -> dict[int, int]:
        """Return {number: step} of checkpoints, numbers or `last`; raise InputError for one that is not there."""
        last = len(self.run.schedule) - 1
        numbers = sorted({last if word == LAST else int(word) for word in checkpoints})
        if numbers and numbers[-1] > last:
            raise InputError(f"--checkpoint {numbers[-1]}: {self.folder} has the checkpoints 0 to {last}")
        return {number: self.run.schedule[number] for number in numbers}


def files(
    trained: Trained, others: Callable[[], dict[int, Trained]], choices: Choices, score: Callable[[Weights], float]
) -> Iterator[tuple[int | None, Callable[[], Taken]]]:
    """Yield for each file the number of the checkpoint in its name, or None, and what takes the networks of it.

    others(): the runs of this name by their seeds.  score: the accuracy of weights on images held out.
    """
    single_network = trained.config.kind == "point"
    if choices.average and not single_network:
        raise InputError(f"{trained.run.name} is a {trained.config.kind}; --average {choices.average} is of kind point")
    if choices.average in ("swa", "swag"):
        yield None, functools.partial({"swa": swa, "swag": swag}[choices.average], trained, choices)
    elif choices.average:
        make = {"soup": soup, "between": between}[choices.average]
        yield None, lambda: make(trained, _several(trained, others(), choices), choices, score)
    elif single_network or choices.middle:
        yield None, functools.partial(over_time, trained, choices)
    else:
        last = trained.run.schedule[-1]
        for number, step in trained.steps(choices.checkpoints or (LAST,)).items():
            yield None if step == last else number, functools.partial(across, trained, choices, step)


def across(trained: Trained, choices: Choices, step: int) -> Taken:
    """Take the points of a subspace at one checkpoint; t: alpha, or the number of the point of a simplex."""
    config = trained.config
    if config.kind == "simplex":
        steps = choices.steps or (6 if config.vertices <= 3 else 2)
        c = coefficients.points(config.vertices, steps, coefficients.RANDOM)
        t = np.arange(len(c), dtype=float)
    else:
        t = np.array(choices.positions)
        c = coefficients.along(config.kind, t)
    more = {"coefficients": c.round(12).tolist(), "epoch": trained.run.time(step)}
    return Taken("point" if config.kind == "simplex" else "alpha", _points(trained.subspace(step), t, c), more)


def _points(subspace, t, c):
    return ((float(x), subspace.state(torch.from_numpy(row))) for x, row in zip(t, c))


def over_time(trained: Trained, choices: Choices) -> Taken:
    """Take single networks, or the middle of a subspace, at checkpoints."""
    config, run = trained.config, trained.run
    steps = list(trained.steps(choices.checkpoints).values()) or run.schedule
    c = torch.from_numpy(coefficients.middle(config.kind, config.vertices))
    return Taken(run.t_name, ((run.time(step), trained.subspace(step).state(c)) for step in steps))


def averaged(trained: Trained) -> list[Weights]:
    """Return the states of the networks that an average of weights is over; raise InputError where there are none."""
    config, run = trained.config, trained.run
    steps = [epoch * run.steps_per_epoch for epoch in config.averaged_epochs]
    if not config.rate.startswith("swa") or any(step not in run.schedule for step in steps):
        raise InputError(
            f"{run.name}: its rate is {config.rate} and its schedule {config.schedule}; averages of weights are of "
            "runs with `rate: swa_constant` or `swa_cyclic`"
        )
    return [trained.state(step) for step in steps]


def swa(trained: Trained, choices: Choices) -> Taken:
    """Take the mean of weights over the last epochs."""
    states = averaged(trained)
    mean = averages.mean(trained.network(), states).state_dict()
    return Taken("number", iter([(0.0, mean)]), {"averaged": len(states)})


def swag(trained: Trained, choices: Choices) -> Taken:
    """Take draws of SWAG."""
    states = averaged(trained)
    if len(states) < 2:
        raise InputError(f"{trained.run.name}: --average swag takes several checkpoints; its average is of one")
    drawn = averages.swag(trained.network(), states, choices.draws, trained.run.seed)
    return Taken("draw", ((float(i), state) for i, state in enumerate(drawn)), {"averaged": len(states)})


def _several(trained, others, choices):
    if len(others) < 2:
        raise InputError(f"{trained.run.name}: --average {choices.average} takes several seeds; there is one")
    return {seed: other.last() for seed, other in others.items()}


def soup(trained: Trained, states: dict[int, Weights], choices: Choices, score: Callable[[Weights], float]) -> Taken:
    """Take the greedy soup of networks {seed: state}."""
    seeds, network = list(states), trained.network()

    def mean(chosen):
        return averages.mean(network, chosen).state_dict()

    chosen = averages.greedy(list(states.values()), lambda some: score(mean(some)))
    members = [seeds[i] for i in chosen]
    found = mean([states[seed] for seed in members])
    return Taken("number", iter([(0.0, found)]), {"members": members, "seeds": seeds})


def between(trained: Trained, states: dict[int, Weights], choices: Choices, score: Callable) -> Taken:
    """Take the straight line from the network of this seed to that of the next one."""
    seeds, seed = list(states), trained.run.seed
    other = seeds[(seeds.index(seed) + 1) % len(seeds)]
    pair = Subspace([trained.network(), trained.network()])
    for vertex, each in zip(pair.vertices, (seed, other)):
        vertex.load_state_dict(states[each])
    t = np.array(choices.positions)
    return Taken("alpha", _points(pair, t, coefficients.along("line", t)), {"other_seed": other, "seeds": seeds})
