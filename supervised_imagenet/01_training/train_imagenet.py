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
import itertools
import signal
import sys
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, command, remove_orphans
from learning.config import arguments
from learning.tasks import load as load_task
from learning.tasks import targets

EXIT_REQUEUE = 75


def main():
    options = arguments(__doc__, Path(__file__).parent / "configs", add_arguments)
    if options.status:
        from learning import status

        print(status.table(options.checkpoints_folder), flush=True)
        return 0
    from tqdm import tqdm  # torch and its like take seconds to import: only after --help and mistakes are answered

    from learning import checkpoints, data, distributed, store

    stop = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: stop.append(True))
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    with distributed.processes(options.device) as here:
        images = data.load(options.config.dataset, "train", options.data)
        options.imprinter = None
        if options.imprint_as_you_go or options.config.evaluate_every:
            options.split = data.EVALUATION_SPLIT[options.config.dataset]
            evaluation = data.load(options.config.dataset, options.split, options.data)
            options.imprinter = store.Imprinter(evaluation, here, workers=options.workers, on_device=False)
            store.check_published_labels(evaluation, options.predictions / "labels", options.config.dataset,
                                         options.split)
        tasks = [load_task(options.config.dataset, name, images.class_names) for name in options.task]
        runs = [checkpoints.describe(task, seed, images, options.config) for task in tasks for seed in options.seed]
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


def add_arguments(parser):
    parser.add_argument("--status", action="store_true", help="print a table of all runs, and do nothing else")
    parser.add_argument("--imprint-as-you-go", action="store_true",
                        help="store predictions at each checkpoint instead of weights")


def train_or_skip(run, images, options, here, bar, stop):
    """Train the network of a run, or go on with it, unless all its checkpoints, or its predictions, are there."""
    from learning import checkpoints, store

    folder = options.checkpoints_folder / run["name"] / f"seed_{run['seed']}"
    target = options.predictions / run["name"] / f"preds_{run['seed']}.h5"
    with here.lock(folder / ".lock", str(folder), wait=options.wait):
        if options.imprint_as_you_go and here.any(target.exists()):
            store.check_same(target, run, folder, options.imprinter.images)
            if here.main:
                store.remove_parts(folder)
            bar.update(run["schedule"][-1])
            return "skipped (already complete)"
        if here.main:
            checkpoints.start_run(folder, run)
            if remove_orphans(folder) + remove_orphans(folder / "ckpt"):
                print(f"{folder}: going on (found an unfinished write)", flush=True)
        here.barrier()
        absent = checkpoints.missing(folder, run)
        here.barrier()  # before one process writes what another one misses
        if absent:
            train(folder, run, images, options, here, bar, stop)
        if options.imprint_as_you_go:
            with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
                if not here.any(target.exists()):
                    store.store(target, folder, run, options.imprinter, here, split=options.split)
            return "done"
    if not absent:
        bar.update(run["schedule"][-1])
    return "done" if absent else "skipped (already complete)"


def train(folder, run, images, options, here, bar, stop):
    """Train from the last saved state, or from initial weights, to the end of the schedule."""
    import torch

    from learning import data, networks
    from learning.keep import Keeper
    from learning.record import Record

    config, steps, classes = options.config, run["steps_per_epoch"], run["task"]["classes"]
    wanted = targets(run["task"]["random_labels"], images)
    indices = np.flatnonzero(np.isin(wanted, classes))
    outputs = torch.from_numpy(np.searchsorted(classes, wanted))  # output k stands for the k-th class of the task
    absent = len(classes) - len(np.unique(wanted[indices]))
    if absent:
        raise InputError(f"{run['name']}: {absent} of {len(classes)} classes have no training images")
    batch = min(config.batch_size, len(indices))
    if batch % here.world:
        raise InputError(f"{run['name']}: batches of {batch} images cannot be divided evenly among {here.world} "
                         "processes; change --batch_size or --nproc-per-node")
    network = networks.build(config.network, images.channels, images.size, len(classes), run["seed"])
    network = networks.on(here.device, network)
    optimiser = torch.optim.SGD(networks.parameter_groups(network, config.weight_decay), lr=0.0,
                                momentum=config.momentum, nesterov=config.momentum > 0)
    keep = Keeper(folder, run, network, config, here, options.imprinter, options.imprint_as_you_go)
    record = Record(folder, run, network, optimiser, here, keep)
    model = torch.nn.parallel.DistributedDataParallel(network) if here.world > 1 else network
    if config.compile and here.device.type == "cuda":
        model.compile(dynamic=False)
    first, share = record.step, batch // here.world
    bar.update(first)
    plan, same = itertools.tee(data.whole_plan(indices, config, run["seed"], first, here.rank, here.world))
    loaded = images.batches(plan, device=here.device, augmentation=config.augmentation, workers=options.workers)
    parts = ((pixels, data.move(outputs[part.indices], here.device)) for part, pixels in zip(same, loaded))
    for step in range(first, run["schedule"][-1]):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate_at((step + 0.5) / steps)
        record.add(update(model, optimiser, parts, share, config))
        bar.update()
        if here.any(bool(stop) or here.abandoned()):
            record.save_state()
            sys.exit(EXIT_REQUEUE)


def update(model, optimiser, parts, share, config):
    """Take one step of SGD; return a tensor of the sum of losses, the number of correct answers and of images.

    parts: iterator of (pixels, outputs), of which the next ones are this process's share, a number of images.
    """
    import torch
    import torch.nn.functional as F

    from learning.networks import autocast

    model.train()
    optimiser.zero_grad(set_to_none=True)
    outcome, seen = 0, 0
    while seen < share:
        pixels, outputs = next(parts)
        seen += len(outputs)
        # processes average their gradients once a step
        with model.no_sync() if seen < share and hasattr(model, "no_sync") else contextlib.nullcontext():
            with autocast(pixels.device, config.precision):
                logits = model(pixels)
            loss = F.cross_entropy(logits.float(), outputs, label_smoothing=config.label_smoothing)
            (loss * (len(outputs) / share)).backward()
        correct = (logits.argmax(dim=1) == outputs).sum()
        outcome += torch.stack([loss.detach() * len(outputs), correct, torch.full_like(correct, len(outputs))]).double()
    optimiser.step()
    return outcome


if __name__ == "__main__":
    command(main)
