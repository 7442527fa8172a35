"""Fine-tuning: a task B is learned from where a network stands that has learned a task A.

Body and norm layers are those of a checkpoint of A; the head, which stands for the classes of B, is new.
"""
import functools
import hashlib

from info_geometry.files import InputError
from learning.tasks import load


def add_arguments(parser):
    parser.add_argument("--start", required=True, metavar="A", help="the task whose network is gone on with")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="of its run, from 0; default: the last one")


def run_name(task, options):
    """Return the name of the run that learns a Task from where the options say."""
    at = "" if options.checkpoint is None else f"_at_{options.checkpoint}"
    return f"{task.run}_from_{load(options.config.dataset, options.start).name}{at}"


def describe(options, task, seed, images, config):
    """Return what determines a run: that of task B, and the weights it starts from.

    Raises InputError where these are not there.
    """
    from learning import checkpoints

    first = load(config.dataset, options.start, images.class_names)
    folder = options.checkpoints_folder / first.run / f"seed_{seed}"
    there = checkpoints.read_run(folder)
    advice = f"supervised_imagenet/01_training/train_imagenet.py {config.dataset} --task {first.name} --seed {seed}"
    if there is None:
        raise InputError(f"{folder} holds no run to start from; train it with {advice}")
    steps, number = there["schedule"], options.checkpoint
    if number is not None and not 0 <= number < len(steps):
        raise InputError(f"--checkpoint {number}: {folder} has the checkpoints 0 to {len(steps) - 1}")
    path = checkpoints.path(folder, there, steps[-1 if number is None else number])
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint; training did not finish, or kept predictions alone "
                         f"(--imprint-as-you-go). Train it with {advice}")
    start = {"run": first.run, "checkpoint": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {**checkpoints.describe(task, seed, images, config), "name": run_name(task, options), "start": start}


def train(folder, run, images, options, here, bar, stop):
    """Train a run, as `supervise.train` does, from the weights it starts from."""
    from learning import supervise

    start = run["start"]
    path = options.checkpoints_folder / start["run"] / f"seed_{run['seed']}" / "ckpt" / start["checkpoint"]
    supervise.train(folder, run, images, options, here, bar, stop, functools.partial(begin, path))


def begin(path, network):
    """Put the weights of the body in a checkpoint into a network, whose head is left as it is."""
    from learning import checkpoints

    weights = checkpoints.load(path)
    body = {key.removeprefix("body."): value for key, value in weights.items() if key.startswith("body.")}
    checkpoints.fit_weights(body, network.body, path)
