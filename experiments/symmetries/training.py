"""Training stitches, or networks behind a fixed matrix: a run does one kind between two networks, at all layers.

Features of the sender are computed once.  Each layer learns by itself: the loss is the sum of theirs.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from experiments.symmetries import halves, stitches, stitching, trained
from experiments.symmetries.config import SENDERS, StitchConfig
from experiments.symmetries.halves import Halves, Parents
from experiments.symmetries.stitching import BATCH
from info_geometry.files import InputError, free_memory
from learning import data, networks
from learning.config import SHAPE
from learning.runs import find
from learning.runs import run as runs
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.split import Split, split
from learning.tasks import Task

STORED_BY = "experiments.symmetries.02_predicting.store_stitched"
FITTED_ON = 1000  # images whose features stitches are fitted to


@dataclasses.dataclass(frozen=True)
class Stitching:
    """A method: networks of the supervised runs of a task, of a variant, are stitched into those of other seeds.

    networks: the variant.  receiver: the seed of the receiver less that of the sender.
    """

    networks: str = ""
    receiver: int = 1

    def name(self, task: Task, config: StitchConfig) -> str:
        """Return the name of the run that stitches networks of a Task."""
        if not self.receiver and not config.alone:
            raise InputError("--receiver 0: a network is stitched into itself with --sender self")
        if self.receiver not in (0, type(self).receiver) and config.alone:
            raise InputError(
                f"--receiver {self.receiver}: the sender is {config.sender}, of the same network; leave it out"
            )
        pair = f"{'plus' if self.receiver > 0 else 'minus'}{abs(self.receiver)}"
        where = "retrained" if config.learns == "rest" else config.sender if config.alone else pair
        null = config.sender if config.sender not in (SENDERS[0], where, "self") else ""
        return "_".join(filter(None, [self._run(task.dataset, task.name), null, where, config.kind]))

    def _run(self, dataset, task):
        return "_".join(filter(None, [dataset, task, self.networks]))

    def _weights(self, dataset, task, seed, number, folders):
        variant = ("--variant", self.networks) if self.networks else ()
        asked = find.Asked(self._run(dataset, task), seed, (*find.guessed(f"{dataset}_{task}"), *variant))
        return find.weights_of(asked, number, folders)

    def describe(self, run: Run, images, config: StitchConfig, folders: Folders) -> Run:
        """Return the Run with the networks it starts from; raise InputError where they are not there or do not fit."""
        if run.task.random_labels:
            raise InputError(f"task {run.task.name}: say --sender random_labels of a task that has labels")
        name = self._run(run.task.dataset, run.task.name)
        to = run.seed if config.alone else run.seed + self.receiver
        if to < 0:
            raise InputError(f"--receiver {self.receiver}: there is no seed {to}")
        start = {"receiver": {"seed": to, **self._weights(run.task.dataset, run.task.name, to, None, folders)}}
        if not config.alone:
            sent = "randomlab" if config.sender == "random_labels" else run.task.name
            first = 0 if config.sender == "untrained" else None
            start["sender"] = {"seed": run.seed, **self._weights(run.task.dataset, sent, run.seed, first, folders)}
        there = runs.read(folders.run(name, to))
        if not config.alone:
            sender = runs.read(folders.run(start["sender"]["run"], run.seed))
            trained.check_comparable(sender, there, "a stitch", task=config.sender != "random_labels")
        values = {**run.config, **{key: there.config[key] for key in ("network", *SHAPE, "evaluation_resolution")}}
        samples = len(split(images.labels, run.task.classes, config).training)
        steps = data.steps_per_epoch(samples, config.batch_size)
        run = dataclasses.replace(
            run,
            config=values,
            start=start,
            samples=samples,
            steps_per_epoch=steps,
            schedule=schedule(config, steps) if config.trains else [0],
            stored_by=STORED_BY,
        )
        own = parents(run, config, folders)
        few = pixels(images, np.arange(4), values["evaluation_resolution"])
        at = halves.layers(own, config, few)
        halves.build(config.unfitted, own, at, run.seed, few)  # which says what does not fit
        return dataclasses.replace(run, config={**values, "layers": ",".join(at)})

    def train(self, job: Job) -> None:
        """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
        config, run, here = job.config, job.run, job.here
        own = split(job.images.labels, run.task.classes, config)
        batch = min(config.batch_size, len(own.training))
        if config.trains and batch % here.world:
            raise InputError(
                f"{run.name}: batches of {batch} images cannot be divided evenly among {here.world} processes; change "
                "--batch_size or --nproc-per-node"
            )
        seen = Seen(job, own)
        fronts, joined = seen.built
        given = seen.features(fronts, own.training) if config.trains else None
        record = job.begin(joined.held, joined, lambda: seen.said(run.config["layers"].split(",")))
        if not config.trains:
            return
        place = np.full(len(job.images.labels), -1)
        place[own.training] = np.arange(len(own.training))
        place, outputs = torch.from_numpy(place), seen.outputs(own.training)
        plan = data.whole_plan(own.training, config, run.seed, record.step, here.rank, here.world)

        def step():
            chosen = place[next(plan).indices].to(here.device)
            joined.cool(record.step / run.schedule[-1])
            found = update(record.model, joined, record.optimiser, [x[chosen] for x in given], outputs[chosen])
            joined.cool((record.step + 1) / run.schedule[-1])  # as stage 2 takes it from a checkpoint after this step
            return found

        job.take_steps(record, step)


def parents(run: Run, config: StitchConfig, folders: Folders) -> Parents:
    """Return the networks of a run that were stitched; raise InputError where others are in their places now."""
    for each in run.start.values():
        path = folders.run(each["run"], each["seed"]) / "ckpt" / each["checkpoint"]
        if not path.exists():
            raise InputError(f"{path}, which {run.name} was stitched from, is gone; delete that run and train it again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != each["sha256"]:
            raise InputError(f"{path} is not what {run.name} was stitched from; delete that run and train it again")
    return halves.parents(run.start, run.seed, config, folders)


def update(model, joined: Halves, optimiser, given, outputs: torch.Tensor) -> torch.Tensor:
    """Take one step on features of each layer; return a tensor of the sum of losses, of right answers and of images.

    The first two are means over layers.  model: what is called, joined or a wrapper around it.
    """
    optimiser.zero_grad(set_to_none=True)
    with joined.learning():
        logits = model(given)
        losses = torch.stack([F.cross_entropy(each, outputs) for each in logits])
        (losses.sum() + sum(stitch.penalty() for stitch in joined.stitches)).backward()
    optimiser.step()
    for stitch in joined.stitches:
        stitch.project_(optimiser.param_groups[0]["lr"])
    correct = sum((each.argmax(dim=1) == outputs).sum() for each in logits) / len(logits)
    count = len(outputs)
    return torch.stack([losses.detach().mean() * count, correct, torch.full_like(correct, count)]).double()


def pixels(images, indices, resolution):
    """Return images (N, channels, size, size), as evaluation sees them."""
    plan = [data.Batch(part, part, resolution=resolution) for part in torch.from_numpy(indices).split(BATCH)]
    return torch.cat(list(images.batches(plan)))


class Seen:
    """What the networks of a job see: images of its Split, and features of them.

    built: first halves, and the Halves that they go into, on the device.
    """

    def __init__(self, job: Job, own: Split):
        self._job, self._own = job, own
        self._resolution = job.run.config["evaluation_resolution"]
        run, config = job.run, job.config
        few = pixels(job.images, own.recalibration[:FITTED_ON], self._resolution)
        at = run.config["layers"].split(",")
        fronts, joined = halves.build(config, parents(run, config, job.folders), at, run.seed, few)
        device = job.here.device
        self.built = [front.to(device) for front in fronts], networks.on(device, joined)

    def features(self, fronts, indices: np.ndarray) -> list[torch.Tensor]:
        """Return the features (N, C, ...) of training images at each layer; raise InputError where there is no room."""
        parts = torch.from_numpy(indices).split(BATCH)
        plan = [data.Batch(part, part, resolution=self._resolution) for part in parts]
        found, done = [], 0
        for _, some in self._job.batches(plan):
            each = [stitching.features(front, some) for front in fronts]
            if not found:
                self._check_room(sum(4 * x[0].numel() for x in each) * len(indices))
                found = [x.new_empty(len(indices), *x.shape[1:]) for x in each]
            for whole, x in zip(found, each):
                whole[done : done + len(x)] = x
            done += len(some)
        return found

    def _check_room(self, needed: int) -> None:
        device = self._job.here.device
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
        if needed > free:
            raise InputError(
                f"{self._job.run.name}: features of the training images need {needed / 1e9:.1f} GB of memory, "
                f"{free / 1e9:.1f} are free; lower --training_images, or name fewer --layers"
            )

    def outputs(self, indices: np.ndarray) -> torch.Tensor:
        """Return the right output (N,) of each training image."""
        found = np.searchsorted(self._job.run.task.classes, self._job.images.labels[indices])
        return torch.from_numpy(found).to(self._job.here.device)

    @functools.cached_property
    def _held_out(self):
        fronts = self.built[0]
        return [self.features(fronts, part) for part in (self._own.recalibration, self._own.validation)]

    def said(self, layers: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return what the log of a checkpoint says besides, of each layer: accuracies on images held out, and more."""
        stitched = self.built[1]
        few, held = self._held_out
        outputs = self.outputs(self._own.validation)
        found = {"validation": accuracies(stitched.ready(few), held, outputs)}
        if any(hasattr(stitch, "saturation") for stitch in stitched.stitches):
            found["validation_soft"] = accuracies(stitched.ready(few, soft=True), held, outputs, soft=True)
        for key in ("saturation", "sparsity"):
            values = [getattr(stitch, key)() for stitch in stitched.stitches if hasattr(stitch, key)]
            found |= {key: values} if values else {}
        return {key: dict(zip(layers, values)) for key, values in found.items()}


@torch.no_grad()
def accuracies(joined: Halves, given: Sequence[torch.Tensor], outputs: torch.Tensor, soft: bool = False) -> list[float]:
    """Return the share of right answers of each layer on features (N, C, ...) with right outputs (N,)."""
    found = []
    for stitch, back, x in zip(joined.stitches, joined.backs, given):
        matrix = stitch.soft() if soft else stitch.hard()
        right = [
            (back(stitches.apply(matrix, part)).argmax(dim=1) == y)
            for part, y in zip(x.split(BATCH), outputs.split(BATCH))
        ]
        found.append(float(torch.cat(right).double().mean()))
    return found
