"""For the tests of stitch runs: the two stages, and runs as the first stage makes them."""

import shutil

from experiments.symmetries.config import StitchConfig
from experiments.symmetries.training import Stitching
from info_geometry import predictions
from learning import data, tasks
from learning.distributed import Processes
from learning.runs import weights
from learning.runs.job import Job, describe
from learning.runs.run import Folders

TRAIN_STITCH = "experiments/symmetries/01_training/train_stitch.py"
STORE_STITCHED = "experiments/symmetries/02_predicting/store_stitched.py"
USUAL = {"dataset": "digits", "epochs": 2, "batch_size": 125, "learning_rate": 0.01, "training_images": 600}
USUAL |= {"validation_images": 200, "recalibration_images": 300, "optimiser": "adam"}


def config(**changes):
    """Return a configuration; the optimiser is Adam, but for lasso."""
    usual = {**USUAL, "optimiser": "sgd"} if changes.get("kind") == "lasso" else USUAL
    return StitchConfig(**{**usual, **changes})


def copy_of(parents, folder):
    """Return a copy of the folder of networks, where stitches can be trained."""
    return shutil.copytree(parents, folder, ignore=shutil.ignore_patterns("output_*"))


def folders_of(folder):
    return Folders(checkpoints=folder / "checkpoints", predictions=folder / "predictions")


def job_of(folder, receiver=1, networks="", seed=0, here=None, **changes):
    """Return a Job that stitches networks of digits in a folder, as the stage makes it."""
    method, own, task = Stitching(networks, receiver), config(**changes), tasks.load("digits", "all")
    images, folders = data.load("digits", "train", ""), folders_of(folder)
    run = describe(task, seed, images, own, method.name(task, own))
    return Job(method.describe(run, images, own, folders), own, images, folders, here or Processes())


def trained(folder, **changes):
    """Return the Job of a run that was trained."""
    job = job_of(folder, **changes)
    Stitching("", changes.get("receiver", 1)).train(job)
    return job


def checkpoint(job, number=-1):
    """Return what a checkpoint of a job holds."""
    return weights.load(job.run.path(job.folder, job.run.schedule[number]))


def stored(folder, name, seed=0):
    return predictions.open_trajectory(folder / "predictions" / name / f"preds_{seed}.h5")


def evaluated():
    """Return the images of digits that predictions are of, normalised."""
    return (data.load("digits", "test", "").pixels.float() - 4.88) / 6.02
