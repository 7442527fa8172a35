"""Scores of sources on targets: of a few of them for a user, and of the start of a run for the measurements."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.task_distances import embedding
from experiments.task_distances.choosing import scores, sources, targets
from experiments.task_distances.choosing.sources import Source
from experiments.task_distances.choosing.targets import Images
from experiments.task_distances.config import of_run
from experiments.task_distances.embedding import Embedding
from experiments.task_distances.training import parts
from info_geometry import predictions
from info_geometry.files import InputError, lock, remove_orphans
from learning import distributed, imprint, stage
from learning.arguments import Options
from learning.imprinting import Imprinting, evenly
from learning.runs import find, store
from learning.runs import run as runs
from learning.runs.run import Folders, Run
from learning.tasks import facts

SUFFIX = "scores"
HOW = Imprinting("cosine", scores.SCALE)
PREDICTED = 2000  # evaluation images whose predictions are stored
PERMUTED = 3  # times that labels are permuted


def of_sources(every: Sequence[Source], target: Images, probe: Source) -> dict[str, np.ndarray]:
    """Return {score: values (m,)} of m sources on a target, by a common probe."""
    found, vector = [], probe.embed(target)
    for source in every:
        x, y = source.seen(target)
        one = scores.of_images(source.features(x), source.predictions(x), y)
        one |= scores.of_vectors(probe.embed(source.own()).vector, vector.vector)
        found.append(one | {"accuracy": source.accuracy(), "parameters": source.parameters})
    return {name: np.array([one[name] for one in found], float) for name in scores.SCORES}


def for_target(
    target: str,
    dataset: str | None,
    names: Sequence[str],
    *,
    labels: int,
    seed: int,
    probe: str | None,
    folders: Folders,
) -> tuple[list[str], dict[str, np.ndarray], str]:
    """Return the names of m sources, {score: values (m,)} for a target, and a sentence on what they are of.

    target: a folder, or with `dataset` a task TASK:CONDITION.  names: of runs, or patterns, of which those of `seed`
    are taken.  labels: images of each class.  probe: the name of a run, or None.
    Raises InputError where target, sources or probe are not as `targets` and `sources` want them.
    """
    every, left = sources.opened_all(names, seed, folders)
    by = sources.probe_of(every)
    if probe:
        by = next((one for one in every if one.name == probe), None) or sources.opened(
            probe, seed, folders, every[0].load
        )
        sources.check_shapes([every[0], by])
    known = facts(every[0].run.config["dataset"])
    if dataset is None:
        images = targets.of_folder(Path(target), known, labels)
    else:
        images = targets.of_data_set(target, dataset, every[0].shape, labels, every[0].load)
    about = (
        f"{target}: {len(images.labels)} images of {images.classes} classes.  Ranks are in brackets.  Task2Vec is of "
        f"the filters of {by.name}; own accuracy is that of a source on its own task"
        f"{sources.said(left)}."
    )
    return [each.name for each in every], of_sources(every, images, by), about


def score_all(options: Options, probe: str) -> int:
    """Store the scores of the starts of all runs that are asked for, and return the exit code.

    probe: the name of the run that is the probe, "": of all classes; of each run that of its seed is taken.
    """
    with distributed.processes(options.device, alone=True) as here:
        load = sources.loader(options.folders)

        def work(item):
            return _store(item, probe, options, here, load)

        return stage.each_run(options, here, work, "scoring", "stored", unit="files")


def _store(item, probe: str, options: Options, here, load) -> bool:
    """Store one file, and return whether there was something to do."""
    folders = options.folders
    folder = folders.run(item.name, item.seed)
    run = runs.read(folder)
    command = find.training_command(item, run, folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {command}")
    if "condition" not in run.config or run.outputs is not None:
        raise InputError(f"{folder} holds no run that learned one task under a condition; score runs of train_task")
    stage.check_trained(folder, run, command)
    target, probe = folders.file(f"{run.name}_{SUFFIX}", run.seed), probe or f"{run.task.dataset}_all_plain"
    part = facts(run.config["dataset"]).evaluation_split
    evaluation = load(run.config["dataset"], part)
    imprinter = store.Imprinter(evaluation.part(evenly(evaluation.labels, PREDICTED)), here, how=HOW)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            store.check_same(target, run, folder, imprinter)
            there = predictions.open_trajectory(target).attributes.get("scored", {}).get("probe", probe)
            if run.start and there != probe:
                raise InputError(f"{target} was stored with the probe {there}; delete it to store scores by {probe}")
            return False
        remove_orphans(target.parent, target.name)
        imprinter.prepare(run)
        end = sources.last(run, folder, load)
        said = {"known": _known(run, end, load)}
        if run.start:
            said["scored"] = _scored(run, probe, folders, load)
        models = [(run.time(step), run.path(folder, step)) for step in run.schedule]
        store.store(target, run, models, imprinter, split=part, **said)
    return True


def _learned(run: Run, load) -> Images:
    """Return the images that a run of one task learned from."""
    images = load(run.config["dataset"], "train")
    own = parts(run.task, None, images, of_run(run.config))[0]
    labels = np.searchsorted(run.task.classes, images.labels[own.indices])
    return Images.of(images, own.indices, labels, own.classes, own.condition)


def _known(run: Run, end: Source, load) -> dict[str, float]:
    """Return the accuracies of the last network: of its own head, on all evaluation images of its task, under its
    condition, and on those it learned from.
    """
    evaluation = end.own(
        facts(run.config["dataset"]).evaluation_split, len(load(run.config["dataset"], "train").labels)
    )
    found = {}
    for name, images in (("accuracy", evaluation), ("training_accuracy", _learned(run, load))):
        x, y = end.seen(images)
        found[name] = float((end.predictions(x).argmax(axis=1) == y).mean())
    return found


def _scored(run: Run, probe: str, folders: Folders, load) -> dict:
    """Return what is found of the source that a run starts from, on the images that the run learned from.

    scores: {score: value}; permuted: the same of labels that were permuted, {score: values}; source: what it is, and
    the accuracy on all classes that it has, when imprinted.
    """
    source = sources.opened(run.start["run"], run.seed, folders, load)
    by = source if source.name == probe else sources.opened(probe, run.seed, folders, load)
    target, vectors = _learned(run, load), Vectors(by, folders)
    own = vectors.of(source.own())
    x, y = source.seen(target)
    X, P = source.features(x), source.predictions(x)

    def all_scores(order):
        images = dataclasses.replace(target, labels=target.labels[order])
        return scores.of_images(X, P, y[order]) | scores.of_vectors(own.vector, vectors.of(images).vector)

    rng = np.random.default_rng([run.seed, len(y)])
    null = [all_scores(rng.permutation(len(y))) for _ in range(PERMUTED)]
    return {
        "scores": all_scores(np.arange(len(y))) | {"parameters": source.parameters, "accuracy": _of_all(source)},
        "permuted": {name: [one[name] for one in null] for name in null[0]},
        "source": {"name": source.name, "classes": list(source.run.task.classes), "condition": source.condition.label},
        "probe": probe,
    }


def _of_all(source: Source) -> float:
    """Return the accuracy of an imprinted source over all classes of its data set, on evaluation images."""
    dataset = source.run.config["dataset"]
    evaluation = source.load(dataset, facts(dataset).evaluation_split)
    some = evenly(evaluation.labels, PREDICTED)
    labels = evaluation.labels[some]
    x, y = source.seen(Images.of(evaluation, some, labels, evaluation.classes))
    X, truth = torch.from_numpy(source.features(x)), torch.from_numpy(y)
    P, _ = imprint.of_features(X, truth, evaluation.classes, HOW)
    return float((P.argmax(dim=1) == truth).double().mean())


class Vectors:
    """Vectors of tasks by one probe, each computed once: files beside the predictions, named by their images."""

    def __init__(self, probe: Source, folders: Folders):
        self._probe, self._folder = probe, folders.predictions / f"{probe.name}_vectors" / f"seed_{probe.run.seed}"
        self._identity = None

    def of(self, images: Images) -> Embedding:
        """Return the vector of a task, by its images and labels, computed where it is not there yet."""
        path = self._folder / f"{images.digest}.npz"
        if self._identity is None:
            self._identity = embedding.identity(self._probe.network)
        with lock(path.with_suffix(".lock"), path, wait=True):
            if path.exists():
                found = embedding.read(path)
                if found.probe == self._identity:
                    return found
            found = self._probe.embed(images)
            embedding.write(path, found)
        return found
