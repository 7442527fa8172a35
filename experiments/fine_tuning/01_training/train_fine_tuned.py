"""Stage 1 of fine-tuning: go on with a task B from a checkpoint of a network that was trained on a task A.

    python -m experiments.fine_tuning.01_training.train_fine_tuned CONFIG --start A --task B [B ...] --seed S [S ...]
        [--checkpoint N] [--key value ...]

starts from checkpoint N (0 is the initial weights; by default the last one) of the run <dataset>_<A> of the same seed,
made by supervised_imagenet/01_training, with a new head for the classes of B.  Output of a run:
checkpoints/<dataset>_<B>_from_<A>[_at_<N>]/seed_<seed>/, as that of any other.  Its first checkpoint is the network it
starts from, so that the trajectory is the path from A's model on.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
A run of digits takes 2 seconds on one CPU core.
"""

from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--start", metavar="A", help="the task whose network is gone on with")
    parser.add_argument("--checkpoint", type=int, metavar="N", help="of its run, from 0; default: the last one")


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, add=add_arguments, required=("start",))
    from experiments.fine_tuning.continuation import Continuation  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(Continuation(**options.own), options)


if __name__ == "__main__":
    command(main)
