"""Supervised learning: a network and its head learn the labels of a task, by SGD."""

import contextlib
import itertools

import numpy as np
import torch
import torch.nn.functional as F

from info_geometry.files import InputError
from learning import data, networks, stage
from learning.tasks import targets


def train(folder, run, images, options, here, bar, stop, begin=lambda network: None):
    """Train a run from its last saved state, or from initial weights, to the end of its schedule.

    begin(network): changes the initial weights.
    """
    config, classes = options.config, run["task"]["classes"]
    wanted = targets(run["task"]["random_labels"], images)
    indices = np.flatnonzero(np.isin(wanted, classes))
    outputs = torch.from_numpy(np.searchsorted(classes, wanted))  # output k stands for the k-th class of the task
    absent = len(classes) - len(np.unique(wanted[indices]))
    if absent:
        raise InputError(f"{run['name']}: {absent} of {len(classes)} classes have no training images")
    batch = min(config.batch_size, len(indices))
    if batch % here.world:
        raise InputError(
            f"{run['name']}: batches of {batch} images cannot be divided evenly among {here.world} "
            "processes; change --batch_size or --nproc-per-node"
        )
    network = networks.build(config.network, images.channels, images.size, len(classes), run["seed"])
    begin(network)
    network = networks.on(here.device, network)
    record = stage.begin(folder, run, network, options, here)
    model = torch.nn.parallel.DistributedDataParallel(network) if here.world > 1 else network
    if config.compile and here.device.type == "cuda":
        model.compile(dynamic=False)
    plan, same = itertools.tee(data.whole_plan(indices, config, run["seed"], record.step, here.rank, here.world))
    loaded = images.batches(plan, device=here.device, augmentation=config.augmentation, workers=options.workers)
    parts = ((pixels, data.move(outputs[part.indices], here.device)) for part, pixels in zip(same, loaded))
    share = batch // here.world
    stage.take_steps(record, config, lambda: update(model, record.optimiser, parts, share, config), here, bar, stop)


def update(model, optimiser, parts, share, config):
    """Take one step of SGD; return a tensor of the sum of losses, the number of correct answers and of images.

    parts: iterator of (pixels, outputs), of which the next ones are this process's share, a number of images.
    """
    model.train()
    optimiser.zero_grad(set_to_none=True)
    outcome, seen = 0, 0
    while seen < share:
        pixels, outputs = next(parts)
        seen += len(outputs)
        # processes average their gradients once a step
        with model.no_sync() if seen < share and hasattr(model, "no_sync") else contextlib.nullcontext():
            with networks.autocast(pixels.device, config.precision):
                logits = model(pixels)
            loss = F.cross_entropy(logits.float(), outputs, label_smoothing=config.label_smoothing)
            (loss * (len(outputs) / share)).backward()
        correct = (logits.argmax(dim=1) == outputs).sum()
        outcome += torch.stack([loss.detach() * len(outputs), correct, torch.full_like(correct, len(outputs))]).double()
    optimiser.step()
    return outcome
