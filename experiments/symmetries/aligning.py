"""From trained networks of two seeds to predictions along the line between them, once their channels are aligned."""

import functools
from collections.abc import Callable

import torch
from torch import nn

from experiments.symmetries import trained
from experiments.symmetries.choices import MATCHINGS, LineChoices
from experiments.symmetries.lines import line
from experiments.symmetries.matching import activation_matching, alike, apply, unchanged, weight_matching
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, networks, stage
from learning.arguments import Options
from learning.distributed import Processes
from learning.runs import find, store
from learning.runs import run as runs
from learning.runs.run import Folders, Run
from learning.tasks import facts

TOGETHER = 100  # images at a time whose features at all layers are in memory


def store_lines(options: Options, choices: LineChoices) -> int:
    """Store the predictions of the line from each run that is asked for, and return the exit code."""
    with distributed.processes(options.device, alone=True) as here:

        @functools.lru_cache(1)  # one data set at a time in memory
        def imprinter(dataset):
            images = data.load(dataset, facts(dataset).evaluation_split, options.folders.data)
            return store.Imprinter(images, here, workers=options.workers, head=True)

        def work(item):
            return _store(item, choices, options, here, imprinter)

        return stage.each_run(options, here, work, "predicting", "stored", unit="lines")


def aligned(
    network: nn.Module, other: nn.Module, images: torch.Tensor, matching: str = "activations"
) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Return a copy of another network, its channels in the order of those of a network, and the permutations.

        argmax_pi sum_i M(i, pi(i)),  M: products of weights, or correlations of activations, of channels

    for each space; see `matching`.  images (N, channels, size, size): of training, whose activations are matched.
    Raises InputError for another matching, for networks that differ in architecture or width, and unless outputs for
    some of the images stay as they are.
    """
    if matching not in MATCHINGS:
        raise InputError(f"matching is {matching!r}, expected one of {', '.join(MATCHINGS)}")
    if matching == "weights":
        found = weight_matching(network, other)
    elif matching == "activations":
        found = activation_matching(network, other, images.split(TOGETHER))
    else:
        found = unchanged(alike(network, other))
    return apply(other, found, images[:TOGETHER]), found


def _store(
    item: find.Asked,
    choices: LineChoices,
    options: Options,
    here: Processes,
    imprinter_of: Callable[[str], store.Imprinter],
) -> bool:
    """Store the line from one run, and return whether there was something to do."""
    folders, seeds = options.folders, (item.seed, choices.other(item.seed))
    run, other = (_trained(find.Asked(item.name, seed), folders) for seed in seeds)
    trained.check_comparable(run, other, "a line")
    ends = {
        key: {"seed": seed, **find.weights_of(find.Asked(item.name, seed), None, folders)}
        for key, seed in zip(("sender", "receiver"), seeds)
    }
    imprinter = imprinter_of(run.config["dataset"])
    target = folders.file(choices.name(item.name), item.seed)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            store.check_same(target, run, folders.run(item.name, item.seed), imprinter)
            _check_choices(target, choices)
            _check_networks(target, ends)
            return False
        if remove_orphans(target.parent, target.name):
            print(f"{target.parent.name} seed {item.seed}: redoing (found an unfinished write)", flush=True)
        pair = [networks.on(here.device, trained.network(item.name, seed, folders=folders)) for seed in seeds]
        spaces = alike(*pair)  # before images are decoded
        images, _ = trained.images(item.name, choices.training_images, item.seed, folders=folders)
        images = images.to(here.device)
        second, permutations = aligned(*pair, images, choices.matching)
        imprinter.prepare(run)
        store.store(
            target,
            run,
            zip(choices.positions, line(pair[0], second, choices.positions, images, choices.correction)),
            imprinter,
            t_name="alpha",
            choices=choices.as_stored(),
            **ends,
            permuted={name: _moved(permutations[name], stays) for name, stays in unchanged(spaces).items()},
            split=facts(run.config["dataset"]).evaluation_split,
        )
    return True


def _moved(permutation, stays):
    """Return the share of channels that a permutation (channels,) moves."""
    return round(float((permutation != stays).double().mean()), 6)


def _trained(item: find.Asked, folders: Folders) -> Run:
    """Return a run; raise InputError where it is not there, not complete, or holds no single networks."""
    folder = folders.run(item.name, item.seed)
    run = runs.read(folder)
    training = find.training_command(item, run, folders)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {training}")
    if run.stored_by:
        told = find.command(run.stored_by, item.name, "--seed", item.seed, folders=folders)
        raise InputError(f"{folder} holds no single networks; store its predictions with {told}")
    stage.check_trained(folder, run, training)
    return run


def _check_choices(target, choices: LineChoices) -> None:
    """Raise InputError unless a file was stored here, with these choices."""
    there = predictions.open_trajectory(target).attributes.get("choices")
    if not isinstance(there, dict):
        raise InputError(f"{target} was stored by another command; delete it to store that of this one")
    there = {**LineChoices().as_stored(), **there}  # choices that came later are as usual
    differ = [key for key, value in choices.as_stored().items() if there[key] != value]
    if differ:
        raise InputError(f"{target} was stored with other choices ({', '.join(differ)}); delete it to store these")


def _check_networks(target, ends) -> None:
    """Raise InputError unless a file is of the networks that are there now."""
    there = predictions.open_trajectory(target).attributes
    differ = [f"{key}, seed {value['seed']}" for key, value in ends.items() if there.get(key) != value]
    if differ:
        raise InputError(
            f"{target} is of other networks than those that are there now ({'; '.join(differ)}); delete it to store "
            "the line between these"
        )
