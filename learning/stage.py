"""The two stages: which runs are asked for, which are complete, and what came of each.

A method's script calls `train_all` with the method, which says how one run is named and trained; `store_all` stores the
predictions of runs of any method.
"""

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from info_geometry.files import HeldError, InputError, remove_orphans
from learning import data, distributed, planning, supervise
from learning.arguments import Options
from learning.imprinting import evenly
from learning.runs import diverged, find, store
from learning.runs import run as runs
from learning.runs.diverged import DIVERGED, DivergedError
from learning.runs.job import Job, describe
from learning.runs.run import SKIPPED, Run
from learning.tasks import class_names, facts, told
from learning.tasks import load as load_task
from learning.tasks.lists import ENDINGS


def train_all(method, options: Options, *, alone: bool = False) -> int:
    """Train all runs that are asked for, and return the exit code of the stage.

    method: has `name(task, config)`, of a run, and `train(job)`, which trains one from its last saved state; and
    `describe(run, images, config, folders)`, where more than that determines a run; and `imprinter(images, evaluation,
    config, here)` with `predicted(config, facts)`, how many images that predicts, where they are not as usual.
    alone: one process trains a run, and torchrun is refused.
    """
    if options.plan:
        return planning.write(method, options)
    config, folders = options.config, options.folders
    with _told_to_end() as stop, distributed.processes(options.device, alone=alone) as here:
        splits = ("train", facts(config.dataset).evaluation_split)  # both: what does not fit is said before training
        images, evaluation = (data.load(config.dataset, split, folders.data) for split in splits)
        data.check_classes(images, evaluation)
        if hasattr(images, "source"):  # the largest batches of all epochs, before the first step
            side = max([config.resolution_at(epoch) for epoch in range(config.epochs)]) or images.size
            at_once = min(config.micro_batch_size or config.batch_size, -(-config.batch_size // here.world))
            data.check_shared_memory(options.workers, at_once, side)
        imprinter = None
        if options.as_you_go or config.evaluate_every:
            if hasattr(method, "imprinter"):
                imprinter = method.imprinter(images, evaluation, config, here)
            else:
                imprinter = _imprinter(evaluation, config.dataset, options, here, on_device=False)
        tasks = [(load_task(config.dataset, word, images.class_names), word) for word in options.tasks]
        _say_classes(tasks, images.class_names or class_names(config.dataset), quiet=options.report or not here.main)
        asked = [
            _described(method, task, word, seed, images, options)
            for (task, word), seed in options.taken([(task, seed) for task in tasks for seed in options.seeds])
        ]
        bar = tqdm(
            total=sum(run.schedule[-1] for run in asked if isinstance(run, Run)),
            unit=" steps",
            smoothing=0.02,
            position=options.part[0],
            leave=False,
            disable=None if here.main and not options.report else True,
        )

        def train(run):
            job = Job(
                run, config, images, folders, here, options.workers, imprinter, options.as_you_go, bar.update, stop
            )
            return _train_or_skip(method, job, wait=options.wait)

        with bar:
            items = [(run, None if isinstance(run, InputError) else (run.name, run.seed)) for run in asked]
            return each(items, train, here, bar, "training", "trained", options.report)


def _say_classes(tasks, names, quiet):
    """Print the classes of tasks that are given by numbers or by a file: a number may not mean what people think."""
    for task, word in tasks:
        if not quiet and (task.name.startswith("classes_") or str(word).endswith(ENDINGS)):
            print(told(task, names), flush=True)


@contextlib.contextmanager
def _told_to_end() -> Iterator[list]:
    """Yield a list that holds something once the process was told to end, by SIGTERM or SIGUSR1."""
    stop = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    for number in handlers:
        signal.signal(number, lambda *_: stop.append(True))
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _imprinter(images, dataset, options, here, **more):
    """Return the Imprinter of the evaluation images of a data set, or of those of the classes it is asked for."""
    split, how, over = facts(dataset).evaluation_split, options.how, None
    store.check_published_labels(images, options.folders.predictions / "labels", dataset, split)
    if how.looks_at_training:
        training = data.load(dataset, "train", options.folders.data)
        data.check_classes(training, images)
    if how.over:
        over = load_task(dataset, how.over, images.class_names).classes
        images = images.part(np.flatnonzero(np.isin(images.labels, over)))
    if how.looks_at_training:
        among = np.flatnonzero(np.isin(training.labels, range(images.classes) if over is None else over))
        more["training"] = training.part(among[evenly(training.labels[among], how.training_images)])
    return store.Imprinter(images, here, workers=options.workers, how=how, over=over, **more)


def _described(method, task, word, seed, images, options):
    """Return the Run that trains a task, or the error for which it fails when its turn comes."""
    config, variant = options.config, options.variant
    try:
        name = method.name(task, config) + (f"_{variant}" if variant else "")
        trained_by = (*options.trained_by, "--task", word)
        run = describe(task, seed, images, config, name, variant=variant, trained_by=trained_by)
        if hasattr(method, "describe"):
            run = method.describe(run, images, config, options.folders)
        return run
    except InputError as error:
        return error


def each(items, work: Callable, here, bar, stage: str, done: str, report) -> int:
    """Do the work for each item, which says what came of it; report that, and return the exit code.

    items: [(what to work on, (name, seed) of the run)].  An InputError among them stands for a run that cannot begin.
    report: a file that is told of each run, instead of printing it.
    """
    counts = {"done": 0, SKIPPED: 0, "failed": 0}
    for item, run in items:
        said = ""
        try:
            if isinstance(item, InputError):
                raise item
            title = "{} seed {}".format(*run)
            bar.set_description(title)
            outcome = work(item)
            if not report and bar.disable and here.main and outcome == "done":  # where nobody sees the bar
                print(f"{title}: {done}", flush=True)
        except InputError as error:
            known = isinstance(error, DivergedError) and error.everywhere
            if here.world > 1 and not known:  # the other processes would wait for this one
                raise
            held = report and isinstance(error, HeldError)
            outcome = "held" if held else DIVERGED if isinstance(error, DivergedError) else "failed"
            said = str(error)
            if not report and here.main:
                print(f"error: {error}", file=sys.stderr, flush=True)
        counts[outcome] = counts.get(outcome, 0) + 1
        if report and here.main:
            with open(report, "a", encoding="utf-8") as file:
                file.write(json.dumps({"run": run, "outcome": outcome, "error": said}) + "\n")
    if here.main and not report:
        print(f"{stage}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] + counts.get(DIVERGED, 0) else 0


def each_run(options: Options, here, work: Callable[[find.Asked], bool], stage: str, done: str, *, unit: str) -> int:
    """Do the work for each run that is asked for by its name, as `each` does, and show how many are left.

    work: says whether there was something to do.  unit: what is counted.
    """
    asked = options.taken(find.named(options.runs, options.seeds, options.folders))
    with tqdm(total=len(asked), unit=f" {unit}", leave=False, disable=True if options.report else None) as bar:

        def counted(item):
            try:
                return "done" if work(item) else SKIPPED
            finally:
                bar.update()

        items = [(item, (item.name, item.seed)) for item in asked]
        return each(items, counted, here, bar, stage, done, options.report)


def _train_or_skip(method, job: Job, *, wait: bool) -> str:
    """Train the network of a run, or go on with it, unless all its checkpoints, or its predictions, are there."""
    run, folder, here = job.run, job.folder, job.here
    target = job.folders.file(run.name, run.seed)
    with here.lock(folder / ".lock", str(folder), wait=wait):
        if job.as_you_go and here.any(target.exists()):
            store.check_same(target, run, folder, job.imprinter)
            if here.main:
                store.remove_parts(folder)
            job.advance(run.schedule[-1])
            return SKIPPED
        if here.main and remove_orphans(folder) + remove_orphans(folder / "ckpt"):
            print(f"{folder}: going on (found an unfinished write)", flush=True)
        here.barrier()
        absent = run.missing(folder)
        here.barrier()  # before one process writes what another one misses
        if absent:
            with diverged.noted(job):
                method.train(job)
        elif here.main:
            runs.start(folder, run, type(job.config))  # which compares settings
        if job.as_you_go:
            with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=wait):
                if not here.any(target.exists()):
                    split = facts(job.config.dataset).evaluation_split
                    store.store_checkpoints(target, folder, run, job.imprinter, here, split=split)
            return "done"
    if not absent:
        job.advance(run.schedule[-1])
    return "done" if absent else SKIPPED


def store_all(options: Options) -> int:
    """Store the predictions of all runs that are asked for, and return the exit code of the stage."""
    folders, imprinters = options.folders, {}

    def imprinter_of(dataset):
        if dataset not in imprinters:
            imprinters.clear()  # one data set at a time in memory
            images = data.load(dataset, facts(dataset).evaluation_split, options.folders.data)
            imprinters[dataset] = _imprinter(images, dataset, options, here, head=options.head)
        return imprinters[dataset]

    with distributed.processes(options.device) as here:
        if options.config:
            asked = _of_tasks(options, imprinter_of(options.config.dataset).images.class_names)
        else:
            asked = find.named(options.runs, options.seeds, folders)
        asked = options.taken(asked)

        def work(item):
            try:
                return _store_or_skip(item, imprinter_of, options, here)
            finally:
                bar.update()

        with tqdm(
            total=len(asked),
            unit=" runs",
            position=options.part[0],
            leave=False,
            disable=None if here.main and not options.report else True,
        ) as bar:
            items = [(item, (item.name, item.seed)) for item in asked]
            return each(items, work, here, bar, "imprinting", "stored", options.report)


def _of_tasks(options, class_names):
    """Return the supervised runs of the tasks and seeds that are asked for."""
    config, variant = options.config, f"_{options.variant}" if options.variant else ""
    names = [supervise.name(load_task(config.dataset, word, class_names), config) + variant for word in options.tasks]
    trained_by = [(*options.trained_by, "--task", word) for word in options.tasks]
    return [find.Asked(name, seed, words) for name, words in zip(names, trained_by) for seed in options.seeds]


def _store_or_skip(asked: find.Asked, imprinter_of: Callable, options: Options, here) -> str:
    """Store the predictions of a run, unless they are there."""
    folder = options.folders.run(asked.name, asked.seed)
    target = options.folders.file(asked.name + options.suffix, asked.seed)
    run = runs.read(folder)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        training = find.training_command(asked, run, options.folders)
        there = here.any(target.exists())
        if run is None and not there:
            raise InputError(f"{folder} holds no run; train it with {training}")
        dataset = run.config["dataset"] if run else find.dataset_of(target)
        imprinter = imprinter_of(dataset)
        if there:
            store.check_same(target, run, folder, imprinter)
            if here.main:
                store.remove_parts(folder, imprinter.suffix)
            return SKIPPED
        if run.stored_by:
            told = find.command(run.stored_by, run.name, "--seed", run.seed, folders=options.folders)
            raise InputError(f"{folder} holds no single networks; store its predictions with {told}")
        check_trained(folder, run, training, (".pth",) if options.suffix else (".pth", ".h5"))
        if here.main and remove_orphans(target.parent, target.name) + remove_orphans(folder / "ckpt"):
            print(f"{target.parent.name} seed {asked.seed}: redoing (found an unfinished write)", flush=True)
        split = facts(dataset).evaluation_split
        store.store_checkpoints(target, folder, run, imprinter, here, split=split)
    return "done"


def check_trained(folder: Path, run: Run, training: str, suffixes: tuple[str, ...] = (".pth",)) -> None:
    """Raise InputError, with the command that goes on, where a checkpoint of a run is missing."""
    absent = run.missing(folder, suffixes)
    if absent:
        names = ", ".join(run.path(folder, step).name for step in absent[:3])
        raise InputError(
            f"{folder}: {len(absent)} of {len(run.schedule)} checkpoints missing ({names}, ...); "
            f"training did not finish{_reached(folder, run)}: go on with {training}"
        )


def _reached(folder, run):
    """Return how far the log of a run says that it came."""
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if not lines or not lines[-1].endswith("}"):
        return ""
    return f" (it is at {run.t_name} {json.loads(lines[-1])['epoch']:.4g})"
