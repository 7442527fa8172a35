"""Stage 1 of weight information: train a network whose weights are random, at a price for what they know.

    python -m experiments.weight_information.01_training.train_variational CONFIG --task T [T ...] --seed S [S ...]
        [--start RUN] [--beta X] [--key X ...]

minimises the cross entropy summed over training images plus beta times KL(q || p), in nats, of weights and biases.
CONFIG is one of configs/, such as fashion_variational, or a YAML file of yours.  Output of a run:
checkpoints/<dataset>_<T>_variational[_<variant>]/seed_<seed>/, as that of any other; its checkpoints hold mean weights,
variances and priors, and its log says cross entropies and KL.  Stage 2 stores what draws of weights predict.

    --start RUN     begins with the last (mean) weights of this run of the same seed, of the same images and labels:
                    a variational one of a small beta, or an ordinary one; the run is called ..._variational_warm

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals; one process trains a run.
A run of 500 images of Fashion-MNIST takes about 10 seconds on one CPU core.
"""

from experiments.weight_information.config import VariationalConfig
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--start", metavar="RUN", help="the run whose mean weights are begun with")


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, VariationalConfig, add_arguments)
    from experiments.weight_information.training import Variation  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(Variation(**options.own), options, alone=True)


if __name__ == "__main__":
    command(main)
