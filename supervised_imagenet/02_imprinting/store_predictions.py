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
import sys
from pathlib import Path

from info_geometry.files import InputError, command, remove_orphans
from learning.config import arguments
from learning.tasks import load as load_task


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs")
    from tqdm import tqdm  # torch and its like take seconds to import: only after --help and mistakes are answered

    from learning import data, distributed, store

    split = data.EVALUATION_SPLIT.get(options.config.dataset)
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    with distributed.processes(options.device) as here:
        images = data.load(options.config.dataset, split, options.data)
        store.check_published_labels(images, options.predictions / "labels", options.config.dataset, split)
        tasks = [load_task(options.config.dataset, name, images.class_names) for name in options.task]
        runs = [(task.run, seed) for task in tasks for seed in options.seed][options.part[0] :: options.part[1]]
        imprinter = store.Imprinter(images, here, workers=options.workers)
        with tqdm(total=len(runs), unit=" runs", position=options.part[0], leave=False,
                  disable=None if here.main else True) as bar:
            for name, seed in runs:
                bar.set_description(f"{name} seed {seed}")
                try:
                    outcome = store_or_skip(name, seed, imprinter, split, options, here)
                    counts[outcome] += 1
                    if bar.disable and here.main and outcome == "done":  # where nobody sees the bar
                        print(f"{name} seed {seed}: stored", flush=True)
                except InputError as error:
                    if here.world > 1:  # the other processes would wait for this one
                        raise
                    print(f"error: {error}", file=sys.stderr, flush=True)
                    counts["failed"] += 1
                bar.update()
    if here.main:
        print("imprinting: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


def store_or_skip(name, seed, imprinter, split, options, here):
    """Store the predictions of a run, unless they are there."""
    from learning import checkpoints, store

    folder = options.checkpoints_folder / name / f"seed_{seed}"
    target = options.predictions / name / f"preds_{seed}.h5"
    run = checkpoints.read_run(folder)
    with here.lock(options.predictions / name / f".preds_{seed}.lock", str(target), wait=options.wait):
        if here.any(target.exists()):
            store.check_same(target, run, folder, imprinter.images)
            if here.main:
                store.remove_parts(folder)
            return "skipped (already complete)"
        if run is None:
            raise InputError(f"{folder} holds no run; train it with 01_training/train_imagenet.py --task "
                             f"{name.partition('_')[2]} --seed {seed}")
        absent = checkpoints.missing(folder, run)
        if absent:
            names = ", ".join(checkpoints.path(folder, run, step).name for step in absent[:3])
            raise InputError(f"{folder}: {len(absent)} of {len(run['schedule'])} checkpoints missing ({names}, ...); "
                             f"training did not finish{reached(folder)}: run 01_training again")
        if here.main and remove_orphans(target.parent, target.name) + remove_orphans(folder / "ckpt"):
            print(f"{name} seed {seed}: redoing (found an unfinished write)", flush=True)
        store.store(target, folder, run, imprinter, here, split=split)
    return "done"


def reached(folder):
    """Return how far the log of a run says that it came."""
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return f" (it is at epoch {json.loads(lines[-1])['epoch']:.2f})" if lines and lines[-1].endswith("}") else ""


if __name__ == "__main__":
    command(main)
