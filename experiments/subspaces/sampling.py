"""From trained subspaces to predictions: networks at points of them, recalibrated, by their own heads or imprinted."""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from experiments.subspaces import averages, coefficients, corruptions, measures
from experiments.subspaces.choices import LAST, SETS, Choices
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.images import Split, noisy, split
from experiments.subspaces.subspace import Subspace, recalibrate
from experiments.subspaces.training import initial, single
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, imprint, stage
from learning.arguments import Options
from learning.data import encoded
from learning.data.folders import Folder
from learning.runs import find, store, weights
from learning.runs import run as runs
from learning.runs.run import SKIPPED, Run
from learning.tasks import facts

SEEN = 2000  # training images that networks predict
COMPARED = 1000  # images whose features are compared
RANDOM = 6  # points of a simplex drawn at random
COMPARABLE = "alpha", "draw", "point"  # what networks differ in whose features are compared

Points = Iterator[tuple[float, dict[str, torch.Tensor]]]  # t, and the state of a network


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
        images = _Images(options, here, corrupted)
        with tqdm(total=len(asked), unit=" runs", leave=False, disable=True if options.report else None) as bar:

            def work(item):
                try:
                    done = [_Sampler(item, together[item], each, options, here, images).sample() for each in every]
                    return "done" if "done" in done else SKIPPED
                finally:
                    bar.update()

            items = [(item, (item.name, item.seed)) for item in asked]
            return stage.each(items, work, here, bar, "sampling", "stored", options.report)


class _Images:
    """The images of data sets, read once."""

    def __init__(self, options, here, corrupted):
        self._options, self._here, self._corrupted = options, here, corrupted
        self.load = functools.cache(lambda dataset, split: data.load(dataset, split, options.folders.data))
        self._key, self._imprinter = None, None

    def imprinter(self, run: Run, own: Split, choices: Choices) -> store.Imprinter:
        """Return the Imprinter of the images that are chosen: of evaluation, or of those of a run."""
        dataset = run.config["dataset"]
        evaluation, indices = facts(dataset).evaluation_split, None
        if choices.images != SETS[0]:
            indices = own.validation if choices.images == "validation" else np.sort(own.training[:: _stride(own)])
            if not len(indices):
                raise InputError(f"{run.name}: no images were held out; train it with --validation_images")
        key = (
            dataset,
            choices.imprint,
            choices.images,
            choices.corruption,
            choices.severity,
            None if indices is None else indices.tobytes(),
        )
        if key != self._key:
            images = self.load(dataset, evaluation if indices is None else "train")
            if indices is not None:
                images = self.learned(run, own, indices)
            if choices.corruption:
                images = self._corrupt(images, dataset, choices)
            head = not choices.imprint
            self._key = key
            self._imprinter = store.Imprinter(images, self._here, workers=self._options.workers, head=head)
        return self._imprinter

    def learned(self, run: Run, own: Split, indices: np.ndarray):
        """Return some training images with the labels that a run learns, of which some may be wrong."""
        images, classes = self.load(run.config["dataset"], "train"), np.array(run.task.classes)
        outputs = np.searchsorted(classes, images.labels)
        found = images.part(indices)
        found.labels = classes[noisy(outputs, own, len(classes), run.config["label_noise"])[indices]]
        return found

    def _corrupt(self, images, dataset, choices):
        if hasattr(images, "pixels"):
            return images.with_pixels(corruptions.corrupted(images.pixels, choices.corruption, choices.severity))
        folder = corruptions.imagenet_c(self._corrupted, choices.corruption, choices.severity)
        found = encoded.EncodedImages(Folder(folder), facts(dataset))
        data.check_classes(images, found)
        return found


def _stride(own):
    return max(1, -(-len(own.training) // SEEN))


class _Sampler:
    """One run, and the networks that are taken from it."""

    def __init__(self, item, together, choices, options, here, images):
        self.item, self.together, self.choices, self.options, self.here, self.images = (
            item,
            together,
            choices,
            options,
            here,
            images,
        )

    def sample(self) -> str:
        """Store what is chosen of the run, one file for each checkpoint of a subspace; return what came of it."""
        self.run, self.folder = self._trained(self.item)
        self.config = of_run(self.run)
        train = self.images.load(self.run.config["dataset"], "train")
        self.own = split(train.labels, self.run.task.classes, self.config)
        self.imprinter = self.images.imprinter(self.run, self.own, self.choices)
        recalibrated = train.part(self.own.recalibration)
        resolution = self.config.evaluation_resolution
        self._recalibrated = recalibrated.in_memory(resolution, self.here, workers=self.options.workers)
        self.network = single(self.run, train, self.run.seed).to(self.here.device)
        return "done" if [1 for number, points in self._files() if self._store(number, points)] else SKIPPED

    def _trained(self, item):
        """Return the Run of what is asked for, whose checkpoints are all there, and its folder."""
        folder = self.options.folders.run(item.name, item.seed)
        run = runs.read(folder)
        training = find.training_command(item, run, self.options.folders)
        if run is None:
            raise InputError(f"{folder} holds no run; train it with {training}")
        if "kind" not in run.config:
            told = "python -m supervised_imagenet.02_imprinting.store_predictions"
            raise InputError(f"{folder} was not trained by experiments.subspaces; store its predictions with {told}")
        stage.check_trained(folder, run, training)
        return run, folder

    def _files(self) -> Iterator[tuple[int | None, Callable[[], tuple[str, Points, dict]]]]:
        """Yield for each file the number of the checkpoint in its name, and what makes (t_name, points, attributes)."""
        choices, single = self.choices, self.config.kind == "point"
        if choices.average and not single:
            raise InputError(f"{self.run.name} is a {self.config.kind}; --average {choices.average} is of kind point")
        if choices.average:
            yield None, getattr(self, f"_{choices.average}")
        elif single or choices.middle:
            yield None, self._over_epochs
        else:
            last = len(self.run.schedule) - 1
            for number in self._numbers() or [last]:
                yield None if number == last else number, functools.partial(self._across, number)

    def _numbers(self) -> list[int]:
        last = len(self.run.schedule) - 1
        found = [last if word == LAST else int(word) for word in self.choices.checkpoints]
        wrong = [number for number in found if number > last]
        if wrong:
            raise InputError(f"--checkpoint {wrong[0]}: {self.folder} has the checkpoints 0 to {last}")
        return sorted(set(found))

    def _across(self, number):
        """Take the points of a subspace at one checkpoint."""
        kind, config = self.config.kind, self.config
        if kind == "simplex":
            steps = self.choices.steps if config.vertices <= 3 else 2
            c = coefficients.points(config.vertices, steps, RANDOM)
            t = np.arange(len(c), dtype=float)
        else:
            t = np.array(self.choices.positions)
            c = coefficients.along(kind, t)
        subspace = self._subspace(self.run.schedule[number])
        points = ((x, subspace.state(torch.from_numpy(row))) for x, row in zip(t, c))
        more = {"coefficients": c.round(12).tolist(), "epoch": self.run.time(self.run.schedule[number])}
        return "point" if kind == "simplex" else "alpha", points, more

    def _over_epochs(self):
        """Take single networks, or the middle of a subspace, over checkpoints."""
        steps = [self.run.schedule[number] for number in self._numbers()] or self.run.schedule
        c = torch.from_numpy(coefficients.middle(self.config.kind, self.config.vertices))
        points = ((self.run.time(step), self._subspace(step).state(c)) for step in steps)
        return self.run.t_name, points, {}

    def _averaged(self):
        """Return the states of the networks that an average of the run's weights is over."""
        steps = [epoch * self.run.steps_per_epoch for epoch in self.config.averaged_epochs]
        absent = [step for step in steps if step not in self.run.schedule]
        if absent or not self.config.rate.startswith("swa"):
            raise InputError(
                f"{self.run.name}: its rate is {self.config.rate} and its schedule {self.config.schedule}; averages "
                "are of runs with `rate: swa_constant` or `swa_cyclic` and `schedule: epochs`"
            )
        return [self._loaded(self.folder, self.run, step) for step in steps]

    def _swa(self):
        states = self._averaged()
        return "number", iter([(0.0, averages.mean(self.network, states).state_dict())]), {"averaged": len(states)}

    def _swag(self):
        states = self._averaged()
        drawn = averages.swag(self.network, states, self.choices.draws, self.run.seed)
        return "draw", ((float(i), state) for i, state in enumerate(drawn)), {"averaged": len(states)}

    def _last_of_all(self):
        """Return {seed: the state of the last network} of all runs of this name that are asked for."""
        found = {}
        for item in self.together:
            run, folder = self._trained(item)
            found[item.seed] = self._loaded(folder, run, run.schedule[-1])
        if len(found) < 2:
            raise InputError(f"{self.run.name}: --average {self.choices.average} takes several seeds; there is one")
        return found

    def _soup(self):
        states = self._last_of_all()
        own = self.own.validation
        if not len(own):
            raise InputError(f"{self.run.name}: a soup is chosen on images held out; train with --validation_images")
        images, resolution = self.images.learned(self.run, self.own, own), self.config.evaluation_resolution
        outputs = np.searchsorted(self.run.task.classes, images.labels)
        plan = data.evaluation_plan(len(own), self.config.evaluation_batch_size, resolution)
        decoded = images.in_memory(resolution, self.here, workers=self.options.workers)
        held_out = list(decoded.batches(plan, device=self.here.device))

        def score(chosen):
            network = recalibrate(averages.mean(self.network, chosen), self._calibration())
            found = imprint.features(network, held_out).argmax(dim=1).cpu().numpy()
            return float((found == outputs).mean())

        seeds, every = list(states), list(states.values())
        chosen = averages.greedy(every, score)
        mean = averages.mean(self.network, [every[i] for i in chosen]).state_dict()
        return "number", iter([(0.0, mean)]), {"averaged": len(chosen), "members": [seeds[i] for i in chosen]}

    def _between(self):
        states = self._last_of_all()
        seeds = list(states)
        other = seeds[(seeds.index(self.run.seed) + 1) % len(seeds)]
        train = self.images.load(self.run.config["dataset"], "train")
        pair = Subspace([single(self.run, train, seed) for seed in (self.run.seed, other)])
        for vertex, seed in zip(pair.vertices, (self.run.seed, other)):
            vertex.load_state_dict(states[seed])
        t = np.array(self.choices.positions)
        points = ((x, pair.state(torch.from_numpy(c))) for x, c in zip(t, coefficients.along("line", t)))
        return "alpha", points, {"other_seed": other}

    def _loaded(self, folder, run, step):
        path = run.path(folder, step)
        return weights.unwrapped(weights.load(path), path)

    def _subspace(self, step) -> Subspace:
        """Return the subspace that a checkpoint holds."""
        subspace = initial(self.run, self.config, self.images.load(self.run.config["dataset"], "train"))
        path = self.run.path(self.folder, step)
        weights.fit(weights.load(path), subspace if len(subspace) > 1 else subspace.vertices[0], path)
        return subspace

    def _calibration(self):
        plan = data.evaluation_plan(
            len(self.own.recalibration), self.config.evaluation_batch_size, self.config.evaluation_resolution
        )
        return self._recalibrated.batches(plan, device=self.here.device)

    def _store(self, number, make) -> bool:
        """Store the points of a file, unless they are there; return whether there was something to do."""
        choices, run = self.choices, self.run
        name = choices.name(run.name, number)
        target = self.options.folders.file(name, run.seed)
        asked = json.loads(json.dumps(dataclasses.asdict(choices)))
        with self.here.lock(target.parent / f".{target.stem}.lock", str(target), wait=self.options.wait):
            if target.exists():
                store.check_same(target, run, self.folder, self.imprinter)
                if predictions.open_trajectory(target).attributes.get("choices") != asked:
                    raise InputError(f"{target} was stored with other choices; delete it to store these")
                return False
            if remove_orphans(target.parent, target.name):
                print(f"{target.parent.name} seed {run.seed}: redoing (found an unfinished write)", flush=True)
            images = self.imprinter.prepare(run)
            t_name, points, more = make()
            seen = []
            cosines = (lambda: {"feature_cosines": _cosines(seen)}) if t_name in COMPARABLE else dict
            store.store(
                target,
                run,
                self._ready(points, images, seen if t_name in COMPARABLE else None),
                self.imprinter,
                say=cosines,
                t_name=t_name,
                choices=asked,
                split=choices.images if choices.images != SETS[0] else facts(run.config["dataset"]).evaluation_split,
                **more,
            )
        return True

    def _ready(self, points: Points, images, seen: list | None) -> Points:
        """Yield points with their norm layers recalibrated; add features of the first images to `seen`."""
        few = torch.arange(min(COMPARED, len(images.labels)))
        plan = [data.Batch(few, few, resolution=self.config.evaluation_resolution)]
        for t, state in points:
            self.network.load_state_dict(state)
            if not self.choices.as_trained:
                recalibrate(self.network, self._calibration())
            if seen is not None:
                batches = images.batches(plan, device=self.here.device)
                seen.append(imprint.features(self.network.body, batches).double().cpu().numpy())
            yield t, {key: value.detach().clone() for key, value in self.network.state_dict().items()}


def _cosines(features: list[np.ndarray]) -> list[list[float]]:
    """Return the mean cosine (T, T) of the features of each two networks."""
    return [[round(float(measures.feature_cosine(f, g)), 6) for g in features] for f in features]


def of_run(run: Run) -> SubspaceConfig:
    """Return the configuration that a run of subspaces was trained with."""
    known = {field.name for field in dataclasses.fields(SubspaceConfig)}
    return SubspaceConfig(**{key: value for key, value in run.config.items() if key in known})
