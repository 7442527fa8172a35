"""Training a network on a task under a condition, or on two tasks at once, from initial weights or from other ones."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from experiments.task_distances import conditions
from experiments.task_distances.conditions import Condition
from experiments.task_distances.config import TaskConfig, of_run
from info_geometry.files import InputError
from learning import data, networks, supervise
from learning.deficits import Deficit
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.split import split
from learning.tasks import Task, load
from learning.variational import Variational, of_config

STORED_BY = "experiments.task_distances.02_predicting.store_known"  # where networks are variational
NOISE = 1904  # of the keys of noise
ALWAYS = float("inf")  # the end of a condition, in epochs


@dataclasses.dataclass(frozen=True)
class Part:
    """A task under a condition, of which a network learns images `indices` (n,), with outputs from `first` on."""

    task: Task
    condition: Condition
    indices: np.ndarray
    first: int = 0

    @property
    def name(self) -> str:
        """What it is called in the names of runs, such as all_blur7."""
        return f"{self.task.name}_{self.condition.label}"

    @property
    def classes(self) -> int:
        """Its number of classes."""
        return len(self.task.classes)

    def applied(
        self, images: torch.Tensor, labels: np.ndarray, indices: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (B, C, H, W), and outputs (B,) of the network, as they are under the condition.

        labels (B,): classes of the data set.  indices (B,): of the images in it, which random labels follow from.
        """
        outputs = data.move(torch.from_numpy(np.searchsorted(self.task.classes, labels)), images.device)
        images, outputs = deficit_of(self.condition).applied(images, outputs, indices, 0.0, self.classes, 0)
        return images, outputs + self.first


class Heads(nn.Module):
    """A network of which each of several tasks has some outputs: an image of a task has probabilities over these alone.

    forward: images, the number of the task of each (B,), and what else the network takes.
    """

    def __init__(self, network: nn.Module, own: Sequence[Part]):
        super().__init__()
        self.network = network
        of = torch.arange(own[-1].first + own[-1].classes)
        inside = torch.stack([(of >= part.first) & (of < part.first + part.classes) for part in own])
        self.register_buffer("inside", inside, persistent=False)

    def forward(self, images: torch.Tensor, tasks: torch.Tensor, *more) -> torch.Tensor:
        return self.network(images, *more).masked_fill(~self.inside[tasks], -torch.inf)


def deficit_of(condition: Condition) -> Deficit:
    """Return the Deficit that never ends."""
    kind = "none" if condition.kind == conditions.PLAIN else condition.kind
    return Deficit(kind, 0.0, ALWAYS, condition.factor or conditions.FACTOR)


def check(condition: Condition, classes: int, size: int, config: TaskConfig) -> None:
    """Raise InputError where a condition does not fit a task of so many classes, or images of `size` pixels.

    A blur is of so many pixels: where images of training and evaluation have several sizes, it is several conditions.
    """
    sides = {config.resolution_at(epoch) or size for epoch in range(config.epochs)}
    sides.add(config.evaluation_resolution or size)
    if condition.kind == "blur" and len(sides) > 1:
        raise InputError(
            f"condition is {condition.label}, but images have {', '.join(map(str, sorted(sides)))} pixels in training "
            "and evaluation, and are blurred more where they have less; set resolution and evaluation_resolution to "
            "one number, and final_resolution: 0"
        )
    deficit_of(condition).check(sides, classes)


@dataclasses.dataclass(frozen=True)
class Learning:
    """A method: learning a task, besides another one `also` (TASK:CONDITION), from the last weights of a run `start`.

    The start is a run of this data set and network; its body is taken, and the head is new.
    """

    start: str | None = None
    also: str | None = None

    def name(self, task: Task, config: TaskConfig) -> str:
        """Return the name of the run that learns a Task, such as fashion_all_blur7_from_all_plain."""
        found = f"{task.dataset}_{task.name}_{config.condition}"
        if self.also:
            found += "_and_" + self._also(task.dataset)
        if self.start:
            found += "_from_" + self.start.removeprefix(f"{task.dataset}_")
        return found + (f"_beta{config.beta:g}" if config.beta else "")

    def describe(self, run: Run, images, config: TaskConfig, folders: Folders) -> Run:
        """Return the Run with the images that it learns from, its outputs, and the weights that it starts from.

        Raises InputError where a condition does not fit images or task, labels are smoothed and tasks two, images are
        too few, and where the weights are not there, unless the run is there and says what they were.
        """
        own = parts(run.task, self.also, images, config)
        if self.also and config.label_smoothing:
            raise InputError(
                f"label_smoothing is {config.label_smoothing:g}, which gives images of a task a share of outputs "
                f"that only the other has; set label_smoothing: 0 to learn {self.also} too"
            )
        for part in own:
            check(part.condition, part.classes, images.size, config)
        samples = sum(len(part.indices) for part in own)
        steps = data.steps_per_epoch(samples, config.batch_size)
        return dataclasses.replace(
            run,
            samples=samples,
            steps_per_epoch=steps,
            schedule=schedule(config, steps),
            outputs=None if len(own) == 1 else sum(part.classes for part in own),
            start=self._weights(run, folders) if self.start else None,
            stored_by=STORED_BY if config.beta else "",
        )

    def train(self, job: Job) -> None:
        """Train a run from its last saved state, or from the weights it starts from, to the end of its schedule."""
        config, run, here = job.config, job.run, job.here
        own = parts(run.task, self.also, job.images, config)
        batch = min(config.batch_size, run.samples)
        if batch % here.world:
            raise InputError(
                f"{run.name}: batches of {batch} images cannot be divided evenly among {here.world} processes; change "
                "--batch_size or --nproc-per-node"
            )
        network = job.network()
        if run.start:
            start_from(job, network)
        if config.beta:
            train_variational(job, of_config(config, network, run.seed), own)
            return
        record = job.begin(network, Heads(network, own))
        given, share = batches(job, own, record.step), batch // here.world
        job.take_steps(record, lambda: supervise.update(record.model, record.optimiser, given, share, config))

    def _also(self, dataset):
        name, condition = conditions.apart(self.also)
        with contextlib.suppress(InputError):  # class folders of another data set may have it; if not, describe says so
            name = load(dataset, name).name
        return f"{name}_{condition.label}"

    def _weights(self, run, folders):
        """Return what run.json says of the weights that a run starts from."""
        try:
            return find.weights_of(find.Asked(self.start, run.seed), None, folders)
        except InputError:
            there = runs.read(folders.run(run.name, run.seed))
            if there is None or there.start is None:
                raise
            return there.start


def train_variational(job: Job, model: Variational, own: Sequence[Part]) -> None:
    """Train a variational network from the last saved state of its run to the end of its schedule.

    What is minimised is the mean cross entropy of a batch, with noise, plus beta / N times the KL divergence.
    """
    config, run = job.config, job.run
    if job.as_you_go or job.here.world > 1:
        raise InputError(
            f"{run.name}: a variational network is trained by one process, and stage 2 takes it from weights; leave "
            "out torchrun and --imprint-as-you-go"
        )
    groups = model.groups(config.variance_rate / config.learning_rate)
    record = job.begin(model, Heads(model, own), optimiser=lambda _: torch.optim.Adam(groups, lr=0.0))

    def noisy(given, first):
        for step, (*seen, outputs) in enumerate(given, start=first):
            key = [run.seed, *divmod(step, run.steps_per_epoch), NOISE]
            yield *seen, int(np.random.SeedSequence(key).generate_state(1)[0]), outputs

    def penalty():
        return config.beta_at((record.step + 0.5) / run.steps_per_epoch) / run.samples * sum(model.kl().values())

    given, share = noisy(batches(job, own, record.step), record.step), min(config.batch_size, run.samples)
    job.take_steps(record, lambda: supervise.update(record.model, record.optimiser, given, share, config, penalty))


def network_of(images, run: Run) -> networks.Network | Variational:
    """Return the network of a run, variational or not, with initial weights."""
    config = of_run(run.config)
    network = networks.of_config(config, images, run.classes, run.seed)
    return of_config(config, network, run.seed) if config.beta else network


def parts(task: Task, also: str | None, images, config: TaskConfig) -> list[Part]:
    """Return what a network learns: a task under the condition of a configuration, and maybe another one beside it."""
    every = [(task, conditions.read(config.condition))]
    if also:
        name, condition = conditions.apart(also)
        every.append((load(task.dataset, name, images.class_names), condition))
    found, first = [], 0
    for each, condition in every:
        if each.random_labels:
            raise InputError(f"task {each.name}: say the condition random_labels of a task that has labels")
        found.append(Part(each, condition, split(images.labels, each.classes, config).training, first))
        first += len(each.classes)
    return found


def batches(job: Job, own: Sequence[Part], first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield images, the number of the task of each, and outputs, of each part of a batch from step `first` on.

    A batch is of all tasks at once, under their conditions: an image that two of them have counts twice.
    """
    config, run, here, labels = job.config, job.run, job.here, job.images.labels
    N = len(labels)
    plan = data.whole_plan(
        np.concatenate([k * N + part.indices for k, part in enumerate(own)]),
        config,
        run.seed,
        first,
        here.rank,
        here.world,
    )
    plan, same = itertools.tee(plan)
    of_images = (batch._replace(indices=batch.indices % N) for batch in same)
    for whole, (batch, pixels) in zip(plan, job.batches(of_images, config.augmentation)):
        outputs = torch.empty(len(pixels), dtype=torch.int64, device=pixels.device)
        tasks = whole.indices // N
        for k, part in enumerate(own):
            mine = torch.nonzero(tasks == k).flatten()
            if len(mine):
                indices, where = batch.indices[mine], data.move(mine, pixels.device)
                pixels[where], outputs[where] = part.applied(pixels[where], labels[indices.numpy()], indices)
        yield pixels, data.move(tasks, pixels.device), outputs


def start_from(job: Job, network: torch.nn.Module) -> None:
    """Put the weights of the body in the checkpoint that a run starts from into a network, whose head stays as it is.

    Raises InputError where the checkpoint is not there, or is of another network.
    """
    start = job.run.start
    path = job.folders.run(start["run"], job.run.seed) / "ckpt" / start["checkpoint"]
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint, from which {job.run.name} starts; train {start['run']} again")
    saved = weights.unwrapped(weights.load(path), path)
    body = {key.removeprefix("body."): value for key, value in saved.items() if key.startswith("body.")}
    weights.fit(body, network.body, path)
