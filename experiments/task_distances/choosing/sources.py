"""Sources: trained networks with a head, what they see of images, and the tasks that they have learned."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.task_distances import conditions, embedding
from experiments.task_distances.choosing.targets import Images
from experiments.task_distances.conditions import Condition
from experiments.task_distances.embedding import Embedding
from experiments.task_distances.probes import features
from info_geometry.files import InputError
from learning import data, networks
from learning.config import Config, of_run
from learning.imprinting import evenly
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.run import Folders, Run
from learning.tasks import facts, targets

SAMPLES = 600  # images of a task that its vector is of
OTHERS = 2000  # evaluation images that the accuracy of a source is of
AT_ONCE = 500


class Unfit(InputError):
    """A run that is no source; why: in few words, of one that is left out."""

    def __init__(self, message: str, why: str):
        super().__init__(message)
        self.why = why


def loader(folders: Folders) -> Callable[[str, str], Any]:
    """Return what loads the images of a data set and a split, once."""
    return functools.cache(lambda dataset, part: data.load(dataset, part, folders.data))


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained network, in evaluation, and its run; load: a `loader`."""

    run: Run
    network: networks.Network
    load: Callable[[str, str], Any]

    @property
    def name(self) -> str:
        """The name of its run."""
        return self.run.name

    @property
    def shape(self) -> tuple[int, int]:
        """Channels, and side in pixels, of the images of its data set."""
        known = facts(self.run.config["dataset"])
        return known.channels, known.size

    @property
    def condition(self) -> Condition:
        """Under which it learned its task."""
        return conditions.read(self.run.config.get("condition", conditions.PLAIN))

    @property
    def parameters(self) -> int:
        """The number of weights of its body."""
        return sum(p.numel() for p in self.network.body.parameters())

    @property
    def config(self) -> Config:
        """The configuration that it was trained with."""
        return of_run(self.run.config)

    def seen(self, images: Images) -> tuple[torch.Tensor, np.ndarray]:
        """Return images (N, C, H, W) as this network takes them, and their labels (N,), under their condition."""
        known = facts(self.run.config["dataset"])
        return images.normalised(known.mean, known.std, self.config.evaluation_resolution)

    def features(self, x: torch.Tensor) -> np.ndarray:
        """Return the features (N, F) of images as it takes them."""
        return features(self.network, x)

    @torch.inference_mode()
    def predictions(self, x: torch.Tensor) -> np.ndarray:
        """Return what its own head predicts (N, C_s) for images as it takes them."""
        found = [torch.softmax(self.network(part).double(), dim=1) for part in x.split(AT_ONCE)]
        return torch.cat(found).numpy()

    def own(self, part: str = "train", count: int = SAMPLES) -> Images:
        """Return images of its own task, under its condition, of each class as many, up to `count`."""
        images, task = self.load(self.run.config["dataset"], part), self.run.task
        labels = targets(task.random_labels, images)
        there = np.flatnonzero(np.isin(labels, task.classes))
        chosen = there[evenly(labels[there], count)]
        return Images.of(
            images, chosen, np.searchsorted(task.classes, labels[chosen]), len(task.classes), self.condition
        )

    def accuracy(self) -> float:
        """Return the accuracy of its own head on evaluation images of its own task, under its condition."""
        x, y = self.seen(self.own(facts(self.run.config["dataset"]).evaluation_split, OTHERS))
        return float((self.predictions(x).argmax(axis=1) == y).mean())

    def embed(self, images: Images) -> Embedding:
        """Return the vector of a task by this network, as a probe."""
        x, y = self.seen(images)
        return embedding.embed(self.network, x, y, samples=SAMPLES)


def opened(name: str, seed: int, folders: Folders, load: Callable[[str, str], Any]) -> Source:
    """Return the network that a run ended with.

    Raises Unfit where it is not there, not complete, without a head, or of more than one network or task.
    """
    folder = folders.run(name, seed)
    run = runs.read(folder)
    if run is None:
        command = find.training_command(find.Asked(name, seed), run, folders)
        raise Unfit(f"{folder} holds no run; train it with {command}", f"no seed {seed}")
    if not run.classes:
        raise Unfit(f"{folder}: its networks have no head, of which LEEP and NCE are; leave it out", "no head")
    if run.stored_by:
        raise Unfit(
            f"{folder} holds no single networks ({run.stored_by} stores what it predicts); leave it out",
            "no single networks",
        )
    if run.classes != len(run.task.classes):
        raise Unfit(
            f"{folder}: its network has {run.classes} outputs and its task {len(run.task.classes)} classes: it learned "
            "two tasks at once; leave it out",
            "two tasks at once",
        )
    try:
        find.weights_of(find.Asked(name, seed), None, folders)  # which says what is missing
    except InputError as error:
        raise Unfit(str(error), "not complete") from error
    return last(run, folder, load)


def last(run: Run, folder: Path, load: Callable[[str, str], Any]) -> Source:
    """Return the network that a complete run in a folder ended with."""
    images, path = load(run.config["dataset"], "train"), run.path(folder, run.schedule[-1])
    network = networks.of_config(of_run(run.config), images, run.classes, run.seed)
    weights.fit(weights.load(path), network, path)
    return Source(run, network.eval(), load)


def opened_all(names: Sequence[str], seed: int, folders: Folders) -> tuple[list[Source], dict[str, str]]:
    """Return the networks of several runs; names, or patterns such as `fashion_*_plain`; and {run left out: why}.

    What a pattern matches and is no source is left out.  Raises InputError for fewer than two, for one twice, for
    images of different shapes, and as `opened` does for what is named in full.
    """
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise InputError(f"--sources: {twice[0]} is there twice; name each source once")
    load, found, left = loader(folders), {}, {}
    for name in names:
        for item in find.named([name], [seed], folders):
            if item.name in found:
                continue
            try:
                found[item.name] = opened(item.name, seed, folders, load)
            except Unfit as error:
                if not re.search(r"[*?\[]", name):
                    raise
                left[item.name] = error.why
    if len(found) < 2:
        raise InputError(f"--sources: {' '.join(names)} leaves no choice; name two runs or more{said(left)}")
    check_shapes(list(found.values()))
    return list(found.values()), left


def said(left: Mapping[str, str]) -> str:
    """Return which runs are left out of patterns, {name: why}, in words that go on after a sentence; "" for none."""
    return f".  Left out: {', '.join(f'{name} ({why})' for name, why in left.items())}" if left else ""


def check_shapes(every: Sequence[Source]) -> None:
    """Raise InputError unless networks see images of one shape."""
    first = every[0]
    for each in every[1:]:
        if each.shape != first.shape:
            raise InputError(
                f"{each.name} sees images of {_said(each.shape)}, and {first.name} of {_said(first.shape)}; one task "
                "has images of one shape: leave one of them out"
            )


def probe_of(sources: Sequence[Source]) -> Source:
    """Return the source that is taken as a probe where none is said: the first of those with the most classes.

    What it had to tell apart, its filters are of; and those of a probe of few classes see few tasks.
    """
    return max(sources, key=lambda source: len(source.run.task.classes))


def _said(shape):
    channels, side = shape
    return f"{side} x {side} pixels and {channels} channel{'s' * (channels > 1)}"
