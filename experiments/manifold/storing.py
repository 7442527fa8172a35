"""Stage 2: the prediction file of a run of the manifold, from its weights."""

import dataclasses
import functools

from experiments.manifold import training
from experiments.manifold.config import ManifoldConfig
from info_geometry.files import InputError, remove_orphans
from learning import data, distributed, stage
from learning.arguments import Options
from learning.runs import find, store
from learning.runs import run as runs
from learning.tasks import facts


def store_all(options: Options) -> int:
    """Store the predictions of all runs that are asked for, and return the exit code."""

    @functools.lru_cache(2)  # training and evaluation images of one data set at a time
    def load(dataset, split):
        return data.load(dataset, split, options.folders.data)

    with distributed.processes(options.device, alone=True) as here:
        return stage.each_run(
            options, here, lambda item: _store(item, options, here, load), "predicting", "stored", unit="runs"
        )


def _store(item, options: Options, here, load) -> bool:
    """Store one file, and return whether there was something to do."""
    folder, target = options.folders.run(item.name, item.seed), options.folders.file(item.name, item.seed)
    run = runs.read(folder)
    if run is None:
        raise InputError(f"{folder} holds no run; train it with {find.training_command(item, run, options.folders)}")
    config = config_of(run)
    split = facts(config.dataset).evaluation_split
    imprinter = training.imprinter(load(config.dataset, "train"), load(config.dataset, split), config, here)
    with here.lock(target.parent / f".{target.stem}.lock", str(target), wait=options.wait):
        if target.exists():
            store.check_same(target, run, folder, imprinter)
            return False
        stage.check_trained(folder, run, find.training_command(item, run, options.folders), (".pth", ".h5"))
        if remove_orphans(target.parent, target.name):
            print(f"{item.name} seed {item.seed}: redoing (found an unfinished write)", flush=True)
        store.store_checkpoints(target, folder, run, imprinter, here, split=split)
    return True


def config_of(run: runs.Run) -> ManifoldConfig:
    """Return the configuration of a run, of any stage; where it says no such thing, the usual images are predicted."""
    known = {field.name for field in dataclasses.fields(ManifoldConfig)} - {"evaluate_every"}
    return ManifoldConfig(**{key: value for key, value in run.config.items() if key in known})
