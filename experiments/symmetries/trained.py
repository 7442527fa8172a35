"""Networks that were trained, and images for them, in one line each.

sender, receiver = (trained.network("fashion_all", seed) for seed in (0, 1))
images, outputs = trained.images("fashion_all", 2000)
"""

from pathlib import Path

import numpy as np
import torch

from info_geometry.files import InputError
from learning import data, networks
from learning.config import of_run
from learning.imprinting import evenly
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.run import Folders, Run

USUAL = Folders()


def network(name: str, seed: int = 0, checkpoint: int | str = -1, folders: Folders = USUAL) -> networks.Network:
    """Return the network of a checkpoint, by its number or the name of its file, of a run, in evaluation.

    Raises InputError where the run, or the checkpoint, is not there, or holds something else.
    """
    run, folder = _run(name, seed, folders)
    if run.stored_by:
        raise InputError(f"{folder} holds no single networks; it is of {run.stored_by.rpartition('.')[0]}")
    if isinstance(checkpoint, str):
        path = folder / "ckpt" / checkpoint
    else:
        count = len(run.schedule)
        if not -count <= checkpoint < count:
            raise InputError(f"checkpoint {checkpoint}: {folder} has the checkpoints 0 to {count - 1}")
        path = run.path(folder, run.schedule[checkpoint])
    config, shape = of_run(run.config), _images(run, "train", folders)
    found = networks.of_config(config, shape, run.classes, run.seed)
    weights.fit(weights.load(path), found, path)
    return found.eval()


def images(
    name: str, count: int, seed: int = 0, split: str = "train", folders: Folders = USUAL
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised images (count, channels, size, size) of the task of a run, and their right outputs (count,).

    split: "train", or the evaluation split of the data set.  Of each class as many, always the same ones, in a random
    order.
    """
    run, _ = _run(name, seed, folders)
    found, classes = _images(run, split, folders), run.task.classes
    there = np.flatnonzero(np.isin(found.labels, classes))
    chosen = np.random.default_rng(0).permutation(there[evenly(found.labels[there], count)])
    resolution = of_run(run.config).evaluation_resolution
    plan = [data.Batch(part, part, resolution=resolution) for part in torch.from_numpy(chosen).split(500)]
    outputs = np.searchsorted(classes, found.labels[chosen])
    return torch.cat(list(found.batches(plan))), torch.from_numpy(outputs)


def check_comparable(run: Run, other: Run, what: str, task: bool = True) -> None:
    """Raise InputError unless two runs are of one architecture, and learned one task from images of one kind.

    what: is done with them, for the message.  task: False where they may have learned others.
    """
    each = [
        {key: x.config[key] for key in ("dataset", "network", "evaluation_resolution")}
        | ({"task": x.task} if task else {})
        | {"class folders": x.class_names}
        for x in (run, other)
    ]
    differ = [key for key in each[0] if each[0][key] != each[1][key]]
    if differ:
        names = " and ".join(f"{x.name} of seed {x.seed}" for x in (run, other))
        raise InputError(
            f"{names} differ in their {', '.join(differ)}; {what} is between networks of one architecture and task, "
            "which see the same images"
        )


def _run(name: str, seed: int, folders: Folders) -> tuple[Run, Path]:
    folder = folders.run(name, seed)
    run = runs.read(folder)
    if run is None:
        told = find.training_command(find.Asked(name, seed), None, folders)
        raise InputError(f"{folder} holds no run; train it with {told}")
    return run, folder


def _images(run, split, folders):
    return data.load(run.config["dataset"], split, folders.data)
