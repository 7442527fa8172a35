"""From trained subspaces to predictions: networks are taken, recalibrated, and predict, by their heads or imprinted."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from experiments.subspaces import measures
from experiments.subspaces.choices import SETS, Choices
from experiments.subspaces.shown import Shown
from experiments.subspaces.taken import Taken, Trained, files
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, imprint, networks, stage
from learning.arguments import Options
from learning.distributed import Processes
from learning.imprinting import evenly
from learning.networks.recalibration import recalibrate
from learning.runs import find, store
from learning.runs import run as runs
from learning.runs.run import SKIPPED
from learning.split import Split, split
from learning.tasks import facts

COMPARED = 1000  # images whose features are compared, of each class as many
COMPARABLE = "alpha", "draw", "point"  # what networks differ in whose features are compared


def sample_all(options: Options, every: Sequence[Choices], corrupted: Path) -> int:
    """Store all that is chosen of the runs that are asked for, and return the exit code.

    every: choices that differ in the severity of a corruption.  corrupted: the folder that holds ImageNet-C.
    """
    with distributed.processes(options.device, alone=True) as here:
        asked = find.named(options.runs, options.seeds, options.folders)
        together = {item: [other for other in asked if other.name == item.name] for item in asked}
        if every[0].average == "soup":  # one of all seeds
            asked = list({item.name: item for item in reversed(asked)}.values())
        asked = options.taken(asked)
        shown = Shown(options.folders.data, corrupted, here, options.workers)
        with tqdm(total=len(asked), unit=" runs", leave=False, disable=True if options.report else None) as bar:

            def work(item):
                try:
                    return "done" if _sample(item, together[item], every, options, here, shown) else SKIPPED
                finally:
                    bar.update()

            items = [(item, (item.name, item.seed)) for item in asked]
            return stage.each(items, work, here, bar, "sampling", "stored", options.report)


def _sample(item: find.Asked, together, every: Sequence[Choices], options: Options, here, shown: Shown) -> bool:
    """Store all that is chosen of one run, and return whether there was something to do."""
    trained = _trained(item, options, shown)
    own = split(trained.images.labels, trained.run.task.classes, trained.config)
    prepare = Preparation(trained, own, here, shown, recalibrated=not every[0].as_trained)
    stored = [_store_all(trained, own, together, choices, options, here, shown, prepare) for choices in every]
    return any(stored)


def _store_all(trained, own, together, choices: Choices, options: Options, here, shown: Shown, prepare) -> bool:
    """Store what is chosen of one run, a file or more, and return whether there was something to do."""
    imprinter = shown.imprinter(trained.run, own, choices)

    def others():
        return {other.seed: _trained(other, options, shown) for other in together}

    stored = False
    for number, take in files(trained, others, choices, prepare.score):
        name = choices.name(trained.run.name, number)
        target = options.folders.file(name, trained.run.seed)
        with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
            if target.exists():
                store.check_same(target, trained.run, trained.folder, imprinter)
                _check_choices(target, choices, trained, [other.seed for other in together])
                continue
            if remove_orphans(target.parent, target.name):
                print(f"{name} seed {trained.run.seed}: redoing (found an unfinished write)", flush=True)
            _store(target, trained, take(), choices, imprinter, prepare)
            stored = True
    return stored


def _trained(item: find.Asked, options: Options, shown: Shown) -> Trained:
    """Return what was trained; raise InputError where it is not there, not complete, or of another experiment."""
    folder = options.folders.run(item.name, item.seed)
    run = runs.read(folder)
    training = find.training_command(item, run, options.folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {training}")
    if "vertices" not in run.config:
        told = "python -m supervised_imagenet.02_imprinting.store_predictions"
        raise InputError(f"{folder} was not trained by experiments.subspaces; store its predictions with {told}")
    stage.check_trained(folder, run, training)
    return Trained(run, folder, shown.load(run.config["dataset"], "train"))


def _as_stored(choices: Choices) -> dict:
    return json.loads(json.dumps(dataclasses.asdict(choices)))


def _check_choices(target: Path, choices: Choices, trained: Trained, seeds: list[int]) -> None:
    """Raise InputError unless a file was stored here, with these choices, of those that count for this kind of run.

    seeds: that are asked for, where a file is of several.
    """
    attributes = predictions.open_trajectory(target).attributes
    there = attributes.get("choices")
    if not isinstance(there, dict):
        raise InputError(
            f"{target} was stored by another command, without recalibration; delete it to store that of this one"
        )
    there = {**_as_stored(Choices()), **there}  # choices that came later are as usual
    counted = choices.counted(trained.config.kind)
    differ = [key for key, value in _as_stored(choices).items() if key in counted and there[key] != value]
    differ += ["seeds"] if attributes.get("seeds", seeds) != seeds else []
    if differ:
        raise InputError(f"{target} was stored with other choices ({', '.join(differ)}); delete it to store these")


class Preparation:
    """Recalibrates the norm layers of networks of a run, on the images of its Split; recalibrated: or does not."""

    def __init__(self, trained: Trained, own: Split, here: Processes, shown: Shown, recalibrated: bool = True):
        self._trained, self._own, self._shown, self._recalibrated = trained, own, shown, recalibrated
        self.network = networks.on(here.device, trained.network())
        self._decoded = {}

    def ready(self, state: dict[str, torch.Tensor]) -> torch.nn.Module:
        """Return the network with these weights, ready to predict; it is the same one for all weights."""
        self.network.load_state_dict(state)
        if not self._recalibrated:
            return self.network.eval()
        return recalibrate(self.network, self._batches("recalibration"))

    def score(self, state: dict[str, torch.Tensor]) -> float:
        """Return the accuracy of weights on images held out, by the labels that are learned."""
        if not len(self._own.validation):
            told = "a soup is chosen on images held out; train with --validation_images"
            raise InputError(f"{self._trained.run.name}: {told}")
        found = imprint.features(self.ready(state), self._batches("validation")).argmax(dim=1).cpu().numpy()
        labels = self._decoded["validation"].labels
        return float((found == np.searchsorted(self._trained.run.task.classes, labels)).mean())

    def _batches(self, part):
        """Return the batches of a part of the Split, which is decoded once."""
        if part not in self._decoded:
            images = self._shown.learned(self._trained.run, self._own, getattr(self._own, part))
            self._decoded[part] = self._shown.in_memory(images, self._trained.config)
        return self._shown.batches(self._decoded[part], self._trained.config)


def _store(target, trained: Trained, taken: Taken, choices: Choices, imprinter, prepare: Preparation) -> None:
    """Write the prediction file of the networks that were taken."""
    run, seen = trained.run, []
    images = imprinter.prepare(run)
    few = torch.from_numpy(evenly(images.labels, COMPARED))
    plan = [data.Batch(few, few, resolution=trained.config.evaluation_resolution)]
    compare = taken.t_name in COMPARABLE

    def ready() -> Iterator[tuple[float, dict[str, torch.Tensor]]]:
        for t, state in taken.points:
            network = prepare.ready(state)
            if compare:
                batches = images.batches(plan, device=next(network.parameters()).device)
                seen.append(imprint.features(network.body, batches).double().cpu().numpy())
            yield t, {key: value.detach().clone() for key, value in network.state_dict().items()}

    def say() -> dict:
        return {"feature_cosines": _cosines(seen)} if compare else {}

    evaluation = facts(run.config["dataset"]).evaluation_split
    store.store(
        target,
        run,
        ready(),
        imprinter,
        say=say,
        t_name=taken.t_name,
        choices=_as_stored(choices),
        split=evaluation if choices.images == SETS[0] else choices.images,
        **taken.attributes,
    )


def _cosines(features: list[np.ndarray]) -> list[list[float]]:
    """Return the mean cosine (T, T) of the features of each two networks."""
    return [[round(float(measures.feature_cosine(f, g)), 6) for g in features] for f in features]
