"""Stage 1: train networks on tasks of a data set, and keep their weights on a schedule of checkpoints.

    python -m supervised_imagenet.01_training.train_imagenet CONFIG --task T [T ...] --seed S [S ...] [--key value ...]
    torchrun --nproc-per-node 4 -m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --task vert --seed 0

CONFIG is a YAML file or the name of one in configs/; any of its keys can be overridden.  Output of a run:
checkpoints/<dataset>_<task>/seed_<seed>/ with run.json, log.jsonl, ckpt/<epoch>_<batch>.pth and last.pth.

The same command again skips what is complete and goes on where a run was interrupted, to bit-identical weights (on
CPU, with the same number of threads).  SIGTERM and SIGUSR1 finish the step, save and exit with code 75, on which a
scheduler can requeue.  Everything random in a run comes from its seed: initial weights, order, augmentation.

A run of digits takes about 3 seconds and one of fashion 30 on one CPU core.
"""
import contextlib
import signal
import sys
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, command, lock, remove_orphans
from learning.config import arguments
from learning.tasks import load as load_task
from learning.tasks import random_labels

EXIT_REQUEUE = 75


def main():
    options = arguments(__doc__, Path(__file__).parent / "configs")
    from tqdm import tqdm  # torch and its like take seconds to import: only after --help and mistakes are answered

    from learning import data, distributed

    stop = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: stop.append(True))
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    with distributed.processes(options.device) as here:
        images = data.load(options.config.dataset, "train", options.data)
        tasks = [load_task(options.config.dataset, name, images.class_names) for name in options.task]
        runs = [describe(task, seed, images, options.config) for task in tasks for seed in options.seed]
        runs = runs[options.part[0] :: options.part[1]]
        with tqdm(total=sum(run["schedule"][-1] for run in runs), unit=" steps", smoothing=0.02,
                  position=options.part[0], leave=False, disable=None if here.main else True) as bar:
            for run in runs:
                bar.set_description(f"{run['name']} seed {run['seed']}")
                try:
                    outcome = train_or_skip(run, images, options, here, bar, stop)
                    counts[outcome] += 1
                    if bar.disable and here.main and outcome == "done":  # where nobody sees the bar
                        print(f"{run['name']} seed {run['seed']}: trained", flush=True)
                except InputError as error:
                    if here.world > 1:  # the other processes would wait for this one
                        raise
                    print(f"error: {error}", file=sys.stderr, flush=True)
                    counts["failed"] += 1
    if here.main:
        print("training: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


def describe(task, seed, images, config):
    """Return what determines a run, as it is kept in run.json."""
    from learning import checkpoints, data

    samples = int(np.isin(targets_of(vars(task), images), task.classes).sum())
    steps = data.steps_per_epoch(samples, config.batch_size)
    return {"name": task.run, "task": vars(task), "seed": seed, "config": vars(config), "samples": samples,
            "class_names": images.class_names, "steps_per_epoch": steps,
            "schedule": checkpoints.schedule(config, steps), "versions": checkpoints.versions()}


def targets_of(task, images):
    """Return the class (N,) that each training image counts as in a task."""
    return random_labels(len(images.labels), images.classes) if task["random_labels"] else images.labels


def train_or_skip(run, images, options, here, bar, stop):
    """Train the network of a run, or go on with it, unless all its checkpoints are there."""
    from learning import checkpoints

    folder = options.checkpoints_folder / run["name"] / f"seed_{run['seed']}"
    with lock(folder / ".lock", str(folder), wait=options.wait) if here.main else contextlib.nullcontext():
        if here.main:
            checkpoints.start_run(folder, run)
            if remove_orphans(folder) + remove_orphans(folder / "ckpt"):
                print(f"{folder}: going on (found an unfinished write)", flush=True)
        here.barrier()
        if checkpoints.missing(folder, run):
            train(folder, run, images, options, here, bar, stop)
            return "done"
    bar.update(run["schedule"][-1])
    return "skipped (already complete)"


def train(folder, run, images, options, here, bar, stop):
    """Train from the last saved state, or from initial weights, to the end of the schedule."""
    import torch

    from learning import data, networks
    from learning.record import Record

    config, seed, steps, classes = options.config, run["seed"], run["steps_per_epoch"], run["task"]["classes"]
    targets = targets_of(run["task"], images)
    indices = np.flatnonzero(np.isin(targets, classes))
    outputs = torch.from_numpy(np.searchsorted(classes, targets))  # output k stands for the k-th class of the task
    absent = len(classes) - len(np.unique(targets[indices]))
    if absent:
        raise InputError(f"{run['name']}: {absent} of {len(classes)} classes have no training images")
    if min(config.batch_size, len(indices)) % here.world:
        raise InputError(f"{run['name']}: batches of {min(config.batch_size, len(indices))} images cannot be divided "
                         f"evenly among {here.world} processes; change --batch_size or --nproc-per-node")
    network = networks.build(config.network, images.channels, images.size, len(classes), seed).to(here.device)
    optimiser = torch.optim.SGD(networks.parameter_groups(network, config.weight_decay), lr=0.0,
                                momentum=config.momentum, nesterov=config.momentum > 0)
    record = Record(folder, run, network, optimiser, here)
    model = torch.nn.parallel.DistributedDataParallel(network) if here.world > 1 else network
    bar.update(record.step)
    for epoch in range(record.step // steps, config.epochs):
        plan = list(data.training_plan(indices, config.batch_size, seed, epoch, record.step % steps, here.rank,
                                       here.world))
        batches = images.batches(plan, device=here.device, augmentation=config.augmentation,
                                 resolution=config.resolution_at(epoch), workers=options.workers)
        for (chosen, _), pixels in zip(plan, batches):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate_at((record.step + 0.5) / steps)
            record.add(update(model, optimiser, pixels, outputs[chosen].to(here.device), config))
            bar.update()
            if here.any(bool(stop)):
                record.save_state()
                sys.exit(EXIT_REQUEUE)


def update(model, optimiser, pixels, outputs, config):
    """Take one step of SGD; return a tensor of the sum of losses, the number of correct answers and of images."""
    import torch
    import torch.nn.functional as F

    model.train()
    with torch.autocast(pixels.device.type, torch.bfloat16,
                        enabled=config.precision == "bfloat16" and pixels.device.type == "cuda"):
        logits = model(pixels)
    loss = F.cross_entropy(logits.float(), outputs, label_smoothing=config.label_smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    correct = (logits.argmax(dim=1) == outputs).sum()
    return torch.stack([loss.detach() * len(outputs), correct, torch.full_like(correct, len(outputs))]).double()


if __name__ == "__main__":
    command(main)
