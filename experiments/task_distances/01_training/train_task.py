"""Stage 1 of distances between tasks: train networks on tasks, from initial weights or from those of another task.

    python -m experiments.task_distances.01_training.train_task CONFIG --task T [T ...] --seed S [S ...]
        [--condition C] [--start RUN] [--also T:C] [--key X ...]

CONFIG is one of configs/, such as fashion_tasks, or a YAML file of yours.  Output of a run:
checkpoints/<dataset>_<T>_<C>[_and_<T>_<C>][_from_<task>][_<variant>]/seed_<seed>/, as that of any other.

    --condition     plain, blur7 (any factor), flip, permuted_labels or random_labels, from first to last
    --start         a run of the same network and seed, such as fashion_all_blur7: its body is gone on with
    --also          another task that is learned at once, with outputs of its own, such as all:flip

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
"""

from experiments.task_distances.config import TaskConfig
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--start", metavar="RUN", help="whose last body is gone on with")
    parser.add_argument("--also", metavar="T:C", help="another task that is learned at once")


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, TaskConfig, add=add_arguments)
    from experiments.task_distances.training import Learning  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(Learning(**options.own), options)


if __name__ == "__main__":
    command(main)
