"""Stage 2 of symmetries: put stitched networks together, recalibrate their norm layers, and store what they predict.

    python -m experiments.symmetries.02_predicting.store_stitched RUN [RUN ...] [--seed S ...]

turns checkpoints/RUN/seed_<seed>/, of stage 1, into predictions/RUN_head/preds_<seed>.h5: the networks stitched at each
layer (t = layer, from 1), with the matrix that the kind allows, of the epoch that images held out choose.

    --soft                  with the matrix that was trained instead: RUN_soft_head
    --statistics soft | receiver    batch norms with statistics of the soft matrix, or as they are in the receiver, to
                            see what happens: RUN_soft_statistics_head
    --epoch last            instead of the chosen one: RUN_last_head
    --path                  all checkpoints (t = epoch), a file for each layer: RUN_path_at_<layer>_head

Probabilities of heads are 0 at classes that are not of the task.  The same command again skips what is there.
"""

from experiments.symmetries.choices import EPOCHS, STATISTICS, StitchChoices
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--soft", action="store_true", help="with the matrix that was trained")
    parser.add_argument("--statistics", choices=STATISTICS, default=STATISTICS[0], help="default: %(default)s")
    parser.add_argument("--epoch", choices=EPOCHS, default=EPOCHS[0], help="default: %(default)s")
    parser.add_argument("--path", action="store_true", help="all checkpoints of each layer")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    choices = StitchChoices(**own)
    from experiments.symmetries import predicting  # torch takes seconds: after mistakes are answered

    return predicting.store_all(options, choices)


if __name__ == "__main__":
    command(main)
