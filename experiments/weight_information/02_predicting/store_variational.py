"""Stage 2 of weight information: store what variational networks predict, on average over draws of their weights.

    python -m experiments.weight_information.02_predicting.store_variational RUN [RUN ...] [--seed S ...]

turns checkpoints/RUN/seed_<seed>/ into predictions/RUN_head/preds_<seed>.h5: the mean of the probabilities of --draws
draws of weights at each checkpoint (t = epoch).

    --sweep             of runs that differ in beta alone, whose variants say it, as `learning.sweep` names them, one
                        file of their last networks (t = log beta): RUN_by_beta_head, where RUN is the name without
                        beta.  Its attributes say betas, KL, cross entropies and accuracies on training images, by run
    --images training   predict the images of training, with the labels that are learned: RUN_training_head
    --draws K           other than the run says

Probabilities are 0 at classes that are not of the task.  The same command again skips what is there.
Seven networks of 500 images of Fashion-MNIST take about 4 seconds on one CPU core.
"""

from experiments.weight_information.choices import SETS, Choices
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--sweep", action="store_true", help="one file of several runs, by beta")
    parser.add_argument("--images", choices=SETS, default=SETS[0], help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=0, metavar="K", help="of weights; default: as the run says")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    choices = Choices(**own)
    from experiments.weight_information import predicting  # torch takes seconds: after mistakes are answered

    return predicting.predict_all(options, choices)


if __name__ == "__main__":
    command(main)
