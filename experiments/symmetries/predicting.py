"""From trained stitches to predictions: networks are put together, recalibrated, and predict by the receiver's head."""

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from experiments.symmetries import halves, stitches, stitching, training
from experiments.symmetries.choices import STATISTICS, StitchChoices
from experiments.symmetries.config import WITH_SOFT, of_run
from experiments.symmetries.stitching import BATCH
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, networks, stage
from learning.arguments import Options
from learning.distributed import Processes
from learning.grids import STORE
from learning.runs import find, store, weights
from learning.runs import run as runs
from learning.runs.run import SKIPPED, Folders, Run
from learning.split import split
from learning.tasks import facts


def store_all(options: Options, choices: StitchChoices) -> int:
    """Store what is chosen of the runs that are asked for, and return the exit code."""
    with distributed.processes(options.device, alone=True) as here:
        asked = options.taken(find.named(options.runs, options.seeds, options.folders))
        sets = {}

        def images(dataset, part):
            if (dataset, part) not in sets:
                sets[dataset, part] = data.load(dataset, part, options.folders.data)
            return sets[dataset, part]

        def imprinter(dataset):
            if dataset not in sets:
                evaluation = images(dataset, facts(dataset).evaluation_split)
                sets[dataset] = store.Imprinter(evaluation, here, workers=options.workers, head=True)
            return sets[dataset]

        with tqdm(total=len(asked), unit=" runs", leave=False, disable=True if options.report else None) as bar:

            def work(item):
                try:
                    return "done" if _store(item, choices, options, here, images, imprinter) else SKIPPED
                finally:
                    bar.update()

            return stage.each(
                [(item, (item.name, item.seed)) for item in asked], work, here, bar, "storing", "stored", options.report
            )


def _store(item: find.Asked, choices: StitchChoices, options: Options, here: Processes, images, imprinter) -> bool:
    """Store what is chosen of one run, a file or more, and return whether there was something to do."""
    folder = options.folders.run(item.name, item.seed)
    run = runs.read(folder)
    told = find.training_command(item, run, options.folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {told}")
    if run.stored_by != training.STORED_BY:
        other = find.command(run.stored_by or STORE, run.name, "--seed", run.seed, folders=options.folders)
        raise InputError(f"{folder} holds no stitches; store its predictions with {other}")
    stage.check_trained(folder, run, told)
    if run.config["learns"] == "rest" and (choices.soft or choices.statistics != STATISTICS[0]):
        raise InputError(
            f"{run.name}: the rest of a network learned behind a fixed matrix, with statistics of its own; leave out "
            "--soft and --statistics"
        )
    if (choices.soft or choices.statistics == "soft") and run.config["kind"] not in WITH_SOFT:
        raise InputError(
            f"{run.name}: a stitch of kind {run.config['kind']} is used as it was trained; leave out --soft, and "
            "--statistics soft"
        )
    dataset = run.config["dataset"]
    predictor, put, stored = imprinter(dataset), None, False
    at = run.config["layers"].split(",")
    for layer in at if choices.path else [""]:
        target = options.folders.file(choices.name(run.name, layer), run.seed)
        with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
            if target.exists():
                store.check_same(target, run, folder, predictor)
                _check_choices(target, choices)
                continue
            if remove_orphans(target.parent, target.name):
                print(f"{target.parent.name} seed {run.seed}: redoing (found an unfinished write)", flush=True)
            put = put or Together(run, folder, options.folders, images(dataset, "train"), here.device, choices)
            predictor.prepare(run)
            store.store(
                target,
                run,
                put.path(layer) if choices.path else put.by_depth(),
                predictor,
                t_name="epoch" if choices.path else "layer",
                split=facts(dataset).evaluation_split,
                choices=dataclasses.asdict(choices),
                **({"layer": layer} if choices.path else {"layers": at, "epochs": put.epochs}),
            )
            stored = True
    return stored


def _check_choices(target: Path, choices: StitchChoices) -> None:
    there, asked = predictions.open_trajectory(target).attributes.get("choices"), dataclasses.asdict(choices)
    if there != asked:
        differ = [key for key, value in asked.items() if not isinstance(there, dict) or there.get(key) != value]
        raise InputError(f"{target} was stored with other choices ({', '.join(differ)}); delete it to store these")


class Together:
    """The networks of a run of stitches, put together.

    images: of training, on which batch norms are recalibrated.  epochs: that each layer is taken from.
    """

    def __init__(self, run: Run, folder: Path, folders: Folders, images, device: torch.device, choices: StitchChoices):
        self._run, self._folder, self._choices, self._device = run, folder, choices, device
        self._config = of_run(run.config)
        self._layers = run.config["layers"].split(",")
        own = split(images.labels, run.task.classes, self._config)
        self._images = training.pixels(images, own.recalibration, run.config["evaluation_resolution"])
        parents = training.parents(run, self._config, folders)
        self._fronts, self._joined = halves.build(
            self._config.unfitted, parents, self._layers, run.seed, self._images[:2]
        )
        self._there = None
        at = [run.schedule[i] for i in chosen_epochs(folder, run, choices.epoch)]
        self._steps = dict(zip(self._layers, at))
        self.epochs = [run.time(step) for step in at]

    def by_depth(self) -> Iterator[tuple[float, torch.nn.Module]]:
        """Yield (number of the layer from 1, stitched network) of each layer, from the first to the last."""
        for number, layer in enumerate(self._layers):
            yield number + 1, self._network(number, self._steps[layer])

    def path(self, layer: str) -> Iterator[tuple[float, torch.nn.Module]]:
        """Yield (epoch, stitched network) of each checkpoint of a layer."""
        number = self._layers.index(layer)
        for step in self._run.schedule:
            yield self._run.time(step), self._network(number, step)

    def _at(self, step: int) -> halves.Halves:
        """Return the stitches and second halves of a checkpoint; those of one at a time are kept."""
        if step != self._there:
            path = self._run.path(self._folder, step)
            weights.fit(weights.load(path), self._joined.held, path)
            self._there = step
        return self._joined

    def _network(self, number: int, step: int) -> torch.nn.Module:
        """Return the stitched network of a layer, of a checkpoint."""
        choices, joined = self._choices, self._at(step)
        front = self._fronts[number]
        stitch, back = (copy.deepcopy(part[number]) for part in (joined.stitches, joined.backs))
        stitch.cool(step / max(1, self._run.schedule[-1]))
        front, stitch, back = (networks.on(self._device, part).eval() for part in (front, stitch, back))
        with torch.no_grad():
            used = stitch.soft() if choices.soft else stitch.hard()
            under = stitch.soft() if choices.statistics == "soft" else used
            if self._config.learns == "stitch" and choices.statistics != "receiver":
                given = (stitching.features(front, part.to(self._device)) for part in self._images.split(BATCH))
                stitching.recalibrated(back, under, given)
        return stitching.Stitched(front, stitches.Fixed(used.detach()), back).eval()


def chosen_epochs(folder: Path, run: Run, which: str) -> list[int]:
    """Return the number of the checkpoint that each layer is taken from: the last one, or the best on images held
    out, of which the latest.

    Raises InputError where the log lacks a checkpoint, such as the one during which training was killed.
    """
    path = folder / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    log = [json.loads(line) for line in lines if line.endswith("}")]
    if [line["step"] for line in log] != run.schedule:
        last = run.path(folder, run.schedule[-1])
        raise InputError(f"{path} does not say how well each checkpoint does; delete {last} and train again")
    found = np.array([list(line["validation"].values()) for line in log])  # (checkpoints, layers)
    last = len(found) - 1
    if which == "last":
        return [last] * found.shape[1]
    first = 1 if run.config["learns"] == "rest" else 0  # before it learns, the rest may have seen the images held out
    return (last - found[first:][::-1].argmax(axis=0)).tolist()  # of ties the latest
