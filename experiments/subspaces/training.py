"""Training a subspace, or a single network, which is a subspace of one vertex."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import torch

from experiments.subspaces import coefficients
from experiments.subspaces.config import SubspaceConfig
from experiments.subspaces.subspace import Subspace
from info_geometry import distance
from info_geometry.files import InputError
from learning import data, imprint, networks, supervise
from learning.config import of_run
from learning.networks.recalibration import recalibrate
from learning.noise import noisy
from learning.runs.job import Job
from learning.runs.run import Folders, Run, schedule
from learning.split import Split, split
from learning.tasks import Task

STORED_BY = "experiments.subspaces.02_sampling.sample_subspace"


def name(task: Task, config: SubspaceConfig) -> str:
    """Return the name of the run that learns a Task with a subspace."""
    kind = f"simplex{config.vertices}" if config.kind == "simplex" else config.kind
    return f"{task.dataset}_{task.name}_{'layerwise_' if config.layerwise else ''}{kind}"


def describe(run: Run, images, config: SubspaceConfig, folders: Folders) -> Run:
    """Return the Run with the images that it learns from; raise InputError where labels are random, or too few."""
    if run.task.random_labels:
        raise InputError(f"task {run.task.name}: all labels are random; say --label_noise 1 of a task that has labels")
    samples = len(split(images.labels, run.task.classes, config).training)
    steps = data.steps_per_epoch(samples, config.batch_size)
    return dataclasses.replace(
        run,
        samples=samples,
        steps_per_epoch=steps,
        schedule=schedule(config, steps),
        stored_by="" if config.kind == "point" else STORED_BY,
    )


def initial(run: Run, config: SubspaceConfig, images) -> Subspace:
    """Return the subspace of a run with initial weights: the first vertex is what a network of this seed begins as."""
    seeds = [run.seed]
    seeds += [int(np.random.SeedSequence([run.seed, i]).generate_state(1)[0]) for i in range(1, config.vertices)]
    return Subspace([single(run, images, seed) for seed in seeds])


def single(run: Run, images, seed: int) -> networks.Network:
    """Return one network of the architecture of a run, with initial weights drawn from a seed."""
    config = of_run(run.config)
    return networks.of_config(config, images, run.classes, seed)


def held(subspace: Subspace) -> torch.nn.Module:
    """Return what checkpoints hold: the subspace, or the only network in it."""
    return subspace if len(subspace) > 1 else subspace.vertices[0]


def train(job: Job) -> None:
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    config, run, here = job.config, job.run, job.here
    if job.as_you_go:
        raise InputError(f"{run.name}: stage 2 takes networks from weights; leave out --imprint-as-you-go")
    own = split(job.images.labels, run.task.classes, config)
    batch = min(config.batch_size, len(own.training))
    if batch % (here.world * config.draws) or (config.draws > 1 and config.draws % here.world):
        raise InputError(
            f"{run.name}: batches of {batch} images cannot be divided evenly among {here.world} processes and "
            f"{config.draws} draws, of which each is in one process; change --batch_size, --draws or --nproc-per-node"
        )
    if config.draws > 1 and batch < config.batch_size:
        raise InputError(
            f"{run.name}: {batch} training images do not fill a batch for {config.draws} draws; lower either"
        )
    subspace = initial(run, config, job.images)
    say = dict
    if len(subspace) > 1:  # decoded once, by all processes together
        few = job.images.part(own.recalibration)
        few = few.in_memory(config.evaluation_resolution, here, workers=job.workers)
        say = functools.partial(said, subspace, job, few)
    record = job.begin(held(subspace), subspace, say)
    layers = len(subspace.layers) if config.layerwise else 1
    parts = batches(job, own, layers, subspace.vertices[0].head.in_features, record.step)
    share = batch // here.world

    def penalty():
        pair = coefficients.pair(len(subspace), run.seed, *divmod(record.step, run.steps_per_epoch))
        return config.beta * subspace.squared_cosine(*pair)

    penalised = penalty if config.beta and len(subspace) > 1 else None
    job.take_steps(record, lambda: supervise.update(record.model, record.optimiser, parts, share, config, penalised))


def batches(job: Job, own: Split, layers: int, features: int, first: int) -> Iterator[tuple]:
    """Yield what `supervise.update` takes of each part of a batch from step `first` on: images, coefficients, a mask of
    features or None, and outputs.

    layers: that draw coefficients of their own.  features: their number.
    Coefficients follow from seed, epoch, batch and part alone: those of a part are the same in whatever process it is.
    """
    config, run, here = job.config, job.run, job.here
    classes = run.task.classes
    outputs = np.searchsorted(classes, job.labels)
    outputs = torch.from_numpy(noisy(outputs, own, len(classes), config.label_noise))
    plan = data.whole_plan(own.training, config, run.seed, first, here.rank, here.world)
    step, seen = first, 0
    share = min(config.batch_size, len(own.training)) // here.world
    for part, pixels in job.batches(plan, config.augmentation):
        key = run.seed, *divmod(step, run.steps_per_epoch)
        drawn = coefficients.draws(config.kind, config.vertices, config.draws, layers, *key)
        c = torch.from_numpy(drawn[int(part.positions[0]) // config.micro_batch_size if config.draws > 1 else 0])
        mask = _mask(part.positions, features, config.dropout, key) if config.dropout else None
        moved = [None if x is None else data.move(x, here.device) for x in (c if config.layerwise else c[0], mask)]
        yield pixels, *moved, data.move(outputs[part.indices], here.device)
        seen += len(pixels)
        if seen == share:
            step, seen = step + 1, 0


def _mask(positions, features, dropout, key):
    """Return what features (B, F) of images at these positions of a batch are times: 0, or 1 / (1 - dropout)."""
    rng = np.random.default_rng([*key, coefficients.MASK])
    kept = rng.random((int(positions.max()) + 1, features))[positions.numpy()] >= dropout
    return torch.from_numpy(kept / (1 - dropout)).float()


def calibration_plan(count: int, largest: int, resolution: int) -> list[data.Batch]:
    """Return a plan of batches as large as each other, up to one, so that their statistics count alike."""
    parts = torch.arange(count).tensor_split(-(-count // largest))
    return [data.Batch(part, part, resolution=resolution) for part in parts]


def said(subspace: Subspace, job: Job, few: data.TensorImages) -> dict[str, float]:
    """Return what the log of a checkpoint says besides: cos^2 and L2 of vertices, and d_B of the ends.

    few: images on which the ends are recalibrated, and predict.
    """
    config, here = job.config, job.here
    plan = calibration_plan(len(few.labels), config.evaluation_batch_size, config.evaluation_resolution)
    images = list(few.batches(plan, device=here.device))
    ends = torch.eye(len(subspace), dtype=torch.float64, device=here.device)[[0, -1]]
    network = job.network().to(here.device)
    found = []
    for c in ends:
        network.load_state_dict(subspace.state(c))
        recalibrate(network, images)
        found.append(torch.softmax(imprint.features(network, images), dim=1).double().cpu().numpy())
    return {**subspace.geometry(), "d_B": float(distance.bhattacharyya(*found))}
