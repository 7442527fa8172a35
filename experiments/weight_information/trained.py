"""A trained run, variational or ordinary: its networks, and the images that it learned from."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from experiments.weight_information import training
from experiments.weight_information.config import VariationalConfig, of_run
from experiments.weight_information.nuisances import seen
from info_geometry.files import InputError
from learning import config as configs
from learning import data, networks, stage
from learning.arguments import Options
from learning.imprinting import evenly
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.run import Run
from learning.split import Split, split
from learning.variational import Variational, fit, of_config


@dataclasses.dataclass(frozen=True)
class Seen(configs.Config):
    """The configuration of an ordinary run, and which images it has seen: 0 stands for all, or none."""

    training_images: int = 0
    validation_images: int = 0
    recalibration_images: int = 0
    evaluation_images: int = 0
    label_noise: float = 0.0
    nuisance: ClassVar[str] = "none"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained run, whose checkpoints are all there; images: of training, as networks see them."""

    run: Run
    folder: Path
    images: Any

    @property
    def variational(self) -> bool:
        """Whether its networks are variational."""
        return self.run.stored_by == training.STORED_BY

    @functools.cached_property
    def config(self) -> VariationalConfig | Seen:
        """The configuration that it was trained with."""
        if self.variational:
            return of_run(self.run.config)
        known = {field.name for field in dataclasses.fields(Seen)}
        return Seen(**{key: value for key, value in self.run.config.items() if key in known})

    @functools.cached_property
    def own(self) -> Split:
        """Which images it learned from."""
        return split(self.images.labels, self.run.task.classes, self.config)

    @functools.cached_property
    def outputs(self) -> torch.Tensor:
        """The outputs (all images,) that are learned."""
        return training.learned(self.run, self.own, self.images.labels, self.config)

    def network(self) -> networks.Network:
        """Return an ordinary network of its architecture."""
        return networks.of_config(self.config, self.images, self.run.classes, self.run.seed)

    def model(self, step: int) -> Variational | networks.Network:
        """Return the network that the checkpoint of a step holds."""
        path, found = self.run.path(self.folder, step), self.network()
        if self.variational:
            found = of_config(self.config, found, self.run.seed)
            fit(weights.load(path), found, path)
        else:
            weights.fit(weights.load(path), found, path)
        return found.eval()

    def learned_images(self, count: int, here, workers: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (n, ...) that it learned from, of each class as many, up to `count`, and their outputs (n,)."""
        there = np.sort(self.own.training)
        chosen = there[evenly(self.images.labels[there], count)]
        few = Split(chosen, self.own.validation, self.own.recalibration)
        batches = training.learned_images(self.images, few, self.config, here, workers)
        return torch.cat(list(batches)), self.outputs[torch.from_numpy(chosen)].to(here.device)


def loader(options: Options) -> Callable[[str, str, str], Any]:
    """Return what loads images of a data set and a split, with a nuisance, once."""
    return functools.cache(lambda dataset, part, kind: seen(data.load(dataset, part, options.folders.data), kind))


def opened(item: find.Asked, options: Options, load, variational: bool = False) -> Trained:
    """Return what was trained; load: a `loader`; variational: expect such networks alone.

    Raises InputError where it is not there, not complete, or of another experiment.
    """
    folder = options.folders.run(item.name, item.seed)
    run = runs.read(folder)
    command = find.training_command(item, run, options.folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {command}")
    if run.stored_by != training.STORED_BY and (variational or run.stored_by):
        told = run.stored_by or "supervised_imagenet.02_imprinting.store_predictions"
        what = "variational" if variational else "single"
        raise InputError(f"{folder} holds no {what} networks; store its predictions with python -m {told}")
    if not run.classes:
        raise InputError(f"{folder}: its networks have no head; expected a run that learned to classify")
    if run.task.random_labels:
        what = "learned labels that are all random, which are not kept"
        raise InputError(f"{folder}: its networks {what}; expected a run with label_noise: 1, which says how many are")
    stage.check_trained(folder, run, command)
    return Trained(run, folder, load(run.config["dataset"], "train", run.config.get("nuisance", "none")))
