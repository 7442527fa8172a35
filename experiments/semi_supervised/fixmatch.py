"""FixMatch: few labels, and all images of a task, of which a network tells itself the labels that it is sure of.

What it predicts with confidence for a weak view of an image, it learns to predict for a strong view of it (Sohn et al.,
FixMatch: Simplifying semi-supervised learning with consistency and confidence, NeurIPS 2020).
"""

import dataclasses
import itertools
from typing import ClassVar

import numpy as np

from info_geometry.files import InputError
from learning.config import Config

SUBSET, ORDER = range(2)  # what random numbers are for: a stream of its own each


@dataclasses.dataclass(frozen=True)
class FixMatchConfig(Config):
    """How networks are trained with labels of a part of the images.

    Of all images of a task, `labelled` keep their labels, divided evenly among the classes.  A step takes `batch_size`
    of these and `unlabelled_ratio` times as many of all.  `threshold` and `unlabelled_weight`: see `loss`.
    """

    labelled: int = 400
    unlabelled_ratio: int = 7
    threshold: float = 0.95
    unlabelled_weight: float = 1.0

    POSITIVE: ClassVar = (*Config.POSITIVE, "labelled", "unlabelled_ratio", "threshold")
    UNUSED: ClassVar = {
        "augmentation": "views are random already",
        "label_smoothing": "the loss of FixMatch has none",
        "micro_batch_size": "images with and without labels go through the network together",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.threshold > 1:
            raise InputError(f"threshold is {self.threshold}, expected at most 1: it is a probability")


def run_name(task):
    """Return the name of the run that learns a Task from few labels."""
    return f"{task.run}_fixmatch"


def describe(task, seed, images, config):
    """Return what determines a run; an epoch is one pass over the images without labels.

    Raises InputError where labels are random, or there are not enough of them.
    """
    from learning.runs import checkpoints

    if task.random_labels:
        raise InputError(f"task {task.name}: random labels say nothing of images without labels; choose another task")
    labelled(images.labels, task.classes, config.labelled, seed)
    run = checkpoints.describe(task, seed, images, unlabelled_part(config))
    return {**run, "name": run_name(task), "config": vars(config)}


def unlabelled_part(config):
    """Return the configuration with the batches of images without labels, whose passes are the epochs."""
    return dataclasses.replace(config, batch_size=config.batch_size * config.unlabelled_ratio)


def labelled(labels, classes, count, seed):
    """Return the indices, increasing, of `count` images of some classes, whose numbers differ by at most one.

    labels (N,): of all images.  Which images they are, and which classes have one more, follows from the seed.
    Raises InputError if there are fewer images in all, or of a class, or fewer than classes.
    """
    there = int(np.isin(labels, classes).sum())
    if not len(classes) <= count <= there:
        raise InputError(f"labelled is {count}, expected {len(classes)} (the number of classes) to {there} (of images)")
    rng = _generator(seed, SUBSET)
    wanted = count // len(classes) + (rng.permutation(len(classes)) < count % len(classes))
    chosen = [rng.permutation(np.flatnonzero(labels == each))[:number] for each, number in zip(classes, wanted)]
    for each, number, found in zip(classes, wanted, chosen):
        if len(found) < number:
            raise InputError(f"labelled is {count}: class {each} has only {len(found)} images of {number}; lower it")
    return np.sort(np.concatenate(chosen))


def loss(logits_labelled, labels, logits_weak, logits_strong, threshold, weight):
    """Return the loss, a scalar, of B labelled and U unlabelled images from logits (B, K), (U, K), (U, K).

        1/B sum_b H(y_b, p(x_b)) + weight 1/U sum_u 1[max q_u >= threshold] H(argmax q_u, p(strong view of u)),
        q_u = p(weak view of u)

    where p is the softmax of logits and H the cross-entropy (Sohn et al. 2020, equations 3 and 4).  No gradient flows
    through q.  Images that are not sure enough count as zeros in the mean.
    """
    import torch.nn.functional as F

    confidence, guessed = logits_weak.detach().softmax(dim=1).max(dim=1)
    unlabelled = F.cross_entropy(logits_strong, guessed, reduction="none") * (confidence >= threshold)
    return F.cross_entropy(logits_labelled, labels) + weight * unlabelled.mean()


def train(folder, run, images, options, here, bar, stop):
    """Train a run from its last saved state, or from initial weights, to the end of its schedule."""
    from learning import networks, stage

    config = options.config
    network = networks.build(config.network, images.channels, images.size, len(run["task"]["classes"]), run["seed"])
    network = networks.on(here.device, network)
    record = stage.begin(folder, run, network, options, here)
    if config.compile and here.device.type == "cuda":
        network.compile(dynamic=False)
    batches = views_of(run, images, config, record.step, here.device, options.workers)
    stage.take_steps(record, config, lambda: update(network, record.optimiser, *next(batches), config), here, bar, stop)


def update(network, optimiser, pixels, outputs, config):
    """Take one step of SGD; return a tensor of the sum of losses and, of labelled images, right answers and number.

    pixels: weak views of labelled images, of unlabelled ones, and strong views of these; outputs (B,): of the first.
    """
    import torch

    from learning import networks

    network.train()
    optimiser.zero_grad(set_to_none=True)
    with networks.autocast(pixels.device, config.precision):
        logits = network(pixels)  # all together: norm layers average over labelled and unlabelled images
    few = len(outputs)
    many = (len(pixels) - few) // 2
    first, weak, strong = logits.float().split([few, many, many])
    value = loss(first, outputs, weak, strong, config.threshold, config.unlabelled_weight)
    value.backward()
    optimiser.step()
    correct = (first.argmax(dim=1) == outputs).sum()
    return torch.stack([value.detach() * few, correct, torch.full_like(correct, few)]).double()


def views_of(run, images, config, first, device, workers):
    """Yield what `update` takes for each step from `first`: pixels of all views, outputs of labelled images."""
    import torch

    from learning import data
    from learning.data import views

    few = config.batch_size
    outputs = torch.from_numpy(np.searchsorted(run["task"]["classes"], images.labels))
    batches, same = itertools.tee(plan(run, images.labels, config, first))
    for batch, pixels in zip(same, images.batches(batches, device=device, workers=workers)):
        weak = views.weak(pixels, batch.key, config.dataset)
        strong = views.strong(pixels[few:], batch.key ^ 1, config.dataset)  # other random numbers than those of weak
        yield torch.cat([weak, strong]), data.move(outputs[batch.indices[:few]], device)


def plan(run, labels, config, first):
    """Yield a Batch for each step from `first`: `batch_size` labelled images, then those without labels."""
    import torch

    from learning import data

    classes, seed = run["task"]["classes"], run["seed"]
    few = repeated(labelled(labels, classes, config.labelled, seed), config.batch_size, seed, first)
    many = data.whole_plan(np.flatnonzero(np.isin(labels, classes)), unlabelled_part(config), seed, first)
    for chosen, batch in zip(few, many):
        indices = torch.cat([torch.from_numpy(chosen), batch.indices])
        yield batch._replace(indices=indices, positions=torch.arange(len(indices)))


def repeated(indices, size, seed, first):
    """Yield batches (size,) without end from number `first`: random orders of all indices, one after the other."""
    for number in itertools.count(first):
        rounds, places = np.divmod(np.arange(number * size, (number + 1) * size), len(indices))
        orders = {each: _generator(seed, ORDER, each).permutation(indices) for each in set(rounds.tolist())}
        yield np.array([orders[each][place] for each, place in zip(rounds.tolist(), places.tolist())])


def _generator(seed, *purpose):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))
