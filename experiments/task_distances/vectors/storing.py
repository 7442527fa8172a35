"""Stage 3: the tasks of a suite as vectors, by a probe that is a run, each in a file of its own."""

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.task_distances import distances, embedding
from experiments.task_distances.conditions import PLAIN
from experiments.task_distances.probes import identity
from experiments.task_distances.training import Part, deficit_of
from experiments.task_distances.vectors import heads, of_tasks
from experiments.task_distances.vectors.agreement import rank_correlation
from experiments.task_distances.vectors.choices import Choices
from experiments.task_distances.vectors.suites import Word, resolved
from info_geometry.files import InputError, remove_orphans
from learning import config as configs
from learning import data, distributed, networks, stage
from learning.arguments import Options
from learning.imprinting import evenly
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.run import Run
from learning.split import split
from learning.tasks import facts

HELD_OUT = 2000  # images of a task, of the evaluation split
SUBSETS = 1902  # seed of the order in which subsets take images


@dataclasses.dataclass(frozen=True)
class Learned(configs.Config):
    """The part of a configuration that says which images a probe has learned."""

    training_images: int = 0
    validation_images: int = 0
    recalibration_images: int = 0


def embed_all(options: Options, suite: tuple[str | None, Sequence[str]], choices: Choices) -> int:
    """Embed the tasks of a suite, (data set or None, words), by all runs that are asked for; return the exit code."""
    with distributed.processes(options.device, alone=True) as here:
        load = functools.cache(lambda dataset, part: data.load(dataset, part, options.folders.data))

        def work(item):
            return _embed(item, suite, choices, options, here, load)

        return stage.each_run(options, here, work, "embedding", "embedded", unit="probes")


def _embed(item: find.Asked, suite, choices: Choices, options: Options, here, load) -> int:
    """Write the files that are missing, and return how many these were."""
    folders = options.folders
    folder, dataset = folders.run(item.name, item.seed), suite[0]
    run = runs.read(folder)
    command = find.training_command(item, run, folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train the probe with {command}")
    if run.stored_by or not run.classes:
        raise InputError(f"{folder}: its networks are no probe: expected a run that learned to classify")
    if dataset not in (None, run.config["dataset"]):
        raise InputError(f"{item.name} was trained on {run.config['dataset']}, and the suite is of {dataset}")
    probe = probe_of(run, folder, load, command, choices.untrained).to(here.device)
    images, name = load(run.config["dataset"], "train"), identity(probe)
    words = resolved(run.config["dataset"], suite[1], images.class_names)
    target = choices.folder(folders.predictions, item.name, item.seed)
    with here.lock(target / ".lock", str(target), wait=options.wait):
        remove_orphans(target)
        count = 0
        for word in words:
            path = target / word.file
            if path.exists():
                found = (heads if choices.method == "domain" else embedding).read(path)
                if found.probe != name:
                    raise InputError(f"{path} is by another probe, {found.probe}; this one is {name}: delete {target}")
                if found.classes != len(word.task.classes):
                    raise InputError(
                        f"{path} is of {found.classes} classes, and task {word.text} has {len(word.task.classes)}: "
                        "delete the file to embed this task"
                    )
                continue
            count += 1
            own = images_of(word, images, run, choices.images, choices.subset)
            x, y = seen(word, images, own, run.config, here.device, options.workers)
            check_labels(word, y)
            if choices.method == "domain":
                other = load(run.config["dataset"], facts(run.config["dataset"]).evaluation_split)
                there = np.flatnonzero(np.isin(other.labels, word.task.classes))
                held = seen(
                    word, other, there[evenly(other.labels[there], HELD_OUT)], run.config, here.device, options.workers
                )
                heads.write(path, heads.know(probe, x, y, held, decay=choices.decay))
            else:
                how = {"samples": choices.samples, "decay": choices.decay, "seed": item.seed}
                embedding.write(path, embedding.embed(probe, x, y, choices.method, **how, **choices.options()))
    return count


def probe_of(run: Run, folder: Path, load, command: str, untrained: bool = False) -> torch.nn.Module:
    """Return the last network of a run, or with `untrained` its first; command: what trains it."""
    if not untrained:
        stage.check_trained(folder, run, command)
    path = run.path(folder, run.schedule[0 if untrained else -1])
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint; train the probe with {command}")
    network = networks.of_config(
        configs.of_run(run.config), load(run.config["dataset"], "train"), run.classes, run.seed
    )
    weights.fit(weights.load(path), network, path)
    network.name = run.name
    return network.eval()


def learned(run: Run, labels: np.ndarray) -> np.ndarray:
    """Return the indices (n,) of the images of training that a run has learned, or held out; labels (N,): of all.

    None of a run that has learned all images of its classes: there are no others.
    """
    known = {field.name for field in dataclasses.fields(Learned)}
    config = Learned(**{k: v for k, v in run.config.items() if k in known})
    if not config.training_images:
        return np.empty(0, int)
    found = split(labels, run.task.classes, config)
    return np.concatenate([found.training, found.validation])


def images_of(word: Word, images, run: Run, count: int, subset: int = 0) -> np.ndarray:
    """Return the indices of images of training of a task, `count` or a few less, of each class as many.

    Images that the run has learned are left out, if it has not learned all.  Those of a subset are the same for all
    seeds and conditions, and others than those of another subset.  Raises InputError where a class has too few.
    """
    each = count // len(word.task.classes)
    if not each:
        raise InputError(f"--images is {count}, but task {word.text} has {len(word.task.classes)} classes; give more")
    order = np.random.default_rng(SUBSETS).permutation(len(images.labels))
    order = order[~np.isin(order, learned(run, images.labels))]
    found = []
    for k in word.task.classes:
        there = order[images.labels[order] == k]
        if len(there) < (subset + 1) * each:
            raise InputError(
                f"task {word.text}, class {k}: {len(there)} images beside those that {run.name} has learned, too few "
                f"for subset {subset} of {each}; give a smaller --images or --subset"
            )
        found.append(there[subset * each : (subset + 1) * each])
    return np.sort(np.concatenate(found))


@torch.no_grad()
def seen(
    word: Word, images, indices: np.ndarray, config, device="cpu", workers: int = 0
) -> tuple[torch.Tensor, np.ndarray]:
    """Return images (n, C, H, W) and labels (n,) of a task as they are under its condition; config: of the probe."""
    side = config.get("evaluation_resolution") or 0
    deficit_of(word.condition).check([side or images.size], len(word.task.classes))
    some = images.part(indices)
    plan = data.evaluation_plan(len(indices), 500, side)
    x = torch.cat(list(some.batches(plan, device=device, workers=workers)))
    part = Part(word.task, word.condition, indices)
    x, y = part.applied(x, some.labels, torch.from_numpy(indices))
    return x, y.cpu().numpy()


def check_labels(word: Word, labels: np.ndarray) -> None:
    """Raise InputError where none of few images has a label of a task, which would be another task without it."""
    count, expected = len(np.unique(labels)), len(word.task.classes)
    if count < expected:
        raise InputError(
            f"task {word.text}: {len(labels)} images have {count} of its {expected} labels; give more --images"
        )


def compare(
    options: Options, dataset: str, words: Sequence[str], every: Sequence[tuple[Choices, Choices]]
) -> list[str]:
    """Return a table of how repeatable distances are, by pairs of Choices that differ in their subset of images."""
    with distributed.processes(options.device, alone=True) as here:
        item = find.named(options.runs, options.seeds, options.folders)[0]
        folder = options.folders.run(item.name, item.seed)
        run, load = runs.read(folder), functools.cache(lambda name, part: data.load(name, part, options.folders.data))
        command = find.training_command(item, run, options.folders)
        if run is None or run.config["dataset"] != dataset:
            raise InputError(f"{folder} holds no probe of {dataset}; train one with {command}")
        probe, images = probe_of(run, folder, load, command).to(here.device), load(dataset, "train")
        suite = resolved(dataset, words, images.class_names)
        plain = [k for k, word in enumerate(suite) if word.condition.kind == PLAIN]
        classes = of_tasks.jaccard([suite[k].task for k in plain])
        lines = ["| decay | repeated | with Jaccard | cross entropy | ... of others |", "| ---: |" + " ---: |" * 4]
        for pair in every:
            D, losses = [], []
            for choices in pair:
                rows = []
                for word in suite:
                    own = images_of(word, images, run, choices.images, choices.subset)
                    given = seen(word, images, own, run.config, here.device)
                    check_labels(word, given[1])
                    how = {"samples": choices.samples, "decay": choices.decay}
                    rows.append(embedding.embed(probe, *given, choices.method, **how))
                    other = images_of(word, images, run, choices.images, sum(each.subset for each in pair) + 1)
                    held = seen(word, images, other, run.config, here.device)
                    found = heads.know(probe, *given, held, decay=choices.decay)
                    losses.append((found.head_cross_entropy, found.cross_entropy))
                D.append(distances.matrix(rows))
            again = rank_correlation(*D)
            of_classes = rank_correlation(np.mean(D, axis=0)[np.ix_(plain, plain)], classes)
            fitted, others = np.mean(losses, axis=0)
            lines.append(f"| {pair[0].decay:g} | {again:.3f} | {of_classes:.3f} | {fitted:.3f} | {others:.3f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines
