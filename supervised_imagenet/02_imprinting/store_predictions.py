"""Stage 2: imprint the checkpoints of trained networks and store their predictions.

    python -m supervised_imagenet.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]

turns checkpoints/<dataset>_<task>/seed_<seed>/ into predictions/<dataset>_<task>/preds_<seed>.h5: the probabilities
over all classes of the data set, for all its evaluation samples in their fixed order, of every checkpoint of the
schedule.  One forward pass a checkpoint gives features, prototypes and probabilities.

The network is the one that run.json in the folder of the run describes; of CONFIG only the data set and the evaluation
batch size matter here.  The same command again skips what is complete.  A run of digits takes 1 second and one of
fashion 15 on one CPU core.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np

from info_geometry import predictions
from info_geometry.files import InputError, command, lock, remove_orphans
from info_geometry.runs import read_labels
from learning.config import arguments
from learning.tasks import load as load_task


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs")
    from tqdm import tqdm  # torch and its like take seconds to import: only after --help and mistakes are answered

    from learning import data, distributed

    split = data.EVALUATION_SPLIT.get(options.config.dataset)
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    with distributed.processes(options.device) as here:
        images = data.load(options.config.dataset, split, options.data)
        check_published_labels(images, options, split)
        tasks = [load_task(options.config.dataset, name, images.class_names) for name in options.task]
        runs = [(task.run, seed) for task in tasks for seed in options.seed]
        # under torchrun each process takes its part of this part
        runs = runs[options.part[0] :: options.part[1]][here.rank :: here.world]
        with tqdm(total=len(runs), unit=" runs", position=options.part[0], leave=False, disable=None) as bar:
            for name, seed in runs:
                bar.set_description(f"{name} seed {seed}")
                try:
                    outcome = store_or_skip(name, seed, images, split, options, here.device)
                    counts[outcome] += 1
                    if bar.disable and outcome == "done":  # where nobody sees the bar
                        print(f"{name} seed {seed}: stored", flush=True)
                except InputError as error:
                    print(f"error: {error}", file=sys.stderr, flush=True)
                    counts["failed"] += 1
                bar.update()
    print("imprinting: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


def store_or_skip(name, seed, images, split, options, device):
    """Store the predictions of a run, unless they are there."""
    from learning import checkpoints

    folder = options.checkpoints_folder / name / f"seed_{seed}"
    target = options.predictions / name / f"preds_{seed}.h5"
    run = checkpoints.read_run(folder)
    with lock(options.predictions / name / f".preds_{seed}.lock", str(target), wait=options.wait):
        if target.exists():
            check_same(target, run, folder, images)
            return "skipped (already complete)"
        if run is None:
            raise InputError(f"{folder} holds no run; train it with 01_training/train_imagenet.py --task "
                             f"{name.partition('_')[2]} --seed {seed}")
        absent = checkpoints.missing(folder, run)
        if absent:
            names = ", ".join(checkpoints.name(step, run["steps_per_epoch"]) for step in absent[:3])
            raise InputError(f"{folder}: {len(absent)} of {len(run['schedule'])} checkpoints missing ({names}, ...); "
                             f"training did not finish{reached(folder)}: run 01_training again")
        if run.get("class_names") != images.class_names:
            raise InputError(f"{folder} was trained on other class folders than those in {images.root}; training and "
                             "evaluation need the same ones")
        if remove_orphans(target.parent, target.name):
            print(f"{name} seed {seed}: redoing (found an unfinished write)", flush=True)
        check_space(target, len(run["schedule"]) * len(images.labels) * images.classes * 2)
        predictions.write(target, imprinted(folder, run, images, options, device), labels=images.labels,
                          t=[step / run["steps_per_epoch"] for step in run["schedule"]], t_name="epoch",
                          split=split, **attributes(run))
    return "done"


def reached(folder):
    """Return how far the log of a run says that it came."""
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return f" (it is at epoch {json.loads(lines[-1])['epoch']:.2f})" if lines and lines[-1].endswith("}") else ""


def imprinted(folder, run, images, options, device):
    """Yield the imprinted probabilities (N, C) of each checkpoint of a run."""
    import torch

    from learning import checkpoints, data, imprint, networks

    config, outputs = options.config, len(run["task"]["classes"])
    network = networks.build(run["config"]["network"], images.channels, images.size, outputs, run["seed"]).to(device)
    labels = torch.from_numpy(images.labels).to(device)
    for step in run["schedule"]:
        checkpoints.load_weights(folder / "ckpt" / checkpoints.name(step, run["steps_per_epoch"]), network)
        batches = images.batches(data.evaluation_plan(len(labels), config.evaluation_batch_size), device=device,
                                 resolution=run["config"]["evaluation_resolution"], workers=options.workers)
        yield imprint.imprint(network.body, batches, labels, images.classes).cpu().numpy()


def attributes(run):
    """Return what the prediction file says of the run it was made from."""
    return {"dataset": run["config"]["dataset"], "task": run["task"]["name"], "classes": run["task"]["classes"],
            "seed": run["seed"], "config": run["config"]}


def check_published_labels(images, options, split):
    """Raise InputError if published labels are there and the data here are not in their order."""
    path = options.predictions / "labels" / f"{options.config.dataset}_{split}_labels.npy"
    labels = read_labels(path)
    if labels is None:
        return
    if labels.shape != images.labels.shape or (labels != images.labels).any():
        raise InputError(f"{path}: {labels.size} labels of {len(np.unique(labels))} classes, but {options.data} holds "
                         f"{len(images.labels)} samples of {images.classes} classes, or in another order; predictions "
                         "could not be compared with the published ones: complete the data or remove the label file")


def check_same(target, run, folder, images):
    """Raise InputError if predictions that are there come from other settings or other samples than asked for."""
    there = predictions.open_trajectory(target).attributes
    if run and any(there.get(key) != value for key, value in attributes(run).items()):
        raise InputError(f"{target} was made from a run with other settings than {folder}; delete it to store the "
                         "predictions of that run")
    if there.get("labels_sha256") != predictions.fingerprint(images.labels):
        raise InputError(f"{target} holds predictions of other samples than the data here; delete it to redo it")


def check_space(target, needed):
    """Raise InputError if the disk has less room than the predictions may need."""
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise InputError(f"cannot write {target}: needs up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB free")


if __name__ == "__main__":
    command(main)
