"""The stages that all methods share: which runs there are, what is complete, signals, and the loop over steps.

A method's scripts call `train_all` with what is its own, a function that trains one run, and `store_all`.
"""

import json
import signal
import sys

import torch
from tqdm import tqdm

from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, networks
from learning.config import advised
from learning.runs import checkpoints, store
from learning.runs.keep import Keeper
from learning.runs.record import Record
from learning.tasks import facts
from learning.tasks import load as load_task

EXIT_REQUEUE = 75  # of a process that was told to end and can be started again


def train_all(options, train, describe=checkpoints.describe, *, alone=False):
    """Train all runs that the command line asks for, and return the exit code of the stage.

    train(folder, run, images, options, here, bar, stop): trains one run, from its last saved state.
    describe(task, seed, images, config): what determines a run, as it is kept in run.json.
    alone: one process trains a run, and torchrun is refused.
    """
    stop = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: stop.append(True))
    with distributed.processes(options.device) as here:
        if alone and here.world > 1:
            raise InputError(
                f"one process trains a run of this method, not {here.world}: start it without torchrun, "
                "and several runs at a time with --part 0/2, --part 1/2"
            )
        images = data.load(options.config.dataset, "train", options.data)
        options.imprinter = None
        if options.imprint_as_you_go or options.config.evaluate_every:
            options.split = facts(options.config.dataset).evaluation_split
            evaluation = data.load(options.config.dataset, options.split, options.data)
            options.imprinter = store.Imprinter(evaluation, here, workers=options.workers, on_device=False)
            store.check_published_labels(
                evaluation, options.predictions / "labels", options.config.dataset, options.split
            )
        tasks = [load_task(options.config.dataset, name, images.class_names) for name in options.task]
        runs = [_described(describe, task, seed, images, options.config) for task, seed in _part(tasks, options)]
        bar = tqdm(
            total=sum(run["schedule"][-1] for run in runs if isinstance(run, dict)),
            unit=" steps",
            smoothing=0.02,
            position=options.part[0],
            leave=False,
            disable=None if here.main else True,
        )
        with bar:
            return _each(
                runs,
                lambda run: (run["name"], run["seed"]),
                lambda run: train_or_skip(run, images, options, here, bar, stop, train),
                here,
                bar,
                "training",
                "trained",
            )


def _part(tasks, options):
    """Return the pairs of a task and a seed that --part leaves to this process."""
    return [(task, seed) for task in tasks for seed in options.seed][options.part[0] :: options.part[1]]


def _described(describe, *arguments):
    """Return what describe does, or the error for which that run fails when its turn comes."""
    try:
        return describe(*arguments)
    except InputError as error:
        return error


def _each(runs, name, work, here, bar, stage, done):
    """Do the work for each run, which says what came of it; report, and return the exit code.

    An InputError among the runs stands for one that cannot begin.
    """
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    for run in runs:
        try:
            if isinstance(run, InputError):
                raise run
            title = "{} seed {}".format(*name(run))
            bar.set_description(title)
            outcome = work(run)
            counts[outcome] += 1
            if bar.disable and here.main and outcome == "done":  # where nobody sees the bar
                print(f"{title}: {done}", flush=True)
        except InputError as error:
            if here.world > 1:  # the other processes would wait for this one
                raise
            print(f"error: {error}", file=sys.stderr, flush=True)
            counts["failed"] += 1
    if here.main:
        print(f"{stage}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


def train_or_skip(run, images, options, here, bar, stop, train):
    """Train the network of a run, or go on with it, unless all its checkpoints, or its predictions, are there."""
    folder = options.checkpoints_folder / run["name"] / f"seed_{run['seed']}"
    target = options.predictions / run["name"] / f"preds_{run['seed']}.h5"
    with here.lock(folder / ".lock", str(folder), wait=options.wait):
        if options.imprint_as_you_go and here.any(target.exists()):
            store.check_same(target, run, folder, options.imprinter.images)
            if here.main:
                store.remove_parts(folder)
            bar.update(run["schedule"][-1])
            return "skipped (already complete)"
        if here.main and remove_orphans(folder) + remove_orphans(folder / "ckpt"):
            print(f"{folder}: going on (found an unfinished write)", flush=True)
        here.barrier()
        absent = checkpoints.missing(folder, run)
        here.barrier()  # before one process writes what another one misses
        if absent:
            train(folder, run, images, options, here, bar, stop)
        elif here.main:
            checkpoints.start_run(folder, run)  # which compares settings
        if options.imprint_as_you_go:
            with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
                if not here.any(target.exists()):
                    store.store(target, folder, run, options.imprinter, here, split=options.split)
            return "done"
    if not absent:
        bar.update(run["schedule"][-1])
    return "done" if absent else "skipped (already complete)"


def begin(folder, run, network, options, here, model=None):
    """Return the Record of a run, whose optimiser is SGD, from the last state that was saved, if there is one.

    The run begins here: what a method refuses before leaves no run.json behind.
    network: what checkpoints hold.  model: what is trained, where that is the network and more.
    """
    config, model = options.config, network if model is None else model
    optimiser = torch.optim.SGD(
        networks.parameter_groups(model, config.weight_decay),
        lr=0.0,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
    )
    keep = Keeper(folder, run, network, config, here, options.imprinter, options.imprint_as_you_go)
    if here.main:
        checkpoints.start_run(folder, run)
    return Record(folder, run, model, optimiser, here, keep)


def take_steps(record, config, update, here, bar, stop):
    """Take the steps of a run from where its record stands to the end of its schedule.

    update(): takes one step, and returns the sum of losses, the number of right answers and of images, a tensor (3,).
    """
    first, steps = record.step, record.run["steps_per_epoch"]
    bar.update(first)
    for step in range(first, record.run["schedule"][-1]):
        for group in record.optimiser.param_groups:
            group["lr"] = config.learning_rate_at((step + 0.5) / steps)
        record.add(update())
        bar.update()
        if here.any(bool(stop) or here.abandoned()):
            record.save_state()
            sys.exit(EXIT_REQUEUE)


def store_all(options, trained_by, *words, name=lambda task, images: task.run):
    """Imprint and store all runs that the command line asks for, and return the exit code of the stage.

    trained_by: the module that trains them, and words that it is told besides, for messages.  name(task, images): of
    a run.
    """
    split = facts(options.config.dataset).evaluation_split
    with distributed.processes(options.device) as here:
        images = data.load(options.config.dataset, split, options.data)
        store.check_published_labels(images, options.predictions / "labels", options.config.dataset, split)
        names = [name(load_task(options.config.dataset, task, images.class_names), images) for task in options.task]
        runs = _part(list(zip(names, options.task)), options)
        imprinter = store.Imprinter(images, here, workers=options.workers)

        def work(run):
            (name, task), seed = run
            training = advised(trained_by, options, *options.settings, *words, "--task", task, "--seed", seed)
            try:
                return store_or_skip(name, seed, training, imprinter, split, options, here)
            finally:
                bar.update()

        with tqdm(
            total=len(runs), unit=" runs", position=options.part[0], leave=False, disable=None if here.main else True
        ) as bar:
            return _each(runs, lambda run: (run[0][0], run[1]), work, here, bar, "imprinting", "stored")


def store_or_skip(name, seed, training, imprinter, split, options, here):
    """Store the predictions of a run, unless they are there."""
    folder = options.checkpoints_folder / name / f"seed_{seed}"
    target = options.predictions / name / f"preds_{seed}.h5"
    run = checkpoints.read_run(folder)
    with here.lock(options.predictions / name / f".preds_{seed}.lock", str(target), wait=options.wait):
        if here.any(target.exists()):
            store.check_same(target, run, folder, imprinter.images)
            if here.main:
                store.remove_parts(folder)
            return "skipped (already complete)"
        if run is None:
            raise InputError(f"{folder} holds no run; train it with {training}")
        absent = checkpoints.missing(folder, run)
        if absent:
            names = ", ".join(checkpoints.path(folder, run, step).name for step in absent[:3])
            raise InputError(
                f"{folder}: {len(absent)} of {len(run['schedule'])} checkpoints missing ({names}, ...); "
                f"training did not finish{_reached(folder, run)}: go on with {training}"
            )
        if here.main and remove_orphans(target.parent, target.name) + remove_orphans(folder / "ckpt"):
            print(f"{name} seed {seed}: redoing (found an unfinished write)", flush=True)
        store.store(target, folder, run, imprinter, here, split=split)
    return "done"


def _reached(folder, run):
    """Return how far the log of a run says that it came."""
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if not lines or not lines[-1].endswith("}"):
        return ""
    return f" (it is at {run.get('t_name', 'epoch')} {json.loads(lines[-1])['epoch']:.4g})"
