"""Stage 2 of tasks: what networks predict at each checkpoint, how well they know their task, and what that costs."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.task_distances import asymmetric, training
from experiments.task_distances.config import of_run
from experiments.task_distances.inspection import Inspection
from experiments.task_distances.training import Part
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, fisher, networks, stage
from learning.arguments import Options
from learning.imprinting import Imprinting, evenly
from learning.runs import find, store, weights
from learning.runs import run as runs
from learning.runs.run import Run
from learning.tasks import facts
from learning.variational import fit

HOW = Imprinting("cosine", 10.0)  # in which tasks are compared
AT_ONCE = 1000  # images that are predicted at once
TRAINED_BY = "experiments.task_distances.01_training.train_task"


def know_all(options: Options, choices: Inspection) -> int:
    """Store what is known of all runs that are asked for, and return the exit code."""
    with distributed.processes(options.device, alone=True) as here:
        sets = {}

        def images(dataset, split):
            if (dataset, split) not in sets:
                sets[dataset, split] = data.load(dataset, split, options.folders.data)
            return sets[dataset, split]

        def work(item):
            return _store(item, choices, options, here, images)

        return stage.each_run(options, here, work, "inspecting", "stored", unit="files")


def opened(item: find.Asked, options: Options) -> tuple[Run, Path]:
    """Return a Run that learned tasks, and its folder; raise InputError where it is not there, complete, or of this."""
    folder = options.folders.run(item.name, item.seed)
    run = runs.read(folder)
    command = find.training_command(item, run, options.folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {command}")
    if "condition" not in run.config:
        raise InputError(f"{folder} was not trained by {TRAINED_BY}; expected a run that learned a task so")
    stage.check_trained(folder, run, command)
    return run, folder


def also_of(run: Run) -> str | None:
    """Return the other task, TASK:CONDITION, that a run learned at once, as it was told; or None."""
    words = list(run.trained_by)
    return words[words.index("--also") + 1] if "--also" in words else None


def _store(item, choices: Inspection, options: Options, here, load) -> bool:
    """Store one file, and return whether there was something to do."""
    run, folder = opened(item, options)
    dataset, name = run.config["dataset"], choices.name(item.name)
    split, target = facts(dataset).evaluation_split, options.folders.file(name, run.seed)
    evaluation = load(dataset, split)
    few = evaluation.part(evenly(evaluation.labels, choices.images))
    imprinter = store.Imprinter(few, here, workers=options.workers, how=HOW)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            there = predictions.open_trajectory(target).attributes.get("choices") or {}
            differ = [key for key, value in dataclasses.asdict(choices).items() if there.get(key) != value]
            if differ:  # before samples are compared, which follow from choices
                raise InputError(f"{target} was stored with other {', '.join(differ)}; delete it to store these")
            store.check_same(target, run, folder, imprinter)
            return False
        if remove_orphans(target.parent, target.name):
            print(f"{name} seed {run.seed}: redoing (found an unfinished write)", flush=True)
        imprinter.prepare(run)
        sets = load(dataset, "train"), evaluation
        known = Known(run, folder, sets, choices, here, options)
        said = {"choices": dataclasses.asdict(choices), "samples": run.samples}
        store.store(target, run, known.models(), imprinter, split=split, say=known.said, **said)
    return True


class Known:
    """What is known of the networks of a run: sets of training and of evaluation images, of which it takes few."""

    def __init__(self, run: Run, folder: Path, sets: Sequence, choices: Inspection, here, options: Options):
        self._run, self._folder, self._here, self._options = run, folder, here, options
        self._config, self._images, self._choices = of_run(run.config), sets[0], choices
        self._parts = training.parts(run.task, also_of(run), sets[0], self._config)
        if sum(part.classes for part in self._parts) != run.classes:
            raise InputError(
                f"{folder}: its networks have {run.classes} outputs, but run.json does not say of which tasks; delete "
                "the folder and train it again"
            )
        learned = [part.indices for part in self._parts]
        others = [np.flatnonzero(np.isin(sets[1].labels, part.task.classes)) for part in self._parts]
        self._learned, self._others, self._at_last = (
            [self._seen(part, images, among, count) for part, among in zip(self._parts, every)]
            for images, every, count in (
                (sets[0], learned, choices.images),
                (sets[1], others, choices.images),
                (sets[1], others, choices.last),
            )
        )
        self._said, self._last = [], {}

    def models(self) -> Iterator[tuple[float, torch.nn.Module]]:
        """Yield (t, network) of each checkpoint, that of mean weights, and find out what is known of it."""
        run, model, network = self._run, None, None
        for step in run.schedule:
            model = network = self._model(step)
            if self._config.beta:
                network = self._network()
                network.load_state_dict(model.mean_network())
            self._said.append(self._told(network))
            yield run.time(step), network
        self._last = {"end": _scores(network, self._parts, self._at_last)}
        if self._config.beta:
            self._last["kl_of_layers"] = {name: float(x.detach()) for name, x in model.kl().items()}
        else:
            self._last["information"] = self._cost(network)

    def said(self) -> dict[str, dict]:
        """Return {"known": {what: (checkpoints,)}}, and of the last network `end`, `information` or `kl_of_layers`."""
        keys = "accuracy", "cross_entropy", "training_accuracy", "training_cross_entropy"
        return {"known": {key: [each[key] for each in self._said] for key in keys}, **self._last}

    def _seen(self, part: Part, images, among, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (n, ...) of a task as they are under its condition, and their outputs (n,)."""
        chosen = among[evenly(images.labels[among], count)]
        config, few = self._config, images.part(chosen)
        few = few.in_memory(config.evaluation_resolution, self._here, workers=self._options.workers)
        plan = data.evaluation_plan(len(chosen), config.evaluation_batch_size, config.evaluation_resolution)
        pixels = torch.cat(list(few.batches(plan, device=self._here.device)))
        return part.applied(pixels, images.labels[chosen], torch.from_numpy(chosen))

    def _network(self) -> networks.Network:
        """Return an ordinary network as it is before training."""
        found = networks.of_config(self._config, self._images, self._run.classes, self._run.seed)
        return networks.on(self._here.device, found).eval()

    def _model(self, step: int) -> torch.nn.Module:
        """Return the network of a checkpoint, variational or not."""
        run = self._run
        path, found = run.path(self._folder, step), training.network_of(self._images, run)
        (fit if self._config.beta else weights.fit)(weights.load(path), found, path)
        return networks.on(self._here.device, found).eval()

    def _told(self, network) -> dict[str, float]:
        """Return what a network knows of images that it learned from, and of few others."""
        learned = _scores(network, self._parts, self._learned)
        return _scores(network, self._parts, self._others) | {f"training_{key}": x for key, x in learned.items()}

    def _cost(self, network) -> dict[str, float]:
        """Return the terms of the information in the body of the last network, in nats; see `asymmetric`.

        norm, determinant: with the prior N(0, lambda^2).  conditional_norm, conditional_determinant: with one that is
        centred at the weights that the run started from, those of another run or the initial ones.
        """
        run, count = self._run, self._choices.fisher
        begun = self._network()
        variances = fisher.prior_variances(begun)
        known = []
        for part, (images, outputs) in zip(self._parts, self._learned):
            few = torch.from_numpy(evenly(outputs.cpu().numpy(), count)).to(images.device)
            F = fisher.diagonal(_of_task(network, part), images[few], layers=["body"])
            known.append(asymmetric.Known(F, len(part.indices)))
        if run.start:
            begun = self._model(run.schedule[0])
        whole = asymmetric.body_information(network, known, variances)
        moved = asymmetric.conditional(begun, network, known, variances)
        return {
            "norm": whole.norm,
            "determinant": whole.determinant,
            "conditional_norm": moved.norm,
            "conditional_determinant": moved.determinant,
            "samples": sum(each.samples for each in known),
        }


def _of_task(network: networks.Network, part: Part) -> networks.Network:
    """Return a copy of a network that has the outputs of one task alone."""
    found, own = copy.deepcopy(network), slice(part.first, part.first + part.classes)
    for name, value in list(found.head.named_parameters()):
        setattr(found.head, name, torch.nn.Parameter(value.detach()[own].clone()))
    return found


@torch.no_grad()
def _scores(network, parts: Sequence[Part], seen: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> dict:
    """Return the accuracy and the mean cross entropy, in nats, of a network on images and outputs of each task.

    Means over tasks, each among its own outputs; `accuracies`: of each.
    """
    found = []
    for part, (images, outputs) in zip(parts, seen):
        own, right = slice(part.first, part.first + part.classes), outputs - part.first
        logs = torch.cat([torch.log_softmax(network(x)[:, own].double(), dim=1) for x in images.split(AT_ONCE)])
        nats = -logs.gather(1, right[:, None])
        found.append([float((logs.argmax(dim=1) == right).double().mean()), float(nats.mean())])
    accuracies, nats = zip(*found)
    means = {"accuracy": float(np.mean(accuracies)), "cross_entropy": float(np.mean(nats))}
    return {**means, "accuracies": list(accuracies)}
