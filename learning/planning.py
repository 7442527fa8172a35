"""What runs would be and take on the disk, before any of them is trained: from facts and configurations alone.

No data are read.  A method that has other networks, or more checkpoints, than its configuration says takes more.
"""

import dataclasses
import functools
import json
import types
from typing import NamedTuple

import torch

from info_geometry.files import InputError
from learning import data, networks
from learning.arguments import Options
from learning.config import Config
from learning.runs import run as runs
from learning.tasks import facts
from learning.tasks import load as load_task

STATES = {"sgd": 1, "adam": 2, "adamw": 2}  # numbers that an optimiser keeps for each weight


class Extent(NamedTuple):
    """Of a run: its number of training images, the steps of an epoch, and those after which checkpoints are taken."""

    samples: int
    steps_per_epoch: int
    schedule: tuple[int, ...]


def write(method, options: Options) -> int:
    """Write to options.plan a line of JSON for each run that is asked for, in their order; return 0, an exit code.

    run: (name, seed).  settings: {key: value} of all that determines it but for the seed.  checkpoints, predictions:
    bytes of its checkpoints with last.pth, and of its predictions in one way of imprinting over all classes.
    predicts: whether it stores these itself, under its own name.
    error: why it could not be trained, as far as that is known now.
    """
    lines = []
    for word in options.tasks:
        try:
            found = _of_task(method, word, options)
        except InputError as error:
            found = {"error": str(error)}
        for seed in options.seeds or ():
            lines.append({**found, "run": [found["name"], seed] if "name" in found else None})
    options.plan.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return 0


def _of_task(method, word, options):
    """Return what the runs of a task have in common, as `write` writes it, and their name."""
    config = options.config
    task, known = load_task(config.dataset, word), facts(config.dataset)
    name = method.name(task, config) + (f"_{options.variant}" if options.variant else "")
    own = {key: value for key, value in options.own.items() if value is not None}
    settings = {**dataclasses.asdict(config), **own, "task": task.name, "classes": list(task.classes)}
    settings["stage"] = options.trained_by[0]
    found, size = {"name": name, "settings": settings, "error": ""}, 0
    try:
        if config.network:  # else it is that of another run
            size = _bytes(dataclasses.replace(config, initialisation="default"), len(task.classes))
    except InputError as error:
        found["error"] = str(error)
    count = len(extent(config, len(task.classes)).schedule)
    kept = (0 if options.as_you_go else count * size) + (1 + STATES[config.optimiser]) * size
    samples = method.predicted(config, known) if hasattr(method, "predicted") else known.images[1]
    return {
        **found,
        "checkpoints": kept,
        "predictions": 2 * count * samples * known.classes,
        "predicts": options.as_you_go,
    }


@functools.lru_cache(4096)
def extent(config: Config, classes: int) -> Extent:
    """Return how much training there is of a configuration, for a task of so many classes, all of them as large."""
    known = facts(config.dataset)
    samples = max(1, known.images[0] * classes // known.classes)
    samples = min(samples, getattr(config, "training_images", 0) or samples)
    steps = data.steps_per_epoch(samples, config.batch_size)
    return Extent(samples, steps, tuple(runs.schedule(config, steps)))


@functools.lru_cache(4096)
def _bytes(config: Config, outputs: int) -> int:
    """Return the bytes of the weights of a network, which is not filled with numbers."""
    known = facts(config.dataset)
    images = types.SimpleNamespace(channels=known.channels, size=known.size)
    with torch.device("meta"):
        network = networks.of_config(config, images, outputs, 0)
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())
