"""Stage 2 of distances between tasks: store how well networks know their task, at each checkpoint of a run.

    python -m experiments.task_distances.02_predicting.store_known RUN [RUN ...] [--seed S ...]

turns checkpoints/RUN/seed_<seed>/, of train_task, into predictions/RUN_known/preds_<seed>.h5: predictions imprinted by
cosine, scale 10, on some evaluation images as they are (t = epoch), and among its attributes

    known           {what: one number a checkpoint}: `accuracy` and `cross_entropy` (nats) of the own head on evaluation
                    images of the own task under its condition; `training_accuracy` and `training_cross_entropy`; of two
                    tasks learned at once the means of both
    end             the same `accuracy` and `cross_entropy` of the last network, on more images, and `accuracies` of
                    each task
    information     of the last network, body alone, in nats: `norm` and `determinant` of the information in its weights
                    under the prior of initial weights; `conditional_norm` and `conditional_determinant` under one that
                    is centred at the weights that the run started from (asymmetric.py)
    kl_of_layers    instead, of variational networks: {layer: nats}; predictions are those of their mean weights

    --images K      of evaluation that are predicted, of each class as many, and of the own task; default: 2,000
    --last K        evaluation images of the own task at the last checkpoint; default: 10,000
    --fisher K      training images of each task that the Fisher information is of; default: 200

The same command again skips what is there.
"""

from experiments.task_distances.inspection import Inspection
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    for key in ("images", "last", "fisher"):
        default = getattr(Inspection, key)
        parser.add_argument(f"--{key}", type=int, default=default, metavar="K", help="default: %(default)s")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    choices = Inspection(**own)
    from experiments.task_distances import knowing  # torch takes seconds: after mistakes are answered

    return knowing.know_all(options, choices)


if __name__ == "__main__":
    command(main)
