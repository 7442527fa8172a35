"""Fine-tuning: a task B is learned from where a network stands that has learned a task A.

Body and norm layers are those of a checkpoint of A; the head, which stands for the classes of B, is new.
"""

import functools
import hashlib

from info_geometry.files import ROOT, InputError
from learning.config import advised
from learning.tasks import load

SUPERVISED = ROOT / "supervised_imagenet" / "01_training" / "configs"


def add_arguments(parser):
    parser.add_argument("--start", required=True, metavar="A", help="the task whose network is gone on with")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="of its run, from 0; default: the last one")


def words(options):
    """Return the arguments that say where runs start from."""
    return ["--start", options.start, *([] if options.checkpoint is None else ["--checkpoint", options.checkpoint])]


def run_name(task, images, options):
    """Return the name of the run that learns a Task from where the options say."""
    at = "" if options.checkpoint is None else f"_at_{options.checkpoint}"
    return f"{task.run}_from_{load(options.config.dataset, options.start, images.class_names).name}{at}"


def describe(options, task, seed, images, config):
    """Return what determines a run: that of task B, and the weights it starts from.

    Raises InputError where these are not there, unless the run is there and says what they were.
    """
    from learning.runs import checkpoints

    name = run_name(task, images, options)
    try:
        start = _start(options, seed, load(config.dataset, options.start, images.class_names))
    except InputError:
        there = checkpoints.read_run(options.checkpoints_folder / name / f"seed_{seed}")
        if there is None or "start" not in there:
            raise
        start = there["start"]
    return {**checkpoints.describe(task, seed, images, config), "name": name, "start": start}


def _start(options, seed, first):
    """Return what run.json says of the weights from which the options start: those of a run of the Task `first`."""
    from learning.runs import checkpoints

    folder = options.checkpoints_folder / first.run / f"seed_{seed}"
    there = checkpoints.read_run(folder)
    config = next(
        path.stem for path in sorted(SUPERVISED.glob("*.yaml")) if path.stem.partition("_")[0] == first.dataset
    )
    advice = "train it with " + advised(
        "supervised_imagenet.01_training.train_imagenet", options, config, "--task", options.start, "--seed", seed
    )
    if there is None:
        raise InputError(f"{folder} holds no run to start from; {advice}")
    steps, number = there["schedule"], options.checkpoint
    if number is not None and not 0 <= number < len(steps):
        raise InputError(f"--checkpoint {number}: {folder} has the checkpoints 0 to {len(steps) - 1}")
    path = checkpoints.path(folder, there, steps[-1 if number is None else number])
    if not path.exists():
        raise InputError(
            f"{path}: no such checkpoint; training did not finish, or kept predictions alone "
            f"(--imprint-as-you-go); {advice}"
        )
    return {"run": first.run, "checkpoint": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def train(folder, run, images, options, here, bar, stop):
    """Train a run, as `supervise.train` does, from the weights it starts from."""
    from learning import supervise

    start = run["start"]
    path = options.checkpoints_folder / start["run"] / f"seed_{run['seed']}" / "ckpt" / start["checkpoint"]
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint, from which {run['name']} starts; train {start['run']} again")
    supervise.train(folder, run, images, options, here, bar, stop, functools.partial(start_from, path))


def start_from(path, network):
    """Put the weights of the body in a checkpoint into a network, whose head is left as it is."""
    from learning.runs import checkpoints

    weights = checkpoints.unwrapped(checkpoints.load(path), path)
    body = {key.removeprefix("body."): value for key, value in weights.items() if key.startswith("body.")}
    checkpoints.fit_weights(body, network.body, path)
