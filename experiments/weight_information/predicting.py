"""Stage 2: what variational networks predict, on average over draws of their weights."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tqdm import tqdm

from experiments.weight_information import knowledge, training
from experiments.weight_information.choices import SETS, Choices, without_beta
from experiments.weight_information.config import VariationalConfig
from experiments.weight_information.trained import Trained, loader, opened
from info_geometry import predictions
from info_geometry.files import InputError, remove_orphans
from learning import distributed, networks, stage
from learning.arguments import Options
from learning.config import with_defaults
from learning.imprinting import evenly
from learning.runs import find, store
from learning.runs import run as runs
from learning.runs.run import SKIPPED, Run
from learning.tasks import facts
from learning.variational import Mixture


def predict_all(options: Options, choices: Choices) -> int:
    """Store the predictions of all runs that are asked for, or of their sweeps, and return the exit code."""
    with distributed.processes(options.device, alone=True) as here:
        load = loader(options)
        asked = find.named(options.runs, options.seeds, options.folders)
        several = _sweeps(asked, options) if choices.sweep else [(item.name, [item]) for item in asked]
        several = options.taken(several)
        with tqdm(total=len(several), unit=" files", leave=False, disable=True if options.report else None) as bar:

            def work(items):
                try:
                    return "done" if _store(items, choices, options, here, load) else SKIPPED
                finally:
                    bar.update()

            items = [(each, (name, each[0].seed)) for name, each in several]
            return stage.each(items, work, here, bar, "predicting", "stored", options.report)


def _sweeps(asked: Sequence[find.Asked], options) -> list[tuple[str, list[find.Asked]]]:
    """Return (name, its runs) of each sweep and seed; a run that is not there is alone."""
    found = {}
    for item in asked:
        run = runs.read(options.folders.run(item.name, item.seed))
        name = without_beta(run.name, run.variant)[0] if run else item.name
        found.setdefault((name, item.seed), []).append(item)
    return [(name, items) for (name, _), items in found.items()]


def _store(items, choices: Choices, options: Options, here, load) -> bool:
    """Store one file, of a run over time or of a sweep, and return whether there was something to do."""
    every = (opened(item, options, load, variational=True) for item in items)
    every = sorted(every, key=lambda trained: trained.config.beta)
    first, run = every[0], every[0].run
    if choices.sweep:
        run = _swept(every)
    draws = choices.draws or first.config.draws
    said = {"draws": draws}
    if choices.sweep:
        said |= {"runs": [trained.run.name for trained in every], "betas": [trained.config.beta for trained in every]}
    target = options.folders.file(choices.name(run.name), run.seed)
    imprinter = imprinter_of(first, choices, here, options, load)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            store.check_same(target, run, first.folder, imprinter)
            there = predictions.open_trajectory(target).attributes
            differ = [key for key, value in said.items() if there.get(key) != value]
            if differ:
                raise InputError(f"{target} was stored with other {', '.join(differ)}; delete it to store these")
            return False
        if remove_orphans(target.parent, target.name):
            print(f"{target.parent.name} seed {run.seed}: redoing (found an unfinished write)", flush=True)
        imprinter.prepare(run)
        part = facts(run.config["dataset"]).evaluation_split if choices.images == SETS[0] else choices.images
        if choices.sweep:
            told = [_told(trained, draws, here, options) for trained in every]
            said |= {key: [each[key] for each in told] for key in told[0]}
            models, said["t_name"] = _by_beta(every, draws, here), "log_beta"
        else:
            models = _over_time(first, draws, here)
        store.store(target, run, models, imprinter, split=part, **said)
    return True


def _swept(every: list[Trained]) -> Run:
    """Return the Run that stands for those of a sweep; raise InputError unless they differ in beta alone."""
    first = every[0].run
    betas = [trained.config.beta for trained in every]
    name, variant = without_beta(first.name, first.variant)
    if len(set(betas)) < len(betas) or len(betas) < 2:
        raise InputError(f"{name}: its runs have beta {', '.join(f'{x:g}' for x in betas)}; expected several different")
    known = with_defaults(first.config, VariationalConfig)
    for trained in every[1:]:
        other = with_defaults(trained.run.config, VariationalConfig)
        keys = sorted(known.keys() | other.keys())
        differ = [key for key in keys if key != "beta" and known.get(key) != other.get(key)]
        differ += ["start"] if first.start != trained.run.start else []
        if differ:
            raise InputError(f"{first.name} and {trained.run.name} differ in {', '.join(differ)}; expected beta alone")
    config = {key: value for key, value in first.config.items() if key != "beta"}
    return dataclasses.replace(first, name=name, variant=variant, config=config)


def imprinter_of(trained: Trained, choices: Choices, here, options, load) -> store.Imprinter:
    """Return the Imprinter of the images that are chosen; those of training have the labels that were learned."""
    run, config, source = trained.run, trained.config, trained.images
    if choices.images == SETS[0]:
        source = load(config.dataset, facts(config.dataset).evaluation_split, config.nuisance)
        count = config.evaluation_images or len(source.labels)
        chosen = evenly(source.labels, count)
        images = source if len(chosen) == len(source.labels) else source.part(chosen)
    else:
        chosen = np.sort(trained.own.training)
        outputs = trained.outputs.numpy()
        images = source.part(chosen)
        images.labels = np.array(run.task.classes)[outputs[chosen]]
    return store.Imprinter(images, here, workers=options.workers, head=True)


def _mixture(trained: Trained, step: int, draws: int, here) -> Mixture:
    """Return the mean prediction of draws of weights at a step."""
    model, network = (networks.on(here.device, x) for x in (trained.model(step), trained.network()))
    return knowledge.mixture(model, network, draws, trained.run.seed)


def _over_time(trained: Trained, draws: int, here) -> Iterator[tuple[float, Mixture]]:
    run = trained.run
    return ((run.time(step), _mixture(trained, step, draws, here)) for step in run.schedule)


def _by_beta(every: list[Trained], draws: int, here) -> Iterator[tuple[float, Mixture]]:
    last = ((trained, trained.run.schedule[-1]) for trained in every)
    return ((math.log(trained.config.beta), _mixture(trained, step, draws, here)) for trained, step in last)


def _told(trained: Trained, draws: int, here, options) -> dict[str, float]:
    """Return what the last network of a run knows of its images, as `knowledge.told`."""
    run, config, own = trained.run, trained.config, trained.own
    model, network = (networks.on(here.device, x) for x in (trained.model(run.schedule[-1]), trained.network()))
    images = training.learned_images(trained.images, own, config, here, options.workers)
    outputs = trained.outputs[torch.from_numpy(np.sort(own.training))]
    return knowledge.told(model, network, images, outputs, draws, run.seed)
