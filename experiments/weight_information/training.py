"""Training a variational network: the cross entropy of a batch, with noise, plus beta / N times the KL divergence."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from experiments.weight_information.config import VariationalConfig
from experiments.weight_information.knowledge import told
from experiments.weight_information.nuisances import planted, seen
from info_geometry.files import InputError
from learning import data, networks, supervise
from learning.noise import noisy
from learning.runs import find, weights
from learning.runs import run as runs
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.split import Split, split
from learning.tasks import Task
from learning.variational import Variational, of_config

STORED_BY = "experiments.weight_information.02_predicting.store_variational"
NOISE = 1506  # of the keys of noise
ALIKE = "label_noise", "training_images", "validation_images", "nuisance"  # as those of the run it starts from


@dataclasses.dataclass(frozen=True)
class Variation:
    """A method: a variational network, around initial weights, or the last mean weights of the run called `start`."""

    start: str | None = None

    def name(self, task: Task, config: VariationalConfig) -> str:
        """Return the name of the run that learns a Task."""
        return f"{task.dataset}_{task.name}_variational{'_warm' if self.start else ''}"

    def describe(self, run: Run, images, config: VariationalConfig, folders: Folders) -> Run:
        """Return the Run with the images that it learns from, and the weights that it starts from.

        Raises InputError where labels are random, images too few, the network of another kind, a nuisance not to be
        planted, or the weights not there, unless the run is there and says what they were.
        """
        if run.task.random_labels:
            told = "all labels are random; say --label_noise 1 of a task that has labels"
            raise InputError(f"task {run.task.name}: {told}")
        samples = len(split(images.labels, run.task.classes, config).training)
        steps = data.steps_per_epoch(samples, config.batch_size)
        first = images if config.nuisance == "none" else planted(images.part(np.arange(1)), config.nuisance, 0)
        of_config(config, networks.of_config(config, first, run.classes, run.seed), run.seed)  # says what does not fit
        return dataclasses.replace(
            run,
            samples=samples,
            steps_per_epoch=steps,
            schedule=schedule(config, steps),
            start=self._weights(run, folders) if self.start else None,
            stored_by=STORED_BY,
        )

    def _weights(self, run, folders):
        """Return what run.json says of the weights that a run starts from."""
        try:
            found = find.weights_of(find.Asked(self.start, run.seed), None, folders)
        except InputError:
            there = runs.read(folders.run(run.name, run.seed))
            if there is None or there.start is None:
                raise
            return there.start
        first = runs.read(folders.run(self.start, run.seed))
        if first.task != run.task:
            raise InputError(
                f"--start {self.start} has learned {first.task.dataset} {first.task.name}, not "
                f"{run.task.dataset} {run.task.name}; start from a run of the same task"
            )
        known = {**run.config, "nuisance": "none", **first.config}
        differ = [key for key in ALIKE if known[key] != run.config[key]]
        if differ:
            raise InputError(
                f"--start {self.start} has learned other images or labels ({', '.join(differ)}); start from one that "
                "has learned the same"
            )
        return found

    def train(self, job: Job) -> None:
        """Train a run from its last saved state, or from its first weights, to the end of its schedule."""
        config, run = job.config, job.run
        if job.as_you_go:
            raise InputError(f"{run.name}: stage 2 draws from weights; leave out --imprint-as-you-go")
        job = dataclasses.replace(job, images=seen(job.images, config.nuisance))
        own = split(job.images.labels, run.task.classes, config)
        model = initial(run, config, job.images, job.folders)
        outputs = learned(run, own, job.images.labels, config)
        record = job.begin(model, say=lambda: _said(model, job, own, outputs), optimiser=_optimiser(config))
        parts = batches(job, own, outputs, record.step)
        share = min(config.batch_size, run.samples)

        def penalty():
            beta = config.beta_at((record.step + 0.5) / run.steps_per_epoch)
            return beta / run.samples * sum(model.kl().values())

        job.take_steps(record, lambda: supervise.update(record.model, record.optimiser, parts, share, config, penalty))


def initial(run: Run, config: VariationalConfig, images, folders: Folders) -> Variational:
    """Return the variational network that a run begins with."""
    network = networks.of_config(config, images, run.classes, run.seed)
    if run.start:
        start_from(folders.run(run.start["run"], run.seed) / "ckpt" / run.start["checkpoint"], network, run)
    return of_config(config, network, run.seed)


def start_from(path: Path, network: networks.Network, run: Run) -> None:
    """Put weights, or the mean weights of a variational network, from a checkpoint into a network."""
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint, from which {run.name} starts; train {run.start['run']} again")
    saved = weights.unwrapped(weights.load(path), path)
    if any(key.endswith(".log_prior") for key in saved):
        kept = {key: w for key, w in saved.items() if ".mean." in key}
        saved = {key.removeprefix("network.").replace(".mean.", "."): w for key, w in kept.items()}
    weights.fit(saved, network, path)


def learned(run: Run, own: Split, labels: np.ndarray, config: VariationalConfig) -> torch.Tensor:
    """Return the outputs (N,) that are learned for images with these labels, of which some may be wrong.

    Output k stands for the k-th class of the task; what images of other classes have says nothing.
    """
    outputs = np.searchsorted(run.task.classes, labels) * np.isin(labels, run.task.classes)
    return torch.from_numpy(noisy(outputs, own, len(run.task.classes), config.label_noise))


def batches(job: Job, own: Split, outputs: torch.Tensor, first: int) -> Iterator[tuple]:
    """Yield (images, key of noise, outputs) of each batch from step `first` on.

    The key follows from seed, epoch and batch, so that a run can be gone on with at any step.
    """
    plan = data.whole_plan(own.training, job.config, job.run.seed, first)
    for step, (part, pixels) in enumerate(job.batches(plan), start=first):
        key = [job.run.seed, *divmod(step, job.run.steps_per_epoch), NOISE]
        key = int(np.random.SeedSequence(key).generate_state(1)[0])
        yield pixels, key, data.move(outputs[part.indices], job.here.device)


def learned_images(images, own: Split, config: VariationalConfig, here, workers: int = 0) -> Iterator[torch.Tensor]:
    """Yield the images that are learned from, in increasing order, as evaluation sees them."""
    found = images.part(np.sort(own.training)).in_memory(config.evaluation_resolution, here, workers=workers)
    plan = data.evaluation_plan(len(own.training), config.evaluation_batch_size, config.evaluation_resolution)
    return found.batches(plan, device=here.device)


def _said(model, job, own, outputs):
    """Return what the log of a checkpoint says besides."""
    images = learned_images(job.images, own, job.config, job.here, job.workers)
    network = networks.on(job.here.device, job.network())
    chosen = outputs[torch.from_numpy(np.sort(own.training))]
    return told(model, network, images, chosen, job.config.draws, job.run.seed)


def _optimiser(config):
    """Return what makes the optimiser: Adam, in which variances and priors have a learning rate of their own."""
    return lambda model: torch.optim.Adam(model.groups(config.variance_rate / config.learning_rate), lr=0.0)
